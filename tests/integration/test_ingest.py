"""C2 maps from files through the same analysis as live data."""

import json

import numpy as np
import pytest
from tiled.queries import Key
from typer.testing import CliRunner

from ainerd_agent.cli.app import app
from tests.integration.conftest import client_of, serving


def ingest(file, *options):
    done = CliRunner().invoke(app, ["ingest", str(file), *options, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_the_real_map_of_the_paper(real_data, tmp_path):
    path = real_data("ainerd_c2_256.npy")
    summary = ingest(path, "--out", str(tmp_path), "--sample", "silica in PEG")
    assert summary["n_maps"] == 1
    with serving(tmp_path) as uri, client_of(uri) as client:
        (found,) = client["ainerd"][summary["model"]].search(Key("sample") == "silica in PEG").values()
        assert found.metadata["source"] == "ingest"
        assert found.metadata["file"] == "ainerd_c2_256.npy"
        stored = client["xpcs"][summary["raw_uid"]]["c2"][0, 0]
        np.testing.assert_allclose(stored, np.load(path) - summary["baseline"], atol=1e-6)


def test_real_maps_with_their_columns(real_data, tmp_path):
    """Every twentieth of them, to be quick."""
    given = {name: array[::20] for name, array in np.load(real_data("chx_c2_50.npz")).items()}
    np.savez(tmp_path / "maps.npz", **given)
    summary = ingest(tmp_path / "maps.npz", "--out", str(tmp_path / "session"))
    n_maps = len(given["c2"])
    assert summary["n_maps"] == n_maps
    assert summary["baseline"] == pytest.approx(1, abs=0.1)
    # Clusters are those of all data that the model learnt from; one experiment need not have all of them.
    assert np.count_nonzero(summary["maps_per_cluster"]) >= 3
    with serving(tmp_path / "session") as uri, client_of(uri) as client:
        run = client["ainerd"][summary["model"]][summary["raw_uid"]]
        points = run["points"].read()
        np.testing.assert_array_equal(points["series"], given["series"])
        np.testing.assert_array_equal(points["is_mean"].astype(bool), given["is_mean"])
        assert sum(summary["maps_per_cluster"]) == len(points) == n_maps
        assert run.metadata["n_measurements"] == n_maps


def test_the_same_file_twice_changes_nothing(tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    maps = np.stack([1 + np.exp(-lag / tau) for tau in (1.0, 5.0, 50.0)])
    maps = np.concatenate([maps, np.full((1, 40, 40), np.nan)])
    columns = {"x": np.arange(4.0), "temperature": np.array([20.0, 21.0, 22.0, 23.0]), "bin": np.array([4, 5, 6, 7])}
    np.savez(tmp_path / "maps.npz", c2=maps, shear_stress=np.array([90.0, 80.0, 70.0, 60.0]), **columns)
    folder = tmp_path / "session"
    first = ingest(tmp_path / "maps.npz", "--out", str(folder), "--baseline", "1", "--duration", "2.0")
    assert (first["n_maps"], first["left_out"]) == (3, 1)
    second = ingest(tmp_path / "maps.npz", "--out", str(folder), "--baseline", "1", "--duration", "2.0")
    assert second == first
    with serving(folder) as uri, client_of(uri) as client:
        run = client["ainerd"][first["model"]][first["raw_uid"]]
        points = run["points"].read()
        assert points["temperature"].tolist() == [20.0, 21.0, 22.0]
        assert points["x"].tolist() == [0.0, 1.0, 2.0]
        assert points["shear_stress"].tolist() == [90.0, 80.0, 70.0]
        assert points["file_bin"].tolist() == [4, 5, 6]
        assert points["tau"].iloc[1] == pytest.approx(5 / 40 * 2.0, rel=0.2)
        assert points["cluster"].is_monotonic_decreasing  # from fast to slow
        assert run.metadata["failures"] == 1
    # Another choice is another run; the first one stays as it is.
    third = ingest(tmp_path / "maps.npz", "--out", str(folder), "--baseline", "0.9", "--duration", "2.0")
    assert third["raw_uid"] != first["raw_uid"]


def test_into_a_server_that_runs(tmp_path):
    np.save(tmp_path / "map.npy", np.exp(-np.abs(np.subtract.outer(np.arange(20), np.arange(20))) / 3.0))
    folder = tmp_path / "session"
    ingest(tmp_path / "map.npy", "--out", str(folder))
    np.save(tmp_path / "other.npy", np.exp(-np.abs(np.subtract.outer(np.arange(30), np.arange(30))) / 3.0))
    with serving(folder) as uri, client_of(uri) as client:
        summary = ingest(tmp_path / "other.npy", "--tiled", uri)
        assert len(client["ainerd"][summary["model"]].search(Key("source") == "ingest")) == 2
