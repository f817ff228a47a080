"""Numbers and times as people read them: no "nan", and a time says its zone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

NOTHING = "\N{EN DASH}"
"""In the cell of a table, what is not known or was not measured."""


def local_time(seconds: float) -> str:
    """A moment (seconds since the epoch) in the zone of this machine, as "2026-11-28 15:06:02+01:00".

    The offset is that of the moment, summer or winter; `datetime.fromisoformat` reads it back.
    """
    if not math.isfinite(seconds):
        return NOTHING
    return datetime.fromtimestamp(float(seconds)).astimezone().isoformat(" ", "seconds")


def number(value: float | None, form: str = ".4g", *, missing: str = NOTHING) -> str:
    """A number by a format, or what stands for one that is not there."""
    return missing if value is None or math.isnan(value) else format(float(value), form)


def place(position: Mapping[str, float], units: Mapping[str, str] | None = None) -> str:
    """A position, as "(1.25, 0.50) mm" on x and y, or "theta 12.50 deg, z 1.00 mm" on others.

    Parameters
    ----------
    position : mapping
        By axis; NaN where it is not known.
    units : mapping, optional
        By axis; mm where there is none.

    Returns
    -------
    str
        Empty where no position is known.
    """
    units = {axis: (units or {}).get(axis, "mm") for axis in position}
    if all(math.isnan(value) for value in position.values()):
        return ""
    if units == {"x": "mm", "y": "mm"}:
        return f"({number(position['x'], '.2f', missing='?')}, {number(position['y'], '.2f', missing='?')}) mm"
    told = (f"{axis} {number(value, '.2f', missing='?')} {units[axis]}".rstrip() for axis, value in position.items())
    return ", ".join(told)


def with_uncertainty(value: float | None, error: float | None, form: str = ".1f", *, missing: str = NOTHING) -> str:
    """A value and its standard uncertainty, as "3.1 ± 0.2"; the value alone where that is not known."""
    if value is None or math.isnan(value):
        return missing
    if error is None or math.isnan(error):
        return number(value, form)
    return f"{number(value, form)} ± {number(error, form)}"
