"""Listing analysed runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.metadata import axes_of
from ainerd_agent.catalog.codec.point_layout import points_schema
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


def read_axes(runs: Iterable[tuple[Container, Sequence[Query]]]) -> dict[str, str]:
    """Axes of runs, given by the container of their model and queries: unit by column, or "mm or um" if it differs."""
    axes: dict[str, dict[str, None]] = {}
    for model, queries in runs:
        for metadata in metadata_of(model, queries):
            for axis, unit in axes_of(metadata).items():
                axes.setdefault(axis, {})[unit] = None
    return {axis: " or ".join(unit for unit in units if unit) for axis, units in axes.items()}


def units_with(axes: Mapping[str, str]) -> dict[str, str]:
    """Units of the columns of points of runs with these axes."""
    # The axes last: the schema has x and y in mm, which is what most runs have.
    return {**column_metadata(points_schema())["units"], **axes}
