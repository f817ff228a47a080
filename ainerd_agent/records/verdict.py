"""What was concluded from a look at an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an exposure may end, as one look at it says.

    Attributes
    ----------
    raw_uid : str
        Of the run.
    exposure : int
        Number of the exposure in its run, from 1.
    look : int
        Number of the look at this exposure, from 1.
    frames, planned : int
        Frames so far, and frames planned.
    time : float
        When the verdict was made, seconds since 1970-01-01 UTC.
    stop : bool
        Whether the exposure may end now.
    ended : str
        Why, as in `Exposure.ended`: "converged", "damaged", "recognised"; empty where it goes on.
    reason : str
        One sentence for people.
    warnings : tuple of str
        What is doubtful, without being a reason to stop.
    values : mapping
        What the verdict rests on, by name.
    recognised_as : str
        Name of the measurement that it was taken for; empty where nobody asked.
    p_new : float
        Probability that it is new; NaN where nobody asked.
    """

    raw_uid: str
    exposure: int
    look: int
    frames: int
    planned: int
    time: float
    stop: bool = False
    ended: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    recognised_as: str = ""
    p_new: float = float("nan")

    def as_plain(self) -> dict[str, Any]:
        """The verdict in plain values, for JSON; NaN becomes None."""
        plain = asdict(self) | {"warnings": list(self.warnings), "values": dict(self.values)}
        return {name: _without_nan(value) for name, value in plain.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `as_plain` gave.

        Raises
        ------
        TypeError, ValueError
            It is no verdict.
        """
        known = {name: value for name, value in plain.items() if value is not None}
        values = {
            str(name): float("nan") if value is None else float(value)
            for name, value in known.pop("values", {}).items()
        }
        return cls(**known | {"warnings": tuple(known.get("warnings", ())), "values": values})


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    return None if isinstance(value, float) and value != value else value
