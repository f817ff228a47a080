import math

import numpy as np
import pytest

from ainerd_agent.agent import BeamtimeCost, LimitError, NoveltyAgent, ShortFirst
from tests.agent.strategies.test_novelty import analysed

LIMITS = {"x": (0.0, 4.0), "y": (0.0, 4.0)}


def two_phases(suggestion, number):
    """Other dynamics at x > 3; a short count is noisier, and its latents lie elsewhere."""
    rng = np.random.default_rng(number)
    short = suggestion.counting < 1.0
    level = 5.0 * (suggestion.position["x"] > 3.0) + 2.0 * short
    return analysed(level + (0.3 if short else 0.1) * rng.normal(size=(4, 8)), number)


def measured(n):
    agent = ShortFirst(
        NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2), n_start=6, dose_budget=30.0, name="a", seed=2),
        short=0.2,
        long=2.0,
    )
    suggestions, found = [], []
    while len(suggestions) < n and not agent.should_stop():
        suggestions.append(agent.suggest())
        found.append(agent.ingest(suggestions[-1], two_phases(suggestions[-1], len(suggestions))))
    return suggestions, found, agent


def test_a_long_count_follows_where_a_short_one_looks_new():
    suggestions, found, _ = measured(30)
    long = [each for each in suggestions if each.counting == 2.0]
    short = [each for each in suggestions if each.counting == 0.2]
    assert len(long) < len(short) / 3
    # One long count of each phase at least, right after its short one and at the same spot.
    assert {each.position["x"] > 3.0 for each in long} == {False, True}
    for each in long:
        before = suggestions[suggestions.index(each) - 1]
        assert (before.position, f"{before.id}-long") == (each.position, each.id)
        assert each.cost == pytest.approx(2.0)
    assert long[0].reason == "the first short count"
    assert math.isnan(found[0])


def test_the_dose_counts_both():
    suggestions, _, agent = measured(1000)
    assert "dose" in agent.should_stop()
    assert sum(each.counting for each in suggestions) == pytest.approx(30.0, abs=2.1)


def test_counts_that_make_no_sense_are_refused():
    agent = NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2))
    with pytest.raises(ValueError, match="make no sense"):
        ShortFirst(agent, short=2.0, long=1.0)
    with pytest.raises(ValueError, match=r"0\.2 s for a measurement, less than the short count of 0\.5 s"):
        ShortFirst(agent, short=0.5, long=1.0)


def test_failed_short_counts_are_left_behind():
    agent = ShortFirst(NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2), n_start=2), short=0.2, long=2.0)
    assert math.isnan(agent.ingest(agent.suggest(), None))
    assert agent.suggest().counting == 0.2


def test_a_rejection_takes_back_what_was_counted():
    agent = ShortFirst(
        NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.3), n_start=3, exclusion=0.2, dose_budget=2.5), short=0.2, long=2.0
    )
    for _ in range(20):
        agent.withdraw(agent.suggest())
    assert agent.should_stop() == ""
    short = agent.suggest()
    agent.ingest(short, two_phases(short, 1))
    long_one = agent.suggest()
    assert long_one.counting == 2.0
    agent.withdraw(long_one)
    assert agent.should_stop() == ""
    # Its short count stays: the next one is elsewhere.
    assert agent.suggest().position != short.position


def test_an_edited_short_count_is_followed_to_where_it_was():
    agent = ShortFirst(NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2), n_start=2), short=0.2, long=2.0)
    short = agent.suggest()
    with pytest.raises(LimitError):
        agent.edit(short, {"x": 9.0, "y": 1.0})
    edited = agent.edit(short, {"x": 3.5, "y": 1.0})
    assert (edited.position, edited.counting) == ({"x": 3.5, "y": 1.0}, 0.2)
    agent.ingest(edited, two_phases(edited, 1))
    long_one = agent.suggest()
    assert (long_one.position, long_one.id) == (edited.position, f"{short.id}-long")
    elsewhere = agent.edit(long_one, {"x": 3.0, "y": 2.0})
    assert (elsewhere.position, elsewhere.counting) == ({"x": 3.0, "y": 2.0}, 2.0)


def test_who_asks_to_stop_does_not_wait_for_the_long_count():
    agent = ShortFirst(NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2), dose_budget=0.1), short=0.2, long=2.0)
    short = agent.suggest()
    assert "the dose is spent" in agent.should_stop()
    agent.ingest(short, two_phases(short, 1))
    assert agent.should_stop() == ""
    agent.stop("the beam is gone")
    assert agent.should_stop() == "the beam is gone"


def test_short_counts_of_other_bins_are_refused():
    agent = ShortFirst(NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2)), short=0.2, long=2.0)
    agent.ingest(agent.suggest(), analysed(np.ones((4, 8)), 1))
    agent.suggest()  # the long one
    with pytest.raises(ValueError, match="run/2 has 6 bins"):
        agent.ingest(agent.suggest(), analysed(np.ones((6, 8)), 2))


def test_it_is_made_again_from_its_settings():
    agent = ShortFirst(NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.2), name="a", seed=3), short=0.2, long=2.0)
    again = ShortFirst.from_settings(agent.settings)
    assert again.settings == agent.settings
    assert (again.name, again.suggest().position) == ("a", agent.suggest().position)
    for wrong in (agent.settings["chooser"], {"agent": "ShortFirst", "short": 1.0}):
        with pytest.raises(ValueError, match="not the settings of a ShortFirst"):
            ShortFirst.from_settings(wrong)
