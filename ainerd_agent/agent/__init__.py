"""Where to measure next: limits, surrogate, acquisition, agent, plans."""

from ainerd_agent.agent.acquisition import BeamtimeCost
from ainerd_agent.agent.agent import NoSuggestionError, NoveltyAgent
from ainerd_agent.agent.limits import Disc, LimitError, Limits, Rectangle

__all__ = ["BeamtimeCost", "Disc", "LimitError", "Limits", "NoSuggestionError", "NoveltyAgent", "Rectangle"]
