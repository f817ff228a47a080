"""Latents of crops of maps, at several time scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ainerd_agent.catalog.codec.columns import latent_columns
from ainerd_agent.catalog.codec.time_scales import TIME_SCALE_COLUMNS, time_scales_schema
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.schema import ROW, TIME_SCALES
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.latent.time_scales import Crop

CLOSE = 1e-5
"""Relative difference of scales, and of seconds, that are the same."""

_AHEAD = 4
"""Tables that are read at the same time."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """A scale that is asked about: in shapes or in seconds, one of the two.

    Attributes
    ----------
    share : float or None
        Of the exposure: 1, 0.5, 0.25 or 0.125.
    seconds : float or None
        A power of two.
    """

    share: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no crop has."""
        from ainerd_agent.latent.time_scales import SHARES, is_rung

        if (self.share is None) == (self.seconds is None):
            raise CatalogError("Give a scale (a share of the exposure) or seconds, one of the two.")
        if self.share is not None and self.share not in SHARES:
            raise CatalogError(f"A scale is {', '.join(f'{share:g}' for share in SHARES)} of the exposure, not {self}.")
        if self.seconds is not None and not is_rung(self.seconds):
            raise CatalogError(f"Time scales are powers of two seconds, as 0.5, 1, 2 or 4: there is none of {self}.")

    def __str__(self) -> str:
        return f"{self.share:g} of the exposure" if self.seconds is None else f"{self.seconds:g} s"

    def is_of(self, crop: Crop) -> bool:
        """Whether a crop is of this scale."""
        if self.seconds is None:
            return math.isclose(crop.scale, self.share or math.nan, rel_tol=CLOSE)
        return math.isclose(crop.seconds, self.seconds, rel_tol=CLOSE)

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are of this scale."""
        column, wanted = ("scale", self.share) if self.seconds is None else ("seconds", self.seconds)
        chosen: pd.DataFrame = table[np.isclose(table[column].astype(float), wanted or math.nan, rtol=CLOSE, atol=0)]
        return chosen


def read_time_scales(analysis: Container, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Crops of a run, by measurement, bin, scale and age; no rows where there are none.

    Parameters
    ----------
    analysis : Container
        `/ainerd/<model>/<uid>`.
    columns : sequence of str, optional
        By default all.
    """
    table: Table | None = child(analysis, TIME_SCALES)
    if table is None:
        nothing: pd.DataFrame = time_scales_schema().empty_table().to_pandas()
        return nothing if columns is None else nothing[list(columns)]
    rows = table.read(None if columns is None else list(columns))
    names = [column.name for column in TIME_SCALE_COLUMNS if column.name in rows] + latent_columns(rows)
    by = [name for name in (*ROW, "scale", "place") if name in rows]
    ascending = [name != "scale" for name in by]
    found: pd.DataFrame = rows[names].sort_values(by, ascending=ascending, kind="stable", ignore_index=True)
    return found


def events_with_time_scales(analysis: Container) -> set[Events]:
    """The measurements of a run that have crops."""
    rows = read_time_scales(analysis, ["stream", "seq_num", "last_seq_num"]).drop_duplicates()
    return {Events(str(each[0]), int(each[1]), int(each[2])) for each in rows.itertuples(index=False, name=None)}


def time_scales_of(model: Container, scale: TimeScale | None = None) -> pd.DataFrame:
    """Crops of all runs of a model, or of those that a search found.

    Returns
    -------
    DataFrame
        Without rows where no run has any. `attrs["without"]` names the runs that have no time scales at all.
    """
    import pandas as pd

    with server_errors(address_of(model)):
        tables, without = [], []
        for uid, rows in _tables(model):
            if rows.empty:
                without.append(uid)
                continue
            chosen = rows if scale is None else scale.rows(rows)
            if len(chosen):
                tables.append(chosen)
    found = pd.concat(tables, ignore_index=True) if tables else time_scales_schema().empty_table().to_pandas()
    found.attrs["without"] = without
    return found


def _tables(model: Container) -> list[tuple[str, pd.DataFrame]]:
    from concurrent.futures import ThreadPoolExecutor

    runs = [(uid, run) for uid, run in model.items() if "raw_uid" in run.metadata]
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="tiled-time-scales") as pool:
        rows = pool.map(lambda item: read_time_scales(item[1]), runs)
        return [(uid, each) for (uid, _), each in zip(runs, rows, strict=True)]


def scales_in(rows: pd.DataFrame) -> str:
    """Scales of rows, in words."""
    seconds = sorted({each for each in rows["seconds"].dropna() if math.frexp(each)[0] == 0.5}, reverse=True)
    shares = sorted({each for each in rows["scale"] if each in (1.0, 0.5, 0.25, 0.125)}, reverse=True)
    in_seconds = f" or {', '.join(f'{each:g}' for each in seconds)} s" if seconds else ", and its exposure is not known"
    return f"{', '.join(f'{each:g}' for each in shares)} of the exposure{in_seconds}"
