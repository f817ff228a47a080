"""An agent whose process ended, made again from the catalog alone."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ainerd_agent.agent import Axis, BeamtimeCost, Disc, Limits, NoveltyAgent, Rectangle, Sample, ShortFirst, SpotAgent
from ainerd_agent.agent.lifecycle.approval import edit, reject
from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.catalog import ModelIdentity, ServerUnreachableError, TiledServer, connect
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Run, Suggestion
from ainerd_agent.settings import AgentSettings
from ainerd_agent.workflows.queue_agent import QueueAgent, new_or_restored
from tests.integration.derived_runs import N_BINS, N_LATENTS, START, measurement

MODEL = ModelIdentity(name="toy-1", weights_sha256="ab" * 32, n_clusters=4)


@pytest.fixture
def root(tmp_path) -> Iterator[Any]:
    with TiledServer(tmp_path) as server:
        root = connect(server.uri, create=True)
        yield root
        root.close()


class Session:
    """Measures what an agent suggests: latents depend on place and time; all goes to the catalog."""

    def __init__(self, root: Any, uid: str = "run-1", done: int = 0) -> None:
        self.writer = root.writer(MODEL)
        self.uid, self.done = uid, done
        self.writer.open_run(Run(uid=uid, time=START))

    def propose(self, agent):
        suggestion = agent.suggest()
        self.writer.record_suggestion(suggestion, "proposed", raw_uid=self.uid, seq_num=self.done + 1)
        return suggestion

    def measure(self, agent, suggestion):
        self.done += 1
        rng = np.random.default_rng(self.done)
        x, y = suggestion.position["x"], suggestion.position["y"]
        latents = rng.normal(0, 0.1, (N_BINS, N_LATENTS))
        latents[:, :3] += x * y, np.sin(x), y
        pair = measurement(
            self.uid, self.done, x=x, y=y, latents=latents.astype(np.float32), start=START + 7.3 * self.done
        )
        self.writer.append(self.uid, [pair[0]], [pair[1]])
        novelty = agent.ingest(suggestion, pair[1])
        self.writer.record_suggestion(suggestion, "measured", raw_uid=self.uid, seq_num=self.done, novelty=novelty)

    def fail(self, agent, suggestion):
        agent.ingest(suggestion, None)
        self.writer.record_suggestion(suggestion, "failed", raw_uid=self.uid, seq_num=self.done + 1)


def new_agent(**options):
    limits = Limits({"x": (0.0, 4.0), "y": (-1.0, 2.0)}, (Disc(1.0, 1.0, 0.4),), exclusion=0.2)
    return NoveltyAgent(limits, BeamtimeCost(2.0, 1.0), n_start=4, repeatability=0.3, model="toy-1", seed=3, **options)


@pytest.mark.parametrize("goal", ["coverage", "novelty"])
def test_the_next_suggestion_is_the_one_it_would_have_made(root, goal):
    agent, session = new_agent(goal=goal, name="night", stop_below=0.01, time_budget=500.0), Session(root)
    for number in range(1, 10):
        suggestion = session.propose(agent)
        if number in (3, 7):
            session.fail(agent, suggestion)
        else:
            session.measure(agent, suggestion)
    again = restored(root.model("toy-1"), "night")
    for _ in range(3):
        expected, found = agent.suggest(), again.suggest()
        assert found == expected
        np.testing.assert_array_equal(found.predicted, expected.predicted)
        assert found.alternatives == expected.alternatives
    assert len(expected.alternatives) == 3
    assert again.should_stop() == agent.should_stop()


def test_an_agent_on_a_holder_is_made_again(root):
    """Samples with budgets, wells, a third axis in another unit, and an edit from one sample to another."""
    axes = {"x": (0.0, 10.0), "y": (0.0, 4.0), "temperature": Axis(280.0, 320.0, "K", speed=1.0)}
    wells = {name: {"x": x, "y": 1.0, "temperature": 300.0} for name, x in (("A1", 8.0), ("A2", 9.0))}
    samples = [Sample(name="gel", axes={"x": (0.0, 4.0)}, measurements=6), Sample(name="plate", wells=wells)]
    limits = Limits(axes, (Rectangle((1.0, 2.0), (0.0, 1.0)),), samples=samples)
    agent = NoveltyAgent(
        limits, BeamtimeCost(2.0, 1.0), n_start=3, repeatability=0.3, model="toy-1", seed=3, name="all"
    )
    session = Session(root)
    for _ in range(4):
        session.measure(agent, session.propose(agent))
    moved = session.propose(agent)
    there = {"x": 3.3, "temperature": 310.0}
    edited = edit(root.model("toy-1"), moved.id, there)
    assert edited.position == {**moved.position, **there}
    session.measure(agent, agent.edit(moved, edited.position))
    again = restored(root.model("toy-1"), "all")
    assert again.settings == agent.settings
    for _ in range(2):
        expected, found = agent.suggest(), again.suggest()
        assert found == expected
        assert found.sample in ("gel", "plate")
    rows = root.model("toy-1").suggestions(agent="all")
    assert set(rows["sample"]) <= {"gel", "plate"}
    assert {"A1", "A2"} & set(rows["well"])


def test_what_was_under_way_comes_first(root):
    agent, session = new_agent(name="night"), Session(root)
    for _ in range(5):
        session.measure(agent, session.propose(agent))
    pending = session.propose(agent)
    again = restored(root.model("toy-1"), "night")
    found = again.suggest()
    assert (found.id, found.position) == (pending.id, pending.position)
    for each in (agent, again):
        each.ingest(pending, None)
    assert again.suggest() == agent.suggest()


def test_decisions_are_part_of_it(root):
    agent, session = new_agent(name="night"), Session(root)
    for _ in range(5):
        session.measure(agent, session.propose(agent))
    first, second = session.propose(agent), session.propose(agent)
    reject(root.model("toy-1"), first.id, note="a bubble")
    agent.withdraw(first)
    edited = edit(root.model("toy-1"), second.id, {"x": 3.3, "y": 0.1})
    assert edited.position == {"x": 3.3, "y": 0.1}
    session.measure(agent, agent.edit(second, {"x": 3.3, "y": 0.1}))
    again = restored(root.model("toy-1"), "night")
    assert again.suggest() == agent.suggest()
    told = root.model("toy-1").suggestion(first.id)[1]
    assert [(each.event, each.note) for each in told] == [("proposed", ""), ("rejected", "a bubble")]


def test_agents_are_told_apart(root):
    one, other = new_agent(name="one"), new_agent(name="other")
    session = Session(root)
    session.measure(one, session.propose(one))
    session.measure(other, session.propose(other))
    assert len(root.model("toy-1").suggestions(agent="one")) == 2
    assert restored(root.model("toy-1"), "one").suggest() == one.suggest()
    with pytest.raises(CatalogError, match="no suggestion of an agent 'nobody'"):
        restored(root.model("toy-1"), "nobody")


def test_lacking_results_are_said(root):
    agent, session = new_agent(name="night"), Session(root)
    suggestion = session.propose(agent)
    session.writer.record_suggestion(suggestion, "measured", raw_uid="gone", seq_num=1, novelty=1.0)
    with pytest.raises(CatalogError, match="lacks the points of measurement 1 of run gone"):
        restored(root.model("toy-1"), "night")


def test_a_spot_agent_is_made_again(root):
    session = Session(root)
    spot = SpotAgent(Limits({"x": (0.0, 4.0), "y": (0.0, 4.0)}), (1.0, 2.0), counting=1.0, name="spot", model="toy-1")
    for _ in range(3):
        session.measure(spot, session.propose(spot))
    session.fail(spot, session.propose(spot))
    rejected = session.propose(spot)
    reject(root.model("toy-1"), rejected.id)
    spot.withdraw(rejected)
    assert restored(root.model("toy-1"), "spot").suggest().wait == spot.suggest().wait > 0
    again = restored(root.model("toy-1"), "spot")
    pending = session.propose(again)
    edit(root.model("toy-1"), pending.id, {"x": 3.0, "y": 2.0})
    session.measure(again, again.edit(pending, {"x": 3.0, "y": 2.0}))
    session.measure(again, session.propose(again))
    expected, found = again.suggest(), restored(root.model("toy-1"), "spot").suggest()
    assert (found.id, found.position, found.wait) == (expected.id, {"x": 3.0, "y": 2.0}, expected.wait)
    assert (found.inputs, found.terms) == (expected.inputs, expected.terms)


def test_a_short_first_is_made_again(root):
    """It came back as a plain agent, without a word: all counts would have been long ones from then on."""
    session = Session(root)
    brief = ShortFirst(new_agent(name="brief"), short=1.0, long=5.0, looks_new=20.0)
    for number in range(12):
        again = restored(root.model("toy-1"), "brief") if number else brief
        expected = session.propose(brief)
        assert number == 0 or again.suggest().id == expected.id
        if number == 4:
            session.fail(brief, expected)
        elif number == 6:
            reject(root.model("toy-1"), expected.id)
            brief.withdraw(expected)
        else:
            session.measure(brief, expected)
    rows = root.model("toy-1").suggestions(agent="brief")
    assert {1.0, 5.0} == set(rows["counting"])
    pending, (one, other) = session.propose(brief), (brief, restored(root.model("toy-1"), "brief"))
    first = other.suggest()
    assert (first.id, first.counting) == (pending.id, pending.counting)
    for each in (one, other):
        each.ingest(pending, None)
    expected, found = one.suggest(), other.suggest()
    assert (found.id, found.position, found.counting) == (expected.id, expected.position, expected.counting)
    assert (found.cost, found.score, found.settings) == (expected.cost, expected.score, expected.settings)


def test_agents_that_cannot_be_made_again_are_refused(root):
    session = Session(root)
    limits = {"axes": {"x": [0.0, 4.0], "y": [0.0, 4.0]}, "forbidden": [], "exclusion": 0.0}
    old_spot = {"agent": "SpotAgent", "limits": limits, "spot": [1.0, 2.0]}
    for name, settings, counting, said in (
        ("luck", {"agent": "Dice"}, math.nan, "luck is a Dice, which cannot be made again"),
        ("spot", old_spot, math.nan, "spot is a SpotAgent, which cannot be made again .*counting"),
        ("brief", new_agent(name="brief").settings, 1.0, "brief is a ShortFirst of version 0.1"),
    ):
        made = {"agent": name, "model": "toy-1", "settings": settings, "counting": counting}
        suggestion = Suggestion(id=f"{name}-1", position={"x": 1.0, "y": 2.0}, reason="", **made)
        session.writer.record_suggestion(suggestion, "proposed")
        with pytest.raises(CatalogError, match=said):
            restored(root.model("toy-1"), name)


def test_what_is_proposed_again_after_a_restart_is_counted_once(root):
    agent, session = new_agent(name="night"), Session(root)
    session.measure(agent, session.propose(agent))
    session.propose(agent)
    for _ in range(2):
        again = restored(root.model("toy-1"), "night")
        assert session.propose(again).id == "night-2"
    assert again.suggest() == agent.suggest()


def test_an_edit_beyond_the_limits_is_survived(root):
    """Whoever writes to the catalog may have left out the check; the process may end before it is rejected."""
    agent, session = new_agent(name="night"), Session(root)
    suggestion = session.propose(agent)
    root.model("toy-1").decide(suggestion.id, "edited", position={"x": 99.0, "y": 0.0})
    again = restored(root.model("toy-1"), "night")
    assert again.suggest().position == suggestion.position
    session.writer.record_suggestion(suggestion, "rejected")  # as version 0.2 did
    again = restored(root.model("toy-1"), "night")
    agent.withdraw(suggestion)
    assert again.suggest() == agent.suggest()


def test_a_server_that_is_away_is_no_missing_result(tmp_path):
    with TiledServer(tmp_path) as server:
        root = connect(server.uri, create=True)
        session = Session(root)
        agent = new_agent(name="night")
        session.measure(agent, session.propose(agent))
        assert root.model("toy-1").analysis("run-1", 1).cluster.tolist() == [1, 1, 3]
        assert root.model("toy-1").analysis("run-1", 2) is None
        assert root.model("toy-1").analysis("run-2", 1) is None
    with pytest.raises(ServerUnreachableError):
        root.model("toy-1").analysis("run-1", 1)
    root.close()


def test_settings_that_a_restart_would_ignore_are_refused(root):
    """Exclusion and regions were compared; goal, budgets, seed and the rest were ignored without a word."""
    encoder = Encoder.load()
    identity = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))
    given = AgentSettings(x=(0.0, 4.0), y=(0.0, 4.0), n_start=3, dose_budget=50.0)

    def night(seed, **changed):
        agent = QueueAgent(settings=given.model_copy(update=changed), encoder=encoder, seed=seed)
        return new_or_restored(root.model_for(identity), "night", agent, say=lambda _: None)

    agent = night(4)
    root.writer(identity).record_suggestion(agent.suggest(), "proposed")
    for seed in (4, None):
        assert night(seed).settings == agent.settings
    for changed, said in (
        ({"exclusion": 0.3}, "made with limits .*'exclusion': 0.1}, not .*'exclusion': 0.3}: put that back"),
        ({"n_start": 5, "goal": "novelty"}, "made with goal .*coverage.*, not .*novelty.*; n_start 3, not 5: put"),
        ({"dose_budget": 60.0}, "dose_budget 50.0, not 60.0"),
    ):
        with pytest.raises(CatalogError, match=said):
            night(None, **changed)
    with pytest.raises(CatalogError, match="seed 4, not 5"):
        night(5)


def test_regions_with_sides_are_the_same_after_a_restart(root):
    """A rectangle came back from the catalog as a list, and seemed to be another one."""
    encoder = Encoder.load()
    identity = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))
    given = AgentSettings(x=(0.0, 4.0), y=(0.0, 4.0), forbidden=[{"x": (1.0, 2.0), "y": (1.0, 2.0)}])
    for _ in range(2):
        agent = new_or_restored(
            root.model_for(identity), "day", QueueAgent(settings=given, encoder=encoder), say=lambda _: None
        )
        root.writer(identity).record_suggestion(agent.suggest(), "proposed")
