"""Who made which measurements of a run's results: program, machine and moment, kept beside the results."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ainerd_agent._version import __version__

_DECISIVE = ("numpy", "numba", "torch")
"""Packages on whose versions the last digits of results depend."""


@functools.cache
def _maker() -> tuple[tuple[str, str], ...]:
    return (
        ("software", f"ainerd-agent {__version__}"),
        ("packages", ", ".join(filter(None, map(_version, _DECISIVE)))),
        ("python", platform.python_version()),
        ("machine", platform.node()),
        ("system", f"{platform.system()} {platform.machine()}"),
    )


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def credit(made: Sequence[Mapping[str, Any]], n_measurements: int, now: float) -> list[dict[str, Any]]:
    """Credit this process with the measurements that nobody is credited with yet.

    Parameters
    ----------
    made : sequence of mapping
        By whom the first measurements of a run were analysed, in the order of `derived_from.seq_nums`: `software`,
        `packages`, `python`, `machine`, `system`, from when to when (`begin`, `end`, seconds since the epoch), and
        `n_measurements`.
    n_measurements : int
        Of the run so far.
    now : float

    Returns
    -------
    list of dict
        The same where nothing is new.
    """
    credited = [dict(entry) for entry in made]
    new = n_measurements - sum(entry["n_measurements"] for entry in credited)
    if new > 0:
        maker = dict(_maker())
        if not credited or {key: credited[-1].get(key) for key in maker} != maker:
            credited.append({**maker, "begin": now, "end": now, "n_measurements": 0})
        credited[-1].update(end=now, n_measurements=credited[-1]["n_measurements"] + new)
    return credited


def withdrawn(made: Sequence[Mapping[str, Any]], places: Iterable[int]) -> list[dict[str, Any]]:
    """Take measurements away from those who analysed them, by their places from 0: they are made anew."""
    left = [dict(entry) for entry in made]
    for place in sorted(places, reverse=True):
        behind = place
        for entry in left:
            if behind < entry["n_measurements"]:
                entry["n_measurements"] -= 1
                break
            behind -= entry["n_measurements"]
    return [entry for entry in left if entry["n_measurements"]]


def maker_of(made: Sequence[Mapping[str, Any]], place: int) -> dict[str, Any]:
    """Who analysed a measurement, by its place from 0; empty where that was not written down (before version 1.3)."""
    behind = place
    for entry in made:
        if behind < entry["n_measurements"]:
            return dict(entry)
        behind -= entry["n_measurements"]
    return {}
