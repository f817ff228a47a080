import numpy as np
import pytest

from ainerd_agent.agent import Disc, Limits, NoSuggestionError
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
