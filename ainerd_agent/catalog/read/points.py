"""Reading points: one row per measurement and bin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.codec.point_layout import PointsLayout, normalised, points_schema
from ainerd_agent.catalog.layout import address_of, table_of
from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.schema import POINTS, ROW
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table

if TYPE_CHECKING:
    import pandas as pd


_ATTEMPTS = 3
"""At reading a table that is written anew meanwhile."""

_AHEAD = 4
"""Tables that are read at the same time."""


def read_points(models: Iterable[Container], columns: Sequence[str] | None = None, **conditions: Any) -> pd.DataFrame:
    """Read the points of analysed runs that fit conditions.

    Parameters
    ----------
    models : iterable of Container
        `/ainerd/<model>`, or what a search found in one.
    columns : sequence of str, optional
        Beside `ROW` and `model`; by default all.
    **conditions
        Those of `Conditions`.

    Returns
    -------
    DataFrame
        One row per measurement and bin, with the columns of `points_schema` and `model`.
    """
    import pandas as pd

    given = Conditions.of(conditions)
    needed = None if columns is None else [*columns, *given.columns()]
    tables: list[pd.DataFrame] = []
    for model in models:
        with server_errors(address_of(model)):
            for run, table in tables_of(narrowed(model, given.runs_with_rows()).values(), needed):
                rows = table[given.rows(table)].assign(model=run.metadata["model"])
                if len(rows):
                    tables.append(rows)
    return pd.concat(tables, ignore_index=True) if tables else points_of(None, needed).assign(model="")


def points_of(
    analysis: Container | None, columns: Sequence[str] | None = None, *, latents: bool = True
) -> pd.DataFrame:
    """Points of an analysed run by measurement and bin, or an empty table.

    Some columns beside `ROW`, or all of them, or all but the latents; those of this version, whatever version wrote
    them.
    """
    wanted = None if columns is None else list(dict.fromkeys([*ROW, *columns]))
    found = None if analysis is None else rows_of(analysis, wanted, latents=latents)
    if found is not None:
        return found[1]
    nothing: pd.DataFrame = points_schema().empty_table().to_pandas()
    return nothing if wanted is None else nothing.reindex(columns=wanted)


def rows_of(
    analysis: Container, wanted: Sequence[str] | None = None, *, latents: bool = True
) -> tuple[PointsLayout, pd.DataFrame] | None:
    """What the columns of the points of a run are, and its rows; None where it has no points."""
    import httpx

    for attempt in range(_ATTEMPTS):
        table = table_of(analysis, POINTS)
        if table is None:
            return None
        layout = layout_of(analysis, table)
        columns = layout.columns_but_latents() if wanted is None and not latents else wanted
        try:
            return layout, stored_points(table, layout, columns)
        except httpx.HTTPStatusError as error:
            # Another table took its place at this moment.
            if error.response.status_code != 404 or attempt == _ATTEMPTS - 1:
                raise
    return None


def layout_of(analysis: Container, table: Table) -> PointsLayout:
    """What the columns of the points of a run are."""
    stream = analysis.metadata["derived_from"]["stream"]
    return PointsLayout.of_table(table.metadata, table.structure().arrow_schema_decoded, stream)


def stored_points(table: Table, layout: PointsLayout, wanted: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of a table as this version writes them; some columns, or all."""
    if wanted is None:
        return normalised(table.read(), layout)
    # Tiled gives columns in any order.
    stored = [name for name in map(layout.stored, wanted) if name is not None and name in table.columns]
    return normalised(table.read(stored), layout, wanted)


def tables_of(
    runs: Iterable[Container], columns: Sequence[str] | None = None, *, latents: bool = True
) -> Iterator[tuple[Container, pd.DataFrame]]:
    """Analysed runs with their points, as `points_of`. The next ones are read ahead: each takes two requests."""
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="tiled-points")
    waiting: deque[tuple[Container, Future[pd.DataFrame]]] = deque()
    try:
        for run in runs:
            waiting.append((run, pool.submit(points_of, run, columns, latents=latents)))
            if len(waiting) > _AHEAD:
                first, rows = waiting.popleft()
                yield first, rows.result()
        for run, rows in waiting:
            yield run, rows.result()
    finally:
        pool.shutdown(cancel_futures=True)
