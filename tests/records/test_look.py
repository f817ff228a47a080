"""When an exposure is looked at, and what a look must not be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.records import Bins, EarlyEnd, Look, Origin, look_frames
from ainerd_agent.records.look import FEWEST_FRAMES, SHARES


def a_look(**changes):
    given = {
        "origin": Origin(raw_uid="run", seq_num=3, start=0.0, stop=1.0, stream="primary"),
        "source": "live",
        "number": 2,
        "frames": 500,
        "planned_frames": 5000,
        "seconds": 0.5,
        "planned_seconds": 5.0,
        "c2": np.zeros((1, 26, 26), dtype=np.float32),
        "plan_rows": 256,
        "n_complete": 20,
        "bins": Bins(q=np.ones(1), azimuth=np.ones(1), n_pixels=np.ones(1, dtype=np.int64)),
        "mean_counts": np.ones(1),
        "contrast": np.ones(1),
        "lags": np.ones(1),
        "g2": np.ones((1, 1)),
        "g2_error": np.ones((1, 1)),
    }
    return Look(**{**given, **changes})


def test_the_usual_looks():
    assert look_frames(5000) == (250, 500, 1000, 2000, 3500, 5000)
    assert look_frames(1000) == (100, 200, 400, 700, 1000)
    assert look_frames(100) == (70, 100)
    assert look_frames(10) == (10,)
    assert look_frames(2) == (2,)


@given(
    planned=st.integers(2, 10**7),
    shares=st.lists(st.floats(1e-6, 1.0), max_size=9),
    fewest=st.integers(1, 200),
)
def test_looks_rise_and_lie_within_the_exposure(planned, shares, fewest):
    found = look_frames(planned, shares, fewest=fewest)
    assert list(found) == sorted(set(found))
    assert len(found) <= len(shares)
    assert all(min(fewest, planned) <= n <= planned for n in found)
    for n in found:
        assert any(share * planned <= n * (1 + 1e-12) and n - 1 < share * planned * (1 + 1e-12) for share in shares)
    if 1.0 in shares:
        assert found[-1] == planned


def test_shares_are_those_of_the_number_as_it_is_written():
    assert look_frames(100, [0.07], fewest=1) == (7,)
    assert look_frames(1000, [0.07, 0.14, 0.28], fewest=1) == (70, 140, 280)
    assert look_frames(100, [np.float64(0.07)], fewest=1) == (7,)
    assert FEWEST_FRAMES == 64
    assert SHARES[-1] == 1.0


@pytest.mark.parametrize("planned", [0, 1, -5])
def test_what_has_no_frames_is_not_looked_at(planned):
    with pytest.raises(FrameError, match=f"{planned} planned frames cannot be looked at"):
        look_frames(planned)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_shares_that_mean_nothing_are_refused(share):
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        look_frames(100, [0.5, share])


def test_a_look_says_which_of_the_two_it_is():
    assert a_look().live
    assert not a_look(source="crop").live
    assert a_look().share == 0.1
    assert str(a_look().events) == "primary/3"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": 0}, "counted from 1"),
        ({"frames": 0}, "between 1 and all 5000"),
        ({"frames": 5001}, "between 1 and all 5000"),
        ({"source": "memory"}, "live or crop"),
    ],
)
def test_looks_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        a_look(**changes)


def test_an_early_end_has_a_reason_that_the_catalog_knows():
    assert EarlyEnd(reason="converged", look=3).look == 3
    with pytest.raises(ValueError, match="not 'planned'"):
        EarlyEnd(reason="planned")
    with pytest.raises(ValueError, match="counted from 1"):
        EarlyEnd(reason="damaged", look=0)
