"""Stored C2 maps over age and lag: against the frames' own correlation, and maps that tell their age and lag."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.scattering.correlation.age_lag import age_lag_of_maps
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.simulation.dynamics import ageing_glass, equilibrium
from ainerd_agent.scattering.simulation.speckle import covariance_root, speckle_intensity

N_BINS, PIXELS, CONTRAST = 24, 256, 0.3
LABELS = np.repeat(np.arange(1, N_BINS + 1)[:, None], PIXELS, axis=1)


def correlated(dynamics, n_frames=512, counts=1.0, size=64, seed=0):
    """C2 maps of bins that see the same dynamics, and the correlation of the frames over age and lag."""
    rng = np.random.default_rng(seed)
    root = covariance_root(dynamics.g1(np.arange(n_frames, dtype=float)))
    intensity = speckle_intensity(root, N_BINS * PIXELS, CONTRAST, rng)
    frames = rng.poisson(counts * intensity).astype(np.uint16).reshape(n_frames, N_BINS, PIXELS)
    stream = TwoTimeStream(LABELS, n_frames, size=size, ages=Ages())
    stream.add(frames)
    found = stream.result()
    return found.c2, found.age_lag


def map_of_its_own(size):
    """A map that tells its age (in pixels, from the beginning) and its lag: age + 1000 lag."""
    t1, t2 = np.indices((size, size))
    return (t1 + t2 + 1) / 2 + 1000.0 * np.abs(t2 - t1)


def test_values_are_means_over_the_pixels_whose_middle_lies_in_the_section():
    size, n_ages = 128, 16
    found = age_lag_of_maps(map_of_its_own(size), float(size), n_frames=size, n_ages=n_ages)
    t1, t2 = np.indices((size, size))
    for number, lag in enumerate(found.lags[:15].astype(int)):
        for age in range(n_ages):
            middle = (t1 + t2 + 1) / 2
            inside = (t2 - t1 == lag) & (np.floor(middle) // (size / n_ages) == age)
            expected = map_of_its_own(size)[inside].mean() if inside.any() else np.nan
            assert found.values[0, age, number] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_lags_between_and_beyond_pixels_are_told_by_their_mean():
    size = 256
    found = age_lag_of_maps(1000.0 * np.abs(np.subtract.outer(np.arange(size), np.arange(size))), 5.0, n_frames=3000)
    known = np.isfinite(found.values[0])
    of_lag = np.broadcast_to(found.lags / 5.0 * size, known.shape)
    np.testing.assert_allclose(found.values[0][known] / 1000, of_lag[known], rtol=0.01)


@pytest.mark.parametrize("n_frames", [300, 1000, 4096])
def test_axes_are_those_of_the_frames(n_frames):
    frames = np.random.default_rng(0).poisson(1.0, size=(n_frames, 1, 16))
    stream = TwoTimeStream(np.ones((1, 16), dtype=int), n_frames, size=64, ages=Ages())
    stream.add(frames)
    result = stream.result()
    found = age_lag_of_maps(result.c2, n_frames * 0.1, n_frames=n_frames)
    common = min(len(found.lags), len(result.age_lag.lags))
    assert common >= len(result.age_lag.lags) - 4
    np.testing.assert_allclose(found.lags[:common], 0.1 * result.age_lag.lags[:common])
    np.testing.assert_allclose(found.ages, 0.1 * result.age_lag.ages)
    # Two pixels of the map, or a little less, are the shortest lag that it resolves.
    shortest = found.lags[np.isfinite(found.values).any(axis=(0, 1))][0]
    assert 1.3 < shortest / (n_frames * 0.1 / 64) < 2.3


@pytest.mark.parametrize("dynamics", [equilibrium(60.0), ageing_glass(30.0, age=150.0)])
def test_a_stored_map_agrees_with_its_frames(dynamics):
    c2, frames = correlated(dynamics)
    found = age_lag_of_maps(c2, 512.0, n_frames=512)
    common = min(len(found.lags), len(frames.lags))
    # At lags of four pixels, so that the curvature over the smoothing of the map does not matter.
    wide = found.lags[:common] >= 4 * 512 / 64
    apart = (found.values[..., :common] - frames.values[..., :common])[..., wide]
    known = np.isfinite(apart)
    assert known.mean() > 0.5
    # The same photons: they differ by less than either knows itself.
    scale = np.broadcast_to(frames.errors[..., :common][..., wide], apart.shape)
    assert np.abs(apart[known]).mean() < 0.6 * scale[known].mean()
    # Means over bins, whose noise is small, tell a shift; at its ends a section has other pairs in the two.
    mean = apart[:, 2:-2].mean(axis=0)
    assert np.nanmax(np.abs(mean)) < 0.02
    assert abs(np.nanmean(mean)) < 0.002


@pytest.mark.parametrize(("tau", "counts"), [(5.0, 0.05), (5.0, 1.0), (25.0, 0.05), (25.0, 1.0)])
def test_errors_cover_the_scatter_between_bins(tau, counts):
    maps = correlated(equilibrium(tau), counts=counts, size=128, seed=3)[0]
    found = age_lag_of_maps(maps, 512.0, n_frames=512)
    away = (found.values - found.values.mean(axis=0)) / found.errors
    known = np.isfinite(away)
    assert known.sum() > 0.9 * np.isfinite(found.values).sum()
    assert 0.88 < (np.abs(away[known]) < 2).mean() < 0.995


def test_errors_of_ageing_dynamics_hold_at_each_age():
    maps = correlated(ageing_glass(8.0, age=200.0), size=128, seed=4)[0]
    found = age_lag_of_maps(maps, 512.0, n_frames=512)
    away = (found.values - found.values.mean(axis=0)) / found.errors
    for ages in (slice(0, 5), slice(5, 11), slice(11, 16)):
        known = away[:, ages][np.isfinite(away[:, ages])]
        assert 0.85 < (np.abs(known) < 2).mean() < 0.995


def test_errors_are_unknown_where_nothing_moves():
    maps = correlated(equilibrium(1e6), seed=5)[0]
    found = age_lag_of_maps(maps, 512.0, n_frames=512)
    assert np.isfinite(found.values).any()
    assert not np.isfinite(found.errors).any()


def test_without_the_number_of_frames_lags_count_pixels():
    found = age_lag_of_maps(map_of_its_own(64), 32.0)
    np.testing.assert_allclose(found.lags[:15], 0.5 * np.arange(1, 16))
    # What is one pixel apart may be mixed with lag 0.
    assert np.isnan(found.values[..., 0]).all()
    assert np.isfinite(found.values[..., 1]).any()
    assert np.isfinite(age_lag_of_maps(map_of_its_own(64), 32.0, n_frames=64).values[..., 0]).any()


def test_a_part_of_a_movie_has_the_ages_of_the_whole():
    found = age_lag_of_maps(map_of_its_own(64), 32.0, n_frames=64, n_ages=4, start=100.0)
    np.testing.assert_allclose(found.ages, [104, 112, 120, 128])


def test_what_is_missing_is_left_out():
    c2 = np.ones((64, 64))
    c2[20] = c2[:, 20] = np.nan
    found = age_lag_of_maps(c2, 64.0, n_frames=64)
    known = np.isfinite(found.values)
    assert known[0, :, 0].all()
    np.testing.assert_allclose(found.values[known], 1.0)
    c2[::2] = c2[:, ::2] = np.nan  # what is left has even lags only
    assert np.isfinite(age_lag_of_maps(c2, 64.0, n_frames=64).values[0, :, 1]).all()
    c2[:] = np.nan
    assert np.isnan(age_lag_of_maps(c2, 64.0, n_frames=64).values).all()


@pytest.mark.parametrize("size", [2, 3, 10])
def test_small_maps(size):
    found = age_lag_of_maps(np.ones((size, size)), 1.0, n_frames=size)
    assert found.values.shape[:2] == (1, 16)
    assert np.isnan(found.errors).all()


def test_what_is_no_map_is_refused():
    with pytest.raises(MapError, match="shape"):
        age_lag_of_maps(np.ones((3, 4)), 1.0)
    for duration in (np.nan, 0.0):
        with pytest.raises(MapError, match="duration"):
            age_lag_of_maps(np.ones((3, 3)), duration)
    with pytest.raises(MapError, match="two frames"):
        age_lag_of_maps(np.ones((3, 3)), 1.0, n_frames=1)
