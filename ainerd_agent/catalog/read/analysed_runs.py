"""Stored results as the records that they were written from, so that they can go through an analysis again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.metadata import origin_metadata, run_metadata
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.read.points import points_of
from ainerd_agent.catalog.schema import BINS, MAPS, POINTS, latent_columns, points_schema
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Bins, Fingerprints, Origin, Quality, Relaxations, Run, ShearStress
from ainerd_agent.records.analysis import ModelIdentity

if TYPE_CHECKING:
    import pandas as pd

ACCESS = ("data_session", "data_groups", "tiled_access_tags", "access_tags")
"""Keys that are copied from the start document."""


@dataclass(frozen=True, slots=True)
class AnalysedRun:
    """An analysed run, read back.

    Attributes
    ----------
    run : Run
    status : str
        How it ended, or "running".
    model : str
        By which it was analysed.
    parameters, geometry : mapping
        Those of its analysis, which are those of its maps.
    fingerprints : list of Fingerprints
        Of the measurements that have maps and all of their rows, in order of their analysis; `c2` and `g2` are empty
        (n_bins, 0, 0) and (n_bins, 0).
    stresses : list of ShearStress
    places : list of int
        Of these measurements along the first axis of `c2` and `g2`.
    incomplete : list of int
        Numbers of measurements that lack their maps or some rows.
    failures : mapping of int to str
    """

    run: Run
    status: str
    model: str
    parameters: Mapping[str, Any]
    geometry: Mapping[str, Any]
    fingerprints: list[Fingerprints]
    stresses: list[ShearStress]
    places: list[int]
    incomplete: list[int]
    failures: Mapping[int, str]


def analysed_run(root: Container, analysis: Container) -> AnalysedRun:
    """Read an analysed run back, without its maps.

    Parameters
    ----------
    root : tiled Container
    analysis : tiled Container
        `/ainerd/<model>/<uid>`.

    Raises
    ------
    CatalogError
        The catalog holds no maps of the run.
    """
    metadata = analysis.metadata_copy()[0]
    derived, uid = metadata["derived_from"], metadata["raw_uid"]
    maps = child(root, f"{MAPS}/{uid}")
    if maps is None:
        raise CatalogError(f"The catalog holds no C2 maps of run {uid}: only new frames can give them.")
    about = maps.metadata_copy()[0]
    place = {number: index for index, number in enumerate(about["derived_from"]["seq_nums"])}
    n_pixels = maps[BINS].read().sort_values("bin")["n_pixels"].to_numpy()
    lags = np.array(about["lags"], dtype=np.float64)
    duration = math.nan if about["duration"] is None else float(about["duration"])
    rows = _rows(analysis)
    extra = [name for name in rows.columns if name not in points_schema(0).names and not re.fullmatch(r"z\d+", name)]
    found, stresses, places, incomplete = [], [], [], []
    groups = dict(iter(rows.groupby("seq_num"))) if len(rows) else {}
    for number in derived["seq_nums"]:
        group = groups.get(number)
        if group is None or number not in place or group["bin"].tolist() != list(range(1, about["n_bins"] + 1)):
            incomplete.append(number)
            continue
        first = group.iloc[0]
        start = float(first["time"])
        origin = Origin(
            raw_uid=uid,
            seq_num=int(number),
            start=start,
            stop=start + (duration if math.isfinite(duration) else 0.0),
            stream=derived["stream"],
            elapsed=float(first["elapsed"]),
            position={axis: float(first[axis]) for axis in ("x", "y") if math.isfinite(first[axis])},
            extra={name: first[name] for name in extra},
        )
        found.append(_fingerprints(group, origin, n_pixels, duration, lags))
        stresses.append(
            ShearStress(
                mean=float(first["shear_stress"]),
                std=float(first["shear_stress_std"]),
                shear_rate=float(first["shear_rate"]),
                viscosity=float(first["viscosity"]),
            )
        )
        places.append(place[number])
    return AnalysedRun(
        run=run_of(metadata),
        status=metadata["status"],
        model=metadata["model"],
        parameters=derived["parameters"],
        geometry=derived.get("geometry") or {},
        fingerprints=found,
        stresses=stresses,
        places=places,
        incomplete=incomplete,
        failures={failed["seq_num"]: failed["message"] for failed in metadata["failed"]},
    )


def _rows(analysis: Container) -> pd.DataFrame:
    """All columns of the points, those of later versions empty, by seq_num and bin."""
    import pyarrow as pa

    table = child(analysis, POINTS)
    schema = points_schema(0)
    if table is None:
        empty: pd.DataFrame = schema.empty_table().to_pandas()
        return empty
    rows = table.read()
    for column in schema:
        if column.name not in rows:
            rows[column.name] = "" if pa.types.is_string(column.type) else math.nan
        elif pa.types.is_string(column.type):
            rows[column.name] = rows[column.name].fillna("")
    for column in table.structure().arrow_schema_decoded:
        if pa.types.is_boolean(column.type):  # SQLite keeps numbers
            rows[column.name] = [None if value is None else bool(value) for value in rows[column.name]]
    ordered: pd.DataFrame = rows.sort_values(["seq_num", "bin"], ignore_index=True)
    return ordered


def _fingerprints(
    group: pd.DataFrame, origin: Origin, n_pixels: NDArray[np.int64], duration: float, lags: NDArray[np.float64]
) -> Fingerprints:
    def column(name: str) -> NDArray[np.float64]:
        return group[name].to_numpy(np.float64)

    n_bins = len(group)
    fits = {name: column(f"fit_{name}") for name in Relaxations.__dataclass_fields__ if name != "problems"}
    return Fingerprints(
        origin=origin,
        c2=np.empty((n_bins, 0, 0), np.float32),
        bins=Bins(q=column("q"), azimuth=column("azimuth"), n_pixels=n_pixels),
        duration=duration,
        mean_counts=column("mean_counts"),
        contrast=column("contrast"),
        tau=column("tau"),
        quality=Quality(
            snr=column("snr"),
            bad_share=float(group["bad_share"].iloc[0]),
            drift=float(group["intensity_drift"].iloc[0]),
            problems=tuple(group["problems"]),
        ),
        g2=np.empty((n_bins, 0), np.float32),
        lags=lags,
        relaxations=Relaxations(**fits, problems=tuple(group["fit_problems"])),
    )


def run_of(metadata: Mapping[str, Any]) -> Run:
    """The run that the metadata of an analysis tell of, with its own keys."""
    about = Run(
        uid=metadata["raw_uid"],
        time=float(metadata["time"]),
        source=metadata["source"],
        scan_id=metadata["scan_id"],
        plan_name=metadata["plan_name"],
        sample=metadata["sample"],
        access={key: metadata[key] for key in ACCESS if key in metadata},
    )
    nothing: dict[str, NDArray[Any]] = {column.name: np.empty(0) for column in points_schema(0)}
    model = ModelIdentity(name="m", weights_sha256="", n_clusters=0)
    ours = {*origin_metadata(about), *run_metadata(about, model, nothing, status="running")}
    own = {
        key: value
        for key, value in metadata.items()
        if key not in ours and not re.fullmatch(r"cluster_fraction_\d+", key)
    }
    return Run(
        uid=about.uid,
        time=about.time,
        source=about.source,
        scan_id=about.scan_id,
        plan_name=about.plan_name,
        sample=about.sample,
        access=about.access,
        metadata=own,
    )


def stored_analysis(model: Container, raw_uid: str, seq_num: int) -> Analysis | None:
    """What a model found in a measurement, None where that is not there (yet).

    Raises
    ------
    ServerUnreachableError
        Nobody can tell now.
    """
    with server_errors(address_of(model)):
        points = points_of(child(model, raw_uid))
    rows = points[points["seq_num"] == seq_num]
    return None if rows.empty else analysis_of(raw_uid, rows)


def analysis_of(raw_uid: str, rows: pd.DataFrame) -> Analysis:
    """The analysis that rows of one measurement tell of."""
    rows = rows.sort_values("bin")
    first = rows.iloc[0]
    start = float(first["time"])
    return Analysis(
        origin=Origin(
            raw_uid=raw_uid,
            seq_num=int(first["seq_num"]),
            start=start,
            stop=start,
            elapsed=float(first["elapsed"]),
            position={axis: float(first[axis]) for axis in ("x", "y")},
        ),
        latents=rows[latent_columns(rows)].to_numpy(dtype=np.float32),
        cluster=rows["cluster"].to_numpy(dtype=np.int64),
        centre_distance=rows["centre_distance"].to_numpy(dtype=np.float64),
        novelty=rows["novelty"].to_numpy(dtype=np.float64),
        reconstruction_error=rows["reconstruction_error"].to_numpy(dtype=np.float64),
        stress=ShearStress(
            mean=float(first["shear_stress"]),
            std=float(first["shear_stress_std"]),
            shear_rate=float(first["shear_rate"]),
            viscosity=float(first["viscosity"]),
        ),
    )
