"""What `/xpcs/<uid>` says of the measurements along the first axis of its arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent._version import __version__
from ainerd_agent.catalog.codec.age_lag import AgeLagAxes, with_axes_of
from ainerd_agent.catalog.codec.metadata import events_metadata, events_of, origin_metadata, plain_json
from ainerd_agent.catalog.codec.own_keys import of_maps
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgeLagMap, Events, Fingerprints, FloatArray, Run

_ALWAYS = ("c2", "g2")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapsIndex:
    """The measurements of a run's maps, in their order, and the axes of the maps.

    Attributes
    ----------
    n_bins : int
    lags : ndarray, shape (n_lags,)
        Of g2, seconds, of the first measurement: those of another are longer as its `duration` is.
    events : list of Events
    duration : list of float
        Seconds that a side of a map spans; NaN where it is not known.
    frame_time : list of float or None
        Seconds from one frame to the next.
    frames : list of int or None
    n_bad_pixels : list of int or None
        How many pixels were left out as bad; None where that is not known.
    arrays : list of str
        Keys of the arrays that there are.
    age_lag_axes : AgeLagAxes or None
        None where no measurement has an age-lag map yet.
    ring_q : ndarray or None
        Momentum transfer of the rings of `intensity_q`, 1/nm.
    """

    n_bins: int
    lags: FloatArray
    events: list[Events] = field(default_factory=list)
    duration: list[float] = field(default_factory=list)
    frame_time: list[float | None] = field(default_factory=list)
    frames: list[int | None] = field(default_factory=list)
    n_bad_pixels: list[int | None] = field(default_factory=list)
    arrays: list[str] = field(default_factory=lambda: [*_ALWAYS])
    age_lag_axes: AgeLagAxes | None = None
    ring_q: FloatArray | None = None

    @classmethod
    def beginning(cls, first: Fingerprints) -> Self:
        """Without measurements yet, of a run whose first one this is."""
        return cls(n_bins=len(first.bins), lags=first.lags)

    def lags_of(self, place: int) -> FloatArray:
        """The lags of one measurement, seconds."""
        return self._lags(self.duration[place])

    def check(self, fingerprints: Fingerprints) -> None:
        """Make sure that a measurement fits the others.

        Raises
        ------
        CatalogError
            Its lags are others, even for its duration.
        """
        expected = self._lags(fingerprints.duration)
        lags = fingerprints.lags
        if lags.shape != expected.shape or not np.allclose(lags, expected, rtol=1e-3, equal_nan=True):
            raise CatalogError(
                f"Measurement {fingerprints.origin.events} of run {fingerprints.origin.raw_uid} has other lags than "
                "the run's first one: all measurements of a run need the same number of lags, in the same parts of "
                "their duration."
            )

    def age_lag_of(self, place: int, stored: NDArray[np.float32]) -> AgeLagMap | None:
        """The age-lag map of one measurement, from its part of the array; None where it has none."""
        axes = self.age_lag_axes
        return None if axes is None else axes.restored(stored, self.duration[place], self.frame_time[place])

    def extended(self, new: Sequence[Fingerprints], arrays: list[str]) -> Self:
        """The same with further measurements."""
        seen = next((f.scattering for f in new if f.scattering is not None), None)
        return replace(
            self,
            events=[*self.events, *(f.origin.events for f in new)],
            duration=[*self.duration, *(f.duration for f in new)],
            frame_time=[*self.frame_time, *(f.origin.exposure.frame_time for f in new)],
            frames=[*self.frames, *(f.origin.exposure.frames for f in new)],
            n_bad_pixels=[*self.n_bad_pixels, *(_n_bad_pixels(f) for f in new)],
            arrays=arrays,
            age_lag_axes=with_axes_of(self.age_lag_axes, new),
            ring_q=seen.ring_q if self.ring_q is None and seen is not None else self.ring_q,
        )

    def replaced(self, place: int, new: Fingerprints, arrays: list[str]) -> Self:
        """The same with another measurement of the same events at a place."""
        # Lags of g2 are those of the first measurement.
        before = replace(self, lags=new.lags) if place == 0 else self
        return replace(
            before.extended([new], arrays),
            events=self.events,
            duration=_with(self.duration, place, new.duration),
            frame_time=_with(self.frame_time, place, new.origin.exposure.frame_time),
            frames=_with(self.frames, place, new.origin.exposure.frames),
            n_bad_pixels=_with(self.n_bad_pixels, place, _n_bad_pixels(new)),
        )

    def _lags(self, duration: float) -> FloatArray:
        first = self.duration[0] if self.duration else duration
        same = duration == first or not (math.isfinite(first) and math.isfinite(duration))
        return self.lags if same else self.lags * (duration / first)


def maps_metadata(run: Run, index: MapsIndex) -> dict[str, Any]:
    """Metadata of `/xpcs/<uid>`."""
    units = dict.fromkeys(("lags", "duration", "frame_time"), "s") | {"ring_q": "1/nm"}
    units |= {"ages": "duration", "age_lags": "frame_time"}
    described = {"n_bins": index.n_bins, "units": units}
    return {**origin_metadata(run, of_maps), **plain_json(described), **maps_axes(index), **maps_progress(run, index)}


def maps_axes(index: MapsIndex) -> dict[str, Any]:
    """Give the part of the metadata of `/xpcs/<uid>` that changes only where its first measurement is replaced."""
    return {"lags": plain_json(index.lags)}


def maps_progress(run: Run, index: MapsIndex) -> dict[str, Any]:
    """Give the part of the metadata of `/xpcs/<uid>` that changes with each measurement."""
    axes = index.age_lag_axes
    told = {
        "n_measurements": len(index.events),
        "duration": _one_or_all(index.duration),
        "frame_time": _one_or_all(index.frame_time),
        "frames": _one_or_all(index.frames),
        "n_bad_pixels": _one_or_all(index.n_bad_pixels),
        "arrays": index.arrays,
        "ages": None if axes is None else axes.ages,
        "age_lags": None if axes is None else axes.lags,
        "ring_q": index.ring_q,
        "derived_from": {
            "raw_uid": run.uid,
            **events_metadata(index.events),
            "software": f"ainerd-agent {__version__}",
        },
    }
    found: dict[str, Any] = plain_json(told)
    return found


def maps_index(metadata: Mapping[str, Any]) -> MapsIndex:
    """The inverse of `maps_metadata`, also for version 0.1, where all exposures of a run were alike."""
    events = events_of(metadata["derived_from"])

    def each(key: str) -> list[Any]:
        value = metadata.get(key)
        return list(value) if isinstance(value, list | tuple) else [value] * len(events)

    def axis(key: str) -> FloatArray | None:
        value = metadata.get(key)
        return None if value is None else np.array(value, np.float64)

    ages, age_lags = axis("ages"), axis("age_lags")
    return MapsIndex(
        n_bins=int(metadata["n_bins"]),
        lags=np.array(metadata["lags"], np.float64),
        events=events,
        duration=[math.nan if value is None else float(value) for value in each("duration")],
        frame_time=[None if value is None else float(value) for value in each("frame_time")],
        frames=[None if value is None else int(value) for value in each("frames")],
        n_bad_pixels=[None if value is None else int(value) for value in each("n_bad_pixels")],
        arrays=[str(key) for key in metadata.get("arrays", _ALWAYS)],
        age_lag_axes=None if ages is None or age_lags is None else AgeLagAxes(ages=ages, lags=age_lags),
        ring_q=axis("ring_q"),
    )


def _n_bad_pixels(fingerprints: Fingerprints) -> int | None:
    return None if fingerprints.bad_pixels is None else len(fingerprints.bad_pixels)


def _with(values: Sequence[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


def _one_or_all(values: Sequence[float | None]) -> Any:
    """A value that all measurements have in common, else a list with that of each; None for what is not known."""
    plain = [None if value is None else plain_json(value) for value in values]
    return plain[0] if plain and all(value == plain[0] for value in plain) else plain or None
