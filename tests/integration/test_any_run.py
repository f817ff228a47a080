"""Runs with several streams, exposures and events, whose measurements differ in axes, scalars, units and names."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import pandas as pd
import pytest

from ainerd_agent.catalog import Catalog, DerivedWriter, connect
from ainerd_agent.records import Events, Run
from tests.catalog.codec.records import same
from tests.integration.derived_runs import MODEL, N_BINS, START, is_sound, measured, write


@pytest.fixture
def catalog(uri: str) -> Iterator[Catalog]:
    with connect(uri, create=True) as catalog:
        yield catalog


@pytest.fixture
def writer(catalog: Catalog) -> DerivedWriter:
    return catalog.writer(MODEL)


def test_streams_events_and_lengths_are_written_found_read_and_exported(
    catalog: Catalog, writer: DerivedWriter, tmp_path: Path
) -> None:
    write(
        writer, "mixed",
        measured("mixed", 1, seconds=1.0, frames=100),
        measured("mixed", 1, stream="late", last_seq_num=4, seconds=0.5, frames=4),
        measured("mixed", 2, seconds=2.0, frames=400),
        measured("mixed", 5, stream="late", last_seq_num=8, seconds=0.25, frames=4),
    )  # fmt: skip
    expected = [Events("primary", 1, 1), Events("late", 1, 4), Events("primary", 2, 2), Events("late", 5, 8)]
    run = catalog.model(MODEL.name).records("mixed")
    assert [f.origin.events for f in run.fingerprints] == expected
    assert [f.origin.exposure.frames for f in run.fingerprints] == [100, 4, 400, 4]
    assert [f.lags[-1] for f in run.fingerprints] == pytest.approx([0.04, 0.02, 0.08, 0.01])
    points = catalog.points(raw_uid="mixed")
    assert len(points) == 4 * N_BINS
    late = points[points["stream"] == "late"]
    assert list(zip(late["seq_num"], late["last_seq_num"], strict=True)) == [(1, 4)] * N_BINS + [(5, 8)] * N_BINS
    assert set(catalog.points(raw_uid="mixed", time=(START + 4, None))["seq_num"]) == {5}
    assert catalog.c2("mixed", 1, 1, stream="late")[0, 0] == 101.0
    is_sound(catalog, "mixed")
    files = catalog.model(MODEL.name).export("mixed", tmp_path / "out.h5")
    assert [file.name for file in files] == [
        "out-primary-0001.h5", "out-late-0001.h5", "out-primary-0002.h5", "out-late-0005.h5",
    ]  # fmt: skip
    assert all(h5py.is_hdf5(file) for file in files)
    catalog.model(MODEL.name).export("mixed", tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 4 * N_BINS


def test_exposures_of_different_length_may_come_at_once(catalog: Catalog, writer: DerivedWriter) -> None:
    pairs = [measured("at once", 1, seconds=1.0), measured("at once", 2, seconds=2.0)]
    writer.open_run(Run(uid="at once", time=START))
    writer.append("at once", [f for f, _ in pairs], [a for _, a in pairs])
    run = catalog.model(MODEL.name).records("at once")
    assert [f.lags[-1] for f in run.fingerprints] == pytest.approx([0.04, 0.08])


def test_what_does_not_fit_the_columns_costs_itself_only(
    catalog: Catalog, writer: DerivedWriter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ainerd_agent.catalog.write.points")
    first = {"position": {"x": 1.0, "T": 20.0}, "units": {"T": "degC", "p": "mbar"}}
    write(
        writer, "loose",
        measured("loose", 1, **first, extra={"p": 1000.0, "gap": None, "n": 1, "label": "a", "ok": True}),
        measured("loose", 2, position={"T": 293.15, "phi": 1.0}, units={"T": "K", "p": "kPa"}, extra={"p": 99.0}),
        measured("loose", 3, **first, extra={"p": "high", "gap": "wide", "n": 2.5, "label": 3.0, "ok": None}),
        measured("loose", 1, stream="other", position={"phi": 1.0}, extra={"voltage": 1.0}),
        measured("loose", 4, **first, extra={"p": "high", "gap": 1.0, "n": 3, "label": "b", "ok": False, "new": 1}),
    )  # fmt: skip
    analyses = catalog.model(MODEL.name).records("loose").analyses
    told = {str(a.origin.events): a.origin for a in analyses}
    assert len(told) == 5
    assert told["primary/2"].position == {"T": pytest.approx(20.0), "phi": 1.0}
    first_known = {"p": 1000.0, "gap": None, "n": 1.0, "label": "a", "ok": True}
    assert same(dict(told["primary/1"].extra), {**first_known, "voltage": math.nan, "new": math.nan})
    assert told["primary/2"].extra["p"] == pytest.approx(990.0)
    assert told["other/1"].position == {"phi": 1.0}
    third, fourth = told["primary/3"].extra, told["primary/4"].extra
    assert all(math.isnan(third.pop(name)) for name in ("p", "voltage", "new"))
    assert third == {"gap": "wide", "n": 2.5, "label": None, "ok": None}
    assert fourth["new"] == 1
    assert (fourth["gap"], fourth["n"], fourth["label"], fourth["ok"]) == (None, 3.0, "b", False)
    named = [name for record in caplog.records for name in re.findall(r"'(\w*)' \(", record.message)]
    assert sorted(named) == ["gap", "label", "p"]  # each once
    assert "'p' (a text in a column of numbers)" in caplog.text
    assert catalog["ainerd", MODEL.name, "loose"].metadata["x_max"] == 1.0


AWKWARD = [
    "z0",
    "Z1",
    "time",
    "",
    " ",
    "a.b",
    "a-b",
    "a b",
    "A_B",
    "select",
    "µ",
    "x" * 200,
    "X" * 200,
    "1st",
    "novelty",
]


def test_names_of_any_kind_come_back(catalog: Catalog, writer: DerivedWriter) -> None:
    position = {name: float(place) for place, name in enumerate(AWKWARD)}
    extra = {f"own {name}": float(place) for place, name in enumerate(AWKWARD)}
    metadata = {"status": "good", "novelty_max": -1, "cluster_fraction_0": 7, "raw_uid": "none", "x" * 63 + "_min": 1}
    write(writer, "names", measured("names", 1, position=position, extra=extra), metadata=metadata)
    run = catalog.model(MODEL.name).records("names")
    assert same(dict(run.analyses[0].origin.position), position)
    assert same(dict(run.analyses[0].origin.extra), extra)
    assert run.run.metadata == metadata
    told = catalog["ainerd", MODEL.name, "names"].metadata
    assert (told["status"], told["start_status"], told["raw_uid"], told["start_raw_uid"]) == (
        "success", "good", "names", "none",
    )  # fmt: skip
    assert list(catalog.runs(start_status="good")["raw_uid"]) == ["names"]
