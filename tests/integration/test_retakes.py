"""Measurements whose events came again take the place of the earlier ones, whatever interrupts that."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ainerd_agent.catalog import Catalog, DerivedWriter, ServerUnreachableError, SpooledWriter, TiledServer
from ainerd_agent.catalog.check import check
from ainerd_agent.catalog.layout import COMPLETE, STAGED
from ainerd_agent.catalog.read.unseen_points import UnseenPoints
from ainerd_agent.catalog.write.rebuilding import rebuild
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, BadPixels, Events, Exposure, Fingerprints, Run
from tests.catalog.codec.records import same
from tests.integration.conftest import FAULTS_APART, KilledError, Mortal
from tests.integration.derived_runs import MODEL, N_BINS, SIZE, START, measurement, write_run

Pair = tuple[Fingerprints, Analysis]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("retakes")) as server:
        yield server


def a_run(uid: str) -> Run:
    return Run(uid=uid, time=START, scan_id=7, plan_name="grid", sample="silica")


def again(pair: Pair, *, seconds: float = 1.0, value: float = -1.0, frames: int = 50) -> Pair:
    """The same measurement taken later, for other maps and another length."""
    f, a = pair
    exposure = Exposure(frames=frames, frame_time=seconds / frames, counted=seconds)
    origin = dataclasses.replace(f.origin, start=f.origin.start + 500, stop=f.origin.stop + 500, exposure=exposure)
    c2 = np.full_like(f.c2, value)
    f = dataclasses.replace(f, origin=origin, c2=c2, duration=seconds, lags=f.lags * seconds)
    return f, dataclasses.replace(a, origin=origin, novelty=np.full(N_BINS, 9.0))


def replace(writer: DerivedWriter | SpooledWriter, uid: str, *pairs: Pair) -> None:
    writer.replace(uid, [f for f, _ in pairs], [a for _, a in pairs])


def numbers(tables: Sequence[Any]) -> list[tuple[str, int]]:
    return [(table["raw_uid"].iloc[0], int(n)) for table in tables for n in table["seq_num"].unique()]


def is_replaced(catalog: Catalog, uid: str, value: float = -1.0) -> None:
    """Of three measurements, the second is a retake."""
    points = catalog.points(raw_uid=uid)
    assert points["seq_num"].tolist() == [1] * N_BINS + [2] * N_BINS + [3] * N_BINS
    retaken = points[points["seq_num"] == 2]
    assert set(retaken["novelty"]) == {9.0}
    assert set(retaken["time"]) == {START + 502}
    assert set(retaken["frame_time"]) == {0.01}
    assert [catalog.c2(uid, measurement=n, bin=2)[0, 0] for n in (1, 2, 3)] == [102.0, value, 302.0]
    assert catalog["xpcs", uid].metadata["frames"] == [None, 50, None]
    assert catalog["xpcs", uid].metadata["duration"] == [1.0, 0.5, 1.0]
    metadata = catalog["ainerd", MODEL.name, uid].metadata
    assert (metadata["novelty_max"], metadata["n_measurements"]) == (9.0, 3)
    assert sum(entry["n_measurements"] for entry in metadata["derived_from"]["made"]) == 3
    assert [each["seq_num"] for each in metadata["derived_from"]["retakes"]] == [2]
    run = catalog.model(MODEL.name).records(uid)
    assert run.incomplete == []
    lags = {f.origin.seq_num: f.lags[-1] for f in run.fingerprints}
    assert lags == pytest.approx({1: 0.04, 2: 0.02, 3: 0.04})
    places = {f.origin.seq_num: place for f, place in zip(run.fingerprints, run.places, strict=True)}
    assert places == {1: 0, 2: 1, 3: 2}
    assert all(STAGED not in key for key in catalog["ainerd", MODEL.name, uid])


def is_sound(catalog: Catalog) -> None:
    assert [problem for problem in check(catalog) if "raw run" not in problem.what] == []


def test_a_retake_takes_the_place_of_the_earlier_one(catalog: Catalog, writer: DerivedWriter) -> None:
    write_run(writer, "whole", [{"novelty": 1.0}, {"novelty": 20.0}, {"novelty": 2.0}], close=False)
    columns = catalog["ainerd", MODEL.name, "whole", "points"].metadata
    for _ in range(2):  # delivered twice
        replace(writer, "whole", again(measurement("whole", 2), seconds=0.5))
        is_replaced(catalog, "whole")
    is_sound(catalog)
    after = catalog["ainerd", MODEL.name, "whole", "points"].metadata
    assert {key: after[key] for key in columns} == dict(columns)
    f, a = measurement("whole", 4)
    writer.append("whole", [f], [a])
    writer.close_run("whole", "success")
    assert catalog.points(raw_uid="whole")["seq_num"].max() == 4


def test_bad_pixels_are_kept_beside_the_maps(catalog: Catalog, writer: DerivedWriter) -> None:
    def with_bad(seq_num: int, bad: BadPixels | None) -> Pair:
        f, a = measurement("bad", seq_num)
        return dataclasses.replace(f, bad_pixels=bad), a

    three = BadPixels.of([7, 25, 13], 10, bins=[1, 2, 1], kinds=["hot", "full", "dead"], in_part=[False, True, False])
    one = BadPixels.of([31], 10, bins=[3], kinds=["flickering"])
    writer.open_run(a_run("bad"))
    for seq_num, bad in enumerate((None, BadPixels.none(), three, one), 1):
        f, a = with_bad(seq_num, bad)
        writer.append("bad", [f], [a])
    assert catalog.bad_pixels("bad", 1) is None
    assert [len(catalog.bad_pixels("bad", n) or ()) for n in (2, 3, 4)] == [0, 3, 1]
    assert same(catalog.bad_pixels("bad", 3), three)
    assert same(catalog["xpcs", "bad"].bad_pixels(4), one)
    assert catalog["xpcs", "bad"].metadata["n_bad_pixels"] == [None, 0, 3, 1]
    replace(writer, "bad", with_bad(3, BadPixels.none()))
    replace(writer, "bad", with_bad(2, one))
    assert [len(catalog.bad_pixels("bad", n) or ()) for n in (2, 3, 4)] == [1, 0, 1]
    assert same(catalog.bad_pixels("bad", 2), one)
    with pytest.raises(CatalogError, match="bad_pixels has no bins"):
        catalog["xpcs", "bad"].maps("bad_pixels", 4, bin=1)
    is_sound(catalog)


def test_an_array_that_was_made_but_not_named_is_taken_up(catalog: Catalog, writer: DerivedWriter) -> None:
    """A writer died between the two."""
    write_run(writer, "made", [{}], close=False)
    catalog["xpcs", "made"].write_array(np.ones((2, 1000, 5), np.float32), key="bad_pixels")
    one = BadPixels.of([31], 10, bins=[3], kinds=["flickering"])
    f, a = measurement("made", 2)
    other = catalog.writer(MODEL)
    other.open_run(a_run("made"))
    other.append("made", [dataclasses.replace(f, bad_pixels=one)], [a])
    assert catalog.bad_pixels("made", 1) is None
    assert same(catalog.bad_pixels("made", 2), one)


def test_another_writer_learns_of_it(catalog: Catalog, writer: DerivedWriter) -> None:
    other = catalog.writer(MODEL)
    other.open_run(a_run("two"))
    write_run(writer, "two", [{"novelty": 1.0}, {"novelty": 20.0}], close=False)
    other.append("two", *([each] for each in measurement("two", 3, novelty=2.0)))
    replace(writer, "two", again(measurement("two", 2), seconds=0.5))
    other.append("two", *([each] for each in measurement("two", 4)))
    metadata = catalog["ainerd", MODEL.name, "two"].metadata
    assert (metadata["novelty_max"], metadata["n_measurements"]) == (9.0, 4)
    assert catalog["xpcs", "two"].metadata["duration"] == [1.0, 0.5, 1.0, 1.0]


def test_what_other_models_found_in_the_earlier_one_is_gone(
    catalog: Catalog, writer: DerivedWriter, caplog: pytest.LogCaptureFixture
) -> None:
    other = writer.for_model(dataclasses.replace(MODEL, name="toy-2", weights_sha256="cd" * 32, parameters={"size": 1}))
    for each in (writer, other):
        write_run(each, "shared", [{}, {"novelty": 3.0}], close=False)
    replace(writer, "shared", again(measurement("shared", 2)))
    assert set(catalog.points("toy-2", raw_uid="shared")["seq_num"]) == {1}
    assert catalog["ainerd", "toy-2", "shared"].metadata["novelty_max"] is None
    assert "what the model toy-2 found in the earlier ones is gone" in caplog.text
    assert set(catalog.points("toy-1", raw_uid="shared")["seq_num"]) == {1, 2}
    other.append_analyses("shared", *([each] for each in again(measurement("shared", 2))))
    assert set(catalog.points("toy-2", raw_uid="shared")["seq_num"]) == {1, 2}


def test_where_nothing_was_stored_it_is_added_and_its_failure_goes(catalog: Catalog, writer: DerivedWriter) -> None:
    write_run(writer, "failed", [{}], close=False)
    writer.record_failure("failed", 2, "no frames")
    assert catalog.model(MODEL.name).records("failed").failures == {Events("primary", 2, 2): "no frames"}
    replace(writer, "failed", again(measurement("failed", 2), seconds=0.5), measurement("failed", 3))
    assert catalog.model(MODEL.name).records("failed").failures == {}
    metadata = catalog["ainerd", MODEL.name, "failed"].metadata
    assert (metadata["n_measurements"], metadata["derived_from"]["retakes"]) == (3, [])


def test_the_first_measurement_has_the_lags(catalog: Catalog, writer: DerivedWriter) -> None:
    write_run(writer, "first", [{}], close=False)
    replace(writer, "first", again(measurement("first", 1), seconds=4.0))
    writer.append("first", *([each] for each in measurement("first", 2)))
    run = catalog.model(MODEL.name).records("first")
    assert [f.lags[-1] for f in run.fingerprints] == pytest.approx([0.16, 0.04])
    assert [f.duration for f in run.fingerprints] == [4.0, 1.0]


def test_maps_of_another_shape_change_nothing(catalog: Catalog, writer: DerivedWriter) -> None:
    write_run(writer, "shape", [{"novelty": 1.0}, {}], close=False)
    before = catalog.points(raw_uid="shape")
    f, a = measurement("shape", 1)
    other = dataclasses.replace(f, c2=np.zeros((N_BINS, 2 * SIZE, 2 * SIZE), np.float32))
    with pytest.raises(CatalogError, match="differ in the shape of c2"):
        replace(writer, "shape", (other, a))
    with pytest.raises(CatalogError, match="other lags"):
        replace(writer, "shape", (dataclasses.replace(f, lags=f.lags * 3), a))
    assert catalog.points(raw_uid="shape").equals(before)
    assert catalog.c2("shape", 1, 1)[0, 0] == 101.0


@pytest.mark.timeout(300)
def test_whatever_interrupts_it_the_next_attempt_goes_on(catalog: Catalog, mortal: Mortal) -> None:
    """It is killed before one and another request that changes something; readers find all other rows all the time."""
    uid, survived, whole = "killed", 0, False
    write_run(catalog.writer(MODEL), uid, [{"novelty": 1.0}, {"novelty": 20.0}, {"novelty": 2.0}], close=False)
    while not whole:
        pair = again(measurement(uid, 2), seconds=0.5, value=-1.0 - survived)
        writer, mortal.left = catalog.writer(MODEL), survived
        writer.open_run(a_run(uid))
        with suppress(KilledError):
            replace(writer, uid, pair)
            whole = True
        mortal.left = math.inf
        assert set(catalog.points(raw_uid=uid)["seq_num"]) >= {1, 3}
        writer = catalog.writer(MODEL)
        writer.open_run(a_run(uid))
        if survived % 2:  # another measurement comes before it is repeated
            writer.append(uid, *([each] for each in measurement(uid, 3)))
        replace(writer, uid, pair)
        is_replaced(catalog, uid, -1.0 - survived)
        survived += FAULTS_APART
    assert survived > 10
    is_sound(catalog)


def test_readers_find_the_rows_while_the_table_is_written_anew(
    catalog: Catalog, writer: DerivedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(writer, "read", [{}, {}])
    analysis = catalog["ainerd", MODEL.name, "read"]
    table, client, seen = analysis["points"], catalog.tiled.context.http_client, []
    send = client.send

    def looking(request: Any, **options: Any) -> Any:
        answer = send(request, **options)
        if request.method != "GET":
            monkeypatch.setattr(client, "send", send)
            seen.append(len(catalog.points(raw_uid="read")))
            monkeypatch.setattr(client, "send", looking)
        return answer

    schema = table.structure().arrow_schema_decoded
    rows = pa.Table.from_pandas(table.read(), schema=schema)
    monkeypatch.setattr(client, "send", looking)
    rebuild(analysis, "points", rows, {})
    assert len(seen) >= 7
    assert set(seen) == {2 * N_BINS}
    assert COMPLETE not in analysis["points"].metadata


def test_readers_that_follow_see_it_again(catalog: Catalog, writer: DerivedWriter, tmp_path: Path) -> None:
    write_run(writer, "followed", [{"latent": 50.0}, {"latent": 60.0}], close=False)
    model = catalog["ainerd", MODEL.name]
    unseen, from_now = UnseenPoints(), UnseenPoints()
    from_now.skip(model)
    assert {("followed", 1), ("followed", 2)} <= set(numbers(list(unseen.read(model))))
    assert model.similar(np.full(8, 60.0, np.float32), k=1, folder=tmp_path)["seq_num"].tolist() == [2]

    f, a = again(measurement("followed", 1), seconds=0.5)
    replace(writer, "followed", (f, dataclasses.replace(a, latents=np.full((N_BINS, 8), 60.0, np.float32))))
    for reader in (unseen, from_now):
        assert numbers(list(reader.read(model))) == [("followed", 1)]
        assert numbers(list(reader.read(model))) == []
    found = model.similar(np.full(8, 60.0, np.float32), k=1, folder=tmp_path)
    assert found[["seq_num", "time"]].iloc[0].tolist() == [1, START + 501]
    # One who was away does not know which of them was seen.
    late = UnseenPoints({"followed": {Events("primary", 1, 1), Events("primary", 2, 2)}})
    assert ("followed", 1) in numbers(list(late.read(model)))
    assert ("followed", 2) not in numbers(list(late.read(model)))


def test_it_waits_like_other_calls_while_the_server_is_away(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = catalog.writer(MODEL)
    spool = SpooledWriter(writer, tmp_path)
    spool.open_run(a_run("spooled"))
    away = ServerUnreachableError("nobody answers")

    def unreachable(*_: Any, **__: Any) -> None:
        raise away

    for number in (1, 2, 3):
        spool.append("spooled", *([each] for each in measurement("spooled", number)))
    with monkeypatch.context() as patch:
        patch.setattr(writer, "replace", unreachable)
        patch.setattr(writer, "is_reachable", lambda: False)
        replace(spool, "spooled", again(measurement("spooled", 2), seconds=0.5))
        spool.record_failure("spooled", 1, "dark", stream="late", last_seq_num=4)
        assert spool.flush() == 2
        assert catalog.points(raw_uid="spooled")["time"].max() == START + 3
    assert spool.flush() == 0
    is_replaced(catalog, "spooled")
    assert catalog.model(MODEL.name).records("spooled").failures == {Events("late", 1, 4): "dark"}
