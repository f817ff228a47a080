"""Keys that first come with a later measurement of a run become columns, and so do new ones of suggestions."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from tiled.structures.core import Spec

from ainerd_agent.agent.lifecycle.approval import approve
from ainerd_agent.catalog import Catalog, DerivedWriter, ModelIdentity, SpooledWriter, TiledServer, connect
from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.suggestions import SUGGESTIONS_SCHEMA, suggestion_table
from ainerd_agent.catalog.schema import SUGGESTIONS_SPEC
from ainerd_agent.catalog.write.containers import model_container
from ainerd_agent.records import Analysis, Fingerprints, Run, Suggestion, SuggestionEvent
from tests.integration.conftest import FAULTS_APART, KilledError, Mortal
from tests.integration.derived_runs import MODEL, N_BINS, START, is_sound, measured, write


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("later")) as server:
        yield server


LATER = {
    "position": {"x": 2.0, "phi": 30.0}, "units": {"phi": "deg", "T": "degC"},
    "extra": {"T": 20.5, "mode": "fast", "ok": True, "n": 3},
}  # fmt: skip
"""Of a measurement that knows more than the first one of its run."""


def knows_later(catalog: Catalog, uid: str) -> None:
    """Two measurements of one stream, and one of another with `LATER`: each with all that it knows, and units."""
    points = catalog.points(raw_uid=uid).set_index(["stream", "seq_num", "bin"])
    assert len(points) == 3 * N_BINS
    early, late = points.loc["primary"], points.loc["late"]
    assert list(early["load"]) == [1.0] * N_BINS + [2.0] * N_BINS
    assert early[["phi", "T", "mode", "ok", "n"]].isna().to_numpy().all()
    assert (set(late["phi"]), set(late["T"]), set(late["mode"]), set(late["n"])) == ({30.0}, {20.5}, {"fast"}, {3})
    assert set(late["ok"]) == {True}
    container = catalog["ainerd", MODEL.name, uid]
    units = container["points"].metadata["units"]
    assert (units["phi"], units["T"], units["load"]) == ("deg", "degC", "N")
    assert container.metadata["phi_max"] == 30.0
    origins = [each.origin for each in catalog.model(MODEL.name).records(uid).analyses]
    assert {str(each.events): dict(each.position) for each in origins} == {
        "primary/1": {"x": 1.0}, "primary/2": {"x": 1.0}, "late/1": {"x": 2.0, "phi": 30.0},
    }  # fmt: skip


def early_and_late(uid: str) -> list[tuple[Fingerprints, Analysis]]:
    """Measurements for `knows_later`, in the order in which they come."""
    first, second = (
        measured(uid, number, position={"x": 1.0}, units={"load": "N"}, extra={"load": float(number)})
        for number in (1, 2)
    )
    return [first, measured(uid, 1, stream="late", **LATER), second]


@pytest.mark.situation(
    "a later stream of a run reads keys, or moves axes, that the first one did not",
    "columns with their units; the measurements before have nothing there",
)
def test_what_a_later_stream_reads_becomes_columns(catalog: Catalog, writer: DerivedWriter) -> None:
    write(writer, "later", *early_and_late("later"))
    knows_later(catalog, "later")
    is_sound(catalog, "later")


def test_another_process_goes_on_in_the_new_columns(catalog: Catalog, writer: DerivedWriter) -> None:
    """Also one that knew the table before it had them."""
    first, late, second = early_and_late("two")
    other = catalog.writer(MODEL)
    for each in (writer, other):
        each.open_run(Run(uid="two", time=START))
    writer.append("two", [first[0]], [first[1]])
    other.append("two", [first[0]], [first[1]])  # looks, and finds it there
    writer.append("two", [late[0]], [late[1]])
    other.append("two", [second[0]], [second[1]])
    other.close_run("two", "success")
    knows_later(catalog, "two")


@pytest.mark.timeout(400)
def test_whatever_interrupts_it_the_next_attempt_goes_on(catalog: Catalog, mortal: Mortal) -> None:
    """The writer is killed before one and another of its requests that change something."""
    survived, whole = 0, False
    while not whole:
        uid = f"killed-{survived}"
        first, late, second = early_and_late(uid)
        write(catalog.writer(MODEL), uid, first)
        writer, mortal.left = catalog.writer(MODEL), survived
        writer.open_run(Run(uid=uid, time=START))
        with suppress(KilledError):
            writer.append(uid, [late[0]], [late[1]])
            whole = True
        mortal.left = math.inf
        assert set(catalog.points(raw_uid=uid)["load"]) >= {1.0}
        # What comes next: the same again, or another one, which knows nothing of it.
        write(catalog.writer(MODEL), uid, *((late, second) if survived % 2 else (second, late)))
        knows_later(catalog, uid)
        survived += FAULTS_APART
    assert survived > 10
    is_sound(catalog, "killed")


def test_new_columns_come_also_from_what_waited(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, late, second = early_and_late("waited")
    spooled = SpooledWriter(catalog.writer(MODEL), tmp_path / "unsent")
    spooled.open_run(Run(uid="waited", time=START))
    spooled.append("waited", [first[0]], [first[1]])

    def nobody(*_: Any, **__: Any) -> Any:
        raise httpx.ConnectError("nobody answers")

    with monkeypatch.context() as away:
        away.setattr(catalog.tiled.context.http_client, "send", nobody)
        for f, a in (late, second):
            spooled.append("waited", [f], [a])
        spooled.close_run("waited", "success")
    again = SpooledWriter(catalog.writer(MODEL), tmp_path / "unsent")
    assert again.flush() == 0
    knows_later(catalog, "waited")


EARLY_SCHEMA = pa.schema([each for each in SUGGESTIONS_SCHEMA if each.name not in ("sample", "well", "by", "verified")])
"""Of a table of suggestions that was begun before these columns came."""


def begun_early(catalog: Catalog, name: str) -> tuple[ModelIdentity, Suggestion]:
    """A model whose table of suggestions lacks columns, and what was proposed in it."""
    model = replace(MODEL, name=name)
    early = Suggestion(
        id="night-1", position={"x": 1.0, "y": 2.0}, reason="new there", model=name, agent="night",
        settings={"agent": "NoveltyAgent", "limits": {"axes": {"x": [0.0, 4.0], "y": [0.0, 4.0]},
                                                      "forbidden": [], "exclusion": 0.1}},
    )  # fmt: skip
    proposed = SuggestionEvent(time=START, suggestion_id=early.id, event="proposed", position=early.position)
    table = model_container(catalog.tiled, model).create_appendable_table(
        EARLY_SCHEMA, key="suggestions", metadata=column_metadata(EARLY_SCHEMA), specs=[Spec(*SUGGESTIONS_SPEC)]
    )
    table.append_partition(0, suggestion_table(early, proposed).select(EARLY_SCHEMA.names))
    return model, early


def holds_both(catalog: Catalog, name: str, *late: str) -> None:
    rows = catalog.model(name).suggestions()
    assert list(rows["suggestion_id"] + " " + rows["event"]) == ["night-1 proposed", *late]
    assert list(rows["sample"] + rows["well"]) == ["", *["gelA1"] * len(late)]
    suggestion, _ = catalog.model(name).suggestion("night-1")
    assert (dict(suggestion.position), suggestion.reason, suggestion.sample) == ({"x": 1.0, "y": 2.0}, "new there", "")


def test_suggestions_go_on_in_a_table_that_was_begun_before_a_column_came(catalog: Catalog) -> None:
    model, early = begun_early(catalog, "early")
    results = catalog.model("early")
    approve(results, "night-1", by="Ann")
    told = results.suggestion("night-1")[1][-1]
    assert (told.event, told.by, told.verified) == ("approved", "Ann", False)
    results.request("night", "pause", note="lunch")
    catalog.writer(model).record_suggestion(replace(early, id="night-2", sample="gel", well="A1"), "proposed")
    rows = results.suggestions()
    assert list(rows["event"]) == ["proposed", "approved", "pause", "proposed"]
    assert (list(rows["sample"]), list(rows["well"])) == (["", "", "", "gel"], ["", "", "", "A1"])
    assert results.suggestion("night-2")[0].well == "A1"
    assert set(catalog["ainerd", "early"]) == {"suggestions"}
    assert not list(catalog["turns"])


@pytest.mark.timeout(400)
def test_whatever_interrupts_new_columns_of_suggestions_none_is_lost(catalog: Catalog, mortal: Mortal) -> None:
    """The writer is killed before each of its requests that change something."""
    survived, whole = 0, False
    while not whole:
        name = f"early-{survived}"
        model, early = begun_early(catalog, name)
        late = replace(early, id="night-2", sample="gel", well="A1")
        mortal.left = survived
        with suppress(KilledError):
            catalog.writer(model).record_suggestion(late, "proposed")
            whole = True
        mortal.left = math.inf
        assert "night-1" in set(catalog.model(name).suggestions()["suggestion_id"])  # readers find it meanwhile
        catalog.writer(model).record_suggestion(late, "proposed")
        holds_both(catalog, name, "night-2 proposed")
        survived += 1
    assert survived > 8


def test_writers_that_find_the_table_so_at_once_lose_nothing(server: TiledServer, catalog: Catalog) -> None:
    model, early = begun_early(catalog, "together")
    start = threading.Barrier(3)

    def write_late(number: int) -> None:
        with connect(server.uri) as own:
            writer = own.writer(model)
            start.wait(30)
            writer.record_suggestion(replace(early, id=f"late-{number}", sample="gel", well="A1"), "proposed")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write_late, range(3)))
    found = catalog.model("together").suggestions()
    assert sorted(found["suggestion_id"]) == ["late-0", "late-1", "late-2", "night-1"]
