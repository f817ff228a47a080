"""Writing latents of crops beside the points of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.metadata import run_of
from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.read.time_scales import events_with_time_scales
from ainerd_agent.catalog.schema import TIME_SCALES
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.catalog.write.containers import access_of
from ainerd_agent.catalog.write.lock import Turns
from ainerd_agent.records import Events

if TYPE_CHECKING:
    import pyarrow as pa


def append_time_scales(root: Container, analysis: Container, made: dict[Events, pa.Table]) -> int:
    """Add rows of measurements that have none yet, made where there is no table.

    Parameters
    ----------
    root : Container
    analysis : Container
        `/ainerd/<model>/<uid>`.
    made : dict of Events to pyarrow.Table
        Rows by measurement.

    Returns
    -------
    int
        Measurements that were added.
    """
    import pyarrow as pa

    run = run_of(analysis.metadata_copy()[0])
    with server_errors(address_of(root)), Turns(root).at(run.uid):
        there = events_with_time_scales(analysis)
        new = [rows for events, rows in made.items() if events not in there]
        if not new:
            return 0
        table: Table | None = child(analysis, TIME_SCALES)
        if table is None:
            schema = new[0].schema
            table = analysis.create_appendable_table(
                schema, key=TIME_SCALES, metadata=column_metadata(schema), **access_of(run)
            )
        table.append_partition(0, pa.concat_tables(new))
        return len(new)


def withdraw_time_scales(analysis: Container) -> None:
    """Take the table away where there is one: measurements are made anew, and `ainerd timescales` makes it again."""
    if child(analysis, TIME_SCALES) is not None:
        analysis.delete_contents(TIME_SCALES, recursive=True, external_only=False)
