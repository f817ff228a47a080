"""The main job, end to end, and what is in the catalog after it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiled.queries import Key

from tests.integration.conftest import ainerd, client_of, serving

MEASUREMENTS = 7


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session in a folder of its own, and the summary that it printed."""
    folder = tmp_path_factory.mktemp("demo") / "session"
    done = ainerd("demo", "--measurements", str(MEASUREMENTS), "--frames", "120", "--detector", "96x100",
                  "--out", str(folder), "--seed", "5", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def catalog(session):
    with serving(session[0]) as uri, client_of(uri) as client:
        yield client


def test_the_summary_says_what_was_done(session):
    folder, summary, printed = session
    assert summary["status"] == "success"
    assert summary["n_measurements"] == MEASUREMENTS
    assert summary["n_points"] == 18 * MEASUREMENTS
    assert summary["failures"] == []
    assert summary["undelivered"] == 0
    assert [row["seq_num"] for row in summary["measurements"]] == list(range(1, MEASUREMENTS + 1))
    assert all("start" in row["reason"] for row in summary["measurements"][:5])
    assert all(row["expected_novelty"] > 0 for row in summary["measurements"][5:])
    assert f"ainerd serve {folder}" in printed.replace("\n", "")


def test_all_figures_are_drawn(session):
    folder, summary, _ = session
    names = {"c2-examples", "clusters-and-stress", "azimuth-time", "embedding", "sample-map", "age-lag"}
    if any(summary["kind_fractions"].values()):  # a model that tells kinds
        names.add("kinds")
    assert {Path(path).stem for path in summary["figures"]} == names
    for name in names:
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5000
        assert (folder / "figures" / f"{name}.svg").read_text().startswith("<?xml")


def test_derived_data_is_found_by_metadata_and_read(session, catalog):
    _, summary, _ = session
    results = catalog["ainerd"][summary["model"]]
    (found,) = results.search(Key("status") == "success").search(Key("raw_uid") == summary["raw_uid"]).values()
    assert found.metadata["sample"] == "simulated glass"
    dominant = found.metadata["dominant_cluster"]
    assert list(results.search(Key("dominant_cluster") == dominant)) == [summary["raw_uid"]]
    assert list(results.search(Key("dominant_cluster") == 99)) == []
    mean = found.metadata["shear_stress_mean"]
    assert list(results.search(Key("shear_stress_mean") > mean - 1.0)) == [summary["raw_uid"]]
    assert list(results.search(Key("shear_stress_mean") > mean + 1.0)) == []
    points = found["points"].read()
    assert len(points) == 18 * MEASUREMENTS
    assert points["cluster"].between(0, 5).all()
    assert np.isfinite(points["shear_stress"]).all()
    assert points.filter(regex=r"^z\d+$").shape[1] == 64


def test_fingerprints_are_those_of_the_raw_frames(session, catalog):
    """C2 in the catalog, computed again from the raw frames that Tiled serves."""
    from ainerd_agent.instrument.experiment import simulated_experiment
    from ainerd_agent.scattering import azimuthal_bins, two_time

    _, summary, _ = session
    raw = catalog["raw"][summary["raw_uid"]]
    frames = raw["primary"]["detector"][2]
    assert frames.shape == (120, 96, 100)
    experiment = simulated_experiment((96, 100), frames=120, seed=5)
    partition = azimuthal_bins(experiment.camera.geometry, (96, 100))
    expected = two_time(np.asarray(frames), partition.labels, static=partition.rings)
    stored = catalog["xpcs"][summary["raw_uid"]]["c2"][2]
    assert stored.shape == (18, 256, 256)
    np.testing.assert_allclose(stored, expected, atol=1e-5)


def test_shear_stress_is_that_of_the_interval(session, catalog):
    _, summary, _ = session
    run = catalog["raw"][summary["raw_uid"]]
    readings = run["rheometer-shear_stress_monitor"].base["internal"].read()
    points = catalog["ainerd"][summary["model"]][summary["raw_uid"]]["points"].read()
    for _, point in points.groupby("seq_num").first().iterrows():
        seconds = readings["ts_rheometer-shear_stress"] - point["time"]
        near = readings["rheometer-shear_stress"][(seconds > -1) & (seconds < 1.3)]
        assert near.min() - 1e-6 <= point["shear_stress"] <= near.max() + 1e-6


def test_positions_are_those_that_the_agent_proposed(session, catalog):
    _, summary, _ = session
    suggestions = catalog["ainerd"][summary["model"]]["suggestions"].read()
    proposed = suggestions[suggestions["event"] == "proposed"].sort_values("seq_num")
    measured = suggestions[suggestions["event"] == "measured"].sort_values("seq_num")
    assert len(proposed) == len(measured) == MEASUREMENTS
    points = catalog["ainerd"][summary["model"]][summary["raw_uid"]]["points"].read().groupby("seq_num").first()
    positions = [[json.loads(each)[axis] for axis in ("x", "y")] for each in proposed["position"]]
    np.testing.assert_allclose(points[["x", "y"]], positions, atol=1e-6)
    # The sixth suggestion rests on the five measurements of the start.
    assert len(proposed["inputs"].iloc[5].split()) == 5
    assert np.isfinite(measured["novelty"].iloc[1:]).all()


def test_the_raw_run_is_a_bluesky_run_that_databroker_reads(session, catalog):
    pytest.importorskip("databroker")
    _, summary, _ = session
    run = catalog["raw"].v1[summary["raw_uid"]]
    assert run.start["plan_name"] == "novelty_scan"
    assert len(run.table("primary")) == MEASUREMENTS
    assert "rheometer-viscosity_monitor" in run.stream_names


def test_the_truth_is_kept_aside_and_not_in_the_catalog(session, catalog):
    folder, summary, _ = session
    truth = json.loads((folder / "truth" / f"{summary['raw_uid']}.json").read_text())
    assert {phase["dynamics"]["kind"] for phase in truth["sample"]["phases"]} >= {"ageing", "flow"}
    run = catalog["raw"][summary["raw_uid"]]
    assert "avalanches" not in json.dumps(run.metadata, default=str)


def test_a_folder_in_use_is_refused_and_unharmed(session, catalog):
    folder, *_ = session
    refused = ainerd("demo", "--measurements", "2", "--frames", "20", "--out", str(folder))
    assert refused.returncode == 1
    assert "is using the folder" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert len(catalog["raw"]) == 1


def test_a_second_session_in_the_folder_adds_to_the_catalog(tmp_path):
    shape = ["--measurements", "2", "--frames", "40", "--detector", "64x64", "--out", str(tmp_path)]
    for _ in range(2):
        assert ainerd("demo", *shape).returncode == 0
    with serving(tmp_path) as uri, client_of(uri) as client:
        assert len(client["raw"]) == len(client["xpcs"]) == 2


def test_an_interrupted_session_keeps_its_finished_measurements(tmp_path):
    """Ctrl-C after the third measurement was proposed."""
    arguments = [
        "demo",
        "--measurements",
        "40",
        "--frames",
        "60",
        "--detector",
        "64x64",
        "--out",
        str(tmp_path),
        "--json",
    ]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from ainerd_agent.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    printed = ""
    for line in process.stderr:
        printed += line
        if line.startswith("  7  go to"):
            process.send_signal(signal.SIGINT)
            break
    output, rest = process.communicate(timeout=500)
    assert process.returncode == 1, printed + rest
    summary = json.loads(output.splitlines()[-1])
    assert summary["status"] == "abort"
    assert 5 <= summary["n_measurements"] < 40
    with serving(tmp_path) as uri, client_of(uri) as client:
        (run,) = client["ainerd"][summary["model"]].search(Key("status") == "abort").values()
        assert len(run["points"].read()) == 18 * summary["n_measurements"]
        assert client["raw"][summary["raw_uid"]].metadata["stop"]["exit_status"] == "abort"


def test_an_empty_catalog_is_made_where_that_is_asked_for(tmp_path):
    with serving(tmp_path / "new", "--create") as uri, client_of(uri) as client:
        assert set(client) == {"raw", "xpcs", "ainerd"}
