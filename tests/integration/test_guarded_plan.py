"""The plan of a real RE manager refuses what another client puts into its queue: limits, dose, approval."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bluesky_queueserver_api", reason="the extra queue is not installed")
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI

from ainerd_agent.agent import BeamtimeCost, Limits, NoveltyAgent
from ainerd_agent.agent.lifecycle.approval import approve, edit, reject
from ainerd_agent.agent.runners.queue_server import SUGGESTION_KEY
from ainerd_agent.catalog import Catalog, ModelIdentity, TiledServer, connect
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Suggestion
from tests.integration.re_manager import re_manager

LIMITS = Limits({"x": (1.0, 2.0), "y": (1.0, 2.0)}, exclusion=0.1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalog, str]]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server, connect(server.uri, create=True) as root:
        yield root, server.uri


def measured(manager: REManagerAPI, **arguments: Any) -> tuple[str, str, int]:
    """Put an item into the queue as any client can; how it ended, why, and how many runs it made."""
    manager.item_add(BPlan("measure", **arguments))
    manager.queue_start()
    manager.wait_for_idle(timeout=60)
    item = manager.history_get(reload=True)["items"][-1]
    manager.queue_clear()  # one that failed is put back
    result = item["result"]
    return result["exit_status"], result["msg"], len(result["run_uids"])


def test_the_plan_refuses_what_another_client_puts_into_the_queue(root: Any, tmp_path: Path) -> None:
    catalog, uri = root
    settings = {
        "AINERD_AGENT__X": "[1.0, 2.0]", "AINERD_AGENT__Y": "[1.0, 2.0]", "AINERD_AGENT__DOSE_BUDGET": "0.25",
        "AINERD_AGENT__FORBIDDEN": '[{"x": 1.5, "y": 1.5, "radius": 0.1}]', "AINERD_AGENT__APPROVAL": "true",
    }  # fmt: skip
    encoder = Encoder.load()
    identity = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))
    agent = NoveltyAgent(LIMITS, BeamtimeCost(10.0, 0.1), model=encoder.name, name="night")
    writer = catalog.writer(identity)
    proposed: list[Suggestion] = [agent.suggest() for _ in range(4)]
    for each in proposed:
        writer.record_suggestion(each, "proposed")
    results = catalog.model(encoder.name)
    approve(results, "night-1")
    edit(results, "night-2", {"x": 1.25, "y": 1.75})
    reject(results, "night-3")

    def of(number: int, **changed: float) -> dict[str, Any]:
        return {**proposed[number - 1].position, **changed, "md": {SUGGESTION_KEY: f"night-{number}"}}

    with re_manager(uri, tmp_path, **settings) as manager:
        refused = (
            ({"x": 3.0, "y": 1.0}, "outside of the limits"),
            ({"x": 1.5, "y": 1.5}, "forbidden region"),
            ({"x": 1.1, "y": 1.1}, "no agent's suggestion"),
            (of(4), "Suggestion night-4 is not approved"),
            (of(3), "Suggestion night-3 is rejected"),
            (of(1, x=1.9), "was approved at"),
            (of(2), "was approved at"),  # the position before it was edited
            ({"x": 1.1, "y": 1.1, "md": {SUGGESTION_KEY: "nobody-1"}}, "nobody-1 is not approved"),
        )
        for arguments, said in refused:
            status, why, runs = measured(manager, **arguments)
            assert (status, runs) == ("failed", 0), arguments
            assert said in why
        assert len(catalog["raw"]) == 0
        status, why, runs = measured(manager, **of(1))
        assert (status, runs) == ("completed", 1), why
        assert "exposed already" in measured(manager, **of(1))[1]
        status, why, runs = measured(manager, **of(2, x=1.25, y=1.75))
        assert (status, runs) == ("completed", 1), why
        approve(results, "night-4")
        status, why, runs = measured(manager, **of(4), counting=0.12)
        assert (status, runs) == ("failed", 0)
        assert "does not allow 0.12 s more: 0.16 s of 0.25 s are spent" in why
        manager.item_add(BPlan("explore", n_measurements=2))
        manager.queue_start()
        manager.wait_for_idle(timeout=60)
        assert "a scan chooses by itself" in manager.history_get(reload=True)["items"][-1]["result"]["msg"]
    assert len(catalog["raw"]) == 2
