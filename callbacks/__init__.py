"""Bluesky event documents to analysed measurements."""

from ainerd_agent.callbacks.analysis import AnalysisCallback, Outcome
from ainerd_agent.callbacks.assemble import Assembler, Failure, RunEnd
from ainerd_agent.callbacks.background import InBackground

__all__ = [
    "AnalysisCallback",
    "Assembler",
    "Failure",
    "InBackground",
    "Outcome",
    "RunEnd",
]
