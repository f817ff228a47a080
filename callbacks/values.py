"""Values from documents: numbers in the units that the analysis works with, and everything else that an event read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from ainerd_agent.units import UnitError, conversion

LONGEST_TEXT = 200
"""Characters of a text that becomes a column."""

Document = Mapping[str, Any]


def as_mapping(value: Any) -> Document:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_number(value: Any) -> float:
    """A finite number, also as a numpy scalar or an array of one; NaN for anything else, truth values and texts too."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def whole_number(value: Any) -> int | None:
    """A whole number that is not negative, also where JSON made it a float; None for anything else."""
    number = as_number(value)
    return int(number) if number >= 0 and number == int(number) else None


def in_words(error: BaseException) -> str:
    """What an error says, in one line."""
    text = " ".join(str(error).split())
    return f"there is no {text}" if isinstance(error, KeyError) else text or type(error).__name__


def did_you_mean(key: str, keys: Iterable[Any]) -> str:
    """Words that name the key that is most like a missing one; empty where none is."""
    near = get_close_matches(key, [each for each in keys if isinstance(each, str)], n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


class Values:
    """Numbers from the documents of one run; what is wrong with a key is said once.

    Parameters
    ----------
    say : callable
        Takes what is wrong, in one sentence.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def number(self, key: str, data: Document, data_keys: Document, unit: str) -> float:
        """What an event or a configuration read, in a unit; NaN where it has no such key, or no number there."""
        if key not in data:
            return math.nan
        value = as_number(data[key])
        if math.isnan(value):
            self.say(f"{key} is {shown(data[key])}, which is no finite number: such values are left out")
            return math.nan
        own = unit_of(data_keys, key)
        if not own or not unit:
            return value
        try:
            return conversion(own, unit)(value)
        except UnitError as error:
            self.say(f"{key} is left out: {error}")
            return math.nan

    def axis(self, key: str, data: Document, data_keys: Document) -> tuple[float, str]:
        """The value of an axis and its unit: lengths in mm, as in the catalog, anything else as the descriptor says."""
        own = unit_of(data_keys, key)
        value = self.number(key, data, {}, "")
        if not own or math.isnan(value):
            return value, "mm"
        try:
            return conversion(own, "mm")(value), "mm"
        except UnitError:
            return value, own

    def mean(self, key: str, read: Sequence[tuple[float, str]]) -> float:
        """Mean of what several events read, in the unit of the first of them; NaN where there is none.

        Parameters
        ----------
        key : str
        read : sequence of (value, unit)
            Values that are not known are NaN.
        """
        unit = read[0][1]
        try:
            known = [
                value if own == unit else _converted(value, own, unit) for value, own in read if math.isfinite(value)
            ]
        except UnitError as error:
            self.say(f"{key} has units that differ within one movie, and is left out of it: {error}")
            return math.nan
        return math.fsum(known) / len(known) if known else math.nan

    def other(self, key: str, value: Any, data_keys: Document) -> float | str | None:
        """Any other scalar that an event read: a number (truth values are 0 and 1) or a text; None for what is neither.

        What a key is, its descriptor says; a value that differs is left out.
        """
        described = as_mapping(data_keys.get(key))
        kind = described.get("dtype")
        if kind == "string":
            if isinstance(value, str):
                return value[:LONGEST_TEXT]
            self.say(f"{key} should be a text, and is {shown(value)}: such values are left out")
            return ""
        if kind in ("number", "integer", "boolean"):
            if isinstance(value, bool | np.bool_):
                return float(value)
            number = as_number(value)
            if math.isnan(number) and not (isinstance(value, float) and math.isnan(value)):
                self.say(f"{key} should be a {kind}, and is {shown(value)}: such values are left out")
            return number
        return None


def _converted(value: float, own: str, wanted: str) -> float:
    if not own or not wanted:
        raise UnitError(f"some of its values are in {own or wanted}, others in no unit")
    return conversion(own, wanted)(value)


def unit_of(data_keys: Document, key: str) -> str:
    """The unit that a descriptor gives to a key; empty where it gives none."""
    unit = as_mapping(data_keys.get(key)).get("units")
    return unit.strip() if isinstance(unit, str) else ""


def shown(value: Any) -> str:
    """A value in words that fit into a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
