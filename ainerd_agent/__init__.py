"""Live AI analysis and autonomous measurement for rheo-XPCS, on Bluesky and Tiled.

What a notebook needs is here, and is imported when it is first used:

- frames to maps: `HDF5Frames`, `Geometry`, `PoniGeometry`, `azimuthal_bins`, `two_time`, `TwoTimeStream`,
  `age_lag_of_maps`, `fingerprint`, with a `Normalisation`
- maps to dynamics: `Encoder`, `Atlas`, `train`, `evaluate`
- the catalog: `connect`, `open_catalog`, `Catalog`, `ingest`, `replay`, `reprocess`
- a beamline: `Settings`, `live_analysis`
- where to measure next: `NoveltyAgent`, `Limits`
- `figures`
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
