import numpy as np
import pytest

from ainerd_agent.agent import Axis, Box, Disc, Limits, NoSuggestionError, Sample
from ainerd_agent.agent.decision.candidates import Candidates

AXES = {"x": (0.0, 4.0), "y": (0.0, 2.0)}


def test_the_start_fills_space_and_leaves_out_what_is_forbidden():
    plain = Candidates(Limits(AXES), 8, seed=1).start
    assert np.bincount((plain[:, 0] // 1).astype(int)).tolist() == [2, 2, 2, 2]
    disc = Disc(2.0, 1.0, 0.9)
    start = Candidates(Limits(AXES, (disc,)), 8, seed=1).start
    assert start.shape == (8, 2)
    assert not disc.covers(start).any()


def test_exposed_spots_are_not_free():
    candidates = Candidates(Limits(AXES, exclusion=0.5), 1, seed=0)
    free = candidates.free(np.array([[1.0, 1.0]]))
    assert 0 < len(free) < 71 * 71
    assert np.linalg.norm(free - [1.0, 1.0], axis=1).min() > 0.5
    with pytest.raises(NoSuggestionError, match=r"within 9 mm of an exposed spot"):
        Candidates(Limits(AXES, exclusion=9.0), 1, seed=0).free(np.array([[1.0, 1.0]]))


def test_alternatives_lie_apart():
    positions = np.array([[0.0, 0.0], [0.1, 0.0], [2.0, 0.0], [2.1, 0.0], [4.0, 0.0]])
    candidates = Candidates(Limits(AXES), 1, seed=0)
    assert candidates.best_apart(positions, np.array([5.0, 4.9, 3.0, 3.1, 1.0])) == [0, 3, 4]


def test_limits_that_exclude_everything_are_refused():
    with pytest.raises(ValueError, match="leave no room"):
        Candidates(Limits(AXES, (Disc(2.0, 1.0, 9.0),)), 1, seed=0)


CUBE = {"x": (0.0, 4.0), "y": (0.0, 2.0), "t": Axis(280.0, 320.0, "K", speed=1.0)}


@pytest.mark.situation(
    "limits or forbidden regions that leave nothing to measure, on one of the samples too", "refused"
)
def test_a_sample_without_room_is_named():
    with pytest.raises(ValueError, match="leave no room"):
        Candidates(Limits(CUBE, (Box({"t": (200.0, 400.0)}),)), 1, seed=0)
    holder = [
        Sample(name="a", axes={"x": (0.0, 1.0)}),
        Sample(name="b", axes={"x": (2.0, 3.0)}, forbidden=(Box({"x": (1.5, 3.5)}),)),
    ]
    with pytest.raises(ValueError, match="leave no room within the limits of sample b"):
        Candidates(Limits(CUBE, samples=holder), 1, seed=0)


def test_a_small_room_in_three_dimensions_is_found():
    """A thousandth of the space is free, less than a usual sequence has for certain."""
    limits = Limits(CUBE, (Box({"x": (0.4, 4.0)}), Box({"y": (0.2, 2.0)}), Box({"t": (284.0, 320.0)})))
    free = Candidates(limits, 2, seed=0).free(np.empty((0, 3)))
    assert len(free)
    assert limits.allowed(free).all()


@pytest.mark.parametrize(
    ("axes", "n"), [({"x": (0.0, 4.0)}, 1001), ({"x": (0.0, 4.0), "y": (0.0, 2.0)}, 71 * 71), (CUBE, 8192)]
)
def test_candidates_fill_spaces_of_any_number_of_axes(axes, n):
    limits = Limits(axes)
    candidates = Candidates(limits, 6, seed=3)
    free = candidates.free(np.empty((0, len(axes))))
    assert free.shape == (n, len(axes))
    scaled = (free - limits.low) / (limits.high - limits.low)
    assert (scaled.min(axis=0) < 0.01).all()
    assert (scaled.max(axis=0) > 0.99).all()
    start = (candidates.start - limits.low) / (limits.high - limits.low)
    assert start.shape == (6, len(axes))
    assert (np.ptp(start, axis=0) > 0.5).all()


def test_samples_share_the_candidates_and_take_turns_in_the_start():
    holder = [Sample(name=f"{number}", axes={"x": (10.0 * number, 10.0 * number + 1)}) for number in range(24)]
    limits = Limits({"x": (0.0, 300.0), "y": (0.0, 1.0)}, samples=holder)
    candidates = Candidates(limits, 5, seed=0)
    free = candidates.free(np.empty((0, 2)))
    assert np.bincount(limits.sample_numbers(free)).tolist() == [14 * 14] * 24
    assert limits.sample_numbers(candidates.start).tolist() == list(range(24))
