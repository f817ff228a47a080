"""Options that several commands have, and how points are named."""

from __future__ import annotations

from typing import Annotated

import typer

from ainerd_agent.errors import CatalogError

CatalogOption = Annotated[
    str,
    typer.Option(
        "--catalog",
        metavar="WHERE",
        help="Folder of a session, or address of a Tiled server; its key as ?api_key=... or from TILED_API_KEY.",
    ),
]
Model = Annotated[str | None, typer.Option(help="Only results of this latent model.")]


def point_named(text: str) -> tuple[str, int, int]:
    """Read "uid/seq_num/bin"."""
    uid, *numbers = text.rsplit("/", 2)
    if not uid or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise CatalogError(f"{text!r} is not a point: write the run, the measurement and the bin as UID/SEQ_NUM/BIN.")
    return uid, int(numbers[0]), int(numbers[1])
