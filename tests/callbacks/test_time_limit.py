"""A measurement that hangs does not hold up the next for ever."""

from __future__ import annotations

import os
import threading

import pytest

from ainerd_agent.callbacks.time_limit import TooSlowError, within
from tests.callbacks import made_runs
from tests.callbacks.test_kinds_of_runs import assembled, failed, measured


def test_work_gives_its_result_or_its_error():
    assert within(10.0, lambda: 7) == 7
    with pytest.raises(TimeoutError, match="its own"):
        within(10.0, lambda: (_ for _ in ()).throw(TimeoutError("its own")))


def test_work_that_hangs_is_given_up():
    go_on = threading.Event()
    with pytest.raises(TooSlowError, match=r"longer than 0\.05 s, and was given up"):
        within(0.05, go_on.wait)
    go_on.set()


@pytest.mark.situation("a pipe in place of the detector's file", "a failure that says so; nothing hangs")
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path):
    documents = made_runs.stepped(tmp_path)
    (tmp_path / "stack.h5").unlink()
    os.mkfifo(tmp_path / "stack.h5")
    records = assembled(documents)
    messages = [each.message for each in failed(records)]
    for each in measured(records):
        with pytest.raises(Exception) as caught:
            within(5.0, lambda each=each: list(each.frames.blocks()))
        messages.append(str(caught.value))
    assert len(messages) == 3
    assert all("no regular file" in each or "not a regular file" in each for each in messages), messages
