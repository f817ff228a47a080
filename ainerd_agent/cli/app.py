"""`ainerd`: the commands."""

from __future__ import annotations

import logging
import sys
from tomllib import TOMLDecodeError
from typing import NoReturn

import typer

from ainerd_agent.cli.agent import agent
from ainerd_agent.cli.analyze import analyze, ingest, reprocess
from ainerd_agent.cli.catalog import check, export, serve
from ainerd_agent.cli.demo import demo
from ainerd_agent.cli.explain import explain, why
from ainerd_agent.cli.figures import figures, relate
from ainerd_agent.cli.find import find
from ainerd_agent.cli.follow import follow
from ainerd_agent.cli.mask import mask
from ainerd_agent.cli.models import clusters, evaluate, train
from ainerd_agent.cli.options import NamesRuns
from ainerd_agent.cli.time_scales import timescales
from ainerd_agent.errors import AinerdError

app = typer.Typer(
    name="ainerd",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Live AI analysis and autonomous measurement for rheo-XPCS.

    Start with [bold]ainerd demo[/bold]: a whole session on this machine. Then [bold]ainerd serve[/bold]
    its folder and look around, or [bold]ainerd ingest[/bold] your own C2 maps.
    """,
    rich_markup_mode="rich",
)
for command in (
    demo,
    serve,
    ingest,
    relate,
    train,
    evaluate,
    clusters,
    figures,
    explain,
    follow,
    check,
    analyze,
    mask,
    reprocess,
    timescales,
    export,
    why,
):
    app.command(cls=NamesRuns if command in (analyze, explain, export) else None)(command)
app.add_typer(find)
app.add_typer(agent)


def main() -> None:
    """Run the command line: errors that a person can act on are one line, and the exit code is 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        app()
    except AinerdError as error:
        _complain(str(error))
    except TOMLDecodeError as error:
        _complain(f"ainerd.toml is not valid TOML: {error}")
    except ValueError as error:
        from pydantic import ValidationError  # here, because it takes long and `--help` shall not

        if not isinstance(error, ValidationError):
            raise
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        _complain(f"the settings (ainerd.toml or AINERD_ variables) do not make sense: {problems}")


def _complain(message: str) -> NoReturn:
    from rich.console import Console

    console = Console(stderr=True)
    console.print("[bold red]ainerd:[/]", end=" ")
    console.print(message, highlight=False, soft_wrap=True, markup=False)
    raise SystemExit(1) from None
