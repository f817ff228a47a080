"""Rows of frames in Tiled, read as frames that are counted on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.scattering.frames.tiled_frames import CountedOn, TiledFrames


@given(st.integers(1, 7), st.integers(1, 9), st.data())
def test_frames_are_those_of_the_rows_one_after_the_other(per_row, n_rows, data):
    rows = np.arange(n_rows * per_row * 6, dtype=np.uint16).reshape(n_rows, per_row, 2, 3)
    first = data.draw(st.integers(0, n_rows * per_row - 1))
    last = data.draw(st.integers(first + 1, n_rows * per_row))
    source = TiledFrames(CountedOn(rows), first, last)
    assert source.shape == (last - first, 2, 3)
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), rows.reshape(-1, 2, 3)[first:last])
