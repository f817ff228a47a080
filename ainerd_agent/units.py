"""Units as event documents and files spell them, converted by pint."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from ainerd_agent.errors import AinerdError

_LONGEST = 40
_TERM = r"[^\W\d]+|%|°[^\W\d]*"
_POWER = r"(?:\s*(?:\^|\*\*)?\s*(?:-?\d|\(-?\d\)))?"
_SPELLING = re.compile(rf"\s*(?:1\s*/\s*)?(?:(?:{_TERM}){_POWER}(?:\s*[.*·⋅/]\s*|\s+|\s*$))*")
"""Names with powers of one digit. More is no unit, and a power of a power would keep pint busy for ever."""

_RESPELT = (
    (re.compile(r"[·⋅]"), "*"),
    (re.compile(r"(?<=[^\W\d])\.(?=[^\W\d])"), "*"),  # Pa.s
    (re.compile(r"(?<=[^\W\d])(-?\d)(?!\d)"), r"**(\1)"),  # s-1, m2
    (re.compile(r"\bmicrons?\b"), "micrometer"),
    (re.compile(r"\bsecs?\b"), "s"),
    (re.compile(r"\bmsecs?\b"), "ms"),
)
"""How beamlines write what pint writes otherwise."""


class UnitError(AinerdError):
    """A unit that nobody knows, or one of another quantity than was expected."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Values in one unit to values in another: `value * scale + offset`."""

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        """Convert a value."""
        return value * self.scale + self.offset


@cache
def conversion(unit: str, wanted: str) -> Conversion:
    """How values in one unit become values in another.

    Parameters
    ----------
    unit : str
        As somebody wrote it: "mPa s", "mPa.s", "mPa·s", "s^-1", "1/s", "um", "µm", "degC".
    wanted : str
        As pint writes it.

    Raises
    ------
    UnitError
        Nobody knows the unit, or it measures something else.

    Examples
    --------
    >>> conversion("ms", "s")(250.0)
    0.25
    """
    if unit == wanted:
        return Conversion()
    registry = _registry()
    try:
        zero, one = (registry.Quantity(value, _parsed(unit)).to(_parsed(wanted)).magnitude for value in (0.0, 1.0))
    except UnitError:
        raise
    except Exception as error:  # pint raises errors of many kinds for texts that are no units
        raise UnitError(f"{unit!r} cannot be converted to {wanted}: {_reason(error)}") from error
    return Conversion(float(one) - float(zero), float(zero))


def _parsed(unit: str) -> Any:
    if len(unit) > _LONGEST or not _SPELLING.fullmatch(unit):
        raise UnitError(f"{unit[:_LONGEST]!r} is no unit")
    for spelling, meaning in _RESPELT:
        unit = spelling.sub(meaning, unit)
    return _registry().parse_units(unit)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()
