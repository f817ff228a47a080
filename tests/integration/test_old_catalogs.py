"""Catalogs that 0.1 wrote are read as they are, with the values that 0.1 read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.catalog import Catalog, DerivedWriter, ModelIdentity, TiledServer, connect
from ainerd_agent.catalog.check import check
from ainerd_agent.catalog.codec.metadata import run_of
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events, Suggestion
from tests.fixtures.catalogs import OldCatalog, unpack
from tests.integration.derived_runs import measurement


@pytest.fixture(scope="module", params=["1.0", "1.3"])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OldCatalog:
    return unpack(request.param, tmp_path_factory.mktemp("old catalog"))


@pytest.fixture(scope="module")
def catalog(old: OldCatalog) -> Iterator[Catalog]:
    with TiledServer(old.session) as server, connect(server.uri) as catalog:
        yield catalog


def identity(old: OldCatalog) -> ModelIdentity:
    about = old.expected["models"]["toy-1"]
    derived = about["runs"]["grid"]["metadata"]["derived_from"]
    return ModelIdentity(
        name="toy-1", weights_sha256=about["metadata"]["weights_sha256"], n_clusters=4,
        parameters=derived["parameters"], geometry=derived.get("geometry", {}),
    )  # fmt: skip


def holds_what_was_written(catalog: Catalog, old: OldCatalog) -> None:
    """All that 0.1 read is read with its values."""
    for uid in old.expected["maps"]:
        np.testing.assert_array_equal(catalog.c2(uid), old.arrays[f"{uid}/c2"])
        np.testing.assert_array_equal(catalog.maps(uid).g2(), old.arrays[f"{uid}/g2"])
    for name, model in old.expected["models"].items():
        assert catalog.models() == list(old.expected["models"])
        for uid, run in model["runs"].items():
            found = catalog.points(name, raw_uid=uid)
            if run["points"] is None:
                assert found.empty
            else:
                wanted = pd.DataFrame(run["points"])
                pd.testing.assert_frame_equal(found[list(wanted)], wanted, check_exact=True, check_dtype=False)
            metadata = catalog["ainerd", name, uid].metadata_copy()[0]
            told = {key: value for key, value in run["metadata"].items() if key not in ("derived_from", "failed")}
            assert {key: metadata.get(key) for key in told} == told
            assert metadata["derived_from"]["seq_nums"] == run["metadata"]["derived_from"]["seq_nums"]
            messages = [(each["seq_num"], each["message"]) for each in metadata["failed"]]
            assert messages == [(each["seq_num"], each["message"]) for each in run["metadata"]["failed"]]
        if model["suggestions"] is not None:
            wanted = pd.DataFrame(model["suggestions"])
            found = catalog.model(name).suggestions()
            same = [column for column in wanted if column not in ("inputs", "terms", "alternatives", "predicted")]
            pd.testing.assert_frame_equal(found[same], wanted[same], check_exact=True, check_dtype=False)


def test_what_was_written_is_read(old: OldCatalog, catalog: Catalog) -> None:
    holds_what_was_written(catalog, old)


def test_runs_are_read_as_records(old: OldCatalog, catalog: Catalog) -> None:
    grid = catalog.model("toy-1").records("grid")
    assert [f.origin.events for f in grid.fingerprints] == [Events("primary", n, n) for n in (1, 2, 3, 5)]
    assert grid.run == run_of(old.expected["models"]["toy-1"]["runs"]["grid"]["metadata"])
    assert grid.run.metadata == {"proposal": "GUP-1", "ring_current": 200.5}
    assert grid.failures == {Events("primary", 4, 4): "no frames in the file"}
    first, third = grid.fingerprints[0], grid.fingerprints[2]
    # 0.1 did not write when an exposure ended; its map spans it.
    assert (first.origin.start, first.origin.stop) == (1_700_000_010.25, pytest.approx(1_700_000_011.85))
    assert first.origin.position == {"x": 0.5, "y": -0.25}
    assert first.origin.extra == {"temperature": 21.5, "count": 1, "label": "spot 1", "open": False}
    assert third.origin.extra["open"] is True
    assert math.isnan(grid.analyses[0].stress.mean)
    assert grid.analyses[2].stress.mean == pytest.approx(100 / 3)
    newer = "fit_tau" in old.expected["models"]["toy-1"]["runs"]["grid"]["points"]
    # Of 1.3 only; it told in words which map is unlike the training.
    assert (third.relaxations is not None) is newer
    unlike = grid.analyses[2].unlike
    assert (None if unlike is None else unlike.tolist()) == ([True, False, False] if newer else None)
    assert third.quality.problems == (("", "few counts", "") if newer else ("", "", ""))
    ingested = catalog.model("toy-1").records("maps.h5-0123abcd")
    assert ingested.fingerprints[0].origin.position == {}
    assert ingested.fingerprints[0].origin.extra == {"roi": 1}
    assert math.isnan(ingested.fingerprints[0].duration)
    assert np.isnan(ingested.fingerprints[0].bins.q).all()


def test_agents_go_on_from_it(old: OldCatalog, catalog: Catalog) -> None:
    results = catalog.model("toy-1")
    if "agent" not in old.expected["models"]["toy-1"]["suggestions"]:
        with pytest.raises(CatalogError, match="begun before they named their agents"):
            restored(results, "night")
        with pytest.raises(CatalogError, match="before suggestions told how they were made"):
            results.suggestion("old-1")
        return
    pending = [row for row in results.suggestions(agent="night").to_dict("records") if row["event"] == "proposed"][-1]
    suggestion = restored(results, "night").suggest()
    assert (suggestion.id, suggestion.position) == (pending["suggestion_id"], {"x": pending["x"], "y": pending["y"]})


def test_nothing_is_wrong_with_it(catalog: Catalog) -> None:
    found = {(problem.where, problem.repaired) for problem in check(catalog) if "raw run" not in problem.what}
    assert {where for where, _ in found} <= {
        # A writer was interrupted there.
        "/xpcs/interrupted/c2", "/xpcs/interrupted/g2", "/ainerd/toy-1/interrupted",
        # Nothing was measured.
        "/ainerd/toy-1/aborted",
    }  # fmt: skip


def test_nothing_is_added_to_it(old: OldCatalog, catalog: Catalog) -> None:
    """In one sentence, before anything was changed."""
    writer = DerivedWriter(catalog.tiled, model=identity(old))
    run = catalog.model("toy-1").records("grid")
    writer.open_run(run.run)
    writer.append("grid", run.fingerprints, run.analyses)  # all of it is there
    new = measurement("grid", 9)
    for call in (
        lambda: writer.append("grid", [new[0]], [new[1]]),
        lambda: writer.record_failure("grid", 9, "dark"),
        lambda: writer.record_suggestion(Suggestion(id="s", position={"x": 1.0}, reason="Why not."), "proposed"),
    ):
        with pytest.raises(CatalogError, match=r"begun by ainerd-agent 0\.1 .* run `ainerd check --upgrade`"):
            call()
    holds_what_was_written(catalog, old)


def test_a_catalog_of_0_1_takes_new_runs(old: OldCatalog, catalog: Catalog) -> None:
    writer: Any = DerivedWriter(catalog.tiled, model=identity(old))
    run = catalog.model("toy-1").records("grid").run
    writer.open_run(type(run)(uid="new", time=run.time))
    f, a = measurement("new", 1)
    writer.append("new", [f], [a])
    writer.close_run("new", "success")
    both = catalog.points("toy-1", ["stop", "kind"])
    assert set(both["raw_uid"]) >= {"grid", "new"}
    assert both["stop"][both["raw_uid"] == "grid"].isna().all()
    assert both["stop"][both["raw_uid"] == "new"].notna().all()
    catalog["ainerd", "toy-1"].delete_contents("new", recursive=True, external_only=False)
    catalog["xpcs"].delete_contents("new", recursive=True, external_only=False)
