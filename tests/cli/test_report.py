import json

import numpy as np
import pandas as pd

from ainerd_agent.records import RheometerSamples
from ainerd_agent.workflows.report import Findings, measurement_table, summary


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


def test_the_summary_is_json_without_nan():
    text = json.dumps(summary(findings()), allow_nan=False)
    rows = json.loads(text)["measurements"]
    assert rows[0]["novelty"] is None
    assert rows[1]["shear_stress"] is None
    assert rows[1]["expected_novelty"] == 2.5


def test_the_table_has_a_row_per_measurement():
    assert measurement_table(findings()).row_count == 2
