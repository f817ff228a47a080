"""An agent that people ask for things, that dies and is started again: on our own server, and on one of PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ainerd_agent.agent import BeamtimeCost, NoveltyAgent
from ainerd_agent.agent.lifecycle.approval import approve, edit
from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.agent.runners.queue import QueueRunner
from ainerd_agent.catalog import Catalog, ModelIdentity, connect
from ainerd_agent.catalog.codec.suggestions import request_table
from ainerd_agent.catalog.write.agents import AgentRunsError, Presence, processes, state_of
from ainerd_agent.catalog.write.decisions import settle
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.records import AgentRequest
from ainerd_agent.records.agents import BEAT, DEAD_AFTER
from tests.integration.conftest import ainerd

MODEL = ModelIdentity(name="toy-1", weights_sha256="ab" * 32, n_clusters=4)
LIMITS = {"x": (0.0, 4.0), "y": (0.0, 4.0)}


@pytest.fixture(scope="module")
def root(uri: str) -> Iterator[Catalog]:
    with connect(uri, create=True) as root:
        root.writer(MODEL).record_suggestion(new_agent("other").suggest(), "proposed")
        yield root


def new_agent(name: str) -> NoveltyAgent:
    return NoveltyAgent(LIMITS, BeamtimeCost(10.0, 1.0), n_start=3, model="toy-1", name=name)


class Started:
    """An agent as `ainerd agent run` starts it, but one step at a time."""

    def __init__(self, root: Catalog, name: str, mode: str = "suggest", *, again: bool = False) -> None:
        self.results = root.model("toy-1")
        self.presence = Presence(self.results.container, name, mode)
        self.said: list[str] = []
        agent = restored(self.results, name) if again else new_agent(name)
        server: Any = None if mode == "suggest" else NoQueue()
        self.runner = QueueRunner(
            self.results, agent, server, root.writer(MODEL).record_suggestion, mode=mode, presence=self.presence,
            say=self.said.append,
        )  # fmt: skip

    def end(self) -> None:
        self.presence.end("the test is over")


class NoQueue:
    """A queue server that must not be asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the queue server was asked to {name}")


def events(root: Catalog, name: str) -> list[str]:
    return list(root.model("toy-1").suggestions(agent=name)["event"])


@pytest.mark.parametrize("what", ["stop", "pause"])
def test_what_was_asked_while_it_was_down_holds_until_somebody_asks_to_resume(root, what):
    name = f"down-{what}"
    first = Started(root, name)
    first.runner.step()
    first.end()
    root.model("toy-1").request(name, what, note="the sample leaks")
    for number in range(2):  # also through the start after the next one
        held = Started(root, name, again=True)
        assert held.runner.held == what
        assert any(f"asked to {what} while it was down: it holds until" in each for each in held.said)
        assert held.runner.step() == ""
        assert held.runner.open is None, number
        assert state_of(only(root, name)) == "paused"
        held.end()
    held = Started(root, name, again=True)
    root.model("toy-1").request(name, "resume")
    assert held.runner.step() == ""
    assert held.runner.open.suggestion.id == f"{name}-1"
    held.end()
    again = Started(root, name, again=True)
    assert again.runner.held == ""
    again.end()


def test_a_stop_that_was_heeded_does_not_hold(root):
    """Somebody started it again after it had stopped: they want it to go on."""
    first = Started(root, "heeded")
    first.runner.step()
    root.model("toy-1").request("heeded", "stop")
    assert "asked to stop" in first.runner.step()
    first.end()
    again = Started(root, "heeded", again=True)
    assert again.runner.held == ""
    again.runner.step()
    assert again.runner.open is not None
    again.end()


def test_requests_lower_the_mode_and_nobody_raises_it_above_what_it_was_started_with(root):
    asks = Started(root, "asks", "ask")
    asks.runner.step()
    assert events(root, "asks") == ["proposed", "waiting"]
    root.model("toy-1").request("asks", "automatic", note="let it run")
    # A row that nothing of ours checked, as any writer of the catalog can append it.
    forged = AgentRequest(time=time.time(), agent="asks", what="automatic", by="the boss", verified=True)
    SuggestionsStore(asks.results.container).append(request_table(forged, "toy-1"))
    for _ in range(3):
        asks.runner.step()  # NoQueue fails the test where approval were lifted
    assert asks.runner.mode == "ask"
    assert sum("automatic is refused: who started this agent allows ask at most" in each for each in asks.said) == 2
    root.model("toy-1").request("asks", "suggest")
    asks.runner.step()
    assert asks.runner.mode == "suggest"
    root.model("toy-1").request("asks", "ask")
    asks.runner.step()
    assert asks.runner.mode == "ask"
    assert only(root, "asks").highest == "ask"
    asks.end()


def test_a_row_that_says_approved_lifts_no_approval(root):
    asks = Started(root, "forged", "ask")
    asks.runner.step()
    asks.runner._record(asks.runner.open.suggestion, "approved")
    for _ in range(3):
        asks.runner.step()
    assert asks.runner.open.state == "waiting"
    asks.end()


def test_a_decision_whose_process_ended_before_its_row_is_heeded_and_written_down(root):
    agent = Started(root, "crashed")
    agent.runner.step()
    settle(agent.results.container, "crashed-1", "rejected", note="a bubble", by="Ann")
    agent.runner.step()
    told = agent.results.suggestion("crashed-1")[1][-1]
    assert (told.event, told.note, told.by, told.verified) == ("rejected", "a bubble", "Ann", False)
    agent.runner.step()
    assert agent.runner.open.suggestion.id == "crashed-2"
    agent.end()


def test_an_edit_beyond_the_limits_withdraws_it(root):
    agent = Started(root, "beyond")
    agent.runner.step()
    agent.results.decide("beyond-1", "edited", position={"x": 99.0, "y": 0.0})
    agent.runner.step()
    told = agent.results.suggestion("beyond-1")[1][-1]
    assert told.event == "withdrawn"
    assert "edited beyond the limits: (99, 0) mm is outside of the limits" in told.note
    agent.end()


def test_an_approval_is_known_after_a_restart(root):
    first = Started(root, "night", "ask")
    first.runner.step()
    approve(first.results, "night-1")
    first.end()
    again = Started(root, "night", "ask", again=True)
    again.runner.held = "pause"  # so that nothing is queued
    again.runner._propose(again.runner.agent.suggest())
    again.runner.step()
    assert again.runner.open.state == "approved"
    assert events(root, "night") == ["proposed", "waiting", "approved"]
    again.end()


def test_an_edit_is_known_after_a_restart(root):
    first = Started(root, "moved", "ask")
    first.runner.step()
    edit(first.results, "moved-1", {"x": 3.25, "y": 0.5})
    first.end()
    again = restored(root.model("toy-1"), "moved")
    assert again.suggest().position == {"x": 3.25, "y": 0.5}


def only(root: Catalog, name: str) -> Any:
    (found,) = [each for each in processes(root.model("toy-1").container) if each.agent == name]
    return found


def test_two_agents_of_one_name_are_refused(root):
    first = Started(root, "twice")
    with pytest.raises(AgentRunsError, match=r"An agent twice runs already, as process \d+ on .*another name"):
        Started(root, "twice")
    first.end()
    Started(root, "twice").end()


def test_of_two_that_start_at_once_one_is_refused(root, uri):
    def start(_: int) -> Presence | None:
        with connect(uri) as own:
            try:
                return Presence(own.model("toy-1").container, "at once", "ask")
            except AgentRunsError:
                return None

    with ThreadPoolExecutor(4) as pool:
        started = [each for each in pool.map(start, range(4)) if each is not None]
    assert len(started) == 1


PROGRAM = """
import sys
from ainerd_agent.catalog import connect
from ainerd_agent.catalog.write.agents import Presence
with connect(sys.argv[1]) as root:
    Presence(root.model("toy-1").container, "killed", "ask").tell("waiting")
    print("there", flush=True)
    sys.stdin.readline()
"""


def test_one_that_was_killed_is_dead_since_it_was_seen_last_and_another_takes_its_place(root, uri):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "there\n"
    assert state_of(only(root, "killed")) == "waiting"
    process.kill()
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    assert state_of(only(root, "killed")) == "dead"
    done = ainerd("agent", "list", "--catalog", uri)
    assert any("killed" in line and " dead " in line for line in done.stdout.splitlines()), done.stdout + done.stderr
    assert any("other-1" in line for line in done.stdout.splitlines())
    after = Presence(root.model("toy-1").container, "killed", "ask")
    assert (after.before.number, only(root, "killed").number) == (1, 2)
    after.end("enough")
    assert state_of(only(root, "killed")) == "ended"


def test_one_on_another_machine_is_dead_after_three_beats(root):
    there = Presence(root.model("toy-1").container, "far away", "ask")
    process = replace(only(root, "far away"), machine="elsewhere", seen=time.time() - DEAD_AFTER + 5)
    assert state_of(process) == "running"
    assert state_of(replace(process, seen=time.time() - DEAD_AFTER - 1)) == "dead"
    there.end("enough")


def test_one_that_was_taken_for_dead_ends_when_it_comes_back(root, monkeypatch):
    slow = Started(root, "slow")
    slow.runner.step()
    monkeypatch.setattr("ainerd_agent.catalog.write.agents._lives", lambda _: False)
    other = Presence(root.model("toy-1").container, "slow", "suggest")
    with pytest.raises(AgentRunsError, match="slow runs already"):
        slow.presence.tell("paused")
    other.end("enough")


def test_a_running_agent_writes_seldom(root, monkeypatch):
    """Each second it says what it does; written is what is new, and a sign of life every fifteen."""
    quiet = Presence(root.model("toy-1").container, "quiet", "ask")
    written: list[Any] = []
    monkeypatch.setattr("ainerd_agent.catalog.write.agents.set_metadata", lambda _, told: written.append(told))
    quiet.tell("waiting")
    now = time.time()
    for second in range(60):
        monkeypatch.setattr("ainerd_agent.catalog.write.agents.time.time", lambda second=second: now + second)
        quiet.tell("waiting")
    assert len(written) == 60 // BEAT
