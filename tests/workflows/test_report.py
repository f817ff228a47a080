import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.records import RheometerSamples
from ainerd_agent.workflows.report import Findings, RelationOptions, report_relation, summary


def findings():
    points = pd.DataFrame(
        {
            "seq_num": [1, 1, 2, 2],
            "elapsed": [0.0, 0.0, 2.0, 2.0],
            "x": [1.0, 1.0, 3.0, 3.0],
            "y": [0.5, 0.5, 0.25, 0.25],
            "shear_stress": [100.0, 100.0, np.nan, np.nan],
            "novelty": [np.nan, np.nan, 2.0, 4.0],
            "cluster": [0, 0, 1, 2],
            "seconds_planned": [4.0, 4.0, 4.0, 4.0],
            "seconds_counted": [4.0, 4.0, 1.5, 1.5],
            "ended": ["planned", "planned", "converged", "converged"],
            "look": [np.nan, np.nan, 2.0, 2.0],
        }
    )
    suggestions = pd.DataFrame(
        {
            "seq_num": [1, 2, 1, 2],
            "event": ["proposed", "proposed", "measured", "measured"],
            "reason": ["start", "far", "start", "far"],
            "expected_novelty": [np.nan, 2.5, np.nan, 2.5],
            "novelty": [np.nan, np.nan, np.nan, 3.0],
        }
    )
    metadata = {"raw_uid": "abc", "model": "m", "status": "success", "n_measurements": 2, "failed": []}
    return Findings({**metadata, "cluster_fractions": [0.5, 0.25, 0.25]}, points, suggestions, RheometerSamples.empty())


def test_measurements_are_means_over_their_bins():
    table = findings().measurements()
    assert table["seq_num"].tolist() == [1, 2]
    assert table["dominant_cluster"].tolist() == [0, 1]
    assert table["novelty"].tolist()[1] == 3.0
    assert table["reason"].tolist() == ["start", "far"]


def test_a_run_has_its_own_axes():
    found = findings()
    points = found.points.rename(columns={"x": "theta", "y": "z"})
    found = replace(found, metadata={**found.metadata, "axes": {"theta": "deg", "z": "mm"}}, points=points)
    assert found.measurements()[["theta", "z"]].to_numpy().tolist() == [[1.0, 0.5], [3.0, 0.25]]
    assert summary(found)["measurements"][1]["theta"] == 3.0
    places = found.places()
    assert places.shown() == ("theta", "z")
    assert places.label("theta") == "theta (deg)"
    assert places.cluster.tolist() == [0, 1]
    assert places.novelty.tolist()[1] == 3.0


def test_the_summary_is_json_without_nan():
    text = json.dumps(summary(findings()), allow_nan=False)
    rows = json.loads(text)["measurements"]
    assert rows[0]["novelty"] is None
    assert rows[1]["shear_stress"] is None
    assert rows[1]["expected_novelty"] == 2.5
    assert [(each["seconds_counted"], each["ended"], each["look"]) for each in rows] == [
        (4.0, "planned", None),
        (1.5, "converged", 2.0),
    ]


@pytest.fixture
def relaxation(tmp_path):
    """Latents that slow down after the cessation of shear, and the rheometer's table."""
    rng = np.random.default_rng(0)
    time, number = (each.ravel() for each in np.meshgrid(np.arange(20) * 10.0, np.arange(1, 19)))
    np.savez(
        tmp_path / "latents.npz",
        latents=rng.normal(0, 0.1, (360, 64)) + np.floor(time / 70)[:, None],
        start_time_s=time,
        azimuthal_bin=number,
    )
    clock = np.arange(0.0, 260.0)
    stress = 100 * np.exp(-np.clip(clock - 30, 0, None) / 50) + rng.normal(0, 0.1, len(clock))
    table = {"time": clock, "shear_rate": np.where(clock < 30, 1.0, 0.0), "shear_stress": stress, "viscosity": stress}
    pd.DataFrame(table).to_csv(tmp_path / "rheometer.csv", index=False)
    return tmp_path / "latents.npz", tmp_path / "rheometer.csv"


def test_a_relation_is_joined_tested_and_drawn(relaxation, tmp_path):
    found = report_relation(*relaxation, tmp_path / "relation", RelationOptions(n_clusters=3, n_surrogates=99))
    assert found.relation.time_offset == pytest.approx(29)
    joined = pd.read_csv(tmp_path / "relation" / "relation.csv")
    assert len(joined) == 360
    # From fast to slow: cluster 0 is the slowest.
    assert joined.groupby("start_time_s")["cluster"].mean().tolist() == [2] * 7 + [1] * 7 + [0] * 6
    assert json.loads((tmp_path / "relation" / "links.json").read_text()) == found.links.summary()
    assert {path.name for path in (tmp_path / "relation").iterdir()} == {
        "relation.png", "relation.svg", "relation.csv", "links.png", "links.svg", "links.json"
    }  # fmt: skip
    assert found.pictures == (tmp_path / "relation" / "relation.png", tmp_path / "relation" / "links.png")


def test_nothing_is_written_where_a_file_is_missing(relaxation, tmp_path):
    with pytest.raises(MapError, match="no file of latents"):
        report_relation(tmp_path / "none.npz", relaxation[1], tmp_path / "relation")
    assert not (tmp_path / "relation").exists()
