"""Exposures that end early, from the plan to the catalog."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine

from ainerd_agent.agent import BeamtimeCost, Counting, NoveltyAgent, Until, novelty_scan
from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.live import live_analysis, raw_writer
from ainerd_agent.workflows.live_channel import LiveChannel
from tests.conftest import connected_beamline, small_glass
from tests.integration.conftest import ainerd
from tests.pages import HOW_TO, blocks_of, run_block

FRAMES = 160
"""Of five milliseconds each."""


def of_beamline() -> Settings:
    from ainerd_agent.instrument.detector import TIMESTAMPS

    settings = Settings()
    return settings.model_copy(update={"files": settings.files.model_copy(update={"timestamps": TIMESTAMPS})})


def test_the_page_runs_and_the_catalog_says_how_long_was_counted(run_engine: RunEngine, tmp_path: Path) -> None:
    """docs/how-to/end-exposures-early.md, with fewer frames."""
    server_block, plan_block = blocks_of(HOW_TO / "end-exposures-early.md")
    experiment = small_glass()
    with (
        TiledServer(tmp_path / "session") as server,
        closing(connect(server.uri, create=True)) as catalog,
        connected_beamline(experiment, server.frames) as beamline,
    ):
        names: dict[str, Any] = {
            "catalog": catalog, "settings": of_beamline(), "geometry": experiment.camera.geometry, "RE": run_engine,
            "detector": beamline.detector, "stage": beamline.stage,
        }  # fmt: skip
        here = server_block.text.replace("port=8765", "").replace('"unsent"', repr(str(tmp_path / "unsent")))
        run_block(server_block, names, here)
        text = plan_block.text.replace("http://127.0.0.1:8765", names["channel"].address)
        text = text.replace("frames=5000, num=10", f"frames={FRAMES}, num=2").replace("tau=0.05", "contrast=0.99")
        ((_, (uid,)),) = run_block(plan_block, names, text)
        for callback in ("looks", "analysis"):
            names[callback].close()
        names["live"].looks.close()
        names["channel"].close()
        names["verdicts"].close()
        points = catalog.points(raw_uid=uid)
        counted = points.groupby("seq_num")[["seconds_counted", "seconds_planned", "ended", "look", "x"]].first()
        assert len(counted) == 2
        assert counted["seconds_planned"].tolist() == pytest.approx([FRAMES * 0.005] * 2)
        assert set(counted["ended"]) <= {"converged", "planned"}
        early = counted["ended"] == "converged"
        assert (counted["seconds_counted"][early] < FRAMES * 0.005).all()
        assert counted["look"][early].notna().all()
        assert counted["x"].notna().all()


def test_an_agents_scan_counts_by_verdicts(run_engine: RunEngine, tmp_path: Path) -> None:
    """What it learns of each measurement is that of its own exposure, whatever its length."""
    experiment = small_glass()
    with (
        TiledServer(tmp_path / "session") as server,
        closing(connect(server.uri, create=True)) as catalog,
        LiveChannel() as channel,
        connected_beamline(experiment, server.frames) as beamline,
    ):
        live = live_analysis(
            catalog, of_beamline(), tmp_path / "unsent", geometry=experiment.camera.geometry, channel=channel
        )
        assert live.looks is not None
        agent = NoveltyAgent({"x": (1.0, 1.6), "y": (1.0, 1.6)}, BeamtimeCost(10.0, 0.8), n_start=2, seed=1)
        callbacks = [raw_writer(catalog, tmp_path / "unsent"), live.in_background(), live.looks.in_background()]
        tokens = [run_engine.subscribe(callback) for callback in callbacks]
        recorded: list[tuple[str, int, float]] = []

        def record(suggestion: Any, event: str, *, seq_num: int = 0, novelty: float = np.nan, **_: Any) -> None:
            recorded.append((event, seq_num, novelty))

        (uid,) = run_engine(
            novelty_scan(
                [beamline.detector], {"x": beamline.stage.x, "y": beamline.stage.y}, agent, live.result,
                n_measurements=3, record=record,
                counting=Counting(FRAMES, channel, Until(contrast=0.99, share=0.5), frame_time=0.005),
            )
        )  # fmt: skip
        for token, callback in zip(tokens, callbacks, strict=True):
            run_engine.unsubscribe(token)
            callback.close()
        live.looks.close()
        measured = [(number, novelty) for event, number, novelty in recorded if event == "measured"]
        points = catalog.points(raw_uid=uid)
        assert [number for number, _ in measured] == sorted(points["seq_num"].unique())
        assert len(measured) == 3
        assert np.isfinite([novelty for _, novelty in measured[1:]]).all()
        last = points.groupby("seq_num")["last_seq_num"].first()
        assert list(last.index[1:]) == (last.iloc[:-1] + 1).tolist()  # rows follow one another
        assert catalog["raw"][uid].metadata["stop"]["exit_status"] == "success"


def test_the_demo_says_how_long_it_counted(tmp_path: Path) -> None:
    shape = ["--measurements", "2", "--frames", "160", "--detector", "64x64", "--out", str(tmp_path), "--json"]
    done = ainerd("demo", *shape, "--tau-error", "0.5")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["measurements"]
    assert [row["seconds_planned"] for row in rows] == pytest.approx([0.32, 0.32])
    assert all(0 < row["seconds_counted"] <= 0.32 + 1e-9 for row in rows)
    assert all(row["ended"] in ("planned", "converged") for row in rows)
    refused = ainerd("demo", *shape, "--tau-error", "7")
    assert refused.returncode == 2
    assert "--tau-error" in refused.stderr
