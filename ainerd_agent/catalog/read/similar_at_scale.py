"""What is similar at a time scale: points by the crops of their maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.catalog.layout import child
from ainerd_agent.catalog.read.run_names import ANALYSED_RUNS, uid_named
from ainerd_agent.catalog.read.similar import encoder_of, point_of
from ainerd_agent.catalog.read.time_scales import TimeScale, read_time_scales, scales_in, time_scales_of
from ainerd_agent.catalog.schema import ROW
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.latent.time_scales.distances import apart_at_scale
from ainerd_agent.latent.time_scales.ladder import FEWEST_PIXELS
from ainerd_agent.records import PointName

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.latent import Encoder

Crops = NDArray[np.float32]
"""Latents of crops of one map, shape (n_crops, n_latents)."""


def similar_at_scale(
    what: Any,
    scale: TimeScale,
    k: int,
    *,
    model: Container,
    everything: Container,
    encoder: Encoder | None = None,
    exposure: float | None = None,
) -> pd.DataFrame:
    """The k points that are most like a map or another point at a time scale.

    Parameters
    ----------
    what
        As for `ModelClient.similar`; a latent vector is that of one crop.
    scale : TimeScale
    model, everything : Container
        The runs that may be found, and all runs of the model.
    encoder : Encoder, optional
        With which a map is encoded; by default the shipped one of the model's name.
    exposure : float, optional
        Seconds that a side of the map spans that is asked about.

    Returns
    -------
    DataFrame
        `ROW`, `distance`, and of the crop that is most alike: `scale`, `seconds`, `age` and `cluster`.
        `attrs["without"]` names the runs that have no time scales, of which nothing can be found.

    Raises
    ------
    CatalogError
        Nothing has crops of this scale, or what is asked about has none.
    """
    crops = time_scales_of(model, scale)
    without = crops.attrs["without"]
    if crops.empty:
        raise CatalogError(_lacking(scale, without))
    point = point_of(what)
    if point is not None:
        point = point._replace(run=uid_named(everything, point.run, ANALYSED_RUNS))
        asked = _crops_of_point(point, scale, everything)
    else:
        asked = _crops_of_values(np.asarray(what), scale, everything, encoder, exposure)
    of = np.asarray(crops.groupby(list(ROW), sort=False).ngroup(), dtype=np.int64)
    distance, nearest = apart_at_scale(asked, crops[latent_columns(crops)].to_numpy(np.float32), of)
    found = crops.iloc[nearest][[*ROW, "scale", "seconds", "age", "cluster"]].reset_index(drop=True)
    found.insert(len(ROW), "distance", distance)
    if point is not None:
        found = found[~_is(found, point)]
    found = found.sort_values("distance", kind="stable", ignore_index=True).head(k)
    found = found.assign(model=model.metadata["model"])
    found.attrs["without"] = without
    return found


def _crops_of_values(
    values: Crops, scale: TimeScale, model: Container, encoder: Encoder | None, exposure: float | None
) -> Crops:
    """Latents of the crops of a map at a scale; a vector is taken as it is."""
    from ainerd_agent.latent.time_scales import crops_of, encode_crops

    if values.ndim == 1:
        return values[None]
    if scale.seconds is not None and not exposure:
        raise CatalogError(f"To look at {scale} of a map, say how many seconds a side of it spans (duration).")
    known = math.nan if exposure is None else exposure
    crops = [crop for crop in crops_of(known, values.shape[-1]) if scale.is_of(crop)]
    if not crops:
        raise CatalogError(
            f"A map of {values.shape[-1]} pixels{'' if exposure is None else f' and {exposure:g} s'} has no crops of "
            f"{scale}: they are of {FEWEST_PIXELS} pixels at least, and no longer than the map."
        )
    found: Crops = encode_crops(encoder_of(model, encoder), values, known, crops=crops).latents[0]
    return found


def _crops_of_point(point: PointName, scale: TimeScale, model: Container) -> Crops:
    analysis: Container | None = child(model, str(point.run))
    rows = None if analysis is None else read_time_scales(analysis)
    if rows is None or rows.empty:
        raise CatalogError(f"Run {point.run} has no time scales yet: run `ainerd timescales` on the catalog.")
    of_point = rows[_is(rows, point)]
    if of_point.empty:
        raise CatalogError(f"There are no time scales of a point {point}.")
    chosen = scale.rows(of_point)
    if chosen.empty:
        raise CatalogError(f"Point {point} has no crops of {scale}; it has those of {scales_in(of_point)}.")
    if chosen["stream"].nunique() > 1:
        raise CatalogError(f"Several streams of run {point.run} have a measurement {point.seq_num}: name the stream.")
    return chosen[latent_columns(chosen)].to_numpy(np.float32)


def _is(rows: pd.DataFrame, point: PointName) -> Any:
    found = (rows["raw_uid"] == point.run) & (rows["seq_num"] == point.seq_num) & (rows["bin"] == point.bin)
    return found if point.stream is None else found & (rows["stream"] == point.stream)


def _lacking(scale: TimeScale, without: Sequence[str]) -> str:
    if without:
        return (
            f"No run has crops of {scale}, and {len(without)} have no time scales yet: run `ainerd timescales` on the "
            "catalog first."
        )
    return f"No run has crops of {scale}: each map has crops from its exposure down to a sixteenth of it."
