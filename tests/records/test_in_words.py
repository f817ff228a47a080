from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.records.in_words import NOTHING, local_time, number, place, with_uncertainty


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "seconds", "shown"),
    [
        ("UTC", 0.4, "1970-01-01 00:00:00+00:00"),
        ("Europe/Berlin", 1_700_000_000, "2023-11-14 23:13:20+01:00"),
        # An hour before the clocks are put back, and at the same time on the clock an hour later.
        ("Europe/Berlin", 1_698_539_400, "2023-10-29 02:30:00+02:00"),
        ("Europe/Berlin", 1_698_543_000, "2023-10-29 02:30:00+01:00"),
        # Another day there.
        ("Asia/Kolkata", 1_700_000_000, "2023-11-15 03:43:20+05:30"),
    ],
)
def test_times_are_local_and_say_so(zone: Callable[[str], None], name: str, seconds: float, shown: str) -> None:
    zone(name)
    assert local_time(seconds) == shown


@given(st.integers(0, 4_000_000_000))
def test_a_time_that_was_shown_can_be_given_back(seconds: int) -> None:
    assert datetime.fromisoformat(local_time(seconds)).timestamp() == seconds


@given(st.floats(), st.floats())
def test_nothing_reads_nan(value: float, error: float) -> None:
    for text in (number(value), with_uncertainty(value, error), local_time(value if abs(value) < 1e10 else math.nan)):
        assert "nan" not in text


def test_what_is_not_known() -> None:
    assert with_uncertainty(math.nan, math.nan) == with_uncertainty(None, 1.0) == NOTHING
    assert with_uncertainty(3.14, 0.25) == "3.1 ± 0.2"
    assert with_uncertainty(3.14, math.nan) == "3.1"
    assert number(math.nan, missing="not measured") == "not measured"


def test_places_are_told_by_their_axes() -> None:
    assert place({"x": 1.25, "y": 0.5}) == "(1.25, 0.50) mm"
    assert place({"x": 1.25, "y": math.nan}) == "(1.25, ?) mm"
    assert place({"x": 1.25, "y": 0.5}, {"y": "deg"}) == "x 1.25 mm, y 0.50 deg"
    assert place({"theta": 12.5, "load": 2.0}, {"theta": "deg", "load": ""}) == "theta 12.50 deg, load 2.00"
    assert place({}) == place({"x": math.nan, "y": math.nan}) == ""
