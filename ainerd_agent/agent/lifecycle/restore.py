"""An agent made again from what the catalog holds of it, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ainerd_agent.agent.protocol import Agent
from ainerd_agent.agent.space import LimitError
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.agent.strategies.short_first import ShortFirst
from ainerd_agent.agent.strategies.spot import SpotAgent
from ainerd_agent.catalog import ModelResults
from ainerd_agent.catalog.codec.suggestions import events_of, suggestion_of
from ainerd_agent.catalog.write.requests import DECISIONS
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Suggestion, SuggestionEvent
from ainerd_agent.records.life import (
    FINAL,
    Forget,
    Learn,
    LearnFailure,
    Move,
    NotPossibleError,
    Remember,
    State,
    event_of,
    life_of,
    step,
)

STRATEGIES: Mapping[str, Callable[[Mapping[str, Any]], Agent]] = {
    "NoveltyAgent": NoveltyAgent.from_settings,
    "ShortFirst": ShortFirst.from_settings,
    "SpotAgent": SpotAgent.from_settings,
}
"""What makes an agent again, by its kind in the settings of its suggestions. Here mypy checks that each is an Agent."""


def restored(results: ModelResults, name: str) -> Agent:
    """Make an agent as it was when its process ended: its next suggestion is the one that it would have made.

    What it had proposed, and nothing came of, it suggests first. What was measured, it learns again from the
    points in the catalog.

    Parameters
    ----------
    results : ModelResults
        Of the latent model that it works with.
    name : str
        Of the agent.

    Raises
    ------
    CatalogError
        The catalog does not know the agent, or how it was made, or lacks results that it knew.
    """
    rows = results.suggestions(agent=name)
    proposed = [suggestion_of(row) for row in rows[rows["event"] == "proposed"].to_dict("records")]
    if not proposed:
        raise CatalogError(f"The catalog has requests to agent {name}, but nothing that it proposed.")
    agent = _new(name, proposed)
    first_proposals = {each.id: each for each in reversed(proposed)}
    known = {name: _Known(suggestion) for name, suggestion in first_proposals.items()}
    for event in _in_order([*events_of(rows)]):
        _repeat(agent, known[event.suggestion_id], event, results)
    for each in known.values():
        if each.state not in FINAL:
            agent.repeat(each.suggestion)
    return agent


@dataclass(slots=True)
class _Known:
    suggestion: Suggestion
    state: State | None = None


def _in_order(events: Sequence[SuggestionEvent]) -> list[SuggestionEvent]:
    """The events of all lives as the agent heeded them, in order of time.

    Decisions come from clocks of other machines: each has its place after its suggestion was proposed, and before what
    the agent did in consequence.
    """
    lives: dict[str, list[SuggestionEvent]] = {}
    for event in events:
        lives.setdefault(event.suggestion_id, []).append(event)
    placed: list[tuple[float, SuggestionEvent]] = []
    for told in lives.values():
        life = life_of(told)
        if life.state is None:
            continue  # never proposed, or a request
        later = math.inf
        for event in reversed(life.happened):
            time = event.time
            if event.event in DECISIONS:
                time = min(max(time, math.nextafter(life.happened[0].time, math.inf)), math.nextafter(later, -math.inf))
            else:
                later = time
            placed.append((time, event))
        placed += [(event.time, event) for event in life.ignored]
    order = {id(event): number for number, event in enumerate(events)}
    return [event for _, event in sorted(placed, key=lambda each: (each[0], order[id(each[1])]))]


def _repeat(agent: Agent, known: _Known, event: SuggestionEvent, results: ModelResults) -> None:
    """Let the agent go through one event once more."""
    before = known.state
    try:
        taken = step(before, event_of(event))
    except NotPossibleError:  # the later of two contrary decisions, say
        return
    known.state = taken.state
    for action in taken.actions:
        match action:
            case Remember():
                agent.recall(known.suggestion)
            case Move(position):
                try:
                    known.suggestion = agent.edit(known.suggestion, position)
                except LimitError:
                    # Nothing had changed then: it was withdrawn next, or its runner does that when it goes on.
                    known.state = before
            case Forget():
                agent.withdraw(known.suggestion)
            case Learn():
                agent.ingest(known.suggestion, _analysis(results, event))
            case LearnFailure():
                agent.ingest(known.suggestion, None)


def _new(name: str, proposed: Sequence[Suggestion]) -> Agent:
    """The agent as it was before its first suggestion."""
    settings = proposed[0].settings
    kind = str(settings.get("agent", "agent of an unknown kind"))
    if kind not in STRATEGIES:
        raise CatalogError(f"{name} is a {kind}, which cannot be made again from the catalog.")
    if kind == "NoveltyAgent" and any(math.isfinite(each.counting) for each in proposed):
        raise CatalogError(
            f"{name} is a ShortFirst of version 0.1, which did not write down how it was made: begin with a new one."
        )
    try:
        return STRATEGIES[kind](settings)
    except ValueError as error:
        raise CatalogError(f"{name} is a {kind}, which cannot be made again from the catalog ({error}).") from error


def _analysis(results: ModelResults, event: SuggestionEvent) -> Analysis:
    found = results.analysis(event.raw_uid, event.seq_num, event.stream)
    if found is None:
        raise CatalogError(
            f"Suggestion {event.suggestion_id} was measured, but the catalog lacks the points of measurement "
            f"{event.seq_num} of run {event.raw_uid}: `ainerd check --repair` or `ainerd analyze` bring them back."
        )
    return found
