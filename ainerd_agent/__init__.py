"""Live AI analysis and autonomous measurement for rheo-XPCS, on Bluesky and Tiled.

What a notebook needs is here, and is imported when it is first used:

- frames to maps: `HDF5Frames`, `Geometry`, `PoniGeometry`, `azimuthal_bins`, `two_time`, `TwoTimeStream`, `age_lag`,
  `fingerprint`, with a `Normalisation`
- maps to dynamics: `Encoder`, `Atlas`, `train`, `evaluate`
- the catalog: `connect`, `open_catalog`, `Catalog`, `ingest`, `replay`, `reprocess`
- a beamline: `Settings`, `live_analysis`
- where to measure next: `NoveltyAgent`, `Limits`
- `figures`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ainerd_agent._version import __version__

if TYPE_CHECKING:
    from ainerd_agent import figures as figures
    from ainerd_agent.agent import Limits as Limits
    from ainerd_agent.agent import NoveltyAgent as NoveltyAgent
    from ainerd_agent.catalog import Catalog as Catalog
    from ainerd_agent.catalog import connect as connect
    from ainerd_agent.catalog import open_catalog as open_catalog
    from ainerd_agent.latent import Atlas as Atlas
    from ainerd_agent.latent import Encoder as Encoder
    from ainerd_agent.scattering import Geometry as Geometry
    from ainerd_agent.scattering import HDF5Frames as HDF5Frames
    from ainerd_agent.scattering import Normalisation as Normalisation
    from ainerd_agent.scattering import PoniGeometry as PoniGeometry
    from ainerd_agent.scattering import TwoTimeStream as TwoTimeStream
    from ainerd_agent.scattering import age_lag as age_lag
    from ainerd_agent.scattering import azimuthal_bins as azimuthal_bins
    from ainerd_agent.scattering import fingerprint as fingerprint
    from ainerd_agent.scattering import two_time as two_time
    from ainerd_agent.settings import Settings as Settings
    from ainerd_agent.workflows.evaluate import evaluate as evaluate
    from ainerd_agent.workflows.ingest import ingest as ingest
    from ainerd_agent.workflows.live import live_analysis as live_analysis
    from ainerd_agent.workflows.replay import replay as replay
    from ainerd_agent.workflows.reprocess import reprocess as reprocess
    from ainerd_agent.workflows.train import train as train

_HOMES = {
    "Atlas": "ainerd_agent.latent",
    "Catalog": "ainerd_agent.catalog",
    "Encoder": "ainerd_agent.latent",
    "Geometry": "ainerd_agent.scattering",
    "HDF5Frames": "ainerd_agent.scattering",
    "Limits": "ainerd_agent.agent",
    "Normalisation": "ainerd_agent.scattering",
    "NoveltyAgent": "ainerd_agent.agent",
    "PoniGeometry": "ainerd_agent.scattering",
    "Settings": "ainerd_agent.settings",
    "TwoTimeStream": "ainerd_agent.scattering",
    "age_lag": "ainerd_agent.scattering",
    "azimuthal_bins": "ainerd_agent.scattering",
    "connect": "ainerd_agent.catalog",
    "evaluate": "ainerd_agent.workflows.evaluate",
    "fingerprint": "ainerd_agent.scattering",
    "ingest": "ainerd_agent.workflows.ingest",
    "live_analysis": "ainerd_agent.workflows.live",
    "open_catalog": "ainerd_agent.catalog",
    "replay": "ainerd_agent.workflows.replay",
    "reprocess": "ainerd_agent.workflows.reprocess",
    "train": "ainerd_agent.workflows.train",
    "two_time": "ainerd_agent.scattering",
}
"""Where each name lives. It is looked up at its first use: torch alone takes seconds to import."""

__all__ = ["__version__", "figures", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "figures":
        return import_module("ainerd_agent.figures")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
