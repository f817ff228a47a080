"""Where to measure next: limits, strategies that choose, the life of a suggestion, and what carries it out.

Who chooses the next position: a strategy (`strategies/`), by what `decision/` knows of places, costs and goals. Who
carries it out, and tells the strategy what was found: `runners/`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ainerd_agent.agent.decision.acquisition import BeamtimeCost
from ainerd_agent.agent.decision.goals import Alike, Boundary, Coverage, Novelty
from ainerd_agent.agent.limits import Disc, LimitError, Limits, Rectangle
from ainerd_agent.agent.protocol import Agent, NoSuggestionError
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.agent.strategies.short_first import ShortFirst
from ainerd_agent.agent.strategies.spot import SpotAgent

if TYPE_CHECKING:
    from ainerd_agent.agent.lifecycle.restore import restored
    from ainerd_agent.agent.runners.adaptive import NoveltyOptimizer
    from ainerd_agent.agent.runners.plans import measure_at, novelty_scan
    from ainerd_agent.agent.runners.queue import QueueRunner
    from ainerd_agent.agent.runners.queue_server import QueueServer

_MODULE_OF = {
    "NoveltyOptimizer": "runners.adaptive",
    "QueueRunner": "runners.queue",
    "QueueServer": "runners.queue_server",
    "measure_at": "runners.plans",
    "novelty_scan": "runners.plans",
    "restored": "lifecycle.restore",
}
"""What needs Bluesky or the catalog, and is imported when it is first used."""

__all__ = [
    "Agent",
    "Alike",
    "BeamtimeCost",
    "Boundary",
    "Coverage",
    "Disc",
    "LimitError",
    "Limits",
    "NoSuggestionError",
    "Novelty",
    "NoveltyAgent",
    "NoveltyOptimizer",
    "QueueRunner",
    "QueueServer",
    "Rectangle",
    "ShortFirst",
    "SpotAgent",
    "measure_at",
    "novelty_scan",
    "restored",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
