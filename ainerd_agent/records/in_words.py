"""Numbers and times as people read them: no "nan", and a time says its zone."""

from __future__ import annotations

import math
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


def with_uncertainty(value: float | None, error: float | None, form: str = ".1f", *, missing: str = NOTHING) -> str:
    """A value and its standard uncertainty, as "3.1 ± 0.2"; the value alone where that is not known."""
    if value is None or math.isnan(value):
        return missing
    if error is None or math.isnan(error):
        return number(value, form)
    return f"{number(value, form)} ± {number(error, form)}"
