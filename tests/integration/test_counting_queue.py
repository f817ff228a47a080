"""A real RE manager runs a plan whose exposure ends early."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("bluesky_queueserver_api", reason="the extra queue is not installed")
from bluesky_queueserver_api import BPlan

from ainerd_agent.catalog import TiledServer, connect
from tests.integration.re_manager import re_manager

PLANNED = 2000


def test_an_exposure_in_the_queue_ends_when_its_relaxation_time_is_known(tmp_path: Path) -> None:
    """The simulated sample relaxes within what 40 frames last; 2,000 are planned. Where it flows, few bins relax by
    themselves, so that a share of them has to be enough."""
    with TiledServer(tmp_path / "session") as server, connect(server.uri, create=True) as catalog:
        with re_manager(server.uri, tmp_path) as manager:
            for arguments in ({"x": 1.5, "y": 1.5}, {"x": 30.0, "y": 1.5}):
                manager.item_add(BPlan("measure_until", frames=PLANNED, tau_error=0.3, share=0.25, **arguments))
                manager.queue_start()
                manager.wait_for_idle(timeout=200)
            early, refused = manager.history_get(reload=True)["items"]
            (uid,) = early["result"]["run_uids"] or [""]
            deadline = time.monotonic() + 120
            while uid and not len(catalog.points(raw_uid=uid)) and time.monotonic() < deadline:
                time.sleep(0.2)  # the manager ends its worker without asking what it still has to write
        assert early["result"]["exit_status"] == "completed", early["result"]["msg"]
        assert refused["result"]["exit_status"] == "failed"
        assert "outside of the limits" in refused["result"]["msg"]
        points = catalog.points(raw_uid=uid)
        (counted,) = points["seconds_counted"].unique()
        (planned,) = points["seconds_planned"].unique()
        assert planned == pytest.approx(PLANNED * 0.002)
        assert counted < planned
        assert set(points["ended"]) == {"converged"}
        assert (points["look"] >= 1).all()
        assert catalog["raw"][uid].metadata["stop"]["exit_status"] == "success"
