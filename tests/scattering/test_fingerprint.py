from dataclasses import replace

import numpy as np
import pytest

from ainerd_agent.errors import FrameTimeoutError
from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.records import Bins, Exposure, Measurement, Origin
from ainerd_agent.scattering import Ages, ArrayFrames, Geometry, azimuthal_bins, fingerprint
from ainerd_agent.scattering.correlation.age_lag import age_average, relaxation_time
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.fingerprint import LIVE, TwoTimeOptions, _how_it_ended
from ainerd_agent.scattering.fits import ages as fits
from ainerd_agent.scattering.geometry.partition import Partition
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from ainerd_agent.settings import CorrelationSettings

GEOMETRY = Geometry(centre=(79.5, 79.5), distance=8.0)


def test_a_simulated_movie_gives_back_its_dynamics():
    camera = SpeckleCamera(shape=(160, 160), geometry=GEOMETRY, contrast=0.5, peak_counts=6.0)
    dynamics = equilibrium(0.15)
    frames = camera.movie(dynamics, np.arange(300) / 300, np.random.default_rng(0))
    measurement = Measurement(
        origin=Origin(raw_uid="run", seq_num=1, start=0.0, stop=1.0), frames=ArrayFrames(frames), frame_time=1 / 300
    )
    found = fingerprint(measurement, azimuthal_bins(GEOMETRY, (160, 160)))
    assert found.c2.shape == (18, 256, 256)
    assert found.duration == pytest.approx(1)
    assert found.contrast.mean() == pytest.approx(0.5 * np.exp(-2 / 300 / 0.15), rel=0.03)
    # |g1|^2 = exp(-2 t / tau) has fallen to 1/e at tau / 2.
    assert np.median(found.tau) == pytest.approx(0.075, rel=0.1)
    assert found.g2[:, 128:200].mean() == pytest.approx(1, abs=0.01)
    assert found.relaxations is not None
    # An eighth of the exposure is 0.125 s: at 0.15 s values hold, and it is said of some that errors do not.
    assert np.nanmedian(found.relaxations.tau) == pytest.approx(0.15, rel=0.1)
    assert np.nanmedian(found.relaxations.exponent) == pytest.approx(1, rel=0.1)
    assert found.age_lag is not None
    assert found.age_lag.values.shape == found.age_lag.errors.shape == (18, 16, len(found.age_lag.lags))
    np.testing.assert_allclose(found.age_lag.ages, (np.arange(16) + 0.5) / 16)
    assert found.ageing is not None
    # Equilibrium: no rate but by chance, and one relaxation time is enough in nearly all bins.
    assert np.median(np.abs(found.ageing.rate / found.ageing.rate_error)) < 1.5
    assert np.median(found.ageing.one_tau) > 0.05
    inside = np.abs(camera.geometry.q((160, 160)) - 0.024) < 0.005
    assert found.mean_counts.mean() == pytest.approx(frames[:, inside].mean(), rel=0.02)


def test_age_average_takes_means_along_the_diagonals():
    maps = np.random.default_rng(1).normal(size=(2, 9, 9)).astype(np.float32)
    expected = [[np.diagonal(each, lag).mean() for lag in range(9)] for each in maps]
    np.testing.assert_allclose(age_average(maps), expected, rtol=1e-5, atol=1e-6)


def test_relaxation_time_is_that_of_an_exponential_and_unknown_where_nothing_relaxes():
    lags = np.linspace(0, 10, 400)
    curves = np.stack([np.exp(-lags / 2), np.ones_like(lags), np.zeros_like(lags)]).astype(np.float32)
    tau = relaxation_time(curves, lags)
    assert tau[0] == pytest.approx(2, rel=1e-3)
    assert np.isnan(tau[1:]).all()


@pytest.mark.parametrize(("planned", "n_missing", "ended"), [(None, 0, ""), (0.32, 0, "planned"), (0.32, 5, "stopped")])
def test_why_an_exposure_ended_is_noted(planned, n_missing, ended):
    assert _how_it_ended(Exposure(planned=planned), n_missing) == ended


@pytest.mark.parametrize("detect", [True, False])
def test_a_pixel_that_lies_is_left_out_and_told_or_its_result_is_called_impossible(detect):
    """A gap value of 16 bits in a wider type; it once gave a contrast of hundreds and no word."""
    shape = (160, 160)
    partition = azimuthal_bins(GEOMETRY, shape)
    frames = np.random.default_rng(0).poisson(2.0, (200, *shape)).astype(np.uint32)
    row, column = np.argwhere(partition.labels == 3)[10]
    frames[:, row, column] = np.where(np.arange(200) % 5, 0, 65535)
    measurement = Measurement(
        origin=Origin(raw_uid="run", seq_num=1, start=0.0, stop=1.0), frames=ArrayFrames(frames), frame_time=1 / 200
    )
    options = TwoTimeOptions.from_settings(CorrelationSettings(detect_bad_pixels=detect))
    found = fingerprint(measurement, partition, options)
    assert found.bad_pixels is not None
    if detect:
        assert "1 pixel left out: 1 flickering" in found.quality.problems[2]
        assert (found.bad_pixels.rows.tolist(), found.bad_pixels.columns.tolist()) == ([row], [column])
        assert found.bins.n_pixels.sum() == partition.bins.n_pixels.sum() - 1
        assert np.abs(found.contrast).max() < 0.05
    else:
        assert len(found.bad_pixels) == 0
        assert "does not decay from the diagonal" in found.quality.problems[2]


LABELS = np.repeat([1, 2], 8)[:, None] * np.ones(12, dtype=int)
HALVES = Partition(LABELS, LABELS, Bins(q=np.full(2, 0.02), azimuth=np.zeros(2), n_pixels=np.full(2, 96)))


def speckle(n_frames, seed=3, frame_time=0.25):
    """Slow speckle, photon by photon."""
    rng = np.random.default_rng(seed)
    field = np.cumsum(rng.standard_normal((2, n_frames, *LABELS.shape)) / 5, axis=1) + rng.standard_normal(
        (2, 1, *LABELS.shape)
    )
    frames = rng.poisson((field**2).sum(axis=0)).astype(np.uint16)
    return Measurement(
        origin=Origin(raw_uid="run", seq_num=1, start=0.0, stop=1.0), frames=ArrayFrames(frames), frame_time=frame_time
    ), frames


def test_age_lag_map_is_the_mean_of_products_of_frames():
    """Against plain means in double precision, at lags where no frames are added up."""
    measurement, frames = speckle(90)
    found = fingerprint(measurement, HALVES, TwoTimeOptions(normalisation=Normalisation(), ages=Ages(n_ages=1)))
    assert found.age_lag is not None
    np.testing.assert_array_equal(found.age_lag.lags[:15], np.arange(1, 16) * 0.25)
    np.testing.assert_allclose(found.age_lag.ages, [90 * 0.25 / 2])
    for label in (1, 2):
        counts = frames[:, label == LABELS].astype(np.float64)
        d = counts / counts.mean() - 1
        expected = [(d[:-lag] * d[lag:]).mean() for lag in range(1, 16)]
        np.testing.assert_allclose(found.age_lag.values[label - 1, 0, :15], expected, rtol=2e-4)


def test_ages_of_the_settings_and_none_of_them():
    measurement, _ = speckle(90)
    found = fingerprint(measurement, HALVES, TwoTimeOptions.from_settings(CorrelationSettings(ages=5)))
    assert found.age_lag is not None
    assert len(found.age_lag.ages) == 5
    off = fingerprint(measurement, HALVES, TwoTimeOptions.from_settings(CorrelationSettings(ages=0)))
    assert off.age_lag is None
    assert off.ageing is None
    np.testing.assert_allclose(off.c2, found.c2, rtol=1e-3, atol=1e-5)
    assert LIVE.ages == Ages(n_ages=CorrelationSettings().ages)


class BreaksOff:
    """A movie of which the last frames never come."""

    def __init__(self, frames, received):
        self.shape = frames.shape
        self._frames, self._received = frames, received

    def blocks(self, needed=None):
        for start in range(0, self._received, 20):
            yield self._frames[start : min(start + 20, self._received)]
        raise FrameTimeoutError("no more frames", self._received, len(self._frames))


def test_the_age_lag_map_of_a_movie_that_breaks_off_is_that_of_the_frames_that_came():
    measurement, frames = speckle(90)
    found = fingerprint(replace(measurement, frames=BreaksOff(frames, 50)), HALVES)
    alone = fingerprint(replace(measurement, frames=ArrayFrames(frames[:50])), HALVES)
    assert found.age_lag is not None
    assert alone.age_lag is not None
    np.testing.assert_array_equal(found.age_lag.values, alone.age_lag.values)
    np.testing.assert_array_equal(found.age_lag.ages, alone.age_lag.ages)


def test_a_fit_that_breaks_down_costs_nothing_else(monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(fits, "fit_ages", broken)
    found = fingerprint(speckle(90)[0], HALVES)
    assert found.ageing is None
    assert found.age_lag is not None
    assert "could not be fitted at each age" in caplog.text
