"""Records in files: they come back as they were, also those that version 0.1 wrote."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.envelopes import RECORDS, read_envelope, write_envelope
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import (
    Analysis,
    Bins,
    Fingerprints,
    Origin,
    Quality,
    Relaxations,
    Run,
    ShearStress,
    Suggestion,
)
from tests.catalog.any_record import ANY, assert_same

FITS = Relaxations.unknown(2, "too slow")
ORIGIN = Origin(raw_uid="u", seq_num=2, start=1.0, stop=2.0, position={"x": 0.5}, extra={"load": np.float32(1.5)})
FINGERPRINTS = Fingerprints(
    origin=ORIGIN,
    c2=np.arange(32, dtype=np.float32).reshape(2, 4, 4),
    bins=Bins(q=np.ones(2), azimuth=np.zeros(2), n_pixels=np.array([3, 4])),
    duration=math.nan,
    mean_counts=np.ones(2),
    contrast=np.ones(2),
    tau=np.array([1.0, math.nan]),
    quality=Quality(snr=np.full(2, 5.0), bad_share=0.0, drift=0.0, problems=("", "dark")),
    g2=np.ones((2, 3), np.float32),
    lags=np.arange(3.0),
    relaxations=FITS,
)
ANALYSIS = Analysis(
    origin=ORIGIN,
    latents=np.ones((2, 64), np.float32),
    cluster=np.array([0, 1]),
    centre_distance=np.ones(2),
    novelty=np.full(2, math.nan),
    reconstruction_error=np.ones(2),
    stress=ShearStress(mean=3.0),
)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    content = {
        "run": Run(uid="u", time=1.0, metadata={"steps": [1, 2], "shape": (4, 5), "none": None}),
        "arguments": {"fingerprints": [FINGERPRINTS], "analyses": [ANALYSIS]},
        "suggestion": Suggestion(id="s", position={"x": 1.0}, reason="Näher dran.", inputs=("u/1",)),
    }
    path = tmp_path / "1.npz"
    write_envelope(path, content)
    back = read_envelope(path)
    assert back["run"] == content["run"]
    assert dataclasses.asdict(back["suggestion"]).keys() == dataclasses.asdict(content["suggestion"]).keys()
    assert (back["suggestion"].inputs, back["suggestion"].reason) == (("u/1",), "Näher dran.")
    (fingerprints,) = back["arguments"]["fingerprints"]
    (analysis,) = back["arguments"]["analyses"]
    # A number of numpy in what a beamline adds comes back as a plain number of the same value.
    assert_same(fingerprints.origin, dataclasses.replace(ORIGIN, extra={"load": 1.5}))
    assert analysis.stress.mean == 3.0
    assert fingerprints.relaxations.problems == FITS.problems
    np.testing.assert_array_equal(fingerprints.relaxations.tau, FITS.tau)
    for name in ("c2", "tau", "g2", "lags"):
        np.testing.assert_array_equal(getattr(fingerprints, name), getattr(FINGERPRINTS, name))
        assert getattr(fingerprints, name).dtype == getattr(FINGERPRINTS, name).dtype
    np.testing.assert_array_equal(fingerprints.bins.n_pixels, [3, 4])
    assert [file.name for file in tmp_path.iterdir()] == ["1.npz"]


@pytest.mark.parametrize("kind", RECORDS.values(), ids=lambda kind: kind.__name__)
def test_records_within_records_can_be_kept_too(kind: type) -> None:
    hints = get_type_hints(kind, vars(sys.modules[kind.__module__]))
    within = {each for hint in hints.values() for each in (hint, *get_args(hint)) if dataclasses.is_dataclass(each)}
    assert within <= set(RECORDS.values())
    assert kind in ANY


@pytest.mark.parametrize("kind", RECORDS.values(), ids=lambda kind: kind.__name__)
@settings(max_examples=1, deadline=None)
@given(data=st.data())
def test_any_record_has_all_of_its_fields_at_random(kind: type, data: st.DataObject) -> None:
    """A field that is left at its default would be tested for nothing."""
    strategy = ANY[kind]
    data.draw(strategy)
    assert set(strategy.wrapped_strategy.kwargs) == {field.name for field in dataclasses.fields(kind)}


def test_what_cannot_be_read_back_is_refused_when_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="records of Unknown cannot be kept"):
        write_envelope(tmp_path / "1.npz", dataclasses.make_dataclass("Unknown", ["a"])(1))


@pytest.mark.parametrize("kind", RECORDS.values(), ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_record_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    record = data.draw(ANY[kind])
    with TemporaryDirectory() as folder:
        write_envelope(Path(folder) / "1.npz", record)
        assert_same(read_envelope(Path(folder) / "1.npz"), record)


def test_files_can_be_read_without_this_package(tmp_path: Path) -> None:
    write_envelope(tmp_path / "1.npz", {"method": "append", "records": [FINGERPRINTS]})
    with np.load(tmp_path / "1.npz", allow_pickle=False) as file:
        envelope = json.loads(str(file["envelope"]))
        name = envelope["mapping"]["records"][0]["fields"]["c2"]["array"]
        np.testing.assert_array_equal(file[name], FINGERPRINTS.c2)
    assert envelope["mapping"]["method"] == "append"


@pytest.mark.parametrize("content", [b"", b"half a file", b"PK\x03\x04 and no more"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "00000007.npz"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="00000007"):
        read_envelope(path)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), length=st.integers(0, 10**6))
def test_damage_is_named_or_does_not_matter(place: int, byte: int, length: int) -> None:
    content = bytearray((OLD / "00000002.npz").read_bytes())
    content[place % len(content)] ^= byte
    with TemporaryDirectory() as folder:
        path = Path(folder) / "00000002.npz"
        path.write_bytes(content[: length % len(content) if length % 3 == 0 else len(content)])
        with suppress(CatalogError):
            assert read_envelope(path)["run"].uid == "of-0.1"


OLD = Path(__file__).parents[2] / "fixtures" / "spool-0.1" / "toy-1"


def test_what_version_0_1_wrote_is_read() -> None:
    first, second, failure, event, end = (read_envelope(path) for path in sorted(OLD.iterdir()))
    assert [each["method"] for each in (first, second, failure, event, end)] == [
        "append", "append", "record_failure", "record_suggestion", "close_run",
    ]  # fmt: skip
    run = second["run"]
    assert (run.uid, run.sample, run.access, run.metadata["shape"]) == (
        "of-0.1", "silica", {"data_session": "s-1"}, (4, 5),
    )  # fmt: skip
    (fingerprints,), (analysis,) = second["arguments"]["fingerprints"], second["arguments"]["analyses"]
    assert (fingerprints.origin.seq_num, fingerprints.origin.extra) == (2, {"load": 1.5})
    np.testing.assert_array_equal(fingerprints.c2[:, 0, 0], np.array([201, 202, 203], np.float32))
    assert fingerprints.relaxations.problems == ("too slow",) * 3
    assert analysis.unlike.tolist() == [False, True, False]
    assert analysis.novelty[0] == 0.25
    assert first["arguments"]["analyses"][0].stress.mean == 12.0
    assert failure["arguments"] == {"raw_uid": "of-0.1", "seq_num": 3, "message": "saturated"}
    assert (event["run"], event["arguments"]["event"], event["arguments"]["novelty"]) == (None, "measured", 0.25)
    suggestion = event["arguments"]["suggestion"]
    assert (suggestion.id, suggestion.reason, suggestion.inputs) == ("s", "Näher dran.", ("of-0.1/1",))
    assert suggestion.settings["limits"] == {"x": [0.0, 4.0]}
    assert end["arguments"]["status"] == "success"
