"""`ainerd serve`: a session's catalog as a Tiled server."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainerd_agent.errors import SessionError


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of a session, as `ainerd demo` leaves it.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8000,
    create: Annotated[bool, typer.Option("--create", help="Make a new, empty catalog if there is none.")] = False,
    api_key: Annotated[
        str | None, typer.Option(envvar="TILED_SINGLE_USER_API_KEY", help="By default a new one each time.")
    ] = None,
) -> None:
    """Serve the catalog of a session, until Ctrl-C.

    Raw runs are under /raw, C2 maps under /xpcs, labels and latents under /ainerd.
    """
    from ainerd_agent.catalog import TiledServer, connect

    if not create and not (folder / "catalog.db").is_file():
        raise SessionError(f"{folder} holds no session (it has no catalog.db): give the folder of one, or --create")
    console = Console()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with TiledServer(folder, port=port, api_key=api_key) as server:
        connect(server.uri, create=True).close()
        console.print("Ask it from Python:\n", highlight=False)
        console.print("    from tiled.client import from_uri", highlight=False)
        console.print("    from tiled.queries import Key", highlight=False)
        console.print(f'    catalog = from_uri("{server.uri}")', highlight=False, soft_wrap=True)
        console.print(
            '    catalog["ainerd"].values().first().search(Key("status") == "success")', highlight=False, soft_wrap=True
        )
        console.print(f"\nServing {folder} on {server.address}; Ctrl-C ends it", highlight=False, soft_wrap=True)
        stop.wait()
