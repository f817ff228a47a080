"""`ainerd agent`: an agent that works through a queue server, and what people tell it."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ainerd_agent.cli.options import CatalogOption, Model, open_catalog
from ainerd_agent.cli.tables import agent_table, suggestion_table, wide_console, write_line

if TYPE_CHECKING:
    from ainerd_agent.records import Suggestion

agent = typer.Typer(
    name="agent",
    no_args_is_help=True,
    help="""Let an agent choose where to measure, and decide about what it suggests.

    [bold]ainerd agent run NAME[/bold] goes on until it is stopped; the other commands work from anywhere, because all
    of it goes through the catalog. Where it may go is in the table \\[agent] of ainerd.toml.
    """,
)

Id = Annotated[str, typer.Argument(metavar="SUGGESTION", help="Its identifier, or the beginning of it.")]
Name = Annotated[str, typer.Argument(metavar="AGENT", help="Its name.")]
Note = Annotated[str, typer.Option(help="Who says so, and why: kept with it.")]


class Mode(StrEnum):
    """What becomes of suggestions."""

    suggest = "suggest"
    ask = "ask"
    automatic = "automatic"


class Request(StrEnum):
    """What a running agent can be asked for."""

    pause = "pause"
    resume = "resume"
    stop = "stop"
    suggest = "suggest"
    ask = "ask"
    automatic = "automatic"


@agent.command()
def run(
    name: Annotated[str, typer.Argument(help="A new agent, or one to go on with after its process ended.")],
    catalog: CatalogOption = "ainerd-session",
    mode: Annotated[
        Mode, typer.Option(help="Only suggest, ask for approval of each suggestion, or measure them at once.")
    ] = Mode.ask,
    seed: Annotated[int | None, typer.Option(help="Of a new agent's choices; 0 by default.")] = None,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for the results of a measurement.")] = 120.0,
    spool: Annotated[Path, typer.Option(help="Folder for what cannot be written while the catalog is away.")] = Path(
        "ainerd-unsent"
    ),
) -> None:
    """Suggest where to measure, bring it through the queue server, and learn from the results in the catalog.

    The analysis of the runs must go on somewhere: in the environment of the queue server (see profile/startup), or with
    ainerd analyze. Ctrl-C ends the agent; started again by the same name, it goes on with the suggestion that it would
    have made.
    """
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.queue_agent import QueueAgent, run_queue_agent

    console = Console(stderr=True)
    chosen = QueueAgent.from_settings(Settings(), mode=mode.value, seed=seed, patience=patience, spool=spool)

    def say(text: str) -> None:
        console.print(f"{datetime.now():%H:%M:%S}  {text}", highlight=False, markup=False)

    with open_catalog(catalog, create=True) as opened:
        reason = run_queue_agent(opened, name, chosen, say=say)
    write_line(console, f"The agent ends: {reason}.")


@agent.command("list")
def list_suggestions(
    name: Annotated[str | None, typer.Argument(metavar="AGENT", help="Only those of this agent.")] = None,
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for a decision.")] = False,
) -> None:
    """Show which agents run, wait, are paused or dead, and the last suggestions and what became of them."""
    from ainerd_agent.catalog.read.suggestions import waiting as those_waiting

    with open_catalog(catalog) as opened:
        results = opened.model(model)
        agents = [each for each in results.agents() if name in (None, each[0].agent)]
        if agents:
            wide_console().print(agent_table(agents), markup=False)
        rows = results.suggestions(agent=name)
    proposed = those_waiting(rows) if waiting else rows[rows["event"] == "proposed"]
    wide_console().print(suggestion_table(proposed, rows.groupby("suggestion_id").last()), markup=False)


@agent.command()
def approve(suggestion: Id, catalog: CatalogOption = "ainerd-session", model: Model = None, note: Note = "") -> None:
    """Let a suggestion be measured."""
    from ainerd_agent.agent.lifecycle import approval

    with open_catalog(catalog) as opened:
        _told("approved", approval.approve(opened.model(model), suggestion, note=note))


@agent.command()
def reject(suggestion: Id, catalog: CatalogOption = "ainerd-session", model: Model = None, note: Note = "") -> None:
    """Refuse a suggestion; its spot is not suggested again."""
    from ainerd_agent.agent.lifecycle import approval

    with open_catalog(catalog) as opened:
        _told("rejected", approval.reject(opened.model(model), suggestion, note=note))


@agent.command()
def edit(
    suggestion: Id,
    x: Annotated[float | None, typer.Option(help="Short for --at x=...")] = None,
    y: Annotated[float | None, typer.Option(help="Short for --at y=...")] = None,
    at: Annotated[
        list[str] | None, typer.Option(help="AXIS=VALUE, in the unit of the axis; once for each axis.")
    ] = None,
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    note: Note = "",
) -> None:
    """Let it be measured elsewhere instead, within the agent's limits; axes that are not named stay where they are."""
    from ainerd_agent.agent.lifecycle import approval

    position = _position(
        [*(f"{name}={value}" for name, value in (("x", x), ("y", y)) if value is not None), *(at or ())]
    )
    with open_catalog(catalog) as opened:
        _told("edited", approval.edit(opened.model(model), suggestion, position, note=note))


@agent.command()
def ask(
    name: Name,
    what: Annotated[Request, typer.Argument(help="To pause, resume or stop, or for another mode.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    note: Note = "",
) -> None:
    """Ask a running agent to pause, resume, stop, or for another mode."""
    with open_catalog(catalog) as opened:
        opened.model(model).request(name, what.value, note=note)
    print(f"asked {name} to {what.value}")


@agent.command()
def stop(
    name: Name,
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    note: Note = "",
    now: Annotated[
        bool, typer.Option("--now", help="Stop the queue, abort the plan that runs, and take out the agent's items.")
    ] = False,
    queue: Annotated[
        str | None, typer.Option(help="The queue server, as tcp://host:60615; by default that of [agent].")
    ] = None,
) -> None:
    """Ask an agent to stop before its next suggestion; with --now, end what it does at once.

    --now needs neither approval nor the catalog: it asks the queue server first.
    """
    from ainerd_agent.errors import AinerdError, SessionError

    console = Console(stderr=True)
    if now:
        from ainerd_agent.settings import Settings
        from ainerd_agent.workflows.queue_agent import queue_manager, stop_now

        address = queue
        if address is None:
            given = Settings().agent
            address = None if given is None else given.queue
        if address is None:
            raise SessionError("which queue server to stop is not known: give --queue, or set queue under [agent]")
        stop_now(name, queue_manager(address), say=lambda text: write_line(console, text))
    try:
        with open_catalog(catalog) as opened:
            opened.model(model).request(name, "stop", note=note)
    except AinerdError as error:
        if not now:
            raise
        write_line(console, f"{error} So the agent could not be asked to stop: end its process (Ctrl-C).")
        raise typer.Exit(1) from error
    print(f"asked {name} to stop")


def _position(given: list[str]) -> dict[str, float]:
    """Values by axis, from AXIS=VALUE."""
    found: dict[str, float] = {}
    for each in given:
        axis, _, value = each.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not axis or not math.isfinite(number):
            raise typer.BadParameter(f"{each!r} is no AXIS=VALUE, such as temperature=300", param_hint="--at")
        if axis in found:
            raise typer.BadParameter(f"the axis {axis} is given twice", param_hint="--at")
        found[axis] = number
    if not found:
        raise typer.BadParameter("say where to measure instead: give at least one AXIS=VALUE", param_hint="--at")
    return found


def _told(what: str, suggestion: Suggestion) -> None:
    from ainerd_agent.records.in_words import place

    print(f"{suggestion.id} is {what}: {place(suggestion.position, suggestion.units)}")
