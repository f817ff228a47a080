"""What somebody wants to know of an exposure before it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from ainerd_agent.records.look import SHARES


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """When an exposure may end before its planned count.

    Parameters
    ----------
    tau, contrast : float, optional
        Relative standard error of the relaxation time, or of the contrast, that is enough. With neither, no exposure
        ends because it has converged.
    share : float
        Of the bins, that must be known so well.
    damaged : {"warn", "stop", "ignore"}
        What to do where dynamics change with dose, or the intensity drifts.
    drift : float
        Relative change of the intensity over the exposure from which it counts as drifting.
    looks : sequence of float
        Shares of the planned count at which the exposure is looked at, rising.

    Raises
    ------
    ValueError
        A value that cannot be meant.
    """

    tau: float | None = None
    contrast: float | None = None
    share: float = 0.9
    damaged: Literal["warn", "stop", "ignore"] = "warn"
    drift: float = 0.1
    looks: tuple[float, ...] = SHARES

    def __post_init__(self) -> None:
        for name in ("tau", "contrast"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"the relative error of {name} must lie between 0 and 1, not at {value}")
        if not 0 < self.share <= 1:
            raise ValueError(f"the share of bins must lie between 0 and 1, not at {self.share}")
        if self.damaged not in ("warn", "stop", "ignore"):
            raise ValueError(f"damage is one of warn, stop, ignore; got {self.damaged!r}")
        if not self.drift > 0:
            raise ValueError(f"the drift of the intensity must be positive, not {self.drift}")
        looks = tuple(float(each) for each in self.looks)
        if not looks or list(looks) != sorted(set(looks)) or not 0 < looks[0] <= looks[-1] <= 1:
            raise ValueError(f"looks are rising shares of the planned count, above 0 and up to 1; got {self.looks}")
        object.__setattr__(self, "looks", looks)

    def as_plain(self) -> dict[str, Any]:
        """For the start document of a run."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `as_plain` gave.

        Raises
        ------
        ValueError
            It is no such request.
        """
        try:
            return cls(**{**plain, "looks": tuple(plain.get("looks", SHARES))})
        except TypeError as error:
            raise ValueError(f"what the exposures of this run should end by cannot be read: {error}") from error
