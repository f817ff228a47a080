"""Bluesky event documents to analysed measurements.

    documents -> Assembler -> OpenRun -> DetectorStream -> MovieReader -> Measurement -> AnalysisCallback -> catalog

`Assembler` sorts documents into runs, an `OpenRun` into streams. A `DetectorStream` matches the detector's events with
their frames and decides which of them are a movie, of which a `MovieReader` makes a measurement: place, time, frame
time, stress. `values` reads numbers and their units, `clocks` compares the devices' time with the control system's.
"""

from ainerd_agent.callbacks.analysis import AnalysisCallback, Outcome
from ainerd_agent.callbacks.assemble import Assembler
from ainerd_agent.callbacks.background import InBackground
from ainerd_agent.callbacks.outcomes import Failure, RunEnd

__all__ = [
    "AnalysisCallback",
    "Assembler",
    "Failure",
    "InBackground",
    "Outcome",
    "RunEnd",
]
