"""The records that flow through a session, each made once and handed on.

    Measurement ─▶ Fingerprints ─▶ Analysis ─▶ Suggestion

`Run` and `Origin` say where data comes from; every later record carries them instead of reaching back.
"""

from ainerd_agent.records.analysis import Analysis
from ainerd_agent.records.arrays import FloatArray, MapStack
from ainerd_agent.records.fingerprints import Bins, Fingerprints, Quality, Relaxations
from ainerd_agent.records.frames import FrameSource, NumberedFrames, PhotonEvents
from ainerd_agent.records.measurement import Measurement
from ainerd_agent.records.rheometry import RheometerSamples, ShearStress
from ainerd_agent.records.run import Origin, Run
from ainerd_agent.records.suggestion import Suggestion

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
