"""Options that several commands have, and what they name: a catalog, a point."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from ainerd_agent.errors import CatalogError

if TYPE_CHECKING:
    from ainerd_agent.catalog import Catalog

CatalogOption = Annotated[
    str,
    typer.Option(
        "--catalog",
        metavar="WHERE",
        help="Folder of a session, or address of a Tiled server; its key as ?api_key=... or from TILED_API_KEY.",
    ),
]
Model = Annotated[str | None, typer.Option(help="Only results of this latent model.")]


def open_catalog(where: str, *, create: bool = False) -> AbstractContextManager[Catalog]:
    """As `ainerd_agent.catalog.open_catalog`, which takes a second to import: not before a command runs."""
    from ainerd_agent.catalog import open_catalog

    return open_catalog(where, create=create)


def point_named(text: str) -> tuple[str, int, int]:
    """Read "uid/seq_num/bin"."""
    uid, *numbers = text.rsplit("/", 2)
    if not uid or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise CatalogError(f"{text!r} is not a point: write the run, the measurement and the bin as UID/SEQ_NUM/BIN.")
    return uid, int(numbers[0]), int(numbers[1])
