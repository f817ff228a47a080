"""What the catalog holds and how it is named: the one place for specs, keys, columns and units.

    /raw/<uid>                     the run itself, written by bluesky_tiled_plugins.TiledWriter
    /xpcs/<uid>                    `MAPS_SPEC`: arrays `c2` and `g2`, table `bins`
    /ainerd/<model>/<uid>          `ANALYSIS_SPEC`: table `points`, one row per measurement and bin
    /ainerd/<model>/suggestions    what the agent proposed, why, and what became of it
    /turns/<uid>                   there while a writer writes to that run

Bins are counted from 1, clusters from 0 (the slowest), measurements by the seq_num of their event.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Bins, Fingerprints, Relaxations, Suggestion

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


def points_table(fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> pa.Table:
    """One row per measurement and bin.

    Parameters
    ----------
    fingerprints, analyses : sequence
        Of the same measurements, in the same order; at least one.

    Raises
    ------
    CatalogError
        The extra scalars differ between measurements, or one of them cannot be a column.
    """
    origins = [analysis.origin for analysis in analyses]
    if [(f.origin.raw_uid, f.origin.seq_num) for f in fingerprints] != [(o.raw_uid, o.seq_num) for o in origins]:
        raise ValueError("fingerprints and analyses are not of the same measurements")
    counts = [len(analysis.cluster) for analysis in analyses]

    def per_measurement(values: Sequence[Any]) -> Any:
        return np.repeat(np.asarray(values), counts)

    def per_bin(arrays: Sequence[NDArray[Any]]) -> Any:
        return np.concatenate(arrays)

    extra = _extra_columns([origin.extra for origin in origins])
    latents = per_bin([analysis.latents for analysis in analyses])
    columns: dict[str, Any] = {
        "raw_uid": per_measurement([origin.raw_uid for origin in origins]),
        "seq_num": per_measurement([origin.seq_num for origin in origins]),
        "bin": per_bin([np.arange(1, count + 1) for count in counts]),
        "time": per_measurement([origin.start for origin in origins]),
        "elapsed": per_measurement([origin.elapsed for origin in origins]),
        "x": per_measurement([origin.position.get("x", math.nan) for origin in origins]),
        "y": per_measurement([origin.position.get("y", math.nan) for origin in origins]),
        "q": per_bin([f.bins.q for f in fingerprints]),
        "azimuth": per_bin([f.bins.azimuth for f in fingerprints]),
        "cluster": per_bin([analysis.cluster for analysis in analyses]),
        "centre_distance": per_bin([analysis.centre_distance for analysis in analyses]),
        "novelty": per_bin([analysis.novelty for analysis in analyses]),
        "reconstruction_error": per_bin([analysis.reconstruction_error for analysis in analyses]),
        "shear_stress": per_measurement([analysis.stress.mean for analysis in analyses]),
        "shear_stress_std": per_measurement([analysis.stress.std for analysis in analyses]),
        "shear_rate": per_measurement([analysis.stress.shear_rate for analysis in analyses]),
        "viscosity": per_measurement([analysis.stress.viscosity for analysis in analyses]),
        "tau": per_bin([f.tau for f in fingerprints]),
        "contrast": per_bin([f.contrast for f in fingerprints]),
        "mean_counts": per_bin([f.mean_counts for f in fingerprints]),
        "snr": per_bin([f.quality.snr for f in fingerprints]),
        "bad_share": per_measurement([f.quality.bad_share for f in fingerprints]),
        "intensity_drift": per_measurement([f.quality.drift for f in fingerprints]),
        "problems": per_bin([_problems(f, a) for f, a in zip(fingerprints, analyses, strict=True)]),
        **{column.name: per_bin([_fitted(f, column.name) for f in fingerprints]) for column in _FIT_COLUMNS},
        **{f"z{k}": np.ascontiguousarray(latents[:, k]) for k in range(latents.shape[1])},
        **{name: np.repeat(np.array(values, dtype=object), counts) for name, (_, values) in extra.items()},
    }
    schema = points_schema(latents.shape[1], {name: kind for name, (kind, _) in extra.items()})
    return pa.table([pa.array(columns[column.name], column.type) for column in schema], schema=schema)


def _problems(fingerprints: Fingerprints, analysis: Analysis) -> NDArray[np.object_]:
    """What makes each map too poor to trust, or its labels, shape (n_bins,)."""
    told = [[text] if text else [] for text in fingerprints.quality.problems]
    for number in () if analysis.unlike is None else np.flatnonzero(analysis.unlike):
        told[number].append(UNLIKE)
    return np.array(["; ".join(each) for each in told], dtype=object)


def _fitted(fingerprints: Fingerprints, column: str) -> NDArray[Any]:
    """The values of one of `_FIT_COLUMNS`, shape (n_bins,)."""
    fits = fingerprints.relaxations or Relaxations.unknown(len(fingerprints.bins))
    values = getattr(fits, column.removeprefix("fit_"))
    return np.array(values, dtype=object if isinstance(values, tuple) else np.float64)


def _extra_columns(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[pa.DataType, list[Any]]]:
    """Type and values of each extra scalar: bool, int, float (also a mixture of both, and where unknown) or str."""
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {}
    taken = {column.name for column in _POINT_COLUMNS} | {"_dataset_id", "_partition_id"}
    for name in records[0]:
        # Tiled refuses other names: they would end up in SQL.
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or re.fullmatch(r"z\d+", name) or name.lower() in taken:
            raise CatalogError(
                f"A measurement's extra value {name!r} cannot be a column of the points table: the name is taken "
                "(capitals do not count), or holds more than letters, digits and underscores. Rename it."
            )
        taken.add(name.lower())
    for record in records:
        if record.keys() != records[0].keys():
            differing = ", ".join(sorted(record.keys() ^ records[0].keys()))
            raise CatalogError(f"All measurements of a run need the same extra values; some lack: {differing}.")
    for name in records[0]:
        values = [value.item() if isinstance(value := record[name], np.generic) else value for record in records]
        kinds = {type(value) for value in values if value is not None}
        if kinds <= {int, float} and kinds != {int}:
            columns[name] = (pa.float64(), [None if value is None else float(value) for value in values])
        elif len(kinds) == 1 and kinds <= {bool, int, str}:
            columns[name] = ({bool: pa.bool_(), int: pa.int64(), str: pa.string()}[kinds.pop()], values)
        else:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise CatalogError(f"The extra value {name!r} needs one type, of bool, int, float or str; found: {found}.")
    return columns


def bins_columns(bins: Bins) -> dict[str, NDArray[Any]]:
    """Columns of the table `bins`, in the order of the second axis of `c2`."""
    return {"bin": np.arange(1, len(bins) + 1), "q": bins.q, "azimuth": bins.azimuth, "n_pixels": bins.n_pixels}


BINS_UNITS = {"bin": "", "q": "1/nm", "azimuth": "deg", "n_pixels": ""}


def suggestion_table(
    suggestion: Suggestion,
    event: str,
    *,
    time: float,
    raw_uid: str = "",
    seq_num: int = 0,
    novelty: float = math.nan,
    note: str = "",
) -> pa.Table:
    """One row: one event in the life of a suggestion, or a request to an agent.

    Why it was made is told once, with "proposed".
    """
    if event not in SUGGESTION_EVENTS + REQUESTS:
        raise ValueError(f"event is {event!r}, not one of {', '.join(SUGGESTION_EVENTS + REQUESTS)}")
    first = event == SUGGESTION_EVENTS[0]
    predicted = None if suggestion.predicted is None else [_rounded(each) for each in suggestion.predicted]
    row = {
        "time": time,
        "suggestion_id": suggestion.id,
        "event": event,
        "raw_uid": raw_uid,
        "seq_num": seq_num,
        "x": suggestion.position.get("x", math.nan),
        "y": suggestion.position.get("y", math.nan),
        "expected_novelty": suggestion.expected_novelty,
        "uncertainty": suggestion.uncertainty,
        "cost": suggestion.cost,
        "score": suggestion.score,
        "novelty": novelty,
        "reason": suggestion.reason,
        "inputs": " ".join(suggestion.inputs),
        "model": suggestion.model,
        "seed": suggestion.seed,
        "agent": suggestion.agent,
        "counting": suggestion.counting,
        "wait": suggestion.wait,
        "predicted_std": suggestion.predicted_std,
        "predicted": json.dumps(predicted) if first and predicted is not None else "",
        "terms": json.dumps(dict(suggestion.terms)) if first else "",
        "alternatives": json.dumps([dict(each) for each in suggestion.alternatives]) if first else "",
        "settings": json.dumps(dict(suggestion.settings)) if first else "",
        "note": note,
    }
    return pa.Table.from_pylist([row], schema=SUGGESTIONS_SCHEMA)


def suggestion_of(row: Mapping[Any, Any]) -> Suggestion:
    """The suggestion that a row of the table tells of: the inverse of `suggestion_table`.

    Raises
    ------
    CatalogError
        The row has no reasons: it is no "proposed" one, or older than version 1.1 of the table.
    """
    if not row.get("settings"):
        raise CatalogError(
            f"Suggestion {row['suggestion_id']} was written before suggestions told how they were made (version 1.1 of "
            "their table): it can be read in the table, but not be gone on from."
        )
    predicted = json.loads(row["predicted"]) if row["predicted"] else None
    return Suggestion(
        id=str(row["suggestion_id"]),
        position={axis: float(row[axis]) for axis in ("x", "y")},
        predicted=None if predicted is None else np.array(predicted, dtype=np.float32),
        inputs=tuple(str(row["inputs"]).split()),
        terms=json.loads(row["terms"]),
        alternatives=tuple(json.loads(row["alternatives"])),
        settings=json.loads(row["settings"]),
        seed=int(row["seed"]),
        reason=str(row["reason"]),
        model=str(row["model"]),
        agent=str(row["agent"]),
        expected_novelty=float(row["expected_novelty"]),
        uncertainty=float(row["uncertainty"]),
        cost=float(row["cost"]),
        score=float(row["score"]),
        counting=float(row["counting"]),
        wait=float(row["wait"]),
        predicted_std=float(row["predicted_std"]),
    )


def _rounded(latents: NDArray[np.float32]) -> list[float]:
    """Four digits: more than any prediction has."""
    return [float(f"{value:.4g}") for value in latents]
