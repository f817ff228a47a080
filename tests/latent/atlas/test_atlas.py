import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent import Atlas
from ainerd_agent.latent.atlas.atlas import friedel_pairs

EIGHTEEN = np.arange(10.0, 360, 20)


def test_friedel_partners_lie_opposite():
    pairs = friedel_pairs(EIGHTEEN)
    assert len(pairs) == 9
    np.testing.assert_allclose(EIGHTEEN[pairs[:, 1]] - EIGHTEEN[pairs[:, 0]], 180)
    assert len(friedel_pairs(np.array([np.nan, np.nan]))) == 0
    two_rings = friedel_pairs(np.tile(EIGHTEEN, 2), np.repeat([0.02, 0.03], 18))
    assert len(two_rings) == 2 * len(pairs)
    assert (two_rings // 18 == two_rings[:, :1] // 18).all()
    assert len(friedel_pairs(np.arange(0.0, 360, 120))) == 0


@settings(deadline=None)
@given(n_bins=st.integers(1, 18), n_measurements=st.integers(2, 8), seed=st.integers(0, 2**32 - 1))
def test_novelty_is_the_distance_to_the_nearest_of_all_earlier_latents(n_bins, n_measurements, seed):
    rng = np.random.default_rng(seed)
    measurements = rng.normal(size=(n_measurements, n_bins, 5)).astype(np.float32)
    atlas = Atlas(repeatability=2.0)
    unknown = np.full(n_bins, np.nan)
    assert np.isnan(atlas.add(measurements[0], unknown)).all()
    for number in range(1, n_measurements):
        earlier = measurements[:number].reshape(-1, 5)
        expected = [np.linalg.norm(earlier - latent, axis=1).min() / 2.0 for latent in measurements[number]]
        np.testing.assert_allclose(atlas.add(measurements[number], unknown), expected, rtol=1e-4)
    assert len(atlas) == n_bins * n_measurements


def test_repeats_have_a_novelty_of_about_one():
    """Whatever the noise is, the Friedel partners measure it."""
    rng = np.random.default_rng(0)
    atlas = Atlas(repeatability=1e9)
    for _ in range(30):
        novelty = atlas.add((0.3 * rng.normal(size=(18, 64))).astype(np.float32), EIGHTEEN)
    assert novelty.mean() == pytest.approx(1, abs=0.3)
    far = atlas.add((100 + 0.3 * rng.normal(size=(18, 64))).astype(np.float32), EIGHTEEN)
    assert far.min() > 50


def stored() -> Atlas:
    rng = np.random.default_rng(0)
    atlas = Atlas(repeatability=2.0)
    for sample in "ab":
        atlas.add(
            rng.normal(size=(18, 64)).astype(np.float32), EIGHTEEN, columns={"sample": [sample] * 18, "bin": range(18)}
        )
    return atlas


def test_neighbours_are_filtered_by_what_is_known_of_them():
    atlas = stored()
    assert atlas.nearest_to(3, 35).index.min() == 0
    assert 3 not in atlas.nearest_to(3, 35).index
    found = atlas.nearest(np.zeros(64), 18, where={"sample": "b"})
    assert sorted(found.index[0]) == list(range(18, 36))
    assert (np.diff(found.distance) >= 0).all()
    assert atlas.nearest(np.zeros(64), 1, where={"sample": "b", "bin": 4}).index[0] == 22


def test_neighbours_are_chosen_by_a_mask_or_by_numbers():
    atlas = stored()
    mask = np.zeros(36, dtype=bool)
    mask[[3, 8, 30]] = True
    expected = atlas.nearest(np.zeros(64), 3, among=mask).index
    assert sorted(expected[0]) == [3, 8, 30]
    np.testing.assert_array_equal(atlas.nearest(np.zeros(64), 3, among=[30, 3, 8]).index, expected)
    assert atlas.nearest(np.zeros(64), 1, among=mask, where={"sample": "b"}).index == 30
    assert sorted(atlas.nearest_to(3, 2, among=mask).index[0]) == [8, 30]
    assert mask[3]
    for wrong in (mask[:-1], [36], [-1], [0.5], []):
        with pytest.raises(MapError, match=r"chosen by 36|ask for 1 to 0"):
            atlas.nearest(np.zeros(64), 1, among=wrong)


def test_what_is_refused_leaves_no_trace():
    atlas = stored()
    before = atlas.repeatability
    for latents, columns in ((np.full((18, 64), np.nan), ["sample", "bin"]), (np.zeros((18, 64)), ["sample"])):
        with pytest.raises(MapError):
            atlas.add(latents.astype(np.float32), EIGHTEEN, columns={name: range(18) for name in columns})
    assert (len(atlas), atlas.repeatability) == (36, before)


def test_a_saved_atlas_comes_back_and_grows(tmp_path):
    atlas = stored()
    atlas.save(tmp_path / "atlas.npz")
    again = Atlas.load(tmp_path / "atlas.npz")
    assert again.repeatability == atlas.repeatability
    np.testing.assert_array_equal(again.table["sample"], atlas.table["sample"])
    np.testing.assert_array_equal(again.nearest(np.ones(64)).index, atlas.nearest(np.ones(64)).index)
    again.append(np.ones((1, 64)), {"sample": ["c"], "bin": [0]})
    assert again.nearest(np.ones(64), 1).index[0, 0] == 36


def test_what_an_atlas_cannot_do_is_told(tmp_path):
    with pytest.raises(MapError, match="atlas is empty"):
        Atlas(1.0).nearest(np.zeros(64))
    atlas = stored()
    with pytest.raises(MapError, match="ask for 1 to 36"):
        atlas.nearest(np.zeros(64), 37)
    with pytest.raises(MapError, match="no column colour; it has bin, sample"):
        atlas.nearest(np.zeros(64), where={"colour": "red"})
    with pytest.raises(MapError, match="holds no latent 36"):
        atlas.nearest_to(36)
    with pytest.raises(MapError, match="columns"):
        atlas.append(np.zeros((1, 64)))
    (tmp_path / "text").write_text("no atlas")
    np.savez(tmp_path / "pickle.npz", latents=np.array([None], dtype=object), assumed=1.0)
    np.savez(tmp_path / "nan.npz", latents=np.full((1, 64), np.nan), assumed=1.0, partner_distances=[])
    wrong = {"none": "there is no atlas", "text": "readable", "pickle.npz": "readable", "nan.npz": "NaN"}
    for name, why in wrong.items():
        with pytest.raises(ModelError, match=why):
            Atlas.load(tmp_path / name)


def test_a_long_session_stores_only_what_is_new():
    rng = np.random.default_rng(5)
    kinds = rng.normal(0, 20, (3, 64))
    azimuth = np.arange(18) * 20.0
    atlas, whole = Atlas(1.0, enough=180), Atlas(1.0)
    for k in range(60):
        latents = (kinds[k % 3] + rng.normal(0, 0.1, (18, 64))).astype(np.float32)
        some, all_of_them = atlas.add(latents, azimuth), whole.add(latents, azimuth)
        if k >= 3:
            np.testing.assert_allclose(some, all_of_them, atol=0.5)
    assert len(whole) == 60 * 18
    assert len(atlas) <= 180 + 18 * 20  # repeats at the edge of their kind are stored now and then
    before = len(atlas)
    other = (rng.normal(0, 20, 64) + rng.normal(0, 0.1, (18, 64))).astype(np.float32)
    assert (atlas.add(other, azimuth) > 10).all()
    assert len(atlas) == before + 18
