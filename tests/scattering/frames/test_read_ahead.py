"""Reading ahead: in order, bounded, and never into memory that somebody still looks at."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.read_ahead import Buffers, ReadAhead


def test_ranges_come_in_the_order_they_were_asked_for():
    later_is_read = threading.Event()

    def read(first: int, last: int) -> int:
        if first == 0:
            assert later_is_read.wait(5)  # the second range is read while the first one is not
        else:
            later_is_read.set()
        return last

    with ReadAhead(read, threads=2) as ahead:
        for first in (0, 10, 20):
            assert not ahead.full
            ahead.ask(first, first + 10)
        assert ahead.full
        assert [ahead.take() for _ in range(3)] == [(0, 10, 10), (10, 20, 20), (20, 30, 30)]
        assert not ahead


def test_an_error_comes_where_its_range_does():
    def read(first: int, last: int) -> int:
        if first == 10:
            raise FrameError("frame 10 is damaged")
        return last

    with ReadAhead(read, threads=2) as ahead:
        for first in (0, 10, 20):
            ahead.ask(first, first + 10)
        assert ahead.take() == (0, 10, 10)
        with pytest.raises(FrameError, match="frame 10 is damaged"):
            ahead.take()


def test_closing_waits_for_what_is_being_read():
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def read(first: int, last: int) -> None:
        begun.set()
        assert go_on.wait(5)
        ended.set()

    ahead = ReadAhead(read, threads=1)
    ahead.ask(0, 1)
    ahead.ask(1, 2)
    assert begun.wait(5)
    threading.Timer(0.01, go_on.set).start()
    ahead.close()
    assert ended.is_set()


def test_a_buffer_is_used_again_only_when_no_view_of_it_is_left():
    buffers = Buffers((4, 3), np.dtype(np.uint16))
    first = buffers.take()
    address = first.ctypes.data
    view = first[1:][:2].T
    del first
    assert buffers.take().ctypes.data != address
    del view
    assert address in {each.ctypes.data for each in (buffers.take(), buffers.take())}
