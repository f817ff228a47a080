import numpy as np
import pytest

from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.records import Exposure, Measurement, Origin
from ainerd_agent.scattering import ArrayFrames, Geometry, azimuthal_bins, fingerprint
from ainerd_agent.scattering.correlation.age_lag import age_average, relaxation_time
from ainerd_agent.scattering.fingerprint import TwoTimeOptions, _how_it_ended
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
