"""A session inside of a longer program, such as a notebook."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from ainerd_agent.catalog import TiledServer, connect
from ainerd_agent.instrument.experiment import simulated_experiment
from ainerd_agent.settings import Settings
from ainerd_agent.workflows.session import Listeners, SessionOptions, run_session


def test_an_interrupted_session_leaves_the_process_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = SessionOptions(measurements=9, frames=40, folder=tmp_path, seed=2, detector=(64, 64))
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)

    def interrupt(_: object, number: int) -> None:
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)

    bluesky, listeners = logging.getLogger("bluesky"), Listeners(suggested=interrupt, settled=lambda _: None)
    bluesky.setLevel(logging.INFO)
    try:
        with TiledServer(tmp_path) as server, connect(server.uri, create=True) as catalog:
            result = run_session(catalog, options, experiment, Settings(), listeners)
        assert result.status == "abort"
        assert bluesky.level == logging.INFO
    finally:
        bluesky.setLevel(logging.NOTSET)
    # Ctrl-C is no error of the scan.
    assert not [each for each in caplog.records if each.name.startswith("bluesky") and each.levelno >= logging.ERROR]
