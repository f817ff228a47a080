"""What people say of measurements afterwards, and stress that is joined to them later. Nothing is overwritten by it."""

from __future__ import annotations

from dataclasses import dataclass

from ainerd_agent.records.rheometry import ShearStress
from ainerd_agent.records.run import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A label or a note of a person, on a run, a measurement, or one bin of it.

    Attributes
    ----------
    id : str
        Of this annotation.
    time : float
        When it was made, seconds since the epoch.
    raw_uid : str
    events : Events or None
        The measurement; None for the whole run.
    bin : int or None
        From 1; None for all bins.
    kind : str
        "label", "note", "bad" (not to be used), "sample" (the run's sample has this name), or "undo".
    text : str
        The label, the note or the name; for "undo" the `id` of the annotation that no longer holds.
    by : str
        Who made it.
    verified : bool or None
        Whether the server vouches for that; None where nobody is named.
    """

    id: str
    time: float
    raw_uid: str
    kind: str
    text: str = ""
    events: Events | None = None
    bin: int | None = None
    by: str = ""
    verified: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StressVersion:
    """The stress of a measurement, joined to it after it was analysed.

    Attributes
    ----------
    version : int
        From 1, rising; 0 is what was measured live, and in the points.
    events : Events
        The measurement.
    stress : ShearStress
    source : str
        The file it came from.
    offset : float
        Seconds that were added to the times of that file.
    time : float
        When it was joined, seconds since the epoch.
    by : str
        Who joined it.
    """

    version: int
    events: Events
    stress: ShearStress
    source: str
    offset: float
    time: float
    by: str = ""
