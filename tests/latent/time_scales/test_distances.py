"""Distances at one scale."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.latent.time_scales.distances import apart_at_scale


@given(st.integers(1, 5), st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 1000))
def test_the_side_with_fewer_crops_asks(n_asked: int, counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    asked = rng.normal(size=(n_asked, 3)).astype(np.float32)
    parts = [rng.normal(size=(n, 3)).astype(np.float32) for n in counts]
    distance, nearest = apart_at_scale(asked, np.concatenate(parts), np.repeat(np.arange(len(counts)), counts))
    first = 0
    for part, found, at in zip(parts, distance, nearest, strict=True):
        apart = np.linalg.norm(asked[:, None].astype(float) - part[None], axis=-1)
        np.testing.assert_allclose(found, (apart.min(1) if len(part) >= n_asked else apart.min(0)).mean())
        assert at == first + apart.min(0).argmin()
        first += len(part)


def test_a_part_of_a_map_is_near_to_the_whole_of_it() -> None:
    long = np.eye(8, dtype=np.float32)
    distance, nearest = apart_at_scale(long[3:5], long, np.zeros(8, np.int64))
    assert distance[0] == 0
    assert nearest[0] in (3, 4)
    assert apart_at_scale(long, long[3:5], np.zeros(2, np.int64))[0][0] == 0
