"""The table `time_scales` of a run: latents of crops of its maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ainerd_agent.catalog.codec.columns import INTEGER, NUMBER, SMALL_INTEGER, TEXT, Column
from ainerd_agent.records import Origin

if TYPE_CHECKING:
    from ainerd_agent.latent.clusters import Labels
    from ainerd_agent.latent.time_scales import CropLatents

TIME_SCALE_COLUMNS = (
    Column(name="raw_uid", kind=TEXT, meaning="run"),
    Column(name="stream", kind=TEXT, meaning="stream of the events of the measurement"),
    Column(name="seq_num", kind=INTEGER, meaning="number of its first event in that stream"),
    Column(name="last_seq_num", kind=INTEGER, meaning="number of its last event"),
    Column(name="bin", kind=INTEGER, meaning="bin of the map, from 1"),
    Column(name="scale", kind=NUMBER, meaning="duration of the crop, as a share of the exposure"),
    Column(name="seconds", kind=NUMBER, units="s", meaning="the same; nothing where the exposure is not known"),
    Column(name="place", kind=SMALL_INTEGER, meaning="of the crop among those of its scale, from 0 in order of age"),
    Column(name="age", kind=NUMBER, units="s", meaning="at which the crop begins, from the start of the exposure"),
    Column(name="age_share", kind=NUMBER, meaning="the same as a share of the exposure"),
    Column(name="cluster", kind=SMALL_INTEGER, meaning="rate of the crop in its own duration, 0 is the slowest"),
)  # fmt: skip


def time_scales_schema(n_latents: int = 64) -> pa.Schema:
    """Columns of the table: those above, and z0, z1, ..."""
    latents = [Column(name=f"z{k}", kind=pa.float32(), meaning="latent vector").arrow() for k in range(n_latents)]
    return pa.schema([*(column.arrow() for column in TIME_SCALE_COLUMNS), *latents])


def time_scales_table(origin: Origin, bins: list[int], found: CropLatents, cluster: Labels) -> pa.Table:
    """Rows of a measurement, by bin and crop.

    Parameters
    ----------
    origin : Origin
    bins : list of int
        Of the maps that were encoded, from 1.
    found : CropLatents
        Of these maps.
    cluster : ndarray of int, shape (n_bins, n_crops)
    """
    crops, n_maps = found.crops, len(bins)
    scale, seconds, start, place = (
        np.tile([getattr(crop, name) for crop in crops], n_maps) for name in ("scale", "seconds", "start", "place")
    )
    of_measurement = origin.raw_uid, origin.stream, origin.seq_num, origin.last_seq_num
    n_rows = n_maps * len(crops)
    with np.errstate(invalid="ignore"):
        exposure = seconds / scale
    latents = found.latents.reshape(n_rows, -1)
    columns = [
        *([value] * n_rows for value in of_measurement),
        np.repeat(bins, len(crops)),
        scale,
        seconds,
        place,
        start * exposure,
        start,
        cluster.ravel(),
        *latents.T,
    ]
    schema = time_scales_schema(latents.shape[1])
    arrays = [pa.array(values, field.type, from_pandas=True) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
