"""Reading points: one row per measurement and bin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.queries import Conditions, narrowed
from ainerd_agent.catalog.schema import POINTS, ROW, points_schema
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table

if TYPE_CHECKING:
    import pandas as pd


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


def points_of(analysis: Container | None, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Points of an analysed run by seq_num and bin, or an empty table; some columns beside `ROW`, or all."""
    table: Table | None = None if analysis is None else child(analysis, POINTS)
    wanted = None if columns is None else list(dict.fromkeys([*ROW, *columns]))
    rows: pd.DataFrame
    if table is None:
        rows = points_schema().empty_table().to_pandas()
        return rows if wanted is None else rows.reindex(columns=wanted)
    if wanted is None:
        rows = table.read()
    else:
        # Tables of an earlier version lack some; Tiled gives the others in any order.
        rows = table.read([name for name in wanted if name in table.columns]).reindex(columns=wanted)
    # PostgreSQL keeps rows in no order.
    return rows.sort_values(["seq_num", "bin"], ignore_index=True)


def tables_of(
    runs: Iterable[Container], columns: Sequence[str] | None = None
) -> Iterator[tuple[Container, pd.DataFrame]]:
    """Analysed runs with their points, as `points_of`. The next ones are read ahead: each takes two requests."""
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="tiled-points")
    waiting: deque[tuple[Container, Future[pd.DataFrame]]] = deque()
    try:
        for run in runs:
            waiting.append((run, pool.submit(points_of, run, columns)))
            if len(waiting) > _AHEAD:
                first, rows = waiting.popleft()
                yield first, rows.result()
        for run, rows in waiting:
            yield run, rows.result()
    finally:
        pool.shutdown(cancel_futures=True)
