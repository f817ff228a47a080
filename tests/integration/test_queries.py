"""Questions to a catalog, on the embedded server and on one that keeps everything in PostgreSQL."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ainerd_agent import __version__
from ainerd_agent.catalog import ServerUnreachableError, analyses_of, connect
from ainerd_agent.cli.app import app
from ainerd_agent.errors import AinerdError, CatalogError, SessionError
from ainerd_agent.latent import Encoder
from ainerd_agent.records.in_words import local_time
from tests.integration.derived_runs import MODEL, N_BINS, SIZE, START, write_run

DAY = 86400.0


@pytest.fixture(scope="module")
def root(uri: str) -> Iterator[Any]:
    root = connect(uri, create=True)
    writer = root.writer(MODEL)
    # Novelties, of which the largest is not the last as text.
    write_run(writer, "slow", [{"clusters": (0, 0, 0), "stress": 9.5, "novelty": 12.5, "x": 1.0, "tau": 80.0}])
    write_run(
        writer,
        "mixed",
        [
            {"clusters": (2, 2, 0), "stress": 15.0, "novelty": 9.0, "x": 2.0, "y": -1.0, "latent": 5.0},
            {"clusters": (2, 2, 2), "stress": 150.0, "novelty": 100.0, "x": 3.0, "y": 1.0, "latent": 6.0},
        ],
        start=START + DAY,
        sample="PEO",
    )
    write_run(writer, "unknown", [{"clusters": (3, 3, 3), "x": math.nan, "tau": math.nan}], start=START + 2 * DAY)
    yield root
    root.close()


@pytest.fixture
def model(root: Any) -> Any:
    return root["ainerd", MODEL.name]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, {"slow", "mixed", "unknown"}),
        ({"sample": "PEO"}, {"mixed"}),
        ({"sample": "nothing of the kind"}, set()),
        ({"raw_uid": "slow", "status": "success"}, {"slow"}),
        ({"cluster": 0}, {"slow"}),
        ({"cluster": 0, "share": 0.1}, {"slow", "mixed"}),
        ({"cluster": 2, "share": (0.5, 0.9)}, {"mixed"}),
        ({"cluster": 0, "share": (None, 0.5)}, {"mixed", "unknown"}),
        ({"stress": (10, 20)}, {"mixed"}),
        ({"stress": (None, 9.75)}, {"slow"}),
        ({"stress": (None, None)}, {"slow", "mixed"}),
        ({"stress": 9}, {"slow", "mixed"}),
        ({"novelty": 20}, {"mixed"}),
        ({"novelty": (1, 10)}, {"slow", "mixed"}),
        ({"tau": (None, 1)}, {"mixed"}),
        ({"tau": 10}, {"slow"}),
        ({"x": (1.5, 2.5)}, {"mixed"}),
        ({"x": (0, 5), "y": (-0.5, 0.5)}, {"slow", "mixed"}),
        ({"time": (START, START + DAY / 2)}, {"slow"}),
        ({"time": "2023-11-16"}, {"unknown"}),
        ({"time": (datetime.fromtimestamp(START + DAY, UTC), None)}, {"mixed", "unknown"}),
    ],
)
def test_runs_are_found_by_the_server(root: Any, model: Any, conditions: dict[str, Any], expected: set[str]) -> None:
    assert set(model.find(**conditions)) == expected
    table = root.runs(MODEL.name, **conditions)
    assert set(table.raw_uid if len(table) else []) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"cluster": 0}, [("slow", 1, 1), ("slow", 1, 2), ("slow", 1, 3), ("mixed", 1, 3)]),
        ({"cluster": 2, "stress": 100}, [("mixed", 2, 1), ("mixed", 2, 2), ("mixed", 2, 3)]),
        ({"novelty": (5, 50)}, [("slow", 1, 1), ("slow", 1, 2), ("mixed", 1, 1), ("mixed", 2, 2)]),
        ({"x": (2.5, 3.5), "cluster": 0}, []),
        ({"tau": 10}, [("slow", 1, 1), ("slow", 1, 2), ("slow", 1, 3)]),
    ],
)
def test_points_of_a_selection(root: Any, model: Any, conditions: dict[str, Any], expected: list[Any]) -> None:
    some = model.points(["q"], **conditions)
    assert {"raw_uid", "seq_num", "bin", "q", "model"} <= set(some)
    assert "z0" not in some
    every = root.points(MODEL.name, **conditions)
    for points in (some, every, model.points(**conditions)):
        assert sorted(zip(points.raw_uid, points.seq_num, points.bin, strict=True)) == sorted(expected)


def test_only_runs_that_may_fit_are_read(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []
    send = model.context.http_client.send

    def counting(request: Any, **options: Any) -> Any:
        requests.append(request.url.path)
        return send(request, **options)

    monkeypatch.setattr(model.context.http_client, "send", counting)
    model.find(stress=(10, 20)).to_frame()
    assert [path for path in requests if "/table/" in path] == []
    requests.clear()
    model.points(cluster=0, time=(None, START + 10))
    assert [path for path in requests if "/mixed" in path or "/unknown" in path] == []
    requests.clear()
    model.novel(1)
    assert [path for path in requests if "/unknown" in path] == []  # which has no novelty


def test_selections_follow_each_other(model: Any) -> None:
    assert list(model.find(stress=1).find(sample="PEO")) == ["mixed"]
    assert set(model.find(sample="PEO").points().raw_uid) == {"mixed"}
    assert list(model.to_frame(latest=2).raw_uid) == ["mixed", "unknown"]
    assert list(model.to_frame().raw_uid) == ["slow", "mixed", "unknown"]
    assert len(model.find(sample="none").to_frame()) == 0


def test_tables_of_runs_are_read_page_by_page(root: Any, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.to_frame()
    assert len(whole) == 3
    monkeypatch.setattr("ainerd_agent.catalog.layout._PAGE", 2)
    pd.testing.assert_frame_equal(model.to_frame(), whole)
    pd.testing.assert_frame_equal(root.runs(MODEL.name), whole)
    assert list(model.to_frame(latest=2).raw_uid) == list(whole.raw_uid[-2:])
    assert dict(whole.iloc[0]["derived_from"]) == model[whole.iloc[0]["raw_uid"]].metadata_copy()[0]["derived_from"]


def test_most_novel_points(model: Any) -> None:
    best = model.novel(3)
    assert list(best.novelty) == [100.0, 50.0, 12.5]
    assert list(best.raw_uid) == ["mixed", "mixed", "slow"]
    assert list(model.novel(9).novelty) == [100.0, 50.0, 12.5, 9.0, 6.25, 4.5]
    assert list(model.novel(2, sample="silica").novelty) == [12.5, 6.25]
    assert list(model.novel(2, stress=(10, 20)).novelty) == [9.0, 4.5]


def test_dataset_with_units(model: Any) -> None:
    data = model.find(sample="PEO").to_xarray()
    assert dict(data.sizes) == {"point": 2 * N_BINS, "latent": 8}
    assert data.shear_stress.attrs["units"] == "Pa"
    np.testing.assert_allclose(data.z.values[:3, 0], [5.1, 5.2, 5.3], rtol=1e-6)
    assert model.run("mixed").to_xarray().equals(data)


def test_from_a_row_to_its_map_and_nothing_more_is_sent(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = model.novel(1).iloc[0]
    received: list[int] = []
    send = model.context.http_client.send

    def measuring(request: Any, **options: Any) -> Any:
        response = send(request, **options)
        if "/array/" in request.url.path:
            received.append(len(response.read()))
        return response

    monkeypatch.setattr(model.context.http_client, "send", measuring)
    assert (model.c2(row) == 201).all()
    assert received == [SIZE * SIZE * 4]
    run = model.run("mixed")
    assert run.c2(bin=2)[:, 0, 0].tolist() == [102, 202]
    assert run.maps().g2(1, 3).tolist() == [3.0] * 5
    with pytest.raises(CatalogError, match="bins 1 to 3, not 4"):
        run.c2(1, 4)
    with pytest.raises(CatalogError, match="no analysis of a run nonesuch"):
        model.run("nonesuch")


def test_between_raw_and_derived(root: Any, model: Any) -> None:
    maps = root["xpcs", "mixed"]
    assert list(maps.analyses()) == [MODEL.name]
    assert maps.analyses()[MODEL.name].item["id"] == "mixed"
    with pytest.raises(CatalogError, match="holds no raw run mixed: it was deleted"):
        model.run("mixed").raw()
    raw = root["raw"].create_container("mixed", metadata={"start": {"uid": "mixed"}})
    assert model.run("mixed").raw().item["id"] == maps.raw().item["id"] == "mixed"
    assert list(analyses_of(raw)) == [MODEL.name]
    writer = root.writer(MODEL)
    write_run(writer, "from-file", [{}], source="ingest", metadata={"file": "maps.npz"}, sample="file")
    with pytest.raises(CatalogError, match=r"the maps came from the file maps\.npz"):
        model.run("from-file").raw()
    root["ainerd", MODEL.name].delete_contents("from-file", recursive=True, external_only=False)


def test_similar_points(model: Any, tmp_path: Path) -> None:
    # Latents are 0, 5 and 6 along all axes but the first, where the bin counts a tenth.
    found = model.similar(("mixed", 1, 1), 5, folder=tmp_path)
    assert list(zip(found.raw_uid, found.seq_num, found.bin, strict=True))[:2] == [("mixed", 1, 2), ("mixed", 1, 3)]
    np.testing.assert_allclose(found.distance[:2], [0.1, 0.2], rtol=1e-4)
    assert set(found.seq_num[2:]) == {2}
    row = model.novel(1).iloc[0]
    assert model.similar(row, 1, folder=tmp_path).bin[0] == 2
    latent = np.full(8, 0.01, np.float32)
    near = model.similar(latent, 100, folder=tmp_path)
    assert len(near) == 4 * N_BINS
    assert near.distance.is_monotonic_increasing
    assert set(model.find(sample="PEO").similar(latent, 100, folder=tmp_path).raw_uid) == {"mixed"}
    with pytest.raises(CatalogError, match="no point mixed/1/9"):
        model.similar(("mixed", 1, 9), folder=tmp_path)
    with pytest.raises(CatalogError, match="by other weights"):
        model.similar(np.eye(16), folder=tmp_path, encoder=Encoder.load())
    (tmp_path / "file").touch()
    with pytest.raises(CatalogError, match="cannot be used"):
        model.similar(latent, folder=tmp_path / "file")


def test_whole_measurements(uri: str, model: Any, tmp_path: Path) -> None:
    best = model.novel(3, by="measurement")
    assert list(zip(best.raw_uid, best.seq_num, best.bins, strict=True))[:2] == [("mixed", 2, 3), ("slow", 1, 3)]
    np.testing.assert_allclose(best.novelty[:2], [math.sqrt((100**2 + 50**2) / 2), math.sqrt((12.5**2 + 6.25**2) / 2)])
    assert not {"bin", "tau", "z0"} & set(best)
    assert model.novel(9, by="measurement", stress=(10, 20)).seq_num.tolist() == [1]
    # Latents are 0, 5 and 6 along all axes but the first, where the bin counts a tenth.
    found = model.similar("mixed/1", 5, by="measurement", folder=tmp_path)
    np.testing.assert_allclose(found.distance, [math.sqrt(8.0), 5 * math.sqrt(8.0), 5 * math.sqrt(8.0)], rtol=1e-5)
    assert (found.raw_uid[0], found.seq_num[0], found.bins[0]) == ("mixed", 2, 3)
    assert set(found.raw_uid[1:]) == {"slow", "unknown"}
    assert model.similar(best.iloc[0], 1, by="measurement", folder=tmp_path).seq_num.tolist() == [1]
    assert model.find(sample="PEO").similar(("mixed", 1), by="measurement", folder=tmp_path).seq_num.tolist() == [2]
    for what, reason in (("mixed/9", "no measurement mixed/9"), ("mixed", "is not a meas"), (np.eye(4), "RUN/SEQ_NUM")):
        with pytest.raises(CatalogError, match=reason):
            model.similar(what, by="measurement", folder=tmp_path)
    with pytest.raises(CatalogError, match="by is"):
        model.novel(by="run")
    table = asked(uri, "similar", "mixed/1", "--by", "measurement", "--index", str(tmp_path))
    assert table.splitlines()[2].split()[:4] == ["mixed/2", "2.828", "3", "2"]
    assert "mixed/2" in asked(uri, "novel", "--by", "measurement", "-k", "1")


def test_where_a_point_comes_from(uri: str, model: Any) -> None:
    told = model.explain(model.novel(1).iloc[0])
    point = {"raw_uid": "mixed", "stream": "primary", "seq_num": 2, "last_seq_num": 2, "bin": 1}
    assert told["point"] == {**point, "model": MODEL.name}
    assert (told["found"]["novelty"], told["found"]["shear_stress"], told["measured"]["x"]) == (100.0, 150.0, 3.0)
    assert told["map"] == {"array": "/xpcs/mixed/c2", "index": [1, 0], "software": f"ainerd-agent {__version__}"}
    assert told["bin"] == {"bin": 1, "q": 0.05, "azimuth": 0.0, "n_pixels": 90}
    assert told["analysed"]["machine"] == platform.node()
    assert told["analysed"]["software"] == f"ainerd-agent {__version__}"
    assert abs(told["analysed"]["end"] - time.time()) < 600
    assert told["model"]["weights_sha256"] == MODEL.weights_sha256
    assert (told["parameters"], told["geometry"]) == (dict(MODEL.parameters), dict(MODEL.geometry))
    assert told["frames"]["seq_num"] == 2
    result = CliRunner().invoke(app, ["explain", "mixed/2/1", "--catalog", uri, "--json"])
    assert json.loads(result.stdout) == told
    printed = CliRunner().invoke(app, ["explain", "mixed/2/1", "--catalog", uri]).stdout
    for text in (MODEL.weights_sha256, platform.node(), "distance (m)", local_time(START + DAY + 2)):
        assert text in printed
    with pytest.raises(CatalogError, match="no point of measurement 2 and bin 7"):
        model.run("mixed").explain(2, 7)


def asked(uri: str, *arguments: str) -> str:
    """What `ainerd find` prints."""
    result = CliRunner().invoke(app, ["find", *arguments, "--catalog", uri], env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return str(result.stdout)


def test_find_on_the_command_line(uri: str, root: Any, tmp_path: Path) -> None:
    rows = json.loads(asked(uri, "runs", "--stress", "10..20", "--where", "sample=PEO", "--format", "json"))
    assert [(row["raw_uid"], row["shear_stress_max"], row["derived_from"]["seq_nums"]) for row in rows] == [
        ("mixed", 150.0, [1, 2])
    ]
    csv = asked(uri, "points", "--cluster", "0", "--columns", "raw_uid,bin", "--format", "csv")
    assert csv.splitlines() == ["raw_uid,bin", "slow,1", "slow,2", "slow,3", "mixed,3"]
    table = asked(uri, "runs", "--latest", "1", "--time", "2023-11-16..")
    assert "unknown" in table
    assert "2023-11-16" in table
    assert "1 found" in table
    best = json.loads(asked(uri, "novel", "-k", "2", "--format", "json", "--columns", "novelty"))
    assert best == [{"novelty": 100.0}, {"novelty": 50.0}]
    chosen = ("--columns", "raw_uid,seq_num,bin,distance")
    similar = asked(uri, "similar", "mixed/1/1", "-k", "1", "--format", "csv", "--index", str(tmp_path), *chosen)
    assert similar.splitlines()[1].startswith("mixed,1,2,0.09999")
    assert asked(uri, "points", "--stress", "1000..").strip() == "0 found"


def test_unclear_commands(uri: str, root: Any, tmp_path: Path) -> None:
    for arguments, reason in (
        (("runs", "--stress", "10-20"), "--stress takes numbers"),
        (("runs", "--where", "sample"), "is not KEY=VALUE"),
        (("runs", "--model", "other"), "holds those by: toy-1"),
        (("points", "--columns", "strain"), "no column strain"),
        (("similar", "mixed/1"), "is not a point"),
        (("similar", str(tmp_path / "no.npy")), "not a readable"),
    ):
        with pytest.raises(AinerdError, match=reason):
            asked(uri, *arguments)
    with pytest.raises(SessionError, match="holds no session"):
        asked(str(tmp_path), "runs")


def test_unclear_conditions(model: Any) -> None:
    for conditions, reason in (
        ({"share": 0.5}, "say which cluster"),
        ({"cluster": -1}, "a number from 0"),
        ({"stress": (20, 10)}, "begins with 20 and ends with 10"),
        ({"stress": "much"}, "is a range"),
        ({"time": "yesterday"}, "is a range"),
        ({"x": (1, 2, 3)}, "is a range"),
    ):
        with pytest.raises(CatalogError, match=reason):
            model.find(**conditions)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (429, ServerUnreachableError, "has too much to do"),
        (500, CatalogError, "its log says why"),
        (503, ServerUnreachableError, "not available"),
        (401, CatalogError, "refuses the API key"),
    ],
)
def test_a_server_in_trouble(
    uri: str, root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, error: type, reason: str
) -> None:
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    model = root["ainerd", MODEL.name]

    def troubled(request: httpx.Request, **options: Any) -> httpx.Response:
        return httpx.Response(status, request=request, json={"detail": "no"})

    monkeypatch.setattr(root.tiled.context.http_client, "send", troubled)
    questions: list[Callable[[], Any]] = [
        lambda: model.find(sample="PEO").to_frame(),
        lambda: model.points(cluster=0),
        lambda: model.novel(3),
        lambda: model.similar(("mixed", 1, 1), folder=tmp_path),
        lambda: model.run("mixed"),
        lambda: root.runs(),
        lambda: root.points(),
        lambda: root.c2("mixed"),
    ]
    for question in questions:
        with pytest.raises(error, match=reason) as caught:
            question()
        assert "secret" not in str(caught.value)
