import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError, MapError
from ainerd_agent.scattering import resize_matrix, two_time
from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.correlation.exact_g2 import exact_g2
from ainerd_agent.scattering.correlation.full_resolution import whole_two_time
from ainerd_agent.scattering.correlation.g2 import G2, g2_of_maps, smoothing_of, subdivide
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.window_counts import Selection

LABELS = np.repeat([0, 1, 1, 2, 2, 2], 10).reshape(6, 10)
RINGS = np.tile(np.repeat([1, 2], 5), (6, 1))


def movie(n_frames=50, seed=0):
    return np.random.default_rng(seed).poisson(3.0, size=(n_frames, *LABELS.shape)).astype(np.uint16)


@given(n_groups=st.integers(1, 20), seed=st.integers(0, 20))
def test_groups_divide_each_bin_evenly(n_groups, seed):
    labels = np.random.default_rng(seed).integers(0, 4, size=(40, 30))
    groups = subdivide(labels, n_groups)
    np.testing.assert_array_equal(groups > 0, labels > 0)
    np.testing.assert_array_equal((groups[groups > 0] - 1) // n_groups + 1, labels[labels > 0])
    sizes = np.bincount(groups.ravel(), minlength=3 * n_groups + 1)[1:].reshape(3, n_groups)
    assert (np.ptp(sizes, axis=1) <= np.maximum(1, sizes.max(axis=1) // 8)).all()


def test_groups_are_patches_from_all_over_the_bin():
    groups = subdivide(np.ones((64, 64), dtype=int), 16)
    rows, columns = np.indices(groups.shape)
    for group in range(1, 17):
        assert abs(rows[groups == group].mean() - 31.5) < 8
        assert abs(columns[groups == group].mean() - 31.5) < 8
    # A speckle of two pixels lies in one group as a rule.
    assert (groups[:, 1:] == groups[:, :-1]).mean() > 0.7
    with pytest.raises(BinError, match="fewer than 50"):
        subdivide(LABELS, 50)


def test_g2_of_maps_is_the_mean_over_age():
    maps = two_time(movie(), LABELS, size=32)
    found = g2_of_maps(maps, 0.1)
    np.testing.assert_allclose(found.g2, 1 + age_average(maps)[:, 1:], rtol=1e-5)
    np.testing.assert_allclose(found.lags, 0.1 * np.arange(1, 32))
    np.testing.assert_array_equal(found.n_pairs, np.arange(31, 0, -1))
    assert np.isnan(found.error[:, -7:]).all()  # fewer ages than parts
    assert (found.error[:, :-7] > 0).all()


def test_g2_of_maps_leaves_missing_frames_out():
    maps = np.ones((1, 6, 6))
    maps[0, 2] = maps[0, :, 2] = np.nan
    found = g2_of_maps(maps)
    np.testing.assert_array_equal(found.g2, 2)
    np.testing.assert_array_equal(found.n_pairs, [3, 2, 2, 2, 1])


def test_maps_of_groups_give_the_g2_of_the_bins_and_errors():
    frames = movie(80)
    whole = g2_of_maps(two_time(frames, LABELS, static=RINGS, size=16), 5.0)
    groups = two_time(frames, subdivide(LABELS, 5), static=RINGS, size=16)
    found = g2_of_maps(groups, 5.0, n_groups=5, smoothing=2.0)
    np.testing.assert_allclose(found.g2, whole.g2, atol=1e-6)
    assert found.groups.shape == (2, 5, 15)
    np.testing.assert_allclose(found.error, found.groups.std(axis=1, ddof=1) / np.sqrt(5), rtol=1e-6)
    np.testing.assert_allclose(found.width, 2 * np.sqrt(2))


def test_smoothing_is_the_width_of_the_rows_of_the_resize_matrix():
    row = resize_matrix(1000, 100, None).toarray()[50]
    mean = row @ np.arange(1000)
    expected = np.sqrt(row @ (np.arange(1000) - mean) ** 2)
    assert smoothing_of(1000, 100, 0.5) == pytest.approx(0.5 * expected, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(
    bad=st.sets(st.integers(0, 49), max_size=8),
    rings=st.booleans(),
    start=st.integers(0, 20),
    seed=st.integers(0, 20),
    room=st.integers(10_000, 200_000),
)
def test_exact_g2_is_the_mean_of_c2_over_age(bad, rings, start, seed, room):
    frames = movie(seed=seed)
    options = {
        "selection": Selection(window=(start, 50)),
        "normalisation": Normalisation(static=RINGS if rings else None, bad_frames=bad),
    }
    whole = list(whole_two_time(frames, LABELS, precision="double", **options))
    expected = g2_of_maps(np.stack([each.c2 for each in whole]))
    found = exact_g2(frames, LABELS, n_groups=4, frame_time=2.0, max_bytes=room, **options)
    np.testing.assert_allclose(found.g2, expected.g2, atol=1e-10)
    np.testing.assert_array_equal(found.n_pairs, expected.n_pairs)
    np.testing.assert_allclose(found.lags, 2.0 * expected.lags)
    np.testing.assert_allclose(np.average(found.groups, axis=1, weights=[5] * 4), found.g2, atol=0.5)
    assert found.groups.shape == (2, 4, 49 - start)


def test_few_points_are_left_of_many_lags():
    lags = np.arange(1, 1001.0)
    rng = np.random.default_rng(0)
    groups = 1 + np.exp(-lags / 100) + 0.01 * rng.normal(size=(2, 8, 1000))
    g2 = G2.of_groups(lags, groups, n_pairs=1001 - lags)
    found = g2.coarse(8)
    assert len(found.lags) < 90
    np.testing.assert_array_equal(found.lags[:8], lags[:8])
    steps = np.diff(found.lags[20:-1]) / found.lags[20:-2]
    assert (steps > 0.06).all()
    assert (steps < 0.12).all()
    np.testing.assert_allclose(found.g2, np.tile(1 + np.exp(-found.lags / 100), (2, 1)), atol=0.02)
    assert found.n_pairs.sum() == g2.n_pairs.sum()
    assert (found.width[:5] == 0).all()
    assert found.width[-3] == pytest.approx(found.lags[-3] * np.log(2) / 8 / np.sqrt(12), rel=0.2)
    missing = g2.groups.copy()
    missing[0, :, 3] = missing[:, :, 4] = np.nan
    found = G2.of_groups(lags, missing, n_pairs=1001 - lags).coarse()
    assert 5.0 not in found.lags
    np.testing.assert_array_equal(found.lags[np.isnan(found.g2[0])], 4.0)
    assert np.isfinite(found.g2[1]).all()


def test_what_is_no_map_is_refused():
    with pytest.raises(MapError, match="shape"):
        g2_of_maps(np.ones((2, 3, 4)))
    with pytest.raises(MapError, match="groups"):
        g2_of_maps(np.ones((3, 4, 4)), n_groups=2)
