"""Where to measure next: surrogate, acquisition, agent, plans."""

from ainerd_agent.agent.acquisition import BeamtimeCost
from ainerd_agent.agent.agent import NoSuggestionError, NoveltyAgent

__all__ = ["BeamtimeCost", "NoSuggestionError", "NoveltyAgent"]
