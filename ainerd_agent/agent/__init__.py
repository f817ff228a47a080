"""Where to measure next: limits, surrogate, acquisition, agent, plans."""

from ainerd_agent.agent.decision.acquisition import BeamtimeCost
from ainerd_agent.agent.decision.goals import Alike, Boundary, Coverage, Novelty
from ainerd_agent.agent.limits import Disc, LimitError, Limits, Rectangle
from ainerd_agent.agent.protocol import NoSuggestionError
from ainerd_agent.agent.strategies.novelty import NoveltyAgent
from ainerd_agent.agent.strategies.short_first import ShortFirst
from ainerd_agent.agent.strategies.spot import SpotAgent

__all__ = [
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
    "Rectangle",
    "ShortFirst",
    "SpotAgent",
]
