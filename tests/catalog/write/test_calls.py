"""Calls that wait in files are made as they were meant."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.envelopes import read_envelope, write_envelope
from ainerd_agent.catalog.write.calls import (
    Append,
    CloseRun,
    RecordFailure,
    RecordSuggestion,
    Replace,
    model_of,
    restored,
    stored,
)
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Run, Suggestion
from ainerd_agent.records.analysis import ModelIdentity
from tests.catalog.any_record import (
    analyses,
    assert_same,
    fingerprints,
    identities,
    numbers,
    runs,
    suggestions,
    values,
    words,
)

OLD = Path(__file__).parents[2] / "fixtures" / "spool-0.1" / "toy-1"
CALLS = (
    st.builds(
        Append,
        run=runs,
        fingerprints=st.lists(fingerprints, max_size=2),
        analyses=st.lists(analyses, max_size=2),
    )
    | st.builds(
        Replace,
        run=runs,
        fingerprints=st.lists(fingerprints, max_size=1),
        analyses=st.lists(analyses, max_size=1),
    )
    | st.builds(RecordFailure, run=runs, seq_num=numbers, message=words, stream=words, last_seq_num=numbers)
    | st.builds(CloseRun, run=runs, status=words)
    | st.builds(
        RecordSuggestion,
        suggestion=suggestions, event=words, raw_uid=words, seq_num=numbers, novelty=values, time=values, note=words,
    )
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(CALLS, identities)
def test_calls_come_back_as_they_were(call: Any, model: ModelIdentity) -> None:
    with TemporaryDirectory() as folder:
        write_envelope(Path(folder) / "1.npz", stored(call, model))
        content = read_envelope(Path(folder) / "1.npz")
    assert_same(restored(content), call)
    assert_same(model_of(content), model)


class Notes:
    """What is asked of a writer."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def open_run(self, run: Run) -> None:
        self.asked.append(("open", run.uid))

    def append(self, raw_uid: str, fingerprints: Any, analyses: Any) -> None:
        self.asked.append(("append", raw_uid, [each.origin.seq_num for each in (*fingerprints, *analyses)]))

    def record_failure(self, raw_uid: str, seq_num: int, message: str, *, stream: str, last_seq_num: int) -> None:
        assert (stream, last_seq_num) == ("primary", 0)
        self.asked.append(("failure", raw_uid, seq_num, message))

    def close_run(self, raw_uid: str, status: str) -> None:
        self.asked.append(("close", raw_uid, status))

    def record_suggestion(self, suggestion: Suggestion, event: str, **about: Any) -> None:
        self.asked.append((event, suggestion.id, about))


def test_what_version_0_1_kept_is_asked_of_the_writer() -> None:
    notes = Notes()
    for path in sorted(OLD.iterdir()):
        restored(read_envelope(path)).perform(notes)  # type: ignore[arg-type]
    opened = ("open", "of-0.1")
    about = {
        "raw_uid": "of-0.1", "seq_num": 2, "stream": "primary", "novelty": 0.25, "time": 1_700_000_100.0, "note": "",
    }  # fmt: skip
    assert notes.asked == [
        opened, ("append", "of-0.1", [1, 1]),
        opened, ("append", "of-0.1", [2, 2]),
        opened, ("failure", "of-0.1", 3, "saturated"),
        ("measured", "s", about),
        opened, ("close", "of-0.1", "success"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"method": "delete", "run": None, "arguments": {}},
        {"method": "close_run", "run": None, "arguments": {"status": "success"}},
        {"method": "__class__", "run": None, "arguments": {}},
    ],
)
def test_calls_that_nobody_knows_are_refused(content: Any) -> None:
    with pytest.raises(CatalogError, match="does not know"):
        restored(content)


def test_version_0_1_did_not_note_the_model() -> None:
    assert [model_of(read_envelope(path)) for path in OLD.iterdir()] == [None] * 5


def test_a_model_that_nobody_knows_is_refused() -> None:
    with pytest.raises(CatalogError, match="the model 'm', in a form that this version does not know"):
        model_of({"method": "append", "model": "m"})


def test_calls_say_what_they_hold() -> None:
    kept = [str(restored(read_envelope(path))) for path in sorted(OLD.iterdir())]
    assert kept == [
        "measurement 1 of run of-0.1",
        "measurement 2 of run of-0.1",
        "the failure of measurement 3 of run of-0.1 (saturated)",
        "the event 'measured' of suggestion s at {'x': 1.0, 'y': 0.5}, measurement 2 of run of-0.1",
        "the end of run of-0.1 (success)",
    ]
