"""Runs as files for other programs, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.catalog.read.export import export
from ainerd_agent.errors import CatalogError, MapError
from ainerd_agent.scattering.files.aps_results import read_results
from tests.integration.conftest import ainerd
from tests.integration.derived_runs import MODEL, SIZE, START, write_run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: TiledServer) -> Iterator[Any]:
    root = connect(server.uri, create=True)
    write_run(root.writer(MODEL), "exported", [{"stress": 5.0, "novelty": 0.1}, {"tau": 1 / 3}])
    yield root
    root.close()


@pytest.fixture
def run(root: Any) -> Any:
    return root["ainerd", MODEL.name, "exported"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_points(root: Any, run: Any, tmp_path: Path, ending: str) -> None:
    (path,) = export(root.tiled, run, tmp_path / f"points.{ending}")
    found = pd.read_csv(path, keep_default_na=True) if ending == "csv" else pd.read_parquet(path)
    expected = root.points(raw_uid="exported").drop(columns="model")
    numbers = expected.select_dtypes("number").columns
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-6)
    assert found["raw_uid"].tolist() == expected["raw_uid"].tolist()
    with pytest.raises(CatalogError, match="exists already"):
        export(root.tiled, run, path)


def test_hdf5_and_back(root: Any, run: Any, tmp_path: Path) -> None:
    first, second = export(root.tiled, run, tmp_path / "run.h5")
    assert (first.name, second.name) == ("run-0001.h5", "run-0002.h5")
    with h5py.File(second) as file:
        assert file["entry/definition"].asstr()[()] == "NXxpcs"
        assert file["entry"].attrs["NX_class"] == "NXentry"
        half = file["xpcs/twotime/correlation_map/c2_00003"][()]
        assert not np.tril(half, -1).any()
        np.testing.assert_array_equal(file["entry/data/g2"][()].T, root["xpcs", "exported", "g2"][1])
        assert file["ainerd/points/tau"][0] == 1 / 3
    found = read_results(second)
    np.testing.assert_allclose(found.stored.maps - 1, root.c2("exported", 2), rtol=1e-6)
    np.testing.assert_allclose(found.stored.columns["azimuth"], [0.0, 120.0, 240.0])
    np.testing.assert_allclose(found.stored.columns["q"], 0.05)
    np.testing.assert_allclose(found.stored.columns["time"], START + 2)
    assert found.duration == pytest.approx(1.0)


def test_g2_only(root: Any, run: Any, tmp_path: Path) -> None:
    (path,) = export(root.tiled, run, tmp_path / "one.h5", 1)
    lags = np.unique(np.geomspace(1, 1000, 60).astype(int))
    tau = np.array([0.05, 0.2, 2.0])
    with h5py.File(path, "a") as file:
        del file["xpcs/twotime"], file["xpcs/multitau/normalized_g2"], file["xpcs/multitau/delay_list"]
        file["entry/instrument/detector_1/frame_time"][()] = 0.001
        file["xpcs/multitau/delay_list"] = lags
        file["xpcs/multitau/normalized_g2"] = 1 + 0.2 * np.exp(-lags[:, None] * 0.001 / tau)
    found = read_results(path)
    assert found.stored.columns["from_g2"].all()
    step = found.duration / 256
    np.testing.assert_allclose(found.stored.maps[1, 10, 60], 1 + 0.2 * np.exp(-50 * step / 0.2), rtol=1e-3)
    np.testing.assert_array_equal(found.stored.maps, found.stored.maps.transpose(0, 2, 1))


def test_by_the_command_line(server: TiledServer, root: Any, tmp_path: Path) -> None:
    file = tmp_path / "one.h5"
    done = ainerd(
        "export", "exported", "--to", str(file), "--measurement", "1", "--model", MODEL.name, "--catalog", server.uri
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(file)), done.stderr
    done = ainerd("ingest", str(file), "--tiled", server.uri)
    assert done.returncode == 1
    assert "none of the 3 maps" in done.stderr
    assert "everywhere beside its diagonal" in done.stderr
    noise = np.random.default_rng(0).normal(0, 0.1, (3, SIZE, SIZE)).astype(np.float32)
    noise += np.swapaxes(noise, 1, 2)
    with h5py.File(file, "a") as stored:
        for each, more in zip(sorted(stored["xpcs/twotime/correlation_map"]), noise, strict=True):
            stored["xpcs/twotime/correlation_map"][each][...] += np.triu(more)
    done = ainerd("ingest", str(file), "--tiled", server.uri)
    assert done.returncode == 0, done.stderr
    (uid,) = (uid for uid in root["xpcs"] if uid.startswith("one-"))
    assert root["xpcs", uid, "c2"].shape == (3, 1, SIZE, SIZE)
    np.testing.assert_allclose(root.c2(uid)[:, 0], root.c2("exported", 1) + noise, rtol=1e-5)


def test_what_cannot_be_exported_or_read(root: Any, run: Any, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="ending"):
        export(root.tiled, run, tmp_path / "run.xlsx")
    with pytest.raises(CatalogError, match="no measurement 7"):
        export(root.tiled, run, tmp_path / "run.h5", 7)
    with pytest.raises(MapError, match="cannot be written"):
        export(root.tiled, run, tmp_path / "missing" / "run.h5", 1)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = 1
    with pytest.raises(MapError, match="neither"):
        read_results(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(MapError, match=r"text\.h5"):
        read_results(tmp_path / "text.h5")


def test_the_reader_of_pyxpcsviewer(root: Any, run: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyxpcsviewer", reason="pyXpcsViewer is not installed (xpcs-viewer on PyPI)")
    from pyxpcsviewer.core.twotime_utils import get_single_c2_from_hdf
    from pyxpcsviewer.core.xpcs_file import XpcsFile

    (path,) = export(root.tiled, run, tmp_path / "one.h5", 1)
    file = XpcsFile(str(path))
    assert set(file.atype) == {"Twotime", "Multitau"}
    np.testing.assert_allclose(file.t_el.ravel(), np.arange(1, 5) / SIZE)
    read = get_single_c2_from_hdf(str(path), selection=1, correct_diag=False)
    np.testing.assert_allclose(read["c2_mat"] - 1, root.c2("exported", 1, 2), rtol=1e-6)
