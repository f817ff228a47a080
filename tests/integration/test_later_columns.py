"""Keys that first come with a later measurement of a run become columns, whatever interrupts that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ainerd_agent.catalog import Catalog, DerivedWriter, SpooledWriter, TiledServer
from ainerd_agent.records import Analysis, Fingerprints, Run
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
