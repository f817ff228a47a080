"""Suggestions that wait for approval and then run: a real RE manager with Redis, the profile, and Tiled."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("bluesky_queueserver_api", reason="the extra queue is not installed")
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI

from ainerd_agent.agent import BeamtimeCost, LimitError, Limits, NoveltyAgent, ShortFirst, SpotAgent
from ainerd_agent.agent.lifecycle.approval import approve, edit, reject
from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.agent.runners.queue import QueueRunner
from ainerd_agent.agent.runners.queue_server import SUGGESTION_KEY, QueueError, QueueServer
from ainerd_agent.catalog import ModelIdentity, TiledServer, connect
from ainerd_agent.catalog.codec.suggestions import request_table
from ainerd_agent.catalog.write.decisions import DecidedAlreadyError, settle
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent import Encoder
from ainerd_agent.records import AgentRequest
from tests.integration.catalog_servers import free_port
from tests.integration.conftest import ainerd
from tests.integration.re_manager import re_manager

MODEL = "ages-v1"
LIMITS = {"x": (1.0, 2.0), "y": (1.0, 2.0)}
PATIENCE = 60.0


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        root = connect(server.uri, create=True)
        yield root, server.uri
        root.close()


@pytest.fixture(scope="module")
def manager(catalog: tuple[Any, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[REManagerAPI]:
    with re_manager(catalog[1], tmp_path_factory.mktemp("manager")) as client:
        yield client


@pytest.fixture
def runner_of(catalog: tuple[Any, str], manager: REManagerAPI) -> Callable[..., QueueRunner]:
    encoder = Encoder.load()
    identity = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))

    def make(name: str, **options: Any) -> QueueRunner:
        agent = options.pop("agent", None) or NoveltyAgent(
            LIMITS, BeamtimeCost(10.0, 0.1), n_start=2, repeatability=encoder.repeatability, model=MODEL, name=name
        )
        record = catalog[0].writer(identity).record_suggestion
        given = options.pop("manager", manager)
        server = None if given is None else QueueServer(given, options.pop("plan", "measure"))
        return QueueRunner(catalog[0].model_for(identity), agent, server, record, **options)

    return make


def until(runner: QueueRunner, done: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Let the runner go on until something is so."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        runner.step()
        if found := done():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def events(root: Any, name: str) -> list[tuple[str, str]]:
    rows = root.model(MODEL).suggestions(agent=name)
    return list(rows[["suggestion_id", "event"]].itertuples(index=False, name=None))


def test_a_suggestion_waits_for_approval_and_then_runs(catalog, manager, runner_of):
    root, uri = catalog
    runner = runner_of("asks")
    for _ in range(5):
        runner.step()
    assert events(root, "asks") == [("asks-1", "proposed"), ("asks-1", "waiting")]
    assert manager.queue_get()["items"] == []
    done = ainerd("agent", "list", "--catalog", uri, "--waiting")
    assert "asks-1" in done.stdout
    done = ainerd("agent", "approve", "asks-1", "--catalog", uri, "--note", "Ann")
    assert done.returncode == 0, done.stderr
    until(runner, lambda: ("asks-1", "measured") in events(root, "asks"))
    (item,) = [each for each in manager.history_get()["items"] if each["meta"].get(SUGGESTION_KEY) == "asks-1"]
    assert item["kwargs"]["md"]["agent"] == "asks"
    (uid,) = item["result"]["run_uids"]
    assert root["raw"][uid].metadata["start"][SUGGESTION_KEY] == "asks-1"
    points = root.points(MODEL, raw_uid=uid)
    assert len(points) == 18
    where = root.model(MODEL).suggestions(agent="asks").iloc[0]
    assert points[["x", "y"]].iloc[0].tolist() == pytest.approx([where["x"], where["y"]], abs=1e-6)

    # The second one is edited, the third one rejected: it goes on with the fourth.
    until(runner, lambda: ("asks-2", "proposed") in events(root, "asks"))
    with pytest.raises(LimitError, match="outside of the limits"):
        edit(root.model(MODEL), "asks-2", {"x": 9.0, "y": 1.0})
    edit(root.model(MODEL), "asks-2", {"x": 1.5, "y": 1.25}, note="Ann")
    until(runner, lambda: ("asks-2", "measured") in events(root, "asks"))
    rows = root.model(MODEL).suggestions(agent="asks")
    uid = rows[(rows["suggestion_id"] == "asks-2") & (rows["event"] == "measured")]["raw_uid"].iloc[0]
    assert root.points(MODEL, raw_uid=uid)[["x", "y"]].iloc[0].tolist() == pytest.approx([1.5, 1.25], abs=1e-6)
    until(runner, lambda: ("asks-3", "proposed") in events(root, "asks"))
    reject(root.model(MODEL), "asks-3")
    until(runner, lambda: ("asks-4", "proposed") in events(root, "asks"))
    assert ("asks-3", "queued") not in events(root, "asks")
    with pytest.raises(CatalogError, match="decided already"):
        approve(root.model(MODEL), "asks-3")


def test_automatic_pause_resume_and_stop(catalog, runner_of):
    root, _ = catalog
    said: list[str] = []
    runner = runner_of("works", mode="automatic", say=said.append)
    until(runner, lambda: ("works-1", "measured") in events(root, "works"))
    root.model(MODEL).request("works", "pause")
    until(runner, lambda: runner.paused)
    until(runner, lambda: runner.open is None or not runner.open.is_under_way)
    before = events(root, "works")
    for _ in range(5):
        runner.step()
    assert [each for each in events(root, "works") if each[1] == "queued"] == [
        each for each in before if each[1] == "queued"
    ]
    root.model(MODEL).request("works", "resume")
    n_measured = sum(event == "measured" for _, event in before)
    until(runner, lambda: sum(event == "measured" for _, event in events(root, "works")) > n_measured)
    root.model(MODEL).request("works", "stop", note="the night is over")
    assert "the night is over" in runner.run(period=0.1)
    assert any("asked to pause" in each for each in said)


def test_another_process_goes_on_with_what_is_in_the_queue(catalog, manager, runner_of):
    root, _ = catalog
    runner = runner_of("dies", mode="automatic")
    until(runner, lambda: ("dies-1", "queued") in events(root, "dies"))
    again = runner_of("dies", mode="automatic", agent=restored(root.model(MODEL), "dies"))
    until(again, lambda: ("dies-1", "measured") in events(root, "dies"))
    items = [each for each in manager.history_get()["items"] if each["meta"].get(SUGGESTION_KEY) == "dies-1"]
    assert len(items) == 1


def measured_at(root: Any, name: str, suggestion_id: str) -> list[float]:
    """Where a suggestion was measured."""
    rows = root.model(MODEL).suggestions(agent=name)
    uid = rows[(rows["suggestion_id"] == suggestion_id) & (rows["event"] == "measured")]["raw_uid"].iloc[0]
    return root.points(MODEL, raw_uid=uid)[["x", "y"]].iloc[0].tolist()


def exposure_of(manager: REManagerAPI, suggestion_id: str) -> float:
    """Seconds of exposure that the plan was run with."""
    items = manager.history_get()["items"]
    (item,) = [each for each in items if each["meta"].get(SUGGESTION_KEY) == suggestion_id]
    return float(item["kwargs"]["counting"])


def test_one_spot_is_watched_through_a_rejection_and_an_edit(catalog, runner_of):
    """A rejection ended the process: the agent could not be told."""
    root, _ = catalog
    agent = SpotAgent(Limits(LIMITS), (1.2, 1.3), counting=0.1, model=MODEL, name="spot")
    runner = runner_of("spot", agent=agent)
    runner.step()
    reject(root.model(MODEL), "spot-1", note="not now")
    until(runner, lambda: ("spot-2", "proposed") in events(root, "spot"))
    edit(root.model(MODEL), "spot-2", {"x": 1.6, "y": 1.7})
    until(runner, lambda: ("spot-3", "proposed") in events(root, "spot"))
    assert ("spot-1", "queued") not in events(root, "spot")
    assert measured_at(root, "spot", "spot-2") == pytest.approx([1.6, 1.7], abs=1e-6)
    # Another process goes on at the new spot.
    again = runner_of("spot", agent=restored(root.model(MODEL), "spot"))
    again.step()
    assert again.open.suggestion.id == "spot-3"
    approve(root.model(MODEL), "spot-3")
    until(again, lambda: ("spot-4", "proposed") in events(root, "spot"))
    assert measured_at(root, "spot", "spot-3") == pytest.approx([1.6, 1.7], abs=1e-6)
    root.model(MODEL).request("spot", "stop")
    assert "asked to stop" in again.run(period=0)


def test_short_counts_go_through_a_rejection_and_edits(catalog, manager, runner_of):
    root, _ = catalog
    chooser = NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.1), n_start=2, model=MODEL, name="brief")
    runner = runner_of("brief", agent=ShortFirst(chooser, short=0.08, long=0.16))
    runner.step()
    reject(root.model(MODEL), "brief-1")
    until(runner, lambda: ("brief-2", "proposed") in events(root, "brief"))
    edit(root.model(MODEL), "brief-2", {"x": 1.5, "y": 1.25})
    until(runner, lambda: ("brief-2-long", "proposed") in events(root, "brief"))
    assert measured_at(root, "brief", "brief-2") == pytest.approx([1.5, 1.25], abs=1e-6)
    assert exposure_of(manager, "brief-2") == 0.08
    # Another process goes on with the long count.
    again = runner_of("brief", agent=restored(root.model(MODEL), "brief"))
    again.step()
    assert again.open.suggestion.id == "brief-2-long"
    edit(root.model(MODEL), "brief-2-long", {"x": 1.5, "y": 1.3})
    until(again, lambda: ("brief-2-long", "measured") in events(root, "brief"))
    assert measured_at(root, "brief", "brief-2-long") == pytest.approx([1.5, 1.3], abs=1e-6)
    assert exposure_of(manager, "brief-2-long") == 0.16
    until(again, lambda: any(event == "proposed" and "long" not in each for each, event in events(root, "brief")[-2:]))
    root.model(MODEL).request("brief", "stop")
    assert "asked to stop" in again.run(period=0)


def test_what_may_not_be_asked_is_refused_and_ignored(catalog, runner_of, caplog):
    root, _ = catalog
    runner = runner_of("listens")
    runner.step()
    with pytest.raises(CatalogError, match="not to 'explode'"):
        root.model(MODEL).request("listens", "explode")
    store = SuggestionsStore(root["ainerd"][MODEL])
    row = request_table(AgentRequest(time=time.time(), agent="listens", what="pause"), MODEL)
    store.append(row.set_column(row.schema.get_field_index("event"), "event", [["_cost"]]))
    runner.step()
    assert "'_cost', which it does not do" in caplog.text
    assert not runner.paused


def test_a_refusing_queue_server_pauses_it(catalog, runner_of):
    root, _ = catalog
    said: list[str] = []
    runner = runner_of("refused", mode="automatic", plan="not_a_plan", say=said.append)
    with pytest.raises(QueueError, match="refuses"):
        runner.step()
    reason = runner.run(period=0, sleep=lambda _: root.model(MODEL).request("refused", "stop"))
    assert "asked to stop" in reason
    assert any("The agent pauses" in each for each in said)
    assert events(root, "refused")[0] == ("refused-1", "proposed")


def test_what_the_queue_server_refuses_can_be_rejected(catalog, runner_of):
    """The automatic agent has settled it as queued, and it never was."""
    root, _ = catalog
    results = root.model(MODEL)
    runner = runner_of("unwanted", mode="automatic", plan="not_a_plan")
    for _ in range(2):
        with pytest.raises(QueueError, match="refuses"):
            runner.step()
        assert results.decision("unwanted-1") is None
    reject(results, "unwanted-1", note="not there", by="Ann")
    runner.held = "pause"  # as `run` leaves it
    assert runner.step() == ""
    assert runner.open is None
    assert events(root, "unwanted") == [("unwanted-1", "proposed"), ("unwanted-1", "rejected")]


def test_what_a_process_settled_and_never_queued_can_be_decided_after_a_restart_that_asks(catalog, manager, runner_of):
    root, _ = catalog
    results = root.model(MODEL)
    runner = runner_of("crashed")
    runner.step()
    settle(results.container, "crashed-1", "queued", by="crashed")
    with pytest.raises(DecidedAlreadyError, match="it is queued"):
        reject(results, "crashed-1")
    runner.step()
    assert results.decision("crashed-1") is None
    # The same, where the item was in the queue already: it is watched, and nobody can reject it any more.
    settle(results.container, "crashed-1", "queued", by="crashed")
    QueueServer(manager).add(runner.open.suggestion)
    runner.held = "pause"  # so it does not start the queue
    runner.step()
    assert ("crashed-1", "queued") in events(root, "crashed")
    with pytest.raises(CatalogError, match="it is queued"):
        reject(results, "crashed-1")
    manager.queue_clear()
    runner.step()
    assert events(root, "crashed")[-1] == ("crashed-1", "withdrawn")


def test_a_queue_server_that_is_away_is_waited_for(catalog, runner_of):
    root, _ = catalog
    said: list[str] = []
    away = REManagerAPI(zmq_control_addr=f"tcp://127.0.0.1:{free_port()}", timeout_recv=0.2)
    runner = runner_of("patient", mode="automatic", manager=away, say=said.append)
    rounds = iter(range(2))

    def stop_in_the_end(_: float) -> None:
        if next(rounds, None) is None:
            runner.agent.stop("enough")

    assert runner.run(period=0, sleep=stop_in_the_end) == "enough"
    away.close()
    assert sum("does not answer" in each for each in said) == 1
    assert events(root, "patient") == [("patient-1", "proposed")]


def test_results_that_never_come_are_a_failure(catalog, runner_of, monkeypatch):
    """Nobody analyses the run: the agent goes on with what it knows."""
    root, _ = catalog
    monkeypatch.setattr("ainerd_agent.catalog.ModelResults.analysis", lambda *_: None)
    runner = runner_of("waits", mode="automatic", patience=0.5)
    until(runner, lambda: ("waits-2", "proposed") in events(root, "waits"))
    rows = root.model(MODEL).suggestions(agent="waits").set_index(["suggestion_id", "event"])
    assert rows.loc[("waits-1", "failed"), "note"] == "no analysis within 0.5 s"
    assert rows.loc[("waits-1", "failed"), "raw_uid"] in root["raw"]


def test_removed_items_are_taken_back(catalog, manager, runner_of):
    root, _ = catalog
    manager.wait_for_idle(timeout=60)  # while an item of the test before runs, those added here would run after it
    # With an item of somebody's before it, the agent does not start the queue.
    manager.item_add(BPlan("measure", x=1.0, y=1.0))
    runner = runner_of("removed", mode="automatic")
    until(runner, lambda: ("removed-1", "queued") in events(root, "removed"))
    manager.queue_clear()
    until(runner, lambda: ("removed-1", "withdrawn") in events(root, "removed"))
    manager.item_add(BPlan("measure", x=1.0, y=1.0))
    until(runner, lambda: ("removed-2", "queued") in events(root, "removed"))
    manager.queue_clear()


def test_only_suggest_learns_from_what_people_measure(catalog, manager, runner_of):
    root, _ = catalog
    runner = runner_of("suggests", mode="suggest", manager=None)
    runner.step()
    item = BPlan("measure", x=1.2, y=1.3, md={SUGGESTION_KEY: "suggests-1"})
    manager.item_add(item)
    manager.queue_start()
    until(runner, lambda: ("suggests-1", "measured") in events(root, "suggests"))
    until(runner, lambda: ("suggests-2", "proposed") in events(root, "suggests"))
    # It was measured elsewhere than it was suggested, and that is what is known of it.
    rows = root.model(MODEL).suggestions(agent="suggests").set_index(["suggestion_id", "event"])
    for event in ("moved", "measured"):
        place = rows.loc[("suggests-1", event), ["x", "y"]].astype(float).tolist()
        assert place == pytest.approx([1.2, 1.3], abs=1e-6)


def test_stop_now_ends_queue_and_plan_whatever_is_to_be_approved(catalog, manager, runner_of, tmp_path, monkeypatch):
    """An abort is never gated: it asks the queue server, whatever the catalog says, and even without one."""
    root, uri = catalog
    manager.wait_for_idle(timeout=60)
    chooser = NoveltyAgent(LIMITS, BeamtimeCost(10.0, 20.0), n_start=2, model=MODEL, name="endless")
    runner = runner_of("endless", agent=ShortFirst(chooser, short=20.0, long=30.0))
    runner.step()
    approve(root.model(MODEL), "endless-1")
    # 20 s of frames at the rate of the simulated detector: it is aborted long before its end.
    until(runner, lambda: ("endless-1", "exposing") in events(root, "endless"))
    (tmp_path / "ainerd.toml").write_text(f'[agent]\nx = [1.0, 2.0]\ny = [1.0, 2.0]\nqueue = "{manager.address}"\n')
    monkeypatch.setenv("TILED_RETRY_TIMEOUT", "0.5")
    nowhere = f"http://127.0.0.1:{free_port()}/api/v1?api_key=gone"
    done = ainerd("agent", "stop", "endless", "--now", "--catalog", nowhere, cwd=tmp_path)
    assert done.returncode == 1
    for said in ("the plan was aborted", "item endless-1 was taken out of the queue", "could not be asked to stop"):
        assert said in done.stderr
    assert manager.status(reload=True)["manager_state"] == "idle"
    assert manager.queue_get(reload=True)["items"] == []
    item = next(each for each in manager.history_get(reload=True)["items"][::-1] if each["meta"].get(SUGGESTION_KEY))
    assert (item["meta"][SUGGESTION_KEY], item["result"]["exit_status"]) == ("endless-1", "aborted")
    # The agent takes it for failed, and does not start it again.
    until(runner, lambda: ("endless-1", "failed") in events(root, "endless"))
    assert manager.status(reload=True)["manager_state"] == "idle"
    done = ainerd("agent", "stop", "endless", "--now", "--catalog", uri, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "asked endless to stop\n"), done.stderr
    assert "nothing was under way" in done.stderr
    assert "asked to stop" in runner.run(period=0)


def test_the_command_runs_and_stops(catalog, manager, tmp_path):
    _, uri = catalog
    (tmp_path / "ainerd.toml").write_text(
        f'[agent]\nx = [1.0, 2.0]\ny = [1.0, 2.0]\nqueue = "{manager.address}"\nn_start = 2\n'
    )
    program = [sys.executable, "-c", "from ainerd_agent.cli import main; main()"]
    with subprocess.Popen(
        [*program, "agent", "run", "night", "--catalog", uri, "--mode", "automatic"],
        cwd=tmp_path, env=os.environ, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        said = ""
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if "novelty" in line and "found" in line:
                break
        assert "found" in said
        done = ainerd("agent", "list", "night", "--catalog", uri)
        assert "running" in done.stdout, done.stdout
        second = ainerd("agent", "run", "night", "--catalog", uri, "--mode", "automatic", cwd=tmp_path)
        assert second.returncode == 1
        assert "An agent night runs already" in " ".join(second.stderr.split())
        done = ainerd("agent", "stop", "night", "--catalog", uri)
        assert done.returncode == 0, done.stderr
        said += process.stderr.read()
    assert "The agent ends: somebody asked to stop" in said
    done = ainerd("agent", "list", "night", "--catalog", uri)
    assert "ended" in done.stdout
    done = ainerd("why", "night-1", "--catalog", uri)
    assert "measured as" in done.stdout
