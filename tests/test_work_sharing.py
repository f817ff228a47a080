"""What is shared out to processes by name is there under that name."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.pages import ROOT
from tests.work_sharing import APART, FIRST, TOGETHER, FileScheduling, share_of


@pytest.mark.parametrize("name", sorted({*TOGETHER, *APART, *FIRST}))
def test_every_name_is_that_of_tests(name):
    assert (ROOT / name.partition("::")[0]).exists()


def test_a_file_goes_to_one_process():
    assert share_of("tests/cli/test_app.py::test_a") == share_of("tests/cli/test_app.py::test_b[c]")
    assert share_of("tests/cli/test_app.py::test_a") != share_of("tests/cli/test_tables.py::test_a")


@pytest.mark.parametrize("folder", TOGETHER)
def test_what_compiles_the_same_goes_to_one_process(folder):
    assert share_of(f"{folder}test_a.py::test_a") == share_of(f"{folder}test_b.py::test_b")


@pytest.mark.parametrize("file", APART)
def test_long_tests_are_shared_out_by_themselves(file):
    assert share_of(f"{file}::test_a[b]") != share_of(f"{file}::test_a[c]")


def test_what_takes_longest_comes_first(monkeypatch):
    taken = []

    def take(scheduling, node):
        taken.append(scheduling.workqueue.popitem(last=False)[0])

    monkeypatch.setattr(LoadFileScheduling, "_assign_work_unit", take)
    scheduling = object.__new__(FileScheduling)
    scheduling.workqueue = OrderedDict.fromkeys(["tests/a.py", *reversed(FIRST), "tests/b.py"])
    while scheduling.workqueue:
        scheduling._assign_work_unit(None)
    assert taken == [*FIRST, "tests/a.py", "tests/b.py"]
