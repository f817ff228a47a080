"""Whatever happened, and wherever its process ended: an agent from the catalog goes on as it would have, to the bit."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.agent import BeamtimeCost, Disc, Limits, NoveltyAgent, ShortFirst, SpotAgent
from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.catalog import Catalog, ModelIdentity, TiledServer, connect
from ainerd_agent.records import Run, Suggestion
from tests.integration.conftest import FAULTS_APART
from tests.integration.derived_runs import N_BINS, N_LATENTS, START, measurement

MODEL = ModelIdentity(name="toy-1", weights_sha256="ab" * 32, n_clusters=4)
LIMITS = Limits({"x": (0.0, 4.0), "y": (-1.0, 2.0)}, (Disc(1.0, 1.0, 0.4),), exclusion=0.05)
LIVES = ("measured", "measured early", "measured elsewhere", "failed", "rejected", "edited", "withdrawn")
NAMES = itertools.count(1)


def novelty(name: str, goal: str = "novelty") -> NoveltyAgent:
    return NoveltyAgent(
        LIMITS, BeamtimeCost(2.0, 1.0), n_start=2, repeatability=0.3, model="toy-1", seed=3, goal=goal, name=name
    )


STRATEGIES: dict[str, Callable[[str], Any]] = {
    "NoveltyAgent": novelty,
    "ShortFirst": lambda name: ShortFirst(novelty(name, "coverage"), short=1.0, long=5.0, looks_new=20.0),
    "SpotAgent": lambda name: SpotAgent(LIMITS, (1.0, 2.0), counting=1.0, name=name, model="toy-1"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server, connect(server.uri, create=True) as root:
        yield root


def assert_equal(found: Suggestion, expected: Suggestion) -> None:
    """To the bit, NaN and arrays included."""
    for each in fields(Suggestion):
        of, wanted = getattr(found, each.name), getattr(expected, each.name)
        if each.name == "predicted":
            np.testing.assert_array_equal(of, wanted)
        else:
            assert repr(of) == repr(wanted), each.name


class Life:
    """An agent that goes on, and one made from the catalog after each event, which has to be the same."""

    def __init__(self, root: Catalog, make: Callable[[str], Any], kills: Callable[[int], bool]) -> None:
        """`kills` says after which events, from 0."""
        number = next(NAMES)
        self.kills, self.n_events = kills, 0
        self.agent = make(f"agent{number}")
        self.root, self.writer, self.uid, self.done = root, root.writer(MODEL), f"run-{number}", 0
        self.writer.open_run(Run(uid=self.uid, time=START))

    def go_through(self, what: str, rng: np.random.Generator) -> None:
        """One suggestion, from its proposal to its end."""
        agent, suggestion = self.agent, self.agent.suggest()
        place = {"x": float(rng.uniform(2.0, 4.0)), "y": float(rng.uniform(-1.0, 2.0))}
        for event in ("proposed", "waiting"):
            self.happened(suggestion, event, pending=suggestion)
        results = self.root.model("toy-1")
        if what == "rejected":
            results.decide(suggestion.id, "rejected", by="Ann")
            agent.withdraw(suggestion)
            self.killed(None)
            return
        if what == "edited":
            results.decide(suggestion.id, "edited", position=place, by="Ann")
            suggestion = agent.edit(suggestion, place)
            self.killed(suggestion)
        else:
            results.decide(suggestion.id, "approved", by="Ann")
            self.killed(suggestion)
        if what == "withdrawn":
            agent.withdraw(suggestion)
            self.happened(suggestion, "withdrawn")
            return
        self.happened(suggestion, "queued", pending=suggestion)
        self.happened(suggestion, "exposing", pending=suggestion)
        if what == "failed":
            agent.ingest(suggestion, None)
            self.happened(suggestion, "failed", raw_uid=self.uid, seq_num=self.done + 1)
            return
        if what == "measured early":
            self.happened(suggestion, "ended early", pending=suggestion, raw_uid=self.uid, seq_num=self.done + 1)
        if what == "measured elsewhere":
            suggestion = agent.edit(suggestion, place)
            self.happened(suggestion, "moved", pending=suggestion)
        analysis = self.measured(suggestion)
        found = agent.ingest(suggestion, analysis)
        self.happened(suggestion, "measured", raw_uid=self.uid, seq_num=self.done, novelty=found)

    def measured(self, suggestion: Suggestion) -> Any:
        self.done += 1
        rng = np.random.default_rng(self.done)
        x, y = suggestion.position["x"], suggestion.position["y"]
        latents = rng.normal(0, 0.1, (N_BINS, N_LATENTS))
        latents[:, :3] += x * y, np.sin(x), y
        maps, analysis = measurement(
            self.uid, self.done, x=x, y=y, latents=latents.astype(np.float32), start=START + 7.3 * self.done
        )
        self.writer.append(self.uid, [maps], [analysis])
        return analysis

    def happened(self, suggestion: Suggestion, event: str, *, pending: Suggestion | None = None, **more: Any) -> None:
        self.writer.record_suggestion(suggestion, event, **more)
        self.killed(pending)

    def killed(self, pending: Suggestion | None) -> None:
        """The process ends here: what another one suggests."""
        self.n_events += 1
        if not self.kills(self.n_events - 1):
            return
        again = restored(self.root.model("toy-1"), self.agent.name)
        goes_on = copy.deepcopy(self.agent)
        if pending is not None:
            assert_equal(again.suggest(), pending)
        assert again.should_stop() == goes_on.should_stop()
        for _ in range(2):
            assert_equal(again.suggest(), goes_on.suggest())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_life_and_a_kill_after_each_event(root, strategy):
    """All events on request, otherwise one of three for each strategy, others for the next one."""
    first = [*STRATEGIES].index(strategy) % FAULTS_APART
    life = Life(root, STRATEGIES[strategy], lambda number: number % FAULTS_APART == first)
    rng = np.random.default_rng(0)
    for what in LIVES:
        life.go_through(what, rng)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    lived=st.lists(st.sampled_from(LIVES), min_size=2, max_size=4), kills=st.integers(2, 12), seed=st.integers(0, 99)
)
@settings(
    max_examples=20 if FAULTS_APART == 1 else 3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_lives_and_a_kill_after_any_event(root, strategy, lived, kills, seed):
    life = Life(root, STRATEGIES[strategy], kills.__eq__)
    rng = np.random.default_rng(seed)
    for what in lived:
        life.go_through(what, rng)
