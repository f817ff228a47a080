"""The catalog on a real Tiled server: written live and in bulk, searched, reopened, interrupted."""

from __future__ import annotations

import dataclasses
import math
import platform
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import (
    Catalog,
    DerivedWriter,
    ModelIdentity,
    ServerUnreachableError,
    SpooledWriter,
    TiledServer,
    connect,
)
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.records import (
    Analysis,
    Annotation,
    Bins,
    Events,
    Exposure,
    Fingerprints,
    Origin,
    Quality,
    Run,
    ShearStress,
    StressVersion,
    Suggestion,
)

N_BINS, SIZE, N_LATENTS = 3, 16, 4
MODEL = ModelIdentity(name="toy-1", weights_sha256="ab" * 32, n_clusters=4, parameters={"size": SIZE})


def a_run(uid: str, sample: str = "silica", **fields: Any) -> Run:
    return Run(uid=uid, time=1.7e9, scan_id=7, plan_name="grid", sample=sample, **fields)


def measurement(
    uid: str, seq_num: int, *, cluster: int = 1, stress: float = 12.5, tau: float = 0.5, size: int = SIZE, **extra: Any
) -> tuple[Fingerprints, Analysis]:
    rng = np.random.default_rng(seq_num)
    origin = Origin(
        raw_uid=uid,
        seq_num=seq_num,
        start=1.7e9 + seq_num,
        stop=1.7e9 + seq_num + 1,
        elapsed=float(seq_num),
        position={"x": 0.1 * seq_num, "y": -0.2},
        extra=extra,
    )
    c2 = rng.random((N_BINS, size, size), np.float32)
    c2[:, 0, 0] = seq_num
    fingerprints = Fingerprints(
        origin=origin,
        c2=c2,
        bins=Bins(q=np.full(N_BINS, 0.05), azimuth=np.array([0.0, 120.0, 240.0]), n_pixels=np.array([90, 91, 92])),
        duration=1.0,
        mean_counts=np.ones(N_BINS),
        contrast=np.full(N_BINS, 0.2),
        tau=np.full(N_BINS, tau),
        quality=Quality(snr=np.full(N_BINS, 5.0), bad_share=0.0, drift=0.0, problems=("",) * N_BINS),
        g2=rng.random((N_BINS, 5), np.float32),
        lags=np.arange(5) * 0.01,
    )
    analysis = Analysis(
        origin=origin,
        latents=rng.random((N_BINS, N_LATENTS), np.float32),
        cluster=np.array([cluster, cluster, 3]),
        centre_distance=np.ones(N_BINS),
        novelty=np.full(N_BINS, math.nan if seq_num == 1 else float(seq_num)),
        reconstruction_error=np.full(N_BINS, 0.01),
        stress=ShearStress(stress, 0.1, 0.0, math.nan, 10),
    )
    return fingerprints, analysis


def write_run(writer: DerivedWriter | SpooledWriter, run: Run, seq_nums: range, **options: Any) -> None:
    writer.open_run(run)
    pairs = [measurement(run.uid, seq_num, **options) for seq_num in seq_nums]
    writer.append(run.uid, [f for f, _ in pairs], [a for _, a in pairs])
    writer.close_run(run.uid, "success")


def revisions(root: Any, uid: str) -> dict[str, Any]:
    analysis = root["ainerd", MODEL.name, uid]
    return {"metadata": analysis.metadata_copy()[0], "rows": analysis["points"].read().to_dict("list")}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_TIMEOUT", 0.5)
    monkeypatch.setattr("ainerd_agent.catalog.connection.RETRY_SECONDS", 0.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("catalog with a space")) as server:
        yield server


@pytest.fixture
def root(server: TiledServer) -> Iterator[Any]:
    root = connect(server.uri, create=True)
    yield root
    root.close()


@pytest.fixture
def writer(root: Any) -> DerivedWriter:
    return root.writer(MODEL)


def test_live_and_bulk_give_the_same(root: Any, writer: DerivedWriter) -> None:
    for uid in ("live", "bulk"):
        writer.open_run(a_run(uid))
    pairs = [measurement("live", seq_num) for seq_num in (1, 2, 3)]
    for f, a in pairs:
        writer.append("live", [f], [a])
    bulk = [measurement("bulk", seq_num) for seq_num in (1, 2, 3)]
    writer.append("bulk", [f for f, _ in bulk], [a for _, a in bulk])
    assert root["ainerd", "toy-1", "live"].metadata["status"] == "running"
    for uid in ("live", "bulk"):
        writer.close_run(uid, "success")

    np.testing.assert_array_equal(root.c2("live"), np.stack([f.c2 for f, _ in pairs]))
    np.testing.assert_array_equal(root.c2("bulk"), root.c2("live"))
    np.testing.assert_array_equal(root["xpcs", "live", "g2"].read(), np.stack([f.g2 for f, _ in pairs]))
    live, many = (root.points(raw_uid=uid).drop(columns="raw_uid") for uid in ("live", "bulk"))
    assert live.equals(many)
    assert list(live.seq_num) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert list(live.bin) == [1, 2, 3] * 3
    np.testing.assert_allclose(live[["z0", "z1", "z2", "z3"]], np.concatenate([a.latents for _, a in pairs]))
    metadata = [
        root.runs(raw_uid=uid).drop(columns=["raw_uid", "derived_from", "analysed"]) for uid in ("live", "bulk")
    ]
    assert metadata[0].to_dict() == metadata[1].to_dict()
    assert root["xpcs", "live", "c2"].chunks[0] == (1, 1, 1)
    assert root["xpcs", "bulk", "c2"].chunks[0] == (3,)


def test_layout_units_and_slices(root: Any, writer: DerivedWriter) -> None:
    write_run(writer, a_run("layout"), range(5, 8))
    maps, analysis = root["xpcs", "layout"], root["ainerd", "toy-1", "layout"]
    assert [(spec.name, spec.version) for spec in maps.specs] == [("XPCSFingerprints", "2.0")]
    assert [(spec.name, spec.version) for spec in analysis.specs] == [("XPCSAnalysis", "2.0")]
    assert [(spec.name, spec.version) for spec in root["raw"].specs] == [("CatalogOfBlueskyRuns", "3.0")]
    assert tuple(maps["c2"].dims) == ("measurement", "bin", "t1", "t2")
    assert list(maps["bins"].read().n_pixels) == [90, 91, 92]
    assert maps.metadata["lags"] == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert maps.metadata["n_measurements"] == 3
    assert analysis["points"].metadata["units"]["shear_stress"] == "Pa"
    assert analysis["points"].structure().arrow_schema_decoded.field("tau").metadata[b"units"] == b"s"
    derived = analysis.metadata["derived_from"]
    assert list(derived["seq_nums"]) == [5, 6, 7]
    assert derived["weights_sha256"] == MODEL.weights_sha256
    assert root.c2("layout", measurement=6, bin=2).shape == (SIZE, SIZE)
    assert (root.c2("layout", bin=1)[:, 0, 0] == [5, 6, 7]).all()
    with pytest.raises(CatalogError, match="measurement 1"):
        root.c2("layout", measurement=1)
    with pytest.raises(CatalogError, match="bins 1 to 3, not 4"):
        root.c2("layout", bin=4)
    with pytest.raises(CatalogError, match="of a run nonesuch"):
        root.c2("nonesuch")


def test_search_with_a_plain_client(server: TiledServer, writer: DerivedWriter) -> None:
    from tiled.client import from_uri
    from tiled.queries import Key, SpecsQuery

    write_run(writer, a_run("slow", sample="search"), range(1, 3), cluster=0, stress=3.25)
    write_run(writer, a_run("fast", sample="search"), range(1, 3), cluster=2, stress=30.5)
    root = from_uri(server.uri)
    found = root["ainerd", "toy-1"].search(Key("sample") == "search").search(SpecsQuery(include=["XPCSAnalysis"]))
    assert set(found) == {"slow", "fast"}
    assert list(found.search(Key("dominant_cluster") == 2)) == ["fast"]
    assert list(found.search(Key("shear_stress_mean") > 10.0)) == ["fast"]
    assert list(found.search(Key("cluster_fraction_0") > 0.5)) == ["slow"]
    assert list(found.search(Key("novelty_max") >= 2.0)) == ["slow", "fast"]
    root.context.http_client.close()


def test_helpers_list_and_concatenate(root: Any, writer: DerivedWriter) -> None:
    write_run(writer, a_run("one", sample="helpers"), range(1, 3), temperature=20.5)
    write_run(writer, a_run("two", sample="helpers"), range(1, 2))
    listed = root.runs(sample="helpers")
    assert sorted(listed.raw_uid) == ["one", "two"]
    assert len(root.runs(sample="nothing of the kind")) == 0
    points = root.points(model="toy-1")
    assert set(points[points.raw_uid == "one"].temperature) == {20.5}
    assert points[points.raw_uid == "two"].temperature.isna().all()
    with pytest.raises(CatalogError, match="it holds those by: toy-1"):
        root.runs(model="toy-2")


def test_repeating_changes_nothing(root: Any, writer: DerivedWriter) -> None:
    write_run(writer, a_run("again"), range(1, 4))
    before = revisions(root, "again")
    updated = root["ainerd", "toy-1", "again"].item["attributes"].get("time_updated")
    write_run(root.writer(MODEL), a_run("again"), range(1, 4))
    np.testing.assert_equal(revisions(root, "again"), before)
    assert root["ainerd", "toy-1", "again"].item["attributes"].get("time_updated") == updated
    assert root["xpcs", "again", "c2"].shape == (3, N_BINS, SIZE, SIZE)


def test_interrupted_run_goes_on(root: Any, writer: DerivedWriter) -> None:
    run = a_run("crash")
    writer.open_run(run)
    writer.record_failure("crash", 1, "no frames")
    f, a = measurement("crash", 2)
    writer.append("crash", [f], [a])
    # The process dies after the maps of the next measurement were written and before anything else was.
    root["xpcs", "crash", "c2"].patch(np.full((1, N_BINS, SIZE, SIZE), 99, np.float32), offset=(1,), extend=True)

    write_run(root.writer(MODEL), run, range(2, 5))
    (made,) = root["ainerd", "toy-1", "crash"].metadata_copy()[0]["derived_from"]["made"]
    assert (made["n_measurements"], made["machine"]) == (3, platform.node())
    assert (root.c2("crash", bin=1)[:, 0, 0] == [2, 3, 4]).all()
    assert list(root.points(raw_uid="crash").seq_num) == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    metadata = root["ainerd", "toy-1", "crash"].metadata
    assert (metadata["status"], metadata["n_measurements"], metadata["failures"]) == ("success", 3, 1)


def test_failures(root: Any, writer: DerivedWriter) -> None:
    writer.open_run(a_run("broken"))
    for seq_num in (2, 1, 2):
        writer.record_failure("broken", seq_num, f"frames {seq_num} are missing")
    writer.close_run("broken", "fail")
    metadata = root["ainerd", "toy-1", "broken"].metadata_copy()[0]
    assert metadata["failures"] == 2
    assert metadata["failed"][0] == {
        "stream": "primary", "seq_num": 1, "last_seq_num": 1, "message": "frames 1 are missing",
    }  # fmt: skip
    assert metadata["dominant_cluster"] is None
    assert metadata["shear_stress_mean"] is None
    assert len(root.points(raw_uid="broken")) == 0
    # A second attempt succeeds for one of them.
    write_run(writer, a_run("broken"), range(1, 2))
    assert root["ainerd", "toy-1", "broken"].metadata["failures"] == 1

    writer.open_run(a_run("empty"))
    writer.close_run("empty", "success")
    assert "empty" not in root["ainerd", "toy-1"]


def test_second_model_shares_the_maps(root: Any, writer: DerivedWriter) -> None:
    write_run(writer, a_run("shared"), range(1, 3))
    other = ModelIdentity(name="toy-other", weights_sha256="cd" * 32, n_clusters=4)
    write_run(root.writer(other), a_run("shared"), range(1, 4))
    assert root["xpcs", "shared", "c2"].shape[0] == 3
    assert sorted(root.runs(raw_uid="shared").n_measurements) == [2, 3]
    impostor = ModelIdentity(name="toy-1", weights_sha256="ef" * 32, n_clusters=4)
    with pytest.raises(CatalogError, match="give this model another name"):
        write_run(root.writer(impostor), a_run("shared"), range(1, 4))


def test_other_parameters_do_not_overwrite_what_is_there(root: Any, writer: DerivedWriter) -> None:
    run = a_run("parameters")
    write_run(writer, run, range(1, 3))
    before = root["ainerd"][writer.model.name]["parameters"].metadata_copy()[0]
    other = root.writer(dataclasses.replace(writer.model, parameters={"q_min": 0.5}))
    other.open_run(run)
    with pytest.raises(CatalogError, match="other parameters"):
        other.close_run("parameters", "success")
    assert root["ainerd"][writer.model.name]["parameters"].metadata_copy()[0] == before


def test_another_geometry_does_not_mix_with_what_is_there(root: Any, writer: DerivedWriter) -> None:
    run = a_run("geometry")
    for geometry in ({"distance": 8.0}, {}, {"distance": 8.0}):
        write_run(root.writer(dataclasses.replace(MODEL, geometry=geometry)), run, range(1, 3))
    other = root.writer(dataclasses.replace(MODEL, geometry={"distance": 9.0}))
    other.open_run(run)
    with pytest.raises(CatalogError, match="other geometry"):
        other.close_run("geometry", "success")
    assert root["ainerd", "toy-1", "geometry"].metadata["derived_from"]["geometry"] == {"distance": 8.0}


def test_records_that_do_not_fit_are_refused(root: Any, writer: DerivedWriter) -> None:
    writer.open_run(a_run("fit"))
    f, a = measurement("fit", 1)
    writer.append("fit", [f], [a])
    f, a = measurement("fit", 2, size=SIZE * 2)
    with pytest.raises(CatalogError, match="same bins and map size"):
        writer.append("fit", [f], [a])
    f, a = measurement("fit", 3)
    with pytest.raises(CatalogError, match=r"does not fit.*only one of them has z4"):
        writer.append("fit", [f], [dataclasses.replace(a, latents=np.zeros((N_BINS, N_LATENTS + 1), np.float32))])
    f, a = measurement("fit", 5)
    writer.append("fit", [f], [a])
    assert set(root.points(raw_uid="fit").seq_num) == {1, 5}
    with pytest.raises(ValueError, match="was not opened"):
        writer.append("never opened", [], [])


def test_columns_without_values_for_long(root: Any, writer: DerivedWriter) -> None:
    # More rows than the database driver looks at before it settles on a type.
    writer.open_run(a_run("late"))
    pairs = [measurement("late", seq_num, stress=math.nan, tau=math.nan) for seq_num in range(1, 401)]
    writer.append("late", [f for f, _ in pairs], [a for _, a in pairs])
    f, a = measurement("late", 401, stress=5.5, tau=0.25)
    writer.append("late", [f], [a])
    points = root.points(raw_uid="late")
    assert points.shear_stress.isna().sum() == 1200
    assert points.tau.iloc[-1] == 0.25
    writer.close_run("late", "success")
    assert root["ainerd", "toy-1", "late"].metadata["shear_stress_mean"] == 5.5


def test_suggestions(root: Any, writer: DerivedWriter) -> None:
    suggestion = Suggestion(
        id="s-1", position={"x": 1.5, "y": 2.5}, reason="Far from all.", inputs=("a/1", "a/2"), model="toy-1", seed=3
    )
    writer.record_suggestion(suggestion, "proposed")
    writer.record_suggestion(suggestion, "measured", raw_uid="a", seq_num=3, novelty=4.5)
    root.writer(MODEL).record_suggestion(suggestion, "measured", raw_uid="a", seq_num=3, novelty=4.5)
    rows = root["ainerd", "toy-1", "suggestions"].read()
    assert list(rows.event) == ["proposed", "measured"]
    assert list(rows.inputs) == ['["a/1", "a/2"]'] * 2
    assert math.isnan(rows.novelty[0])
    assert rows.novelty[1] == 4.5
    assert rows.time[0] > 1.7e9
    with pytest.raises(ValueError, match="not one of proposed, waiting, approved"):
        writer.record_suggestion(suggestion, "forgotten")


def test_notes_and_later_stress_change_nothing_that_was_measured(root: Catalog, writer: DerivedWriter) -> None:
    write_run(writer, a_run("noted"), range(1, 3))
    before = root.points(raw_uid="noted")
    third, time = Events("primary", 2, 2), 1.7e9
    notes = [
        Annotation(id="n-1", time=time, raw_uid="noted", kind="bad", events=third, by="Ann", verified=True),
        Annotation(id="n-2", time=time + 1, raw_uid="noted", kind="label", text="a bubble", events=third, bin=2),
        Annotation(id="n-3", time=time + 2, raw_uid="noted", kind="undo", text="n-1"),
    ]
    root.annotate(*notes[:2])
    root.annotate(*notes)
    assert [each for each in root.annotations() if each.raw_uid == "noted"] == notes
    stress = ShearStress(mean=219.75, std=0.5, shear_rate=0.1, viscosity=2.0, n_samples=7)
    joined = StressVersion(version=1, events=third, stress=stress, source="flow.csv", offset=-1.5, time=time)
    assert root.stress_versions("noted") == []
    root.add_stress("noted", [joined])
    assert root.stress_versions("noted") == [joined]
    with pytest.raises(CatalogError, match="has a version 1 of its stress"):
        root.add_stress("noted", [joined])
    with pytest.raises(CatalogError, match="no measurements of a run nowhere"):
        root.add_stress("nowhere", [joined])
    assert root.points(raw_uid="noted").equals(before)
    assert root.c2("noted").shape[0] == 2


def test_measurements_of_several_streams_axes_and_lengths(root: Catalog, writer: DerivedWriter) -> None:
    writer.open_run(a_run("mixed"))
    for number, (stream, last, seconds) in enumerate([("primary", 4, 1.0), ("late", 1, 0.5)]):
        f, a = measurement("mixed", 1)
        origin = dataclasses.replace(
            f.origin, stream=stream, last_seq_num=last, position={"theta": 0.5 * number, "temperature": 20.0},
            units={"theta": "deg", "temperature": "degC"},
            exposure=Exposure(frames=10, frame_time=seconds / 10, counted=seconds, ended="planned"),
        )  # fmt: skip
        f = dataclasses.replace(f, origin=origin, duration=seconds, lags=f.lags * seconds)
        writer.append("mixed", [f], [dataclasses.replace(a, origin=origin)])
    writer.record_failure("mixed", 2, "dark", stream="late")
    points = root.points(raw_uid="mixed", theta=(0.4, None))
    assert set(points["stream"]) == {"late"}
    assert points[["theta", "temperature", "frame_time"]].iloc[0].tolist() == [0.5, 20.0, 0.05]
    assert "x" not in root["ainerd", "toy-1", "mixed", "points"].columns
    run = root.model("toy-1").records("mixed")
    assert [f.origin.events for f in run.fingerprints] == [Events("primary", 1, 4), Events("late", 1, 1)]
    assert [f.lags[-1] for f in run.fingerprints] == pytest.approx([0.04, 0.02])
    assert run.fingerprints[1].origin.units == {"theta": "deg", "temperature": "degC"}
    assert run.failures == {Events("late", 2, 2): "dark"}
    with pytest.raises(CatalogError, match=r"several streams \(primary, late\): name the stream"):
        root.c2("mixed", 1)
    assert root.c2("mixed", 1, stream="late").shape == (N_BINS, SIZE, SIZE)
    assert root["xpcs", "mixed"].metadata["duration"] == [1.0, 0.5]


def test_an_append_takes_nine_requests(root: Catalog, writer: DerivedWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes time, and there is one append for each exposure."""
    write_run(writer, a_run("counted"), range(1, 2))
    writer.open_run(a_run("counted"))
    client, asked = root.tiled.context.http_client, []
    send = client.send
    pairs = [measurement("counted", number) for number in (2, 3)]
    writer.append("counted", *([each] for each in pairs[0]))

    def counting(request: Any, **options: Any) -> Any:
        asked.append(request.method)
        return send(request, **options)

    monkeypatch.setattr(client, "send", counting)
    writer.append("counted", *([each] for each in pairs[1]))
    assert len(asked) == 9


def test_readers_never_see_points_without_maps(server: TiledServer, root: Catalog, writer: DerivedWriter) -> None:
    uid, done, gaps, reads = "concurrent", threading.Event(), [], []
    writer.open_run(a_run(uid))

    def watch() -> None:
        root = connect(server.uri)
        while not done.is_set():
            points = root.points(raw_uid=uid)
            reads.append(len(points))
            if len(points) and root.c2(uid, measurement=int(points.seq_num.max()), bin=1)[0, 0] == 0:
                gaps.append(points.seq_num.max())
        root.close()

    readers = [threading.Thread(target=watch) for _ in range(2)]
    for reader in readers:
        reader.start()
    for seq_num in range(1, 6):
        f, a = measurement(uid, seq_num)
        writer.append(uid, [f], [a])
    done.set()
    for reader in readers:
        reader.join()
    assert gaps == []
    assert len(set(reads)) > 2  # the readers did look while rows came in
    assert len(root.points(raw_uid=uid)) == 5 * N_BINS


# Tiled 0.2.20 calls websockets in a way that version 17 discourages.
@pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")
def test_subscribers_see_rows_as_they_come(root: Any, writer: DerivedWriter) -> None:
    writer.open_run(a_run("stream"))
    f, a = measurement("stream", 1)
    writer.append("stream", [f], [a])
    received, arrived = [], threading.Event()
    subscription = root["ainerd", "toy-1", "stream", "points"].subscribe()

    def on_rows(update: Any) -> None:
        received.append(update.data())
        arrived.set()

    subscription.new_data.add_callback(on_rows)
    with subscription.start_in_thread(start=0):
        f, a = measurement("stream", 2)
        writer.append("stream", [f], [a])
        assert arrived.wait(20)
    assert len(received) >= 1


def test_reopened_folder(tmp_path: Path) -> None:
    with TiledServer(tmp_path, api_key="secret") as server:
        root = connect(server.uri, create=True)
        write_run(root.writer(MODEL), a_run("kept"), range(1, 3))
        root.close()
        port = server.port
        with pytest.raises(SessionError, match="Another Tiled server"):
            TiledServer(tmp_path)
        with pytest.raises(SessionError, match=f"Port {port} "):
            TiledServer(tmp_path / "other", port=port)
        with TiledServer(tmp_path / "other") as other:
            connect(other.uri, create=True).close()
            connect(server.uri).close()  # each server keeps its own key
    server.close()
    with TiledServer(tmp_path, port=port, api_key="secret") as server:
        root = connect(server.uri)
        assert root.c2("kept").shape == (2, N_BINS, SIZE, SIZE)
        write_run(root.writer(MODEL), a_run("kept"), range(1, 4))
        assert set(root.points().seq_num) == {1, 2, 3}
        root.close()


def test_spool_delivers_everything_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with TiledServer(tmp_path / "catalog", api_key="secret") as server:
        root = connect(server.uri, create=True)
        writer = SpooledWriter(root.writer(MODEL), tmp_path / "spool")
        writer.open_run(a_run("spooled"))
        f, a = measurement("spooled", 1)
        writer.append("spooled", [f], [a])
        port = server.port

    for seq_num in (2, 3):
        f, a = measurement("spooled", seq_num)
        writer.append("spooled", [f], [a])
    writer.record_failure("spooled", 4, "saturated")
    suggestion = Suggestion(id="s", position={"x": 1.0}, reason="Because.", inputs=("spooled/1",))
    writer.record_suggestion(suggestion, "proposed")
    writer.close_run("spooled", "abort")
    assert writer.flush() == 5
    (tmp_path / "spool" / MODEL.name / "00000000.npz").write_bytes(b"half a file")
    assert "secret" not in caplog.text
    assert "No Tiled server answers" in caplog.text
    with pytest.raises(ServerUnreachableError, match=f"127.0.0.1:{port}"):
        root.writer(MODEL).record_suggestion(suggestion, "proposed")

    with TiledServer(tmp_path / "catalog", port=port, api_key="secret") as server:
        again = SpooledWriter(root.writer(MODEL), tmp_path / "spool")  # as a new process would
        assert again.flush() == 0
        assert (tmp_path / "spool" / MODEL.name / "00000000.refused").exists()
        assert writer.flush() == 0
        assert list(root.points(raw_uid="spooled").seq_num) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert (root.c2("spooled", bin=1)[:, 0, 0] == [1, 2, 3]).all()
        metadata = root["ainerd", "toy-1", "spooled"].metadata
        assert (metadata["status"], metadata["failures"]) == ("abort", 1)
        assert list(root["ainerd", "toy-1", "suggestions"].read().inputs) == ['["spooled/1"]']
        root.close()


def test_lost_answers_do_no_harm(root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does what it is asked, but the first answer to each kind of request never arrives."""
    import httpx

    send, lost = root.tiled.context.http_client.send, set()

    def lossy(request: httpx.Request, **options: Any) -> httpx.Response:
        response: httpx.Response = send(request, **options)
        kind = (request.method, request.url.path)
        if request.method != "GET" and kind not in lost:
            lost.add(kind)
            response.close()
            raise httpx.ReadError("the answer was lost", request=request)
        return response

    monkeypatch.setattr(root.tiled.context.http_client, "send", lossy)
    writer = SpooledWriter(root.writer(MODEL), tmp_path)
    for seq_num in (1, 2):
        writer.open_run(a_run("lossy"))
        f, a = measurement("lossy", seq_num)
        writer.append("lossy", [f], [a])
    writer.record_suggestion(Suggestion(id="lossy", position={}, reason="Why not."), "proposed")
    writer.close_run("lossy", "success")
    for _ in range(30):
        if writer.flush() == 0:
            break
    assert len(lost) >= 8
    assert list(root.points(raw_uid="lossy").seq_num) == [1, 1, 1, 2, 2, 2]
    assert (root.c2("lossy", bin=1)[:, 0, 0] == [1, 2]).all()
    assert list(root["xpcs", "lossy"].metadata["derived_from"]["seq_nums"]) == [1, 2]
    assert list(root["xpcs", "lossy", "bins"].read().bin) == [1, 2, 3]
    assert root["ainerd", "toy-1", "lossy"].metadata["status"] == "success"
    assert list(root["ainerd", "toy-1", "suggestions"].read().suggestion_id).count("lossy") == 1
    assert not list(tmp_path.rglob("*.refused"))


def test_unusable_addresses_and_keys(server: TiledServer, root: Any, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="refuses the API key"):
        connect(f"{server.address}/api/v1?api_key=wrong")
    with pytest.raises(CatalogError, match="needs an API key"):
        connect(f"{server.address}/api/v1")
    with pytest.raises(CatalogError, match="not the address"):
        connect("localhost/api/v1")
    with pytest.raises(
        ServerUnreachableError, match=r"No Tiled server answers at http://127\.0\.0\.1:9/api/v1 "
    ) as caught:
        connect("http://127.0.0.1:9/api/v1?api_key=secret")
    assert "secret" not in str(caught.value)
    with TiledServer(tmp_path) as empty, pytest.raises(CatalogError, match="lacks /raw, /xpcs, /ainerd"):
        connect(empty.uri)


def test_folders_that_cannot_hold_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match="cannot be written"):
        TiledServer(tmp_path / "file")
    (tmp_path / "catalog.db").write_text("something else altogether")
    with pytest.raises(SessionError, match=r"Tiled cannot open the catalog .* file is not a database"):
        TiledServer(tmp_path)
    with pytest.raises(SessionError, match="letters and digits"):
        TiledServer(tmp_path / "new", api_key="pass word")
