"""Listing analysed runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.layout import address_of, metadata_of
from ainerd_agent.catalog.server_errors import server_errors

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.catalog.tiled_types import Container, Query


def read_runs(models: Iterable[Container], queries: Sequence[Query], latest: int | None = None) -> pd.DataFrame:
    """List the analysed runs of models that fit queries.

    Parameters
    ----------
    latest : int, optional
        Only so many of each model, the latest.

    Returns
    -------
    DataFrame
        One row per run and model, in order of time; the columns are the metadata.
    """
    import pandas as pd

    found: list[dict[str, Any]] = []
    for model in models:
        with server_errors(address_of(model)):
            # SQLite sorts numbers as text; of times that is the same until 2286.
            found += metadata_of(model, queries, sort=None if latest is None else "-time", n=latest)
    table = pd.DataFrame(found)
    return table.sort_values("time", ignore_index=True) if len(table) else table
