"""Bluesky event documents to analysed measurements."""

from callbacks.analysis import AnalysisCallback, Outcome
from callbacks.assemble import Assembler, Failure, RunEnd
from callbacks.background import InBackground

__all__ = ["AnalysisCallback", "Assembler", "Failure", "InBackground", "Outcome", "RunEnd"]
