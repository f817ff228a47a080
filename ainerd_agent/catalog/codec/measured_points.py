"""Rows of the table `points` as the fingerprints and analyses that they were written from: the inverse of `points`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ainerd_agent.catalog.codec.columns import NUMBER, SMALL_INTEGER, TEXT, TRUTH, Column, latent_columns
from ainerd_agent.catalog.codec.point_columns import NOT_FITTED, POINT_COLUMNS, UNLIKE, own_and_reasons
from ainerd_agent.catalog.codec.point_layout import PointsLayout
from ainerd_agent.records import (
    Ageing,
    Analysis,
    Bins,
    Events,
    Exposure,
    Fingerprints,
    FloatArray,
    MapNoise,
    Origin,
    Quality,
    Relaxations,
    ShearStress,
)

if TYPE_CHECKING:
    import pandas as pd


class Measured(NamedTuple):
    """A measurement as its rows tell it; `c2` and `g2` of the fingerprints are empty."""

    fingerprints: Fingerprints
    analysis: Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """What of the fingerprints of a measurement is not in its rows, but beside its maps.

    Attributes
    ----------
    n_pixels : ndarray of int, shape (n_bins,)
    lags : ndarray, shape (n_lags,)
    duration : float
        Of the rows of a table of 0.1, which do not tell it.
    """

    n_pixels: NDArray[np.int64]
    lags: FloatArray
    duration: float = math.nan


def measurements_in(rows: pd.DataFrame) -> Iterator[tuple[Events, pd.DataFrame]]:
    """The rows of each measurement of a run, from `normalised` rows."""
    for _, group in rows.groupby(["stream", "seq_num", "last_seq_num"], sort=False):
        first = group.iloc[0]
        yield Events(str(first["stream"]), int(first["seq_num"]), int(first["last_seq_num"])), group


def noise_in(rows: pd.DataFrame) -> NDArray[np.float32]:
    """Noise of the maps of `normalised` rows, as `Encoding.noise`; NaN where it was not written."""
    names = [column.name for column in POINT_COLUMNS if column.field.startswith("analysis.noise.")]
    return rows[names].to_numpy(np.float64).astype(np.float32)


def analysis_of(group: pd.DataFrame, layout: PointsLayout) -> Analysis:
    """The analysis that the rows of one measurement tell of, from `normalised` rows."""
    return _analysis(_tree(group, layout, math.nan), group)


def measured(group: pd.DataFrame, layout: PointsLayout, maps: Maps) -> Measured:
    """Both records of one measurement, from `normalised` rows and what is known of its maps."""
    tree = _tree(group, layout, maps.duration)
    analysis, n_bins, told = _analysis(tree, group), len(group), tree["fingerprints"]
    fits = told["relaxations"]
    fitted = any(text != NOT_FITTED for text in fits["problems"])
    duration = told.pop("duration")
    return Measured(
        Fingerprints(
            origin=analysis.origin,
            c2=np.empty((n_bins, 0, 0), np.float32),
            g2=np.empty((n_bins, 0), np.float32),
            lags=maps.lags,
            duration=maps.duration if math.isnan(duration) else duration,
            bins=Bins(n_pixels=maps.n_pixels, **told.pop("bins")),
            quality=Quality(**told.pop("quality")),
            relaxations=Relaxations(**fits) if fitted else None,
            ageing=_ageing(told["ageing"], n_bins),
            **{name: value for name, value in told.items() if name not in ("relaxations", "ageing")},
        ),
        analysis,
    )


def _ageing(told: Mapping[str, FloatArray | None], n_bins: int) -> Ageing | None:
    """None where nothing is known in any bin."""
    if all(values is None for values in told.values()):
        return None
    return Ageing(**{name: np.full(n_bins, np.nan) if values is None else values for name, values in told.items()})


def _noise(found: Mapping[str, FloatArray | None], n_bins: int) -> MapNoise | None:
    """None where nothing is known in any bin."""
    if all(values is None for values in found.values()):
        return None
    return MapNoise(**{name: np.full(n_bins, np.nan) if values is None else values for name, values in found.items()})


def _analysis(tree: dict[str, Any], group: pd.DataFrame) -> Analysis:
    origin = dict(tree["origin"])
    told = dict(tree["analysis"])
    return Analysis(
        origin=Origin(exposure=Exposure(**origin.pop("exposure")), **origin),
        latents=group[latent_columns(group)].to_numpy(np.float32),
        stress=ShearStress(**told.pop("stress")),
        noise=_noise(told.pop("noise"), len(group)),
        **told,
    )


def _tree(group: pd.DataFrame, layout: PointsLayout, duration: float) -> dict[str, Any]:
    """What rows hold, by the fields of the records: mappings within mappings."""
    tree: dict[str, Any] = {}
    for column in POINT_COLUMNS:
        if column.field:
            *path, last = column.field.split(".")
            branch = tree
            for name in path:
                branch = branch.setdefault(name, {})
            branch[last] = _decoded(column, group[column.name])
    unlike = tree["analysis"]["unlike"]
    if layout.old and any(UNLIKE in text for text in tree["fingerprints"]["quality"]["problems"]):
        # 0.1 told it in words only.
        unlike = np.array([text.endswith(UNLIKE) for text in tree["fingerprints"]["quality"]["problems"]])
        tree["analysis"]["unlike"] = unlike
    if unlike is not None:
        problems = zip(tree["fingerprints"]["quality"]["problems"], unlike, strict=True)
        told = [own_and_reasons(text) if is_unlike else (text, "") for text, is_unlike in problems]
        tree["fingerprints"]["quality"]["problems"] = tuple(own for own, _ in told)
        tree["analysis"]["reasons"] = tuple(why for _, why in told) if any(why for _, why in told) else None
    origin, first, current = tree["origin"], group.iloc[0], layout.current()
    if layout.old:
        # 0.1 did not write when an exposure ended; its map spans it.
        origin["stop"] = origin["start"] + duration
    origin["position"] = {
        name: float(first[column])
        for column, name in current.axes.items()
        if column in group and not math.isnan(first[column])
    }
    origin["extra"] = {name: _scalar(first[column]) for column, name in current.extras.items() if column in group}
    origin["units"] = _units(current, {**origin["position"], **origin["extra"]})
    return tree


def _units(layout: PointsLayout, names: Mapping[str, Any]) -> dict[str, str]:
    """Units other than those that an origin need not tell."""
    units = {name: layout.units.get(column, "mm") for column, name in layout.axes.items()}
    told = {name: layout.units.get(column, "") for column, name in layout.extras.items()}
    others = {name: unit for name, unit in units.items() if unit != "mm"} | {n: u for n, u in told.items() if u}
    return {name: unit for name, unit in others.items() if name in names}


def _decoded(column: Column, values: pd.Series) -> Any:
    """A column of one measurement as its field holds it."""
    if not column.per_bin:
        value = values.iloc[0]
        if column.kind == TEXT:
            return str(value)
        if column.optional and math.isnan(value):
            return None
        return float(value) if column.kind == NUMBER else int(value)
    if column.kind == TEXT:
        texts = tuple(str(value) for value in values)
        return None if column.optional and not any(texts) else texts
    if column.optional and values.isna().all():
        return None
    kinds: Mapping[pa.DataType, Any] = {NUMBER: np.float64, SMALL_INTEGER: np.int64, TRUTH: np.bool_}
    return values.to_numpy(kinds[column.kind])


def _scalar(value: Any) -> Any:
    """An extra scalar, without what only pandas knows."""
    import pandas as pd

    plain = value.item() if isinstance(value, np.generic) else value
    return None if plain is pd.NA else plain
