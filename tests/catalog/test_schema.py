from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.point_layout import points_schema
from ainerd_agent.catalog.codec.points import points_table
from ainerd_agent.catalog.codec.suggestions import (
    SUGGESTIONS_SCHEMA,
    normalised,
    suggestion_of,
    suggestion_table,
)
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import (
    Analysis,
    Bins,
    Fingerprints,
    Origin,
    Quality,
    Relaxations,
    ShearStress,
    Suggestion,
    SuggestionEvent,
)
from ainerd_agent.records.analysis import ModelIdentity

N_BINS = 3


def pair(seq_num: int, *, position: dict[str, float] | None = None, **extra: Any) -> tuple[Fingerprints, Analysis]:
    origin = Origin(
        raw_uid="run",
        seq_num=seq_num,
        start=100.0 + seq_num,
        stop=101.0 + seq_num,
        position=position or {},
        extra=extra,
    )
    fingerprints = Fingerprints(
        origin=origin,
        c2=np.zeros((N_BINS, 4, 4), np.float32),
        bins=Bins(q=np.array([0.1, 0.2, 0.3]), azimuth=np.array([0.0, 120.0, 240.0]), n_pixels=np.array([5, 6, 7])),
        duration=1.0,
        mean_counts=np.ones(N_BINS),
        contrast=np.array([0.1, 0.2, 0.3]),
        tau=np.array([1.0, math.nan, 3.0]),
        quality=Quality(snr=np.full(N_BINS, 5.0), bad_share=0.0, drift=0.0, problems=("",) * N_BINS),
        g2=np.ones((N_BINS, 2), np.float32),
        lags=np.array([0.1, 0.2]),
    )
    analysis = Analysis(
        origin=origin,
        latents=np.arange(N_BINS * 64, dtype=np.float32).reshape(N_BINS, 64) + seq_num,
        cluster=np.array([2, 0, 1]),
        centre_distance=np.ones(N_BINS),
        novelty=np.array([1.0, 2.0, 4.0]),
        reconstruction_error=np.ones(N_BINS),
        stress=ShearStress(mean=12.0 + seq_num, std=0.5, shear_rate=0.0, viscosity=9.0, n_samples=3),
    )
    return fingerprints, analysis


def table_of(*pairs: tuple[Fingerprints, Analysis]) -> pa.Table:
    return points_table([f for f, _ in pairs], [a for _, a in pairs])


def test_points_have_one_row_per_measurement_and_bin() -> None:
    table = table_of(pair(4, position={"x": 1.5, "y": -2.0}), pair(5))
    assert table.schema.equals(points_schema(), check_metadata=True)
    rows = table.to_pandas()
    assert list(rows.seq_num) == [4, 4, 4, 5, 5, 5]
    assert list(rows.bin) == [1, 2, 3, 1, 2, 3]
    assert list(rows.cluster) == [2, 0, 1] * 2
    assert list(rows.shear_stress) == [16.0] * 3 + [17.0] * 3
    assert list(rows.time) == [104.0] * 3 + [105.0] * 3
    assert list(rows.x[:3]) == [1.5] * 3
    assert rows.x[3:].isna().all()
    assert rows.tau.isna().sum() == 2
    assert set(rows.raw_uid) == {"run"}
    np.testing.assert_array_equal(rows[[f"z{k}" for k in range(64)]].iloc[4], np.arange(64) + 64 + 5)


def test_points_hold_the_fits_beside_the_time_to_1_over_e() -> None:
    fingerprints, analysis = pair(1)
    tau = np.array([2.0, math.nan, 6.0])
    fits = dataclasses.replace(
        Relaxations.unknown(N_BINS), tau=tau, tau_error=0.1 * tau, problems=("", "no correlation above the noise", "")
    )
    rows = table_of((dataclasses.replace(fingerprints, relaxations=fits), analysis)).to_pandas()
    np.testing.assert_array_equal(rows.fit_tau, tau)
    np.testing.assert_array_equal(rows.fit_tau_error, 0.1 * tau)
    np.testing.assert_array_equal(rows.tau, [1.0, math.nan, 3.0])
    assert list(rows.fit_problems) == ["", "no correlation above the noise", ""]
    assert rows.fit_exponent.isna().all()


def test_points_of_maps_that_were_not_fitted_say_so() -> None:
    rows = table_of(pair(1)).to_pandas()
    assert list(rows.fit_problems) == ["not fitted"] * N_BINS
    numbers = [name for name in rows.columns if name.startswith("fit_") and name != "fit_problems"]
    assert len(numbers) == 8
    assert rows[numbers].isna().all(axis=None)


def test_every_column_is_a_scalar_with_units() -> None:
    for schema in (points_schema(), SUGGESTIONS_SCHEMA):
        kinds = {pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()}
        assert {column.type for column in schema} <= kinds
        metadata = column_metadata(schema)
        assert list(metadata["units"]) == schema.names
        assert all(metadata["descriptions"].values())
    units = column_metadata(points_schema())["units"]
    assert (units["fit_tau"], units["fit_tau_error"], units["fit_exponent"]) == ("s", "s", "")
    assert (units["q"], units["viscosity"], units["x"], units["cluster"]) == ("1/nm", "Pa s", "mm", "")


def test_extra_scalars_become_columns_of_their_own_type() -> None:
    table = table_of(
        pair(1, good=True, series=np.int32(3), load=2, sample="a", gap=None),
        pair(2, good=False, series=np.int32(4), load=2.5, sample="b", gap=None),
    )
    kinds = {name: table.schema.field(name).type for name in ("good", "series", "load", "sample", "gap")}
    assert kinds == {
        "good": pa.bool_(),
        "series": pa.int64(),
        "load": pa.float64(),
        "sample": pa.string(),
        "gap": pa.float64(),
    }
    assert table["load"].to_pylist() == [2.0] * 3 + [2.5] * 3
    assert table["gap"].null_count == 6


def test_names_that_cannot_be_columns_are_changed_and_kept() -> None:
    """Tiled refuses other names, and capitals do not count in SQL."""
    extra = {"Shear Stress (Pa)": 1.0, "Q": 2.0, "z3": 3.0, "load": 4.0, "Load": 5.0, "x": 6.0}
    table = table_of(pair(1, position={"stage-x": 0.5, "time": 1.5, "x": 2.5}, **extra))
    metadata = column_metadata(table.schema)
    assert metadata["axes"] == {"stage_x": "stage-x", "axis_time": "time", "x": "x"}
    assert metadata["extras"] == {
        "Shear_Stress__Pa_": "Shear Stress (Pa)",
        "extra_Q": "Q",
        "extra_z3": "z3",
        "load": "load",
        "extra_Load": "Load",
        "extra_x": "x",
    }
    assert len({name.lower() for name in table.schema.names}) == len(table.schema)


def test_records_of_different_measurements_do_not_mix() -> None:
    (f, _), (_, a) = pair(1), pair(2)
    with pytest.raises(ValueError, match="same measurements"):
        points_table([f], [a])


def test_suggestion_row() -> None:
    suggestion = Suggestion(id="s", position={"x": 2.0}, reason="Far.", inputs=("u/1", "u/2"), model="m", seed=5)
    about = {"position": suggestion.position, "raw_uid": "u", "seq_num": 3, "novelty": 1.5}
    event = SuggestionEvent(time=9.0, suggestion_id="s", event="measured", **about)
    (row,) = normalised(suggestion_table(suggestion, event).to_pandas()).to_dict("records")
    assert (row["time"], row["event"], row["seq_num"], row["novelty"], row["seed"]) == (9.0, "measured", 3, 1.5, 5)
    assert row["inputs"] == '["u/1", "u/2"]'
    assert (row["position"], row["x"], row["last_seq_num"]) == ('{"x": 2.0}', 2.0, 3)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../a"])
def test_model_names_are_keys(name: str) -> None:
    with pytest.raises(CatalogError, match="cannot be called"):
        ModelIdentity(name=name, weights_sha256="", n_clusters=2)


def test_a_suggestion_is_read_as_it_was_written() -> None:
    predicted = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    suggestion = Suggestion(
        id="night-3", position={"x": 0.1, "y": -2.0}, reason="why not", expected_novelty=1 / 3, uncertainty=0.1,
        cost=7.7, score=0.25, inputs=("run/1", "run/2"), model="toy-1", seed=4, agent="night", predicted=predicted,
        predicted_std=0.5, terms={"gain": 1 / 7, "fades": 0.0}, alternatives=({"x": 1.0, "y": 2.0, "score": 0.2},),
        settings={"agent": "NoveltyAgent", "time_budget": None}, sample="gel", well="A1",
    )  # fmt: skip

    def row_of(name: str, time: float, note: str = "") -> dict[str, Any]:
        event = SuggestionEvent(time=time, suggestion_id="night-3", event=name, position=suggestion.position, note=note)
        return dict(suggestion_table(suggestion, event).to_pylist()[0])

    row = row_of("proposed", 5.0)
    read = suggestion_of(row)
    assert dataclasses.replace(read, counting=0.0) == dataclasses.replace(suggestion, counting=0.0)
    assert np.isnan(read.counting)
    np.testing.assert_array_equal(read.predicted, predicted)
    later = row_of("measured", 6.0, "well")
    assert (later["predicted"], later["settings"], later["note"]) == ("", "", "well")
    with pytest.raises(CatalogError, match="before suggestions told how they were made"):
        suggestion_of(later)
    with pytest.raises(ValueError, match="not one of proposed"):
        row_of("lost", 6.0)
