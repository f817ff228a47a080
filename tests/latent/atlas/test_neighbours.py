import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import MapError
from ainerd_agent.latent.atlas.neighbours import AXES, NeighbourIndex


@settings(deadline=None)
@given(
    n=st.integers(1, 3000),
    length=st.sampled_from([1, 5, 16, 64]),
    k=st.integers(1, 25),
    dimension=st.integers(1, 64),
    offset=st.sampled_from([0.0, 3.0, 1000.0]),
    share=st.sampled_from([None, 0.05, 0.6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_neighbours_are_those_of_brute_force_in_float64(n, length, k, dimension, offset, share, seed):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(min(dimension, length), length))
    latents = (rng.normal(size=(n, len(mixing))) @ mixing + offset).astype(np.float32)
    latents[rng.integers(n, size=n // 4)] = latents[0]  # repeated points: ties
    query = latents[rng.integers(n)] + np.float32(rng.choice([0, 0.1, 10])) * rng.normal(size=length).astype(np.float32)
    index = NeighbourIndex(latents[: n // 2 + 1])
    index.append(latents[n // 2 + 1 :])
    among = None if share is None else rng.random(n) < share
    allowed = np.arange(n) if among is None else np.flatnonzero(among)
    if len(allowed) < k:
        with pytest.raises(MapError, match="ask for 1 to"):
            index.nearest(query[None], k, among=among)
        return
    apart = latents[allowed].astype(np.float64) - query.astype(np.float64)
    expected = np.einsum("ij,ij->i", apart, apart)
    order = np.lexsort((allowed, expected))[:k]
    found, distance = index.nearest(query[None], k, among=among)
    np.testing.assert_array_equal(found[0], allowed[order])
    np.testing.assert_allclose(distance[0], np.sqrt(expected[order]), rtol=1e-12)


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(MapError, match="no latents"):
        NeighbourIndex(np.empty((0, 64)))
    index = NeighbourIndex(np.zeros((3, 64)))
    with pytest.raises(MapError, match="ask for 1 to 3"):
        index.nearest(np.zeros((1, 64)), 4)
    with pytest.raises(MapError, match="NaN"):
        index.nearest(np.full((1, 64), np.nan), 1)
    with pytest.raises(MapError, match=r"\(n, 64\)"):
        index.append(np.zeros((1, 63)))


def test_as_many_axes_are_kept_as_the_latents_need():
    rng = np.random.default_rng(0)
    flat = (rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 64))).astype(np.float32)
    spread = rng.normal(size=(5000, 64)).astype(np.float32)
    index = NeighbourIndex(flat)
    assert index.n_axes == AXES[0]
    index.append(1000 * spread)
    assert index.n_axes == NeighbourIndex(spread).n_axes == 64
    assert index.nearest(flat[7][None], 1)[0] == 7
    assert index.nearest(1000 * spread[7][None], 1)[0] == 5007
