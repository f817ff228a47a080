"""`ainerd serve`, `ainerd check` and `ainerd export`: a catalog as a server, as it should be, and as files."""

from __future__ import annotations

import json as jsonlib
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ainerd_agent.cli.options import RUN, CatalogOption, Model, open_catalog
from ainerd_agent.cli.tables import write_line
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
    from ainerd_agent.settings import Settings

    if not create and not (folder / "catalog.db").is_file():
        raise SessionError(f"{folder} holds no session (it has no catalog.db): give the folder of one, or --create")
    console = Console()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with TiledServer(folder, port=port, api_key=api_key, people=Settings().server.people) as server:
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


def check(
    catalog: Annotated[
        str, typer.Argument(metavar="WHERE", help="Folder of a session, or address of a Tiled server.")
    ] = "ainerd-session",
    repair: Annotated[bool, typer.Option(help="Repair what loses nothing; no analysis may be under way.")] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="First bring a catalog of version 0.1 up to date; it is copied before.")
    ] = False,
    undo_upgrade: Annotated[
        bool, typer.Option("--undo-upgrade", help="Put a catalog back as it was before it was upgraded.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON for each problem.")] = False,
) -> None:
    """Compare a whole catalog with the schema, and say what is wrong, where, and what to do.

    Ends with 1 where a problem remains.
    """
    from ainerd_agent.catalog.check import check as problems_of

    console = Console()
    if undo_upgrade:
        _undo_upgrade(catalog, console)
        return
    if upgrade:
        _upgrade(catalog, Console(stderr=json))
    found = remaining = 0
    with open_catalog(catalog) as opened:
        for problem in problems_of(opened, repair=repair):
            found += 1
            remaining += not problem.repaired
            if json:
                print(jsonlib.dumps(asdict(problem)))
                continue
            remedy = "repaired" if problem.repaired else problem.remedy + (" (--repair)" if problem.repairable else "")
            for text in (problem.where, f"    {problem.what}", f"    -> {remedy}"):
                write_line(console, text)
    if not json:
        console.print(f"{found} problems, {found - remaining} repaired" if found else "nothing is wrong")
    if remaining:
        raise typer.Exit(1)


def _upgrade(where: str, console: Console) -> None:
    from ainerd_agent.catalog.upgrade import BACKUP, upgrade_folder

    done = 0
    for path in upgrade_folder(where):
        if not done:
            write_line(console, f"copied to {Path(where) / BACKUP}")
        write_line(console, f"upgraded {path}")
        done += 1
    if not done:
        console.print("nothing to upgrade")


def _undo_upgrade(where: str, console: Console) -> None:
    from ainerd_agent.catalog.upgrade import restore_backup

    restore_backup(Path(where))
    write_line(console, f"the databases in {where} are as they were before the upgrade")


def export(
    run: Annotated[str, typer.Argument(help=f"{RUN}.")],
    to: Annotated[Path, typer.Option(help="File: .csv or .parquet for points, .h5 for maps, g2 and points.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    measurement: Annotated[int | None, typer.Option(min=1, help="Only this one.")] = None,
) -> None:
    """Write an analysed run to a file: points as a table, or everything as HDF5 in the names of APS.

    HDF5 files hold one measurement each, as pyXpcsViewer wants it: with several, numbers come before the ending.
    """
    with open_catalog(catalog) as opened:
        written = opened.model(model).export(run, to, measurement)
    console = Console()
    for file in written:
        write_line(console, str(file))
