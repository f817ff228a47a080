"""The records that flow through a session, each made once and handed on.

    Measurement ─▶ Fingerprints ─▶ Analysis ─▶ Suggestion

`Run` and `Origin` say where data comes from; every later record carries them instead of reaching back.
"""

from ainerd_agent.records.results import Analysis, Bins, Fingerprints, MapStack, Quality, Relaxations, Suggestion
from ainerd_agent.records.sources import (
    FloatArray,
    FrameSource,
    Measurement,
    NumberedFrames,
    Origin,
    PhotonEvents,
    RheometerSamples,
    Run,
    ShearStress,
)

__all__ = [
    "Analysis",
    "Bins",
    "Fingerprints",
    "FloatArray",
    "FrameSource",
    "MapStack",
    "Measurement",
    "NumberedFrames",
    "Origin",
    "PhotonEvents",
    "Quality",
    "Relaxations",
    "RheometerSamples",
    "Run",
    "ShearStress",
    "Suggestion",
]
