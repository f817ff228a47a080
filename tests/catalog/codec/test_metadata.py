from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.maps_index import MapsIndex, maps_metadata
from ainerd_agent.catalog.codec.metadata import (
    SUMMARY_COLUMNS,
    Summary,
    events_metadata,
    events_of,
    failures_of,
    origin_metadata,
    plain_json,
    run_metadata,
    run_of,
)
from ainerd_agent.catalog.codec.own_keys import beside_ours, but_ours, of_analysis, of_maps
from ainerd_agent.records import Events, Run
from ainerd_agent.records.analysis import KINDS, UNKNOWN, ModelIdentity

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


AXES = {"x": "mm", "y": "mm"}


def points(
    kind: list[str | None] | None = None, ended: list[str | None] | None = None, **columns: list[float]
) -> dict[str, Any]:
    n = len(columns["seq_num"])
    nothing = dict.fromkeys((*SUMMARY_COLUMNS, *AXES), [math.nan] * n)
    given = {"last_seq_num": columns["seq_num"], **columns}
    found: dict[str, Any] = {name: np.array(values, dtype=float) for name, values in (nothing | given).items()}
    return found | {
        "stream": np.array(["primary"] * n, object),
        "kind": np.array(kind or [""] * n, object),
        "ended": np.array(ended or [""] * n, object),
    }


def summary_of(status: str, failures: dict[Events, str] | None = None, **columns: Any) -> Summary:
    return Summary(points=points(**columns), status=status, axes=AXES, failures=failures or {})


FAILED = {"stream": "primary", "seq_num": 2, "last_seq_num": 2, "message": "no frames"}


def test_summary_of_a_run() -> None:
    metadata = run_metadata(
        RUN,
        MODEL,
        summary_of(
            "success",
            {Events("primary", 2, 2): "no frames"},
            seq_num=[1, 1, 3, 3],
            cluster=[1, 1, 2, 3],
            novelty=[math.nan, math.nan, 0.5, 2.0],
            tau=[1.0, math.nan, 3.0, 8.0],
            shear_stress=[10.0, 10.0, 30.0, 30.0],
            time=[6.0, 6.0, 9.0, 9.0],
            x=[0.5, 0.5, -1.0, -1.0],
        ),
    )
    assert metadata["dominant_cluster"] == 1
    assert metadata["cluster_fractions"] == [0.0, 0.5, 0.25, 0.25]
    assert [metadata[f"cluster_fraction_{k}"] for k in range(4)] == metadata["cluster_fractions"]
    stress = [metadata[f"shear_stress_{kind}"] for kind in ("mean", "min", "max")]
    assert stress == [20.0, 10.0, 30.0]
    extent = [metadata[f"{name}_{end}"] for name in ("time", "x", "y") for end in ("min", "max")]
    assert extent == [6.0, 9.0, -1.0, 0.5, None, None]
    assert (metadata["novelty_max"], metadata["tau_median"], metadata["n_measurements"]) == (2.0, 3.0, 2)
    assert (metadata["failures"], metadata["failed"]) == (1, [FAILED])
    assert (metadata["sample"], metadata["operator"], metadata["data_session"]) == ("silica", "me", "pass-1")
    derived = metadata["derived_from"]
    assert (derived["raw_uid"], derived["seq_nums"], derived["parameters"]) == ("u", [1, 3], {"sigma": 2.0})
    assert derived["software"].startswith("ainerd-agent ")
    assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


def test_slower_cluster_of_a_tie_dominates() -> None:
    summary = run_metadata(RUN, MODEL, summary_of("running", seq_num=[1, 1], cluster=[3, 2]))
    assert summary["dominant_cluster"] == 2


def test_nothing_known_is_none_and_not_nan() -> None:
    metadata = run_metadata(RUN, MODEL, summary_of("fail", {Events("primary", 1, 1): "x"}, seq_num=[]))
    for key in ("dominant_cluster", "shear_stress_mean", "shear_stress_max", "novelty_max", "tau_median"):
        assert metadata[key] is None
    assert metadata["cluster_fractions"] == [0.0] * 4
    with pytest.raises(ValueError, match="running, success, abort, fail"):
        run_metadata(RUN, MODEL, summary_of("done", seq_num=[]))


def test_own_metadata_of_a_run_is_plain() -> None:
    assert origin_metadata(RUN, of_maps)["offsets"] == [1.0, None]
    values = {1: (np.int16(2), {np.float32(0.5)}), "deep": {"inf": math.inf, "flag": np.True_, "kind": Run}}
    assert plain_json(values) == {"1": [2, [0.5]], "deep": {"inf": None, "flag": True, "kind": str(Run)}}


@pytest.mark.parametrize(
    ("measurements", "terse"),
    [
        ([], True),
        ([Events("primary", 1, 1), Events("primary", 3, 3)], True),
        ([Events("primary", 1, 4), Events("primary", 5, 8)], False),
        ([Events("primary", 1, 1), Events("dark", 1, 1)], False),
    ],
)
def test_measurements_are_named_tersely_and_read_back(measurements: list[Events], terse: bool) -> None:
    told = events_metadata(measurements)
    assert (told["streams"] is None and told["last_seq_nums"] is None) is terse
    assert events_of(json.loads(json.dumps(told))) == measurements


def test_measurements_of_0_1_are_single_events() -> None:
    derived = {"stream": "primary", "seq_nums": [2, 3]}
    assert events_of(derived) == [Events("primary", 2, 2), Events("primary", 3, 3)]
    failed = [{"seq_num": 4, "message": "dark"}]
    assert failures_of({"derived_from": derived, "failed": failed}) == {Events("primary", 4, 4): "dark"}


def test_a_run_is_read_back_with_its_own_metadata() -> None:
    run = Run(uid="u", time=5.0, sample="gel", access={"data_session": "pass-1"}, metadata={"operator": "me"})
    metadata = run_metadata(run, MODEL, summary_of("success", seq_num=[1], cluster=[1]))
    assert run_of(metadata) == run


OURS = run_metadata(RUN, MODEL, summary_of("success", seq_num=[1], cluster=[1]))
INDEX = MapsIndex(n_bins=1, lags=np.arange(3.0))
OWN = {"operator", "offsets", "start_sample"}
KEYS = st.sampled_from([*OURS, *maps_metadata(RUN, INDEX), "x", "x_min", "z_min", "start_", "start_time"]) | st.text()


@given(st.dictionaries(KEYS | KEYS.map(lambda key: f"start_{key}") | KEYS.map(lambda key: key * 2), st.integers()))
def test_no_key_of_a_start_document_hides_one_of_ours_and_all_come_back(keys: dict[str, int]) -> None:
    run = dataclasses.replace(RUN, metadata=keys)
    metadata = run_metadata(run, MODEL, summary_of("success", seq_num=[1], cluster=[1]))
    assert {key: metadata[key] for key in OURS if key not in OWN} == {k: v for k, v in OURS.items() if k not in OWN}
    assert run_of(metadata) == run
    maps = maps_metadata(run, INDEX)
    assert (maps["n_bins"], maps["raw_uid"], maps["frames"]) == (1, "u", None)
    assert run_of(maps, of_maps) == run


def test_a_key_that_is_ours_is_told_apart() -> None:
    told = beside_ours({"status": "good", "x_min": 1, "start_status": 2, "frames": 3}, of_analysis(["x"]))
    assert told == {"start_status": "good", "start_x_min": 1, "start_start_status": 2, "frames": 3}
    assert but_ours({**told, "status": "success", "x_min": 0.5}, of_analysis(["x"])) == {
        "status": "good", "x_min": 1, "start_status": 2, "frames": 3,
    }  # fmt: skip


def test_all_our_keys_are_known_as_ours() -> None:
    assert {key for key in OURS if not of_analysis(AXES)(key)} == OWN
    assert {key for key in maps_metadata(RUN, INDEX) if not of_maps(key)} == OWN


def test_shares_of_kinds_can_be_searched_by_and_are_left_out_where_no_model_tells() -> None:
    kinds = ["intermittent", "intermittent", "unknown", "ageing"]
    told = summary_of(
        "success",
        seq_num=[1, 1, 2, 2],
        cluster=[0, 0, 1, 1],
        kind=kinds,
        repeat_probability=[math.nan, math.nan, 0.5, 0.004],
    )
    metadata = run_metadata(RUN, MODEL, told)
    assert metadata["dominant_kind"] == "intermittent"
    assert metadata["kind_fraction_intermittent"] == 0.5
    assert metadata["kind_fraction_flowing"] == 0.0
    assert sum(metadata[f"kind_fraction_{kind}"] for kind in (*KINDS, UNKNOWN)) == 1.0
    assert metadata["repeat_probability_min"] == 0.004
    assert {key for key in metadata if not of_analysis(AXES)(key)} == OWN
    old = run_metadata(RUN, MODEL, summary_of("success", seq_num=[1, 1], cluster=[0, 0], kind=[None, None]))
    assert not [key for key in old if key.startswith("kind_fraction")]
    assert (old["dominant_kind"], old["repeat_probability_min"]) == (None, None)


def test_why_exposures_ended_and_how_long_they_were_can_be_searched_by() -> None:
    told = summary_of(
        "success", seq_num=[1, 2, 3, 4], cluster=[0] * 4, ended=["planned", "converged", "converged", None],
        seconds_counted=[10.0, 2.0, 4.0, math.nan],
    )  # fmt: skip
    metadata = run_metadata(RUN, MODEL, told)
    assert metadata["ended_fraction_converged"] == pytest.approx(2 / 3)
    assert metadata["ended_fraction_stopped"] == 0.0
    assert (metadata["seconds_counted_min"], metadata["seconds_counted_max"]) == (2.0, 10.0)
    assert {key for key in metadata if not of_analysis(AXES)(key)} == OWN
    old = run_metadata(RUN, MODEL, summary_of("success", seq_num=[1], cluster=[0], ended=[None]))
    assert not [key for key in old if key.startswith("ended_fraction")]
