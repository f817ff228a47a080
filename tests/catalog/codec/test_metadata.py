from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog.codec.metadata import origin_metadata, plain_json, run_metadata
from ainerd_agent.catalog.schema import SUMMARY_COLUMNS
from ainerd_agent.records import Run
from ainerd_agent.records.analysis import ModelIdentity

MODEL = ModelIdentity(name="m", weights_sha256="ab", n_clusters=4, parameters={"sigma": np.float64(2.0)})
RUN = Run(
    uid="u",
    time=5.0,
    scan_id=3,
    plan_name="grid",
    sample="silica",
    access={"data_session": "pass-1", "tiled_access_tags": ["group"]},
    metadata={"operator": "me", "sample": "not this one", "offsets": np.array([1.0, math.nan])},
)


def points(**columns: list[float]) -> dict[str, Any]:
    n = len(columns["seq_num"])
    nothing = dict.fromkeys(SUMMARY_COLUMNS, [math.nan] * n)
    return {name: np.array(values, dtype=float) for name, values in (nothing | columns).items()}


def test_summary_of_a_run() -> None:
    metadata = run_metadata(
        RUN,
        MODEL,
        points(
            seq_num=[1, 1, 3, 3],
            cluster=[1, 1, 2, 3],
            novelty=[math.nan, math.nan, 0.5, 2.0],
            tau=[1.0, math.nan, 3.0, 8.0],
            shear_stress=[10.0, 10.0, 30.0, 30.0],
            time=[6.0, 6.0, 9.0, 9.0],
            x=[0.5, 0.5, -1.0, -1.0],
        ),
        status="success",
        failures={2: "no frames"},
    )
    assert metadata["dominant_cluster"] == 1
    assert metadata["cluster_fractions"] == [0.0, 0.5, 0.25, 0.25]
    assert [metadata[f"cluster_fraction_{k}"] for k in range(4)] == metadata["cluster_fractions"]
    stress = [metadata[f"shear_stress_{kind}"] for kind in ("mean", "min", "max")]
    assert stress == [20.0, 10.0, 30.0]
    extent = [metadata[f"{name}_{end}"] for name in ("time", "x", "y") for end in ("min", "max")]
    assert extent == [6.0, 9.0, -1.0, 0.5, None, None]
    assert (metadata["novelty_max"], metadata["tau_median"], metadata["n_measurements"]) == (2.0, 3.0, 2)
    assert (metadata["failures"], metadata["failed"]) == (1, [{"seq_num": 2, "message": "no frames"}])
    assert (metadata["sample"], metadata["operator"], metadata["data_session"]) == ("silica", "me", "pass-1")
    derived = metadata["derived_from"]
    assert (derived["raw_uid"], derived["seq_nums"], derived["parameters"]) == ("u", [1, 3], {"sigma": 2.0})
    assert derived["software"].startswith("ainerd-agent ")
    assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


def test_slower_cluster_of_a_tie_dominates() -> None:
    summary = run_metadata(RUN, MODEL, points(seq_num=[1, 1], cluster=[3, 2]), status="running")
    assert summary["dominant_cluster"] == 2


def test_nothing_known_is_none_and_not_nan() -> None:
    metadata = run_metadata(RUN, MODEL, points(seq_num=[]), status="fail", failures={1: "x"})
    for key in ("dominant_cluster", "shear_stress_mean", "shear_stress_max", "novelty_max", "tau_median"):
        assert metadata[key] is None
    assert metadata["cluster_fractions"] == [0.0] * 4
    with pytest.raises(ValueError, match="running, success, abort, fail"):
        run_metadata(RUN, MODEL, points(seq_num=[]), status="done")


def test_own_metadata_of_a_run_is_plain() -> None:
    assert origin_metadata(RUN)["offsets"] == [1.0, None]
    values = {1: (np.int16(2), {np.float32(0.5)}), "deep": {"inf": math.inf, "flag": np.True_, "kind": Run}}
    assert plain_json(values) == {"1": [2, [0.5]], "deep": {"inf": None, "flag": True, "kind": str(Run)}}
