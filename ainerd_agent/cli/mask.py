"""`ainerd mask`: the bad pixels of a detector, as a mask."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainerd_agent.cli.options import CatalogOption, open_catalog


def mask(
    run: Annotated[
        str,
        typer.Argument(
            help="Raw run (uid or its beginning, scan id, -1), or a file: movie.npy, file.h5::/path/of/dataset."
        ),
    ],
    catalog: CatalogOption = "ainerd-session",
    out: Annotated[Path, typer.Option(help="The mask, .edf, .npy or .tif; a picture is drawn beside it.")] = Path(
        "mask.edf"
    ),
    frames: Annotated[
        str, typer.Option(help='"files" named by the documents, or "tiled" where those are out of reach.')
    ] = "files",
    most: Annotated[int, typer.Option(min=1, help="Movies of the run that are looked at.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="End with a summary as one line of JSON.")] = False,
) -> None:
    """Draw a mask of the hot, dead, flickering and full pixels of a detector, from the frames of a run.

    Name it as `bins.mask` in ainerd.toml. A mask that is named there already is taken into the new one.
    """
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.mask import draw_mask, movies_in, movies_of

    console = Console(stderr=json)
    settings = Settings()
    if Path(run.partition("::")[0]).is_file():
        done = draw_mask(movies_in(run, settings), settings, out, most=most)
    else:
        with open_catalog(catalog) as opened:
            done = draw_mask(movies_of(opened, run, settings, frames=frames), settings, out, most=most)
    found = done.bad_pixels
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.counts().items()) or "none"
    console.print(f"bad pixels in {done.n_frames} frames of {done.n_movies} movies: {kinds}", highlight=False)
    console.print(f"{done.mask} masks {done.n_masked} pixels; picture: {done.picture}", highlight=False, soft_wrap=True)
    if json:
        places = zip(found.rows.tolist(), found.columns.tolist(), found.kinds.tolist(), strict=True)
        summary = {
            "mask": str(done.mask),
            "picture": str(done.picture),
            "masked": done.n_masked,
            "movies": done.n_movies,
            "frames": done.n_frames,
            "bad_pixels": [{"row": row, "column": column, "kind": kind} for row, column, kind in places],
        }
        print(jsonlib.dumps(summary))
