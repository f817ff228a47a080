"""Simulated speckle has the statistics it is asked for: C2 = contrast * |g1|^2, within its own error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.instrument.camera import SpeckleCamera
from ainerd_agent.scattering import Geometry, azimuthal_bins, resize_matrix, two_time
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.simulation import dynamics as kinds
from ainerd_agent.scattering.simulation.speckle import covariance_root, mode_weights, speckle_intensity

DYNAMICS = {
    "exponential": kinds.equilibrium(0.2),
    "stretched": kinds.equilibrium(0.1, 0.6),
    "compressed": kinds.equilibrium(0.3, 1.7),
    "ageing": kinds.ageing_glass(0.02, age=0.5),
    "avalanches": kinds.intermittent(1.5, (0.3, 0.8)),
    "flow": kinds.flowing(1.0, 12.0, flow_azimuth=90.0),
    "heterodyne": kinds.heterodyne(2.0, 2 * np.pi * 4, 0.4, flow_azimuth=90.0),
}


@given(st.floats(0.02, 1.0))
def test_weights_of_modes_make_the_contrast(contrast):
    weights = mode_weights(contrast)
    assert weights.sum() == pytest.approx(1)
    assert np.sum(weights**2) == pytest.approx(contrast)
    assert weights.min() >= -1e-9
    assert len(weights) == np.ceil(1 / contrast - 1e-9)


@pytest.mark.parametrize("contrast", [0.0, -0.1, 1.2])
def test_impossible_contrast_is_refused(contrast):
    with pytest.raises(ValueError, match="outside"):
        mode_weights(contrast)


@pytest.mark.parametrize("kind", DYNAMICS)
def test_c2_is_contrast_times_g1_squared_within_its_error(kind):
    """Over many independent groups of pixels, the mean deviation is a few standard errors at most, everywhere."""
    contrast, groups, pixels, size, azimuth = 1 / 3, 60, 250, 32, 75.0
    times = (np.arange(96) + 0.5) / 96
    g1 = DYNAMICS[kind].g1(times, azimuth)
    rng = np.random.default_rng(11)
    intensity = speckle_intensity(covariance_root(g1), groups * pixels, contrast, rng)
    counts = rng.poisson(3 * intensity)
    labels = np.repeat(np.arange(groups) + 1, pixels)[None]
    # <I> from all groups: from one group alone it would follow that group's speckle.
    maps = two_time(counts[:, None, :], labels, size=size, static=np.ones_like(labels)).astype(np.float64)

    truth = contrast * np.abs(g1) ** 2
    beside = np.diagonal(truth, 1)
    np.fill_diagonal(truth, np.concatenate([beside[:1], (beside[:-1] + beside[1:]) / 2, beside[-1:]]))
    weights = resize_matrix(len(times), size)
    deviation = maps.mean(axis=0) - weights @ truth @ weights.T
    error = maps.std(axis=0, ddof=1) / np.sqrt(groups)
    pulls = deviation / error
    assert np.abs(pulls).max() < 5.5
    assert np.mean(np.abs(pulls) < 2) > 0.85
    # And the error is small enough for this to mean something.
    assert error.max() < 0.05 * contrast


def test_counts_are_poisson_around_the_intensity():
    times = np.arange(64) / 64
    rng = np.random.default_rng(5)
    intensity = speckle_intensity(covariance_root(kinds.equilibrium(0.1).g1(times)), 20_000, 0.25, rng)
    counts = rng.poisson(2 * intensity)
    assert counts.mean() == pytest.approx(2, rel=0.01)
    # Variance of the counts: Poisson noise and speckle.
    assert counts.var() == pytest.approx(2 + 0.25 * 4, rel=0.03)


def test_the_ring_lies_where_the_geometry_says():
    geometry = Geometry(centre=(79.5, 79.5), distance=8.0)
    camera = SpeckleCamera(shape=(160, 160), geometry=geometry)
    movie = camera.movie(kinds.equilibrium(0.02), np.arange(200) / 200, np.random.default_rng(0))
    assert movie.dtype == np.uint16
    image = movie.mean(axis=0)
    q = geometry.q((160, 160))
    assert image[np.abs(q - 0.024) < 5e-4].mean() == pytest.approx(camera.peak_counts, rel=0.03)
    assert image[(q < 0.012) | (q > 0.036)].mean() == pytest.approx(camera.background_counts, rel=0.1)


def test_a_movie_of_flow_is_anisotropic_as_analysed():
    geometry = Geometry(centre=(79.5, 79.5), distance=8.0)
    camera = SpeckleCamera(shape=(160, 160), geometry=geometry, contrast=0.5)
    movie = camera.movie(DYNAMICS["flow"], np.arange(128) / 128, np.random.default_rng(3))
    partition = azimuthal_bins(geometry, (160, 160))
    maps = two_time(movie, partition.labels, size=64, static=partition.rings)
    later = age_average(maps)[:, 8:12].mean(axis=1)
    along = np.isin(partition.bins.azimuth, [90, 270])
    across = np.isin(partition.bins.azimuth, [10, 170, 190, 350])
    assert later[along].max() < 0.1
    assert later[across].min() > 0.25


def test_saturated_pixels_stop_at_the_ceiling():
    geometry = Geometry(centre=(31.5, 31.5), distance=3.0)
    camera = SpeckleCamera(shape=(64, 64), geometry=geometry, peak_counts=50.0, saturation=40)
    assert camera.movie(kinds.equilibrium(1.0), np.arange(20) / 20, np.random.default_rng(0)).max() == 40
