"""Bad pixels come back from their array as they went in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.bad_pixels import MOST, bad_pixels_array, bad_pixels_of
from ainerd_agent.records import BadPixels
from ainerd_agent.records.bad_pixels import KINDS
from tests.catalog.codec.records import same

WIDTH = 5000
PIXELS = st.tuples(
    st.integers(0, WIDTH**2 - 1), st.integers(1, 4000), st.sampled_from(KINDS), st.booleans()
)  # address, bin, kind, in part


def bad(pixels: list[tuple[int, int, str, bool]]) -> BadPixels:
    addresses, bins, kinds, in_part = zip(*pixels, strict=True)
    return BadPixels.of(addresses, WIDTH, bins=bins, kinds=kinds, in_part=in_part)


@given(st.lists(PIXELS, min_size=1, max_size=30))
def test_they_come_back(pixels: list[tuple[int, int, str, bool]]) -> None:
    array = bad_pixels_array(bad(pixels))
    assert array is not None
    assert array.dtype == np.float32
    assert same(bad_pixels_of(array), bad(pixels))


def test_none_is_no_array() -> None:
    assert bad_pixels_array(BadPixels.none()) is None


def test_the_first_are_kept_where_there_are_too_many() -> None:
    many = bad([(7 * k, 1, "hot", False) for k in range(MOST + 5)])
    array = bad_pixels_array(many)
    assert array is not None
    assert (7 * np.arange(MOST)).tolist() == (WIDTH * bad_pixels_of(array).rows + bad_pixels_of(array).columns).tolist()
