"""The records that flow through a session, each made once and handed on.

    Measurement ─▶ Fingerprints ─▶ Analysis ─▶ Suggestion

`Run` and `Origin` say where data comes from; every later record carries them instead of reaching back.
"""

from ainerd_agent.records.analysis import Analysis, MapNoise
from ainerd_agent.records.arrays import FloatArray, MapStack
from ainerd_agent.records.bad_pixels import BadPixels
from ainerd_agent.records.fingerprints import Ageing, AgeLagMap, Bins, Fingerprints, Quality, Relaxations, Scattering
from ainerd_agent.records.frames import FrameSource, NumberedFrames, PhotonEvents
from ainerd_agent.records.look import EarlyEnd, Look, look_frames
from ainerd_agent.records.measurement import Measurement
from ainerd_agent.records.notes import Annotation, StressVersion
from ainerd_agent.records.rheometry import RheometerSamples, ShearStress
from ainerd_agent.records.run import Events, Exposure, MeasurementName, Origin, PointName, Run, RunName
from ainerd_agent.records.suggestion import AgentRequest, Decision, Suggestion, SuggestionEvent

__all__ = [
    "AgeLagMap",
    "Ageing",
    "AgentRequest",
    "Analysis",
    "Annotation",
    "BadPixels",
    "Bins",
    "Decision",
    "EarlyEnd",
    "Events",
    "Exposure",
    "Fingerprints",
    "FloatArray",
    "FrameSource",
    "Look",
    "MapNoise",
    "MapStack",
    "Measurement",
    "MeasurementName",
    "NumberedFrames",
    "Origin",
    "PhotonEvents",
    "PointName",
    "Quality",
    "Relaxations",
    "RheometerSamples",
    "Run",
    "RunName",
    "Scattering",
    "ShearStress",
    "StressVersion",
    "Suggestion",
    "SuggestionEvent",
    "look_frames",
]
