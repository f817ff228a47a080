"""Bluesky event documents to analysed measurements."""

from callbacks.analysis import AnalysisCallback, Outcome
from callbacks.assemble import Assembler, Failure, RunEnd
from callbacks.background import InBackground
from callbacks.live import LiveAnalysis, detector_bins, live_analysis

__all__ = [
    "AnalysisCallback",
    "Assembler",
    "Failure",
    "InBackground",
    "LiveAnalysis",
    "Outcome",
    "RunEnd",
    "detector_bins",
    "live_analysis",
]
