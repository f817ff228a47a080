"""Annotations of people and later versions of stress, as they are written and read back."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ainerd_agent.catalog.codec.columns import column_metadata
from ainerd_agent.catalog.codec.notes import (
    annotation_table,
    annotations_of,
    stress_table,
    stress_versions_of,
)
from ainerd_agent.catalog.layout import child
from ainerd_agent.catalog.schema import ANNOTATIONS, MAPS, STRESS
from ainerd_agent.catalog.tiled_types import Container, Table
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Annotation, StressVersion


def annotate(root: Container, annotations: Sequence[Annotation]) -> None:
    """Add annotations; those that are there, by their `id`, stay as they are."""
    there = {each.id for each in read_annotations(root)}
    if new := [each for each in annotations if each.id not in there]:
        _append(root, ANNOTATIONS, annotation_table(new))


def read_annotations(root: Container) -> list[Annotation]:
    """All annotations, in order of time; what was undone is among them."""
    table: Table | None = child(root, ANNOTATIONS)
    return [] if table is None else annotations_of(table.read())


def add_stress(root: Container, raw_uid: str, versions: Sequence[StressVersion]) -> None:
    """Add a version of the stress of measurements of a run; the points stay as they are.

    Raises
    ------
    CatalogError
        The catalog holds no maps of the run, or has that version already.
    """
    run: Container | None = child(root, f"{MAPS}/{raw_uid}")
    if run is None:
        raise CatalogError(f"The catalog holds no measurements of a run {raw_uid}.")
    if taken := {each.version for each in read_stress(root, raw_uid)} & {each.version for each in versions}:
        raise CatalogError(f"Run {raw_uid} has a version {min(taken)} of its stress: give the new one another number.")
    if versions:
        _append(run, STRESS, stress_table(versions))


def read_stress(root: Container, raw_uid: str) -> list[StressVersion]:
    """The versions of the stress of a run beyond that in its points."""
    table: Table | None = child(root, f"{MAPS}/{raw_uid}/{STRESS}")
    return [] if table is None else stress_versions_of(table.read())


def _append(container: Container, key: str, rows: pa.Table) -> None:
    table: Table | None = child(container, key)
    if table is None:
        table = container.create_appendable_table(rows.schema, key=key, metadata=column_metadata(rows.schema))
    table.append_partition(0, rows)
