"""An agent made again from what the catalog holds of it, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ainerd_agent.agent.protocol import Agent
from ainerd_agent.agent.space import LimitError
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.agent.strategies.short_first import ShortFirst
from ainerd_agent.agent.strategies.spot import SpotAgent
from ainerd_agent.catalog import ModelResults
from ainerd_agent.catalog.codec.suggestions import events_of, suggestion_of
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Suggestion, SuggestionEvent

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
    known: dict[str, Suggestion] = {}
    under_way: dict[str, Suggestion] = {}
    first_proposals = {each.id: each for each in reversed(proposed)}
    for event in events_of(rows):
        if event.event == "proposed" and event.suggestion_id not in known:
            # Once: an agent that was made again proposes anew what nothing had come of.
            new = first_proposals[event.suggestion_id]
            known[new.id] = under_way[new.id] = new
            agent.recall(new)
        elif event.suggestion_id in known:
            suggestion = known[event.suggestion_id]
            match event.event:
                case "edited":
                    with suppress(LimitError):  # then nothing had changed
                        known[suggestion.id] = under_way[suggestion.id] = agent.edit(suggestion, event.position)
                case "rejected":
                    if under_way.pop(suggestion.id, None) is not None:
                        agent.withdraw(suggestion)
                case "measured" | "failed":
                    measured = event.event == "measured"
                    agent.ingest(suggestion, _analysis(results, event) if measured else None)
                    under_way.pop(suggestion.id, None)
    for suggestion in under_way.values():
        agent.repeat(suggestion)
    return agent


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
