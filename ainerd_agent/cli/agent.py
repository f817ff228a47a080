"""`ainerd agent`: an agent that works through a queue server, and what people tell it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.options import CatalogOption, Model
from ainerd_agent.errors import CatalogError, SessionError

if TYPE_CHECKING:
    from ainerd_agent.agent.protocol import Agent
    from ainerd_agent.catalog import ModelResults
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import AgentSettings

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

SHOWN = 20
"""Suggestions in a list."""


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
    from ainerd_agent.agent.runners.queue import QueueRunner
    from ainerd_agent.agent.runners.queue_server import QueueServer
    from ainerd_agent.catalog import ModelIdentity
    from ainerd_agent.latent import Encoder
    from ainerd_agent.settings import Settings

    settings = Settings()
    given = settings.agent
    if given is None:
        raise SessionError(
            "where the agent may go is not known: write a table [agent] with x and y into ainerd.toml, each the lowest "
            "and the highest position in mm"
        )
    manager = None if given.queue is None else _manager(given.queue)
    if manager is None and mode is not Mode.suggest:
        raise SessionError(f"the mode {mode} needs a queue server: set queue under [agent], or use --mode suggest")
    console = Console(stderr=True)
    encoder = Encoder.load(settings.model)
    identity = ModelIdentity(name=encoder.name, weights_sha256=encoder.weights_sha256, n_clusters=len(encoder.clusters))
    with open_catalog(catalog, create=True) as root:
        results, writer = root.model_for(identity), root.spooled_writer(identity, spool)
        chooser = _agent(results, name, given, encoder, seed, console)
        runner = QueueRunner(
            results,
            chooser,
            None if manager is None else QueueServer(manager, given.plan),
            writer.record_suggestion,
            mode=mode.value,
            patience=patience,
            say=lambda text: console.print(f"{datetime.now():%H:%M:%S}  {text}", highlight=False, markup=False),
        )
        try:
            reason = runner.run()
        except KeyboardInterrupt:
            reason = f"interrupted; `ainerd agent run {name}` goes on"
        writer.flush()
    console.print(f"The agent ends: {reason}.", highlight=False, markup=False, soft_wrap=True)


@agent.command("list")
def list_suggestions(
    name: Annotated[str | None, typer.Argument(metavar="AGENT", help="Only those of this agent.")] = None,
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for a decision.")] = False,
) -> None:
    """Show the last suggestions and what became of them."""
    from ainerd_agent.catalog.read.suggestions import waiting as those_waiting

    with open_catalog(catalog) as root:
        rows = root.model(model).suggestions(agent=name)
    proposed = those_waiting(rows) if waiting else rows[rows["event"] == "proposed"]
    last = rows.groupby("suggestion_id").last()
    table = Table(box=None)
    for heading in ("suggestion", "proposed", "x", "y", "expected", "state", "found", "note"):
        table.add_column(heading, justify="right" if heading in ("x", "y", "expected", "found") else "left")
    for row in proposed.tail(SHOWN).to_dict("records"):
        end = last.loc[row["suggestion_id"]]
        table.add_row(
            row["suggestion_id"],
            f"{datetime.fromtimestamp(row['time'], UTC):%m-%d %H:%M:%S}",
            f"{end['x']:.2f}",
            f"{end['y']:.2f}",
            f"{row['expected_novelty']:.1f} ± {row['uncertainty']:.1f}",
            "waits" if end["event"] == "proposed" else str(end["event"]),
            "" if end["event"] != "measured" else f"{end['novelty']:.1f}",
            str(end.get("note") or ""),
        )
    console = Console()
    console.width = max(120, console.width)
    console.print(table, markup=False)


@agent.command()
def approve(suggestion: Id, catalog: CatalogOption = "ainerd-session", model: Model = None, note: Note = "") -> None:
    """Let a suggestion be measured."""
    from ainerd_agent.agent.lifecycle import approval

    with open_catalog(catalog) as root:
        _told("approved", approval.approve(root.model(model), suggestion, note=note))


@agent.command()
def reject(suggestion: Id, catalog: CatalogOption = "ainerd-session", model: Model = None, note: Note = "") -> None:
    """Refuse a suggestion; its spot is not suggested again."""
    from ainerd_agent.agent.lifecycle import approval

    with open_catalog(catalog) as root:
        _told("rejected", approval.reject(root.model(model), suggestion, note=note))


@agent.command()
def edit(
    suggestion: Id,
    x: Annotated[float, typer.Option(help="mm")],
    y: Annotated[float, typer.Option(help="mm")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    note: Note = "",
) -> None:
    """Let it be measured elsewhere instead, within the agent's limits."""
    from ainerd_agent.agent.lifecycle import approval

    with open_catalog(catalog) as root:
        _told("edited", approval.edit(root.model(model), suggestion, x, y, note=note))


@agent.command()
def ask(
    name: Name,
    what: Annotated[Request, typer.Argument(help="To pause, resume or stop, or for another mode.")],
    catalog: CatalogOption = "ainerd-session",
    model: Model = None,
    note: Note = "",
) -> None:
    """Ask a running agent to pause, resume, stop, or for another mode."""
    with open_catalog(catalog) as root:
        root.model(model).request(name, what.value, note=note)
    print(f"asked {name} to {what.value}")


def _told(what: str, suggestion: Any) -> None:
    x, y = suggestion.position["x"], suggestion.position["y"]
    print(f"{suggestion.id} is {what}: ({x:.2f}, {y:.2f}) mm")


def _manager(address: str) -> Any:
    """The queue server's client."""
    try:
        from bluesky_queueserver_api import http, zmq
    except ImportError as error:
        raise SessionError("the queue server's client is not installed: pip install 'ainerd-agent[queue]'") from error

    if address.startswith(("http://", "https://")):
        return http.REManagerAPI(http_server_uri=address)
    if address.startswith("tcp://"):
        return zmq.REManagerAPI(zmq_control_addr=address)
    raise SessionError(f"the queue server is at {address!r}: write tcp://host:60615 or http://host:60610")


def _agent(
    results: ModelResults, name: str, given: AgentSettings, encoder: Encoder, seed: int | None, console: Console
) -> Agent:
    """The agent as it was when it ended, or a new one."""
    from ainerd_agent.agent.lifecycle.restore import restored
    from ainerd_agent.agent.strategies.from_settings import agent_from_settings
    from ainerd_agent.catalog.read.suggestions import UnknownAgentError

    asked = agent_from_settings(
        given, model=encoder.name, repeatability=encoder.repeatability, seed=seed or 0, name=name
    )
    try:
        found = restored(results, name)
    except UnknownAgentError:
        return asked
    made = found.settings.get("chooser", found.settings)  # of another strategy, what it has in common
    others = [
        f"{key} {made[key]}, not {value}"
        for key, value in asked.settings.items()
        if key in made and key != "agent" and made[key] != value and not (key == "seed" and seed is None)
    ]
    if others:
        raise CatalogError(
            f"Agent {name} was made with {'; '.join(others)}: put that back into ainerd.toml, or give the new values "
            "to an agent of another name."
        )
    console.print(f"Going on with agent {name}, a {found.settings['agent']}.", highlight=False, markup=False)
    return found
