"""Decisions about suggestions, of which one holds: on our own server, and on one of PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from ainerd_agent.agent.lifecycle.approval import approve, edit, reject
from ainerd_agent.catalog import Catalog, ModelIdentity, TiledServer, connect
from ainerd_agent.catalog.codec.suggestions import suggestion_table
from ainerd_agent.catalog.write.decisions import DecidedAlreadyError, held, settle, take_back
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Suggestion, SuggestionEvent
from ainerd_agent.records.life import State, life_of
from ainerd_agent.settings import PersonSettings

MODEL = ModelIdentity(name="toy-1", weights_sha256="ab" * 32, n_clusters=4)
LIMITS = {"axes": {"x": [0.0, 4.0], "y": [0.0, 4.0]}, "forbidden": [], "exclusion": 0.1}


@pytest.fixture(scope="module")
def root(uri: str) -> Iterator[Catalog]:
    with connect(uri, create=True) as root:
        yield root


def propose(root: Catalog, name: str) -> Suggestion:
    suggestion = Suggestion(
        id=name, position={"x": 1.0, "y": 2.0}, reason="new there", model="toy-1", agent="night",
        settings={"agent": "NoveltyAgent", "limits": LIMITS},
    )  # fmt: skip
    root.writer(MODEL).record_suggestion(suggestion, "proposed")
    return suggestion


def test_of_contrary_decisions_one_holds_and_both_callers_learn_which(root, uri):
    """Of approve and reject at once both were accepted, five times of five."""
    for number in range(5):
        suggestion = propose(root, f"race-{number}")
        start = threading.Barrier(4)

        def at_once(place: int, suggestion: Suggestion = suggestion, start: threading.Barrier = start) -> str:
            with connect(uri) as own:  # as another process has it
                results = own.model("toy-1")
                decide = (approve, reject)[place % 2]
                results.suggestion(suggestion.id)
                start.wait(30)
                try:
                    decide(results, suggestion.id, by=f"caller {place}")
                except DecidedAlreadyError as error:
                    return f"{error.held.decision} by {error.held.by}"
                return f"{'approved' if decide is approve else 'rejected'} by caller {place}"

        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(at_once, range(4)))
        assert len(set(told)) == 1, told
        holds = root.model("toy-1").decision(suggestion.id)
        assert f"{holds.decision} by {holds.by}" == told[0]
        life = life_of(root.model("toy-1").suggestion(suggestion.id)[1])
        assert (life.state.value, life.ignored) == (holds.decision, ())


PROGRAM = """
import json, sys
from ainerd_agent.agent.lifecycle.approval import approve, reject
from ainerd_agent.catalog import connect
from ainerd_agent.errors import CatalogError
with connect(sys.argv[1]) as root:
    results = root.model("toy-1")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        {"approve": approve, "reject": reject}[sys.argv[2]](results, sys.argv[3], by=sys.argv[2])
        print("mine", flush=True)
    except CatalogError as error:
        print(error, flush=True)
"""


def test_processes_race_too(root, uri):
    suggestion = propose(root, "processes-1")
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, uri, what, suggestion.id],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for what in ("approve", "reject")
    ]  # fmt: skip
    for program in programs:
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        program.stdin.write("\n")
        program.stdin.flush()
    told = [program.communicate(timeout=60)[0].strip() for program in programs]
    assert sorted(each == "mine" for each in told) == [False, True], told
    holds = root.model("toy-1").decision(suggestion.id)
    assert f"it is {holds}." in next(each for each in told if each != "mine")


def test_what_is_settled_stays(root):
    results, suggestion = root.model("toy-1"), propose(root, "stays/odd name-1")
    assert results.decision(suggestion.id) is None
    edit(results, suggestion.id, {"x": 3.0, "y": 1.0}, note="nearer", by="Ann")
    holds = results.decision(suggestion.id)
    assert (holds.decision, holds.position, holds.note) == ("edited", {"x": 3.0, "y": 1.0}, "nearer")
    assert str(holds) == "edited by Ann (not verified)"
    with pytest.raises(DecidedAlreadyError, match=r"decided already: it is edited by Ann \(not verified\)"):
        reject(results, suggestion.id)
    told = results.suggestion(suggestion.id)[1][-1]
    assert (told.event, told.by, told.verified, dict(told.position)) == ("edited", "Ann", False, {"x": 3.0, "y": 1.0})


def test_a_decision_whose_row_is_missing_holds(root):
    """Its process ended between the two."""
    results, suggestion = root.model("toy-1"), propose(root, "died-1")
    settle(results.container, suggestion.id, "rejected", by="Ann")
    with pytest.raises(DecidedAlreadyError, match="it is rejected by Ann"):
        approve(results, suggestion.id)


def test_what_its_agent_settled_is_too_late_to_decide(root):
    results, suggestion = root.model("toy-1"), propose(root, "late-1")
    settle(results.container, suggestion.id, "queued")
    with pytest.raises(DecidedAlreadyError, match="it is queued"):
        reject(results, suggestion.id)
    other = propose(root, "late-2")
    root.writer(MODEL).record_suggestion(other, "withdrawn")
    with pytest.raises(CatalogError, match="decided already: it is withdrawn"):
        approve(results, other.id)


def test_an_agent_takes_back_what_it_settled_and_nothing_else(root):
    suggestion = propose(root, "refused/odd name-1")
    results = root.model("toy-1")
    first = settle(results.container, suggestion.id, "queued", by="night")
    take_back(results.container, first)
    take_back(results.container, first)  # the answer was lost, and it is asked for again
    assert results.decision(suggestion.id) is None
    again = settle(results.container, suggestion.id, "queued", by="night")
    take_back(results.container, first)  # of an earlier attempt
    assert results.decision(suggestion.id).token == again.token
    take_back(results.container, again)
    reject(results, suggestion.id, by="Ann")
    take_back(results.container, again)  # people decided in between
    holds = results.decision(suggestion.id)
    assert holds.decision == "rejected"
    with pytest.raises(CatalogError, match=r"is rejected by Ann \(not verified\): what people decided stays"):
        take_back(results.container, holds)
    # Also not by what calls itself the agent's.
    take_back(results.container, replace(holds, decision="queued"))
    assert results.decision(suggestion.id) == holds


def test_a_row_in_the_table_makes_no_decision_hold(root):
    """Whoever may write to the catalog may write rows."""
    results, suggestion = root.model("toy-1"), propose(root, "forged-1")
    row = SuggestionEvent(time=1.0, suggestion_id=suggestion.id, event="approved", by="Ann", verified=True)
    SuggestionsStore(results.container).append(suggestion_table(suggestion, row))
    assert life_of(results.suggestion(suggestion.id)[1]).state is State.APPROVED
    assert held(results.container, suggestion.id) is None
    reject(results, suggestion.id, by="Bo")
    assert held(results.container, suggestion.id).decision == "rejected"


@pytest.fixture
def guarded(tmp_path, monkeypatch) -> Iterator[tuple[Any, TiledServer]]:
    """Our server, where only Ann may decide, and Bo is known."""
    people = {
        name: PersonSettings(key_sha256=sha256(f"key of {name}".encode()).hexdigest(), roles=roles)
        for name, roles in (("Ann", ("approve",)), ("Bo", ()))
    }
    monkeypatch.delenv("AINERD_PERSON_KEY", raising=False)
    with TiledServer(tmp_path, people=people) as server, connect(server.uri, create=True) as root:
        yield root, server


def test_only_who_has_the_role_decides_and_the_server_vouches_for_them(guarded, monkeypatch):
    root, server = guarded
    suggestion = propose(root, "guarded-1")
    results = root.model("toy-1")
    with pytest.raises(CatalogError, match="without a personal key nobody has the role"):
        approve(results, suggestion.id, by="Ann")
    monkeypatch.setenv("AINERD_PERSON_KEY", "key of nobody")
    with pytest.raises(CatalogError, match="belongs to nobody whom this server knows"):
        approve(results, suggestion.id)
    monkeypatch.setenv("AINERD_PERSON_KEY", "key of Bo")
    with pytest.raises(CatalogError, match="Bo has not the role"):
        approve(results, suggestion.id)
    assert results.decision(suggestion.id) is None
    monkeypatch.setenv("AINERD_PERSON_KEY", "key of Ann")
    approve(results, suggestion.id, by="somebody else")
    holds = results.decision(suggestion.id)
    assert (holds.by, holds.verified, str(holds)) == ("Ann", True, "approved by Ann")
    told = results.suggestion(suggestion.id)[1][-1]
    assert (told.by, told.verified) == ("Ann", True)
    # The database of decisions is no part of the catalog: no route of Tiled names it.
    assert (server.directory / "decisions.db").is_file()
    assert "decisions" not in root.tiled


def test_a_decision_that_makes_no_sense_is_refused_by_the_route(guarded):
    root, server = guarded
    url = f"{server.address}/api/v1/ainerd/decisions/toy-1/x-1"
    client = root.tiled.context.http_client
    assert client.post(url, json={"decision": "exploded", "token": "a"}).status_code == 422
    assert client.post(url, json={"decision": "approved", "token": "a", "verified": True}).status_code == 422
    import httpx

    assert httpx.post(url, json={"decision": "rejected", "token": "a"}).status_code == 401
    assert json.loads(client.get(url, headers={"Accept": "application/json"}).text) == {"held": None}
