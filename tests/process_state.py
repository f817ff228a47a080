"""What belongs to the whole process, and must be as before after anything of ours."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

LOGGERS = ("ainerd_agent", "bluesky", "matplotlib", "ophyd", "tiled")
"""Beginnings of their names. Others change their own where they are imported, as distributed does those of tornado."""


@contextmanager
def unchanged() -> Iterator[None]:
    """Fail where levels of loggers, the environment, signal handlers, or settings of libraries are left changed."""
    before = _state()
    yield
    after = _state()
    # What is new came with an import: libraries set variables and levels of their own.
    changed = [name for name, value in before.items() if name in after and after[name] != value]
    assert not changed, f"left changed for the whole process: {', '.join(changed)}"  # no values: some are secrets


def _state() -> dict[str, Any]:
    state: dict[str, Any] = {
        **{f"variable {name}": value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "our variables": sorted(name for name in os.environ if name.startswith(("AINERD_", "TILED_"))),
        "current folder": os.getcwd(),
        "signal SIGINT": signal.getsignal(signal.SIGINT),
        "signal SIGTERM": signal.getsignal(signal.SIGTERM),
        "numpy errors": np.geterr(),
        "level of the root logger": logging.getLogger().level,
    }
    for name, each in logging.Logger.manager.loggerDict.items():
        if isinstance(each, logging.Logger) and name.startswith(LOGGERS):
            state[f"level of logger {name}"] = each.level
    if (torch := sys.modules.get("torch")) is not None:  # not its threads: numba and UMAP set those of OpenMP
        state["torch precision"] = torch.get_default_dtype()
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        settings = {name: repr(value) for name, value in dict.items(matplotlib.rcParams)}
        settings.pop("backend")  # it is chosen at its first use, by bluesky too
        state["matplotlib settings"] = settings
    return state
