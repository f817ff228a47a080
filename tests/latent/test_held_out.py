"""Experiments that are held out by their name."""

import numpy as np
import pytest

from ainerd_agent.latent.held_out import held_out


def test_an_experiment_is_held_out_as_a_whole_and_whatever_else_there_is():
    series = np.repeat(np.arange(400), 3)
    found = held_out(series).reshape(400, 3)
    assert np.array_equal(found.all(axis=1), found.any(axis=1))
    assert found.mean() == pytest.approx(0.25, abs=0.06)
    assert np.array_equal(held_out(series[:90]), found.ravel()[:90])
    assert np.array_equal(held_out(series.astype(str)), found.ravel())


def test_a_smaller_share_is_part_of_a_larger_one():
    names = [f"experiment {number}" for number in range(300)]
    assert not (held_out(names, 0.1) & ~held_out(names, 0.3)).any()


def test_the_choice_stays_the_same():
    # Models that were shipped have left these out: another hash would measure them on what they learnt.
    assert np.flatnonzero(held_out(np.arange(30))).tolist() == [2, 6, 17, 18, 23, 29]
