from __future__ import annotations

import json

import numpy as np
import pytest

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import documents_in, documents_of, whole_runs
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Measurement
from ainerd_agent.settings import DataKeys, Settings
from tests.callbacks.made_runs import T0, MadeRun, array_key, movies, validated, write_hdf5
from tests.callbacks.test_kinds_of_runs import assembled, failed, frames_of, measured

START, STOP = ("start", {"uid": "u", "time": 1.0}), ("stop", {"uid": "s", "run_start": "u"})


@pytest.mark.parametrize(
    "line",
    [
        lambda name, doc: json.dumps([name, doc]),
        lambda name, doc: json.dumps({"name": name, "doc": doc}),
        lambda name, doc: "\x1e" + json.dumps({"name": name, "doc": doc}),
    ],
    ids=["pairs", "suitcase", "json-seq"],
)
def test_forms_of_lines(tmp_path, line):
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join(line(*document) for document in (START, STOP)) + "\n\n")
    assert list(documents_in(path)) == [START, STOP]


def test_a_file_that_was_cut_off(tmp_path, caplog):
    path = tmp_path / "run.jsonl"
    path.write_text(json.dumps(START) + '\n["event", {"uid"')
    assert list(documents_in(path)) == [START]
    assert "Line 2" in caplog.text


@pytest.mark.parametrize("text", ["no JSON\n", '["start"]\n["stop", {}]', '["other", {}]\n["stop", {}]'])
def test_files_without_documents(tmp_path, text):
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(CatalogError, match="Line 1 of"):
        list(documents_in(path))


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(CatalogError, match="No such file"):
        list(documents_in(tmp_path / "none.jsonl"))


def test_readings_come_before_the_exposures(recorded):
    """As in a catalog, which tells stream after stream: still every measurement has its readings."""
    shuffled = sorted(recorded, key=lambda document: {"start": 0, "stop": 9}.get(document[0], 5))
    late = [document for document in shuffled if "shear" in str(document[1].get("data", ""))]
    shuffled = [each for each in shuffled[:-1] if each not in late] + late + shuffled[-1:]
    (run,) = whole_runs(shuffled, DataKeys().frames)
    assert run[0][0] == "start"
    assert run[-1][0] == "stop"
    assembler = Assembler(Settings())
    made = [each for document in run for each in assembler.feed(*document) if isinstance(each, Measurement)]
    assert [each.origin.seq_num for each in made] == [1, 2, 3]
    assert all(each.rheometer.time.size for each in made)


def test_runs_that_are_mixed_and_one_that_does_not_end(caplog):
    other = ("start", {"uid": "v", "time": 2.0})
    stray = ("event", {"uid": "e", "descriptor": "none"})
    runs = list(whole_runs([START, other, stray, STOP], "detector"))
    assert runs == [[START, STOP], [other]]
    assert "1 documents belong to no run" in caplog.text


class Stored:
    """A run as Tiled gives it: its documents, and below its streams the columns of their tables."""

    def __init__(self, documents, **columns):
        self._documents, self._columns = documents, columns

    def documents(self):
        return iter(self._documents)

    def __getitem__(self, stream):
        return {name: Column(values) for name, values in self._columns.items()}


class Column:
    def __init__(self, values):
        self.read = lambda: values


def exported(folder, taken, n_rows):
    """What Tiled exports of events with these numbers: each once, and all rows in one datum."""
    frames = movies(n_rows)
    run = MadeRun()
    run.stream("primary", {"detector": array_key(frames.shape[1:], external="STREAM:")})
    resource = run.stream_asset(write_hdf5(folder / "stored.h5", frames.reshape(-1, 6, 5)))
    run.rows(resource, "primary", 0, n_rows)
    run.documents[-1][1]["uid"] = f"sd-{run.documents[-1][1]['descriptor']}-detector-0"
    for number in sorted(set(taken)):
        run.event("primary", {}, T0 + number, seq_num=number)
    return validated(run.stop()), frames


def replayed(run):
    (documents,) = whole_runs(documents_of(run), "detector")
    records = assembled(documents)
    return {each.origin.seq_num: frames_of(each) for each in measured(records)}, failed(records)


@pytest.mark.parametrize(("taken", "last"), [((1, 2, 3), (0, 1, 2)), ((1, 2, 2, 3), (0, 2, 3)), ((1, 2, 1, 2), (2, 3))])
@pytest.mark.situation("a run with repeated events is replayed from Tiled", "each event has its last take's frames")
def test_rows_in_tiled_belong_to_the_events_as_they_came(taken, last, tmp_path):
    documents, frames = exported(tmp_path, taken, len(taken))
    order = np.random.default_rng(1).permutation(len(taken))  # a database gives rows in any order
    columns = {"seq_num": np.array(taken)[order], "time": T0 + np.arange(len(taken))[order]}
    found, failures = replayed(Stored(documents, **columns))
    assert failures == []
    for number, row in zip(sorted(set(taken)), last, strict=True):
        np.testing.assert_array_equal(found[number], frames[row])


@pytest.mark.parametrize("n_rows", [2, 3, 5])
@pytest.mark.situation(
    "Tiled holds more or fewer rows of frames than events, or repeated events in a file that it exported",
    "each event is refused in one sentence: it is not known which frames are whose",
)
def test_rows_in_tiled_that_are_not_as_many_as_events_are_refused(n_rows, tmp_path):
    documents, _ = exported(tmp_path, (1, 2, 2, 3), n_rows)
    table = {"seq_num": [1, 2, 2, 3], "time": [1.0, 2.0, 3.0, 4.0]}
    for run, n_events in ((Stored(documents, **table), 4), (Stored(documents), 3)):
        if n_events == n_rows:
            continue  # nothing is left that tells
        found, failures = replayed(run)
        assert found == {}
        refused = [each for each in failures if "stored" in each.message]
        assert [each.seq_num for each in refused] == [1, 2, 3]
        assert f"Tiled stored {n_rows} rows of frames for {n_events} events" in refused[0].message


def test_a_fly_scan_in_tiled_has_no_events_to_compare_with(tmp_path):
    documents, frames = exported(tmp_path, (), 3)
    found, failures = replayed(Stored(documents))
    assert failures == []
    np.testing.assert_array_equal(np.stack([found[number] for number in (1, 2, 3)]), frames)
