"""Looks as records: of a running exposure, and out of the maps of one that is over."""

from dataclasses import replace

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.records import Bins, Exposure, Measurement, Origin
from ainerd_agent.scattering import Ages, ArrayFrames, cropped_look, fingerprint, live_look
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.fingerprint import TwoTimeOptions
from ainerd_agent.scattering.geometry.partition import Partition

LABELS = np.repeat([1, 2], 8)[:, None] * np.ones(12, dtype=int)
BINS = Bins(q=np.full(2, 0.02), azimuth=np.zeros(2), n_pixels=np.full(2, 96))
PARTITION = Partition(LABELS, LABELS, BINS)
FRAME_TIME = 0.25
T = 640
KNOWN = TwoTimeOptions(size=64, normalisation=Normalisation(static=np.full(LABELS.shape, 4.0)), ages=Ages(n_ages=4))


@pytest.fixture(scope="module")
def movie():
    """Speckle that relaxes in 40 frames, four counts in the mean."""
    rng = np.random.default_rng(3)
    field = rng.standard_normal((2, *LABELS.shape))
    frames = np.empty((T, *LABELS.shape), dtype=np.uint16)
    for number in range(T):
        field = np.exp(-1 / 40) * field + np.sqrt(1 - np.exp(-2 / 40)) * rng.standard_normal(field.shape)
        frames[number] = rng.poisson(2 * (field**2).sum(axis=0))
    return frames


@pytest.fixture(scope="module")
def measurement(movie):
    origin = Origin(raw_uid="run", seq_num=1, start=0.0, stop=1.0)
    return Measurement(origin=origin, frames=ArrayFrames(movie), frame_time=FRAME_TIME, problems=("by hand",))


@pytest.fixture(scope="module")
def stored(measurement):
    return fingerprint(measurement, PARTITION, KNOWN)


def looked(measurement, movie, n, options=KNOWN):
    stream = options.stream(PARTITION, T, None)
    stream.add(movie[:n])
    return live_look(stream.look(), measurement, BINS, 2)


@pytest.mark.parametrize("n", [64, 250, 448, T])
def test_a_live_look_and_a_crop_are_one_kind_of_record(measurement, movie, stored, n):
    """Where <I> is known beforehand they hold the same, but for what later frames take part in."""
    live, crop = looked(measurement, movie, n), cropped_look(stored, n, 2)
    assert (live.source, crop.source) == ("live", "crop")
    for name in ("number", "frames", "planned_frames", "plan_rows", "n_complete", "seconds", "planned_seconds"):
        assert getattr(live, name) == pytest.approx(getattr(crop, name)), name
    assert live.events == crop.events
    assert live.seconds == n * FRAME_TIME
    assert live.c2.shape == crop.c2.shape
    done = live.n_complete
    np.testing.assert_array_equal(live.c2[:, :done, :done], crop.c2[:, :done, :done])
    n_lags = len(live.age_lag.lags)
    np.testing.assert_allclose(live.age_lag.lags, crop.age_lag.lags[:n_lags])
    np.testing.assert_array_equal(live.complete, crop.complete[:, :n_lags])
    assert not crop.complete[:, n_lags:].any()
    expected = live.age_lag.values[:, live.complete]
    np.testing.assert_allclose(crop.age_lag.values[:, :, :n_lags][:, live.complete], expected, rtol=1e-5)
    assert np.isnan(crop.age_lag.values[:, ~crop.complete]).all()
    assert np.isnan(crop.age_lag.errors[:, ~crop.complete]).all()
    assert (live.intensity is None, crop.intensity is None) == (False, True)
    if live.complete[:, 0].any():
        np.testing.assert_allclose(live.contrast, crop.contrast, rtol=0.15)
    else:  # no section of age is complete, and the first row beside the diagonal is ten frames away
        assert (live.contrast > crop.contrast).all()
        assert n < 160


def test_g2_of_a_crop_is_that_of_its_map(stored):
    crop = cropped_look(stored, 320, 1)
    np.testing.assert_allclose(crop.lags, np.arange(1, 32) * T * FRAME_TIME / 64)
    np.testing.assert_allclose(crop.g2[0, 0], 1 + np.diagonal(stored.c2[0, :32, :32], 1).mean(), rtol=1e-6)
    assert crop.g2.shape == crop.g2_error.shape == (2, 31)


def test_g2_of_a_live_look_has_the_lags_of_frames_and_those_of_the_map_without_ages(measurement, movie):
    live = looked(measurement, movie, 320)
    np.testing.assert_allclose(live.lags[:15], np.arange(1, 16) * FRAME_TIME)
    assert (live.g2_error > 0).all()
    without = looked(measurement, movie, 320, replace(KNOWN, ages=None))
    assert without.age_lag is None
    assert without.complete is None
    np.testing.assert_allclose(without.lags, np.arange(1, 32) * T * FRAME_TIME / 64)
    # The same map, at lags where both are known
    np.testing.assert_array_equal(without.c2, live.c2)


def test_what_was_left_out_is_said_with_a_look(measurement, movie):
    frames = movie.copy()
    frames[:, 3, 4] = 65535
    options = TwoTimeOptions(size=64, normalisation=Normalisation(bad_pixels="detect", bad_frames=range(100, 200)))
    live = looked(measurement, frames, 320, options)
    assert live.bins.n_pixels.tolist() == [95, 96]
    said = "; ".join(live.problems)
    assert "by hand" in said
    assert "of the times are interpolated" in said
    assert "1 pixel left out: 1 full" in said


def test_maps_that_cannot_be_cut_are_refused(stored):
    unknown = replace(stored, origin=replace(stored.origin, exposure=Exposure()))
    with pytest.raises(MapError, match="does not say how many frames"):
        cropped_look(unknown, 100, 1)
    with pytest.raises(MapError, match="cannot be cut after 641"):
        cropped_look(stored, T + 1, 1)
    with pytest.raises(MapError, match="less than two rows"):
        cropped_look(stored, 5, 1)


def test_a_stored_age_lag_map_that_is_not_of_frames_is_not_cut(stored):
    odd = replace(stored, age_lag=replace(stored.age_lag, lags=stored.age_lag.lags * 1.1))
    assert cropped_look(odd, 320, 1).age_lag is None
    assert cropped_look(replace(stored, age_lag=None), 320, 1).complete is None
