"""What the catalog holds and how it is named: the one place for specs, keys, columns and units.

    /raw/<uid>                     the run itself, written by bluesky_tiled_plugins.TiledWriter
    /xpcs/<uid>                    `MAPS_SPEC`: arrays `c2` and `g2`, table `bins`
    /ainerd/<model>/<uid>          `ANALYSIS_SPEC`: table `points`, one row per measurement and bin
    /ainerd/<model>/suggestions    what the agent proposed, why, and what became of it
    /turns/<uid>                   there while a writer writes to that run

Bins are counted from 1, clusters from 0 (the slowest), measurements by the seq_num of their event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

RAW = "raw"
MAPS = "xpcs"
ANALYSES = "ainerd"
TURNS = "turns"
C2 = "c2"
G2 = "g2"
BINS = "bins"
POINTS = "points"
SUGGESTIONS = "suggestions"

RAW_SPEC = ("CatalogOfBlueskyRuns", "3.0")
MAPS_SPEC = ("XPCSFingerprints", "1.0")
MODEL_SPEC = ("XPCSModel", "1.0")
ANALYSIS_SPEC = ("XPCSAnalysis", "1.3")
SUGGESTIONS_SPEC = ("XPCSSuggestions", "1.1")

C2_DIMS = ("measurement", "bin", "t1", "t2")
G2_DIMS = ("measurement", "bin", "lag")

RUN_STATUSES = ("running", "success", "abort", "fail")
SUGGESTION_EVENTS = ("proposed", "approved", "edited", "rejected", "queued", "measured", "failed")
"""In the life of a suggestion; the first one is in every life. An edited one has the new position."""

REQUESTS = ("pause", "resume", "stop", "suggest", "ask", "automatic")
"""What people may ask of a running agent, as events whose suggestion is its name: it listens to nothing else."""


def _column(name: str, kind: pa.DataType, units: str, description: str) -> pa.Field:
    return pa.field(name, kind, metadata={"units": units, "description": description})


_FIT_COLUMNS = (
    _column("fit_tau", pa.float64(), "s", "relaxation time of the field, g1, fitted to g2 of the map"),
    _column("fit_tau_error", pa.float64(), "s", "standard uncertainty of fit_tau"),
    _column("fit_exponent", pa.float64(), "", "of the fit: below 1 stretched, above 1 compressed"),
    _column("fit_exponent_error", pa.float64(), "", "standard uncertainty of fit_exponent"),
    _column("fit_contrast", pa.float64(), "", "of the fit, at lag 0"),
    _column("fit_contrast_error", pa.float64(), "", "standard uncertainty of fit_contrast"),
    _column("fit_baseline", pa.float64(), "", "of the fit, 1 where nothing correlates"),
    _column("fit_baseline_error", pa.float64(), "", "standard uncertainty of fit_baseline"),
    _column("fit_problems", pa.string(), "", "why the fit or its errors cannot be trusted; empty for a good one"),
)

_POINT_COLUMNS = (
    _column("raw_uid", pa.string(), "", "run, the key in /raw and /xpcs"),
    _column("seq_num", pa.int64(), "", "number of the measurement in its run, from 1"),
    _column("bin", pa.int32(), "", "azimuthal bin, from 1"),
    _column("time", pa.float64(), "s", "start of the exposure, since 1970-01-01 UTC"),
    _column("elapsed", pa.float64(), "s", "from the start of the run to the start of the exposure"),
    _column("x", pa.float64(), "mm", "stage position"),
    _column("y", pa.float64(), "mm", "stage position"),
    _column("q", pa.float64(), "1/nm", "mean momentum transfer of the bin"),
    _column("azimuth", pa.float64(), "deg", "centre of the bin, from the detector's +x towards +y"),
    _column("cluster", pa.int32(), "", "kind of dynamics, 0 is the slowest"),
    _column("centre_distance", pa.float64(), "", "distance of the latent vector to the centre of its cluster"),
    _column("novelty", pa.float64(), "", "distance to the nearest latent seen before, in units of repeatability"),
    _column("reconstruction_error", pa.float64(), "", "mean squared difference of map and reconstruction"),
    _column("shear_stress", pa.float64(), "Pa", "mean over the exposure"),
    _column("shear_stress_std", pa.float64(), "Pa", "standard deviation over the exposure"),
    _column("shear_rate", pa.float64(), "1/s", "mean over the exposure"),
    _column("viscosity", pa.float64(), "Pa s", "mean over the exposure"),
    _column("tau", pa.float64(), "s", "until C2, averaged over age, has fallen to 1/e of the contrast"),
    _column("contrast", pa.float64(), "", "C2 at the shortest lag"),
    _column("mean_counts", pa.float64(), "", "photons per pixel and frame"),
    _column("snr", pa.float64(), "", "contrast in standard deviations of the noise of a point of the map"),
    _column("bad_share", pa.float64(), "", "share of the frames that were left out"),
    _column("intensity_drift", pa.float64(), "", "relative change of the intensity over the exposure"),
    _column("problems", pa.string(), "", "what makes the map or its labels too poor to trust; empty for good ones"),
    *_FIT_COLUMNS,
)

_REASON_COLUMNS = (
    _column("agent", pa.string(), "", "whose suggestion it is"),
    _column("counting", pa.float64(), "s", "exposure; NaN for the plan's usual one"),
    _column("wait", pa.float64(), "s", "to let pass before the exposure"),
    _column("predicted_std", pa.float64(), "", "standard deviation of the distance of latents from those predicted"),
    _column("predicted", pa.string(), "", "JSON: latents that are expected, a list for each bin; empty if unknown"),
    _column("terms", pa.string(), "", "JSON: what the score was made of"),
    _column("alternatives", pa.string(), "", "JSON: the best positions that were not taken"),
    _column("settings", pa.string(), "", "JSON: how the agent was made"),
    _column("note", pa.string(), "", "who decided and why"),
)

ADDED_COLUMNS = frozenset(column.name for column in (*_FIT_COLUMNS, *_REASON_COLUMNS))
"""Columns that came with a minor version: a table that was begun before goes on without them."""

UNLIKE = "unlike the maps that the model was trained on"
"""In `problems`, of a map whose cluster and neighbours cannot be trusted."""

SUGGESTIONS_SCHEMA = pa.schema(
    [
        _column("time", pa.float64(), "s", "of the event, since 1970-01-01 UTC"),
        _column("suggestion_id", pa.string(), "", "the same in all events of a suggestion"),
        _column("event", pa.string(), "", "proposed, approved, rejected, measured, ... or a request"),
        _column("raw_uid", pa.string(), "", "run that measured it; empty where there is none"),
        _column("seq_num", pa.int64(), "", "measurement in that run; 0 where it is not known"),
        _column("x", pa.float64(), "mm", "stage position"),
        _column("y", pa.float64(), "mm", "stage position"),
        _column("expected_novelty", pa.float64(), "", "mean that the surrogate predicts"),
        _column("uncertainty", pa.float64(), "", "standard deviation that the surrogate predicts"),
        _column("cost", pa.float64(), "s", "travel and counting"),
        _column("score", pa.float64(), "", "what was maximised"),
        _column("novelty", pa.float64(), "", "what was found; NaN until it is measured"),
        _column("reason", pa.string(), "", "one sentence for people"),
        _column("inputs", pa.string(), "", "measurements it was inferred from, uid/seq_num, separated by spaces"),
        _column("model", pa.string(), "", "latent model"),
        _column("seed", pa.int64(), "", "of this choice"),
        *_REASON_COLUMNS,
    ]
)

SUMMARY_COLUMNS = ("seq_num", "cluster", "novelty", "tau", "shear_stress", "time", "x", "y")
"""The columns of `points` from which the searchable summary of a run is computed."""


def points_schema(n_latents: int = 64, extra: Mapping[str, pa.DataType] | None = None) -> pa.Schema:
    """Columns of a points table.

    Parameters
    ----------
    n_latents : int
        Size of the latent vector: columns z0, z1, ...
    extra : mapping of str to DataType, optional
        Further columns, from `Origin.extra`.
    """
    latents = [_column(f"z{k}", pa.float32(), "", "latent vector") for k in range(n_latents)]
    return pa.schema([*_POINT_COLUMNS, *latents, *(pa.field(name, kind) for name, kind in (extra or {}).items())])


def column_metadata(schema: pa.Schema) -> dict[str, dict[str, str]]:
    """Units and descriptions by column, for the metadata of a table."""
    known = {column.name: column.metadata for column in schema if column.metadata}
    return {
        "units": {name: metadata[b"units"].decode() for name, metadata in known.items()},
        "descriptions": {name: metadata[b"description"].decode() for name, metadata in known.items()},
    }


ROW = ("raw_uid", "seq_num", "bin")
"""The columns that say which point a row is."""


def latent_columns(points: pd.DataFrame) -> list[str]:
    """The names of the latents among the columns of points, in their order."""
    names = [str(name) for name in points.columns]
    return sorted((name for name in names if re.fullmatch(r"z\d+", name)), key=lambda name: int(name[1:]))
