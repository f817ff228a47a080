"""Documents damaged at random: nothing is raised, nothing invalid comes out, and what is intact is measured.

Set AINERD_FUZZ to the number of streams of each kind; a sample is run otherwise.
"""

from __future__ import annotations

import copy
import math
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.callbacks import Assembler, Failure, RunEnd
from ainerd_agent.callbacks.replay import whole_runs
from ainerd_agent.records import Measurement, Run
from ainerd_agent.settings import Settings
from tests.callbacks import made_runs
from tests.callbacks.made_runs import movies

N_EVENTS = 4
N_STREAMS = int(os.environ.get("AINERD_FUZZ", "40"))

garbage = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(), st.text(max_size=5), st.just("x" * 5000),
    st.just([]), st.just({}), st.just([None, {"a": []}]), st.just({"start": -1, "stop": "many"}), st.just(b"\x00"),
    st.just("primary/../.."), st.just({"start": 0, "stop": 10**12}),
)  # fmt: skip

KINDS = {
    "stream assets": lambda folder: made_runs.stepped(folder, N_EVENTS),
    "classic assets": lambda folder: made_runs.classic(folder, N_EVENTS),
    "arrays in events": lambda folder: made_runs.with_arrays(N_EVENTS),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request, tmp_path_factory) -> list[tuple[str, dict[str, Any]]]:
    return KINDS[request.param](tmp_path_factory.mktemp("fuzzed"))


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, as keys."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += paths_in(value[key], (*path, key))
    return found


@st.composite
def damages(draw, documents):
    """What is done to some of the documents: (index, what, where, value)."""
    chosen = draw(st.lists(st.integers(0, len(documents) - 1), min_size=1, max_size=3, unique=True))
    found = []
    for index in chosen:
        what = draw(st.sampled_from(["drop", "twice", "replace", "remove", "stray"]))
        where = draw(st.sampled_from(paths_in(documents[index][1])))
        found.append((index, what, where, draw(garbage)))
    return found


def damaged(documents, damage):
    """The documents with the damage done, from the last to the first, so that indices hold."""
    kept = [(name, copy.deepcopy(doc)) for name, doc in documents]
    for index, what, where, value in sorted(damage, key=lambda each: -each[0]):
        name, doc = kept[index]
        if what == "drop":
            del kept[index]
        elif what == "twice":
            kept.insert(index, (name, copy.deepcopy(doc)))
        elif what == "stray":
            kept.insert(index, (name, value))
        else:
            *outer, last = where
            for key in outer:
                doc = doc[key]
            if what == "remove":
                del doc[last]
            else:
                doc[last] = value
    return kept


def events_of_documents(documents) -> dict[int, int]:
    """The number of the detector's event that a document is of alone, by index."""
    (primary,) = [doc["uid"] for name, doc in documents if name == "descriptor" and doc["name"] == "primary"]
    found: dict[int, int] = {}
    for index, (name, doc) in enumerate(documents):
        if name == "event" and doc["descriptor"] == primary:
            found[index] = doc["seq_num"]
        elif name == "stream_datum":
            found[index] = doc["seq_nums"]["start"]
        elif name == "datum":
            found[index] = doc["datum_kwargs"]["point_number"] + 1
        elif name == "event":
            found[index] = 0  # a reading of the rheometer
    return found


def intact(documents, damage) -> set[int]:
    """Numbers of events none of whose documents are damaged; a document that comes twice is none the worse."""
    of_events = events_of_documents(documents)
    numbers = set(range(1, N_EVENTS + 1))
    for index, what, _, _ in damage:
        if what in ("twice", "stray"):
            continue
        name = documents[index][0]
        if name == "stop" or (name == "descriptor" and documents[index][1]["name"] != "primary"):
            continue
        if index not in of_events:
            return set()
        numbers.discard(of_events[index])
    return numbers


def check(documents, damage) -> None:
    assembler = Assembler(Settings())
    records = [each for name, doc in damaged(documents, damage) for each in assembler.feed(name, doc)]
    found = {}
    for each in records:
        assert isinstance(each, Run | Measurement | Failure | RunEnd)
        if isinstance(each, Failure):
            assert each.message
            assert "\n" not in each.message
        if isinstance(each, Measurement):
            origin = each.origin
            assert math.isfinite(origin.start)
            assert origin.stop > origin.start
            assert each.frame_time > 0
            assert all(isinstance(value, float) and math.isfinite(value) for value in origin.position.values())
            assert all(isinstance(value, float | str) for value in origin.extra.values())
            assert 1 <= origin.seq_num <= origin.last_seq_num
            found[origin.seq_num] = each
    expected = movies(N_EVENTS)
    for number in intact(documents, damage):
        assert number in found, f"measurement {number} is lost"
        np.testing.assert_array_equal(np.concatenate(list(found[number].frames.blocks())), expected[number - 1])
    if all(documents[index][0] not in ("start", "stop") for index, *_ in damage):
        assert isinstance(records[-1], RunEnd)
    list(whole_runs([each for each in damaged(documents, damage) if isinstance(each[1], dict)], "detector"))


@pytest.mark.situation(
    "documents are missing, doubled, or hold anything at all", "they cost at most their own measurement; the run ends"
)
@settings(
    max_examples=N_STREAMS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)
@given(data=st.data())
def test_whatever_is_damaged_the_rest_is_measured(kind, data):
    check(kind, data.draw(damages(kind)))


@pytest.mark.situation(
    "the uid of a run is empty, has a slash, is `..`, or is endless", "the run is passed over in one line"
)
@pytest.mark.parametrize(
    "uid", ["", "a/b", "..", ".", " ", "x" * 5000, None, 5, ["a"]], ids=lambda uid: str(uid)[:10] or "empty"
)
def test_a_run_whose_uid_can_be_no_key_is_passed_over_in_one_line(uid, kind, caplog):
    documents = [(name, copy.deepcopy(doc)) for name, doc in kind]
    for name, doc in documents:
        doc.update({"uid": uid} if name == "start" else {"run_start": uid} if "run_start" in doc else {})
    assembler = Assembler(Settings())
    assert [each for name, doc in documents for each in assembler.feed(name, doc)] == []
    assert "is not analysed: a uid is a text of 1 to 200 characters without a slash" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.situation("an exit status that Bluesky does not know", "counts as a failure, and is said")
@pytest.mark.parametrize("status", ["finished", None, 7])
def test_an_unknown_exit_status_counts_as_a_failure(status, kind, caplog):
    documents = [(name, {**doc, "exit_status": status} if name == "stop" else doc) for name, doc in kind]
    assembler = Assembler(Settings())
    *_, end = [each for name, doc in documents for each in assembler.feed(name, doc)]
    assert end.status == "fail"
    assert "which counts as a failure" in caplog.text
