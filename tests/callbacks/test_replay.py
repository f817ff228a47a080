from __future__ import annotations

import json

import pytest

from ainerd_agent.callbacks import Assembler
from ainerd_agent.callbacks.replay import documents_in, whole_runs
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Measurement
from ainerd_agent.settings import DataKeys, Settings

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
