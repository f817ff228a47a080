"""Why a position was suggested, and what came of it: in plain words, and as a figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.records.in_words import local_time, number, place, with_uncertainty
from ainerd_agent.records.run import measurement_named

if TYPE_CHECKING:
    from ainerd_agent.catalog import ModelResults
    from ainerd_agent.records import MapStack, Suggestion
    from ainerd_agent.records.suggestion import SuggestionEvent

N_MAPS = 4
"""Maps that are drawn: azimuths evenly spread."""


def story(suggestion: Suggestion, events: list[SuggestionEvent]) -> Iterator[str]:
    """Tell it in sentences."""
    terms, settings = suggestion.terms, suggestion.settings
    on = "".join(
        f", {what} {name}" for what, name in (("sample", suggestion.sample), ("well", suggestion.well)) if name
    )
    yield f"{suggestion.id}: go to {place(suggestion.position, suggestion.units)}{on}"
    yield f"  by agent {suggestion.agent}, seed {suggestion.seed}, with the latents of {suggestion.model}"
    yield f"  {suggestion.reason}"
    yield "Why"
    n_inputs = len(suggestion.inputs)
    if not terms:
        yield f"  No measurement decided about it: {n_inputs} were known."
    else:
        goal = settings["goal"]["name"]
        yield (
            f"  The goal is {goal}: a gain of {terms['gain']:.3g} for {suggestion.cost:.1f} s "
            f"({terms['travel']:.1f} s of travel, {terms['counting']:.1f} s of counting) is "
            f"{suggestion.score:.3g} per second."
        )
        yield f"  {_nearest(suggestion)}; {n_inputs} measurements were known."
        fades = f"over {terms['fades']:.0f} s" if terms["fades"] else "not with time"
        yield (
            f"  From these, things change over {_lengths(suggestion)} and {fades}; noise is {terms['noise']:.1%} of "
            "what differs."
        )
        yield (
            f"  Expected: a novelty of {with_uncertainty(suggestion.expected_novelty, suggestion.uncertainty)} "
            f"repeatabilities here, {terms['most_expected']:.1f} at most anywhere."
        )
    for rank, other in enumerate(suggestion.alternatives, start=1):
        where = place({axis: other[axis] for axis in suggestion.position}, suggestion.units)
        share = other["score"] / suggestion.score if suggestion.score else math.nan
        yield (
            f"  Not taken {rank}: {where}, {share:.0%} of the score, "
            f"{other['cost']:.1f} s, novelty {other['expected_novelty']:.1f} expected"
        )
    yield "What came of it"
    for event in events:
        yield f"  {local_time(event.time)}  {event.event}{_about(suggestion, event)}"
    if events[-1].event in ("proposed", "waiting"):
        yield "  Nothing yet: it waits."


def _nearest(suggestion: Suggestion) -> str:
    """How far the nearest exposed spot is, in the unit of the axes where they have one."""
    if "hole" not in suggestion.terms:
        return f"Nothing was exposed on sample {suggestion.sample} before"
    if "length" in suggestion.terms:
        return f"The nearest exposed spot is {suggestion.terms['hole']:.2f} {_unit(suggestion)} away".replace("  ", " ")
    return f"The nearest exposed spot is {suggestion.terms['hole']:.2f} away, in units of the scales of the axes"


def _lengths(suggestion: Suggestion) -> str:
    """Over what things change: one length, or one along each axis."""
    terms = suggestion.terms
    if "length" in terms:
        return f"{terms['length']:.2g} {_unit(suggestion)}".rstrip()
    units = {axis: suggestion.units.get(axis, "mm") for axis in suggestion.position}
    told = [f"{terms[f'length {axis}']:.2g} {unit}".rstrip() + f" of {axis}" for axis, unit in units.items()]
    return ", ".join(told)


def _unit(suggestion: Suggestion) -> str:
    """The unit that all axes have."""
    return next((suggestion.units.get(axis, "mm") for axis in suggestion.position), "mm")


def _about(suggestion: Suggestion, event: SuggestionEvent) -> str:
    by = f" by {event.by}{'' if event.verified else ' (not verified)'}" if event.by else ""
    note = f"{by}: {event.note}" if event.note else by
    if event.event in ("edited", "moved"):
        return f" to {place(event.position, suggestion.units)}{note}"
    if event.event != "measured":
        return note
    told = f" as {event.raw_uid}/{event.seq_num}, novelty {number(event.novelty, '.1f', missing='not known')}"
    off = (event.novelty - suggestion.expected_novelty) / suggestion.uncertainty if suggestion.uncertainty else math.nan
    if not math.isfinite(off):
        return told + note
    return f"{told}: {_judged(off)} ({off:+.1f} standard deviations){note}"


def _judged(off: float) -> str:
    if abs(off) <= 1:
        return "about as expected"
    return "newer than expected" if off > 0 else "less new than expected"


def draw_story(
    results: ModelResults,
    suggestion: Suggestion,
    events: list[SuggestionEvent],
    folder: Path,
    *,
    weights: Path | None = None,
) -> Path:
    """Draw where a suggestion lies among what was measured before, and maps as expected and as found.

    Parameters
    ----------
    results : ModelResults
        Of the model that the agent works with.
    suggestion, events
        As `results.suggestion` gives them.
    folder : Path
        Where the figure goes, as PNG and SVG.
    weights : Path, optional
        File of the model, where it is not a shipped one: maps are drawn by its decoder.

    Returns
    -------
    Path
        Of the PNG.

    Raises
    ------
    ModelError
        There are maps to be drawn, and the model that decodes them is not there.
    """
    from ainerd_agent.figures import save
    from ainerd_agent.figures.suggestion import suggestion_figure

    limits = suggestion.settings["limits"]["axes"]
    axes = list(limits)[:2]
    expected, found, azimuth, duration = _maps(results, weights, suggestion, events)
    went = _where(suggestion, events)
    units = {axis: suggestion.units.get(axis, "mm") for axis in limits}
    drawn = suggestion_figure(
        {f"{axis} ({units[axis]})" if units[axis] else axis: tuple(limits[axis]) for axis in axes},
        _measured_before(results, suggestion, axes),
        [went[axis] for axis in axes],
        np.array([[each[axis] for axis in axes] for each in suggestion.alternatives]),
        [suggestion.score, *(each["score"] for each in suggestion.alternatives)],
        expected=expected,
        found=found,
        azimuth=azimuth,
        duration=duration,
        suggested=None if went == suggestion.position else [suggestion.position[axis] for axis in axes],
        elsewhere=place({axis: at for axis, at in went.items() if axis not in axes}, units),
    )
    return save(drawn, folder, f"why-{suggestion.id}")[0]


def _where(suggestion: Suggestion, events: list[SuggestionEvent]) -> Mapping[str, float]:
    """Where it was measured or is to be: people may have decided otherwise than it was suggested."""
    for event in reversed(events):
        if suggestion.position.keys() <= event.position.keys():
            return event.position
    return suggestion.position


def _measured_before(results: ModelResults, suggestion: Suggestion, axes: list[str]) -> NDArray[np.float64]:
    """Positions of the measurements that were known, shape (n, n_axes)."""
    inputs: dict[str, list[tuple[str, int]]] = {}
    for uid, events in map(measurement_named, suggestion.inputs):
        inputs.setdefault(uid, []).append((events.stream, events.first))
    places = [np.empty((0, len(axes)))]
    for uid, wanted in inputs.items():
        points = results.points(axes, raw_uid=uid).groupby(["stream", "seq_num"])[axes].first()
        places.append(points.loc[wanted].to_numpy())
    return np.concatenate(places)


def _maps(
    results: ModelResults, weights: Path | None, suggestion: Suggestion, events: list[SuggestionEvent]
) -> tuple[MapStack | None, MapStack | None, list[float], float]:
    """Maps as expected and as found, both by the decoder, so that they can be compared; azimuths, and seconds."""
    from ainerd_agent.latent import Encoder

    if suggestion.predicted is None:
        return None, None, [], math.nan
    some = np.unique(np.linspace(0, len(suggestion.predicted) - 1, N_MAPS + 1).astype(int)[:-1])
    encoder = Encoder.named(results.name, weights)
    measured = next((each for each in events if each.event == "measured"), None)
    found, azimuth, duration = None, [], math.nan
    if measured is not None:
        analysis = results.analysis(measured.raw_uid, measured.seq_num, measured.stream)
        points = results.points(["azimuth", "duration"], raw_uid=measured.raw_uid)
        rows = points[(points["seq_num"] == measured.seq_num) & (points["stream"] == measured.stream)]
        if analysis is not None:
            found = encoder.decode(analysis.latents[some])
            azimuth = [float(each) for each in rows["azimuth"].iloc[some]]
            duration = float(rows["duration"].iloc[0])
    return encoder.decode(suggestion.predicted[some]), found, azimuth, duration
