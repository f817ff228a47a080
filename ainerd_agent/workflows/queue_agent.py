"""An agent that works through a queue server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ainerd_agent.agent.lifecycle.restore import restored
from ainerd_agent.agent.runners.queue import Mode, QueueRunner
from ainerd_agent.agent.runners.queue_server import QueueServer
from ainerd_agent.agent.strategies.from_settings import agent_from_settings
from ainerd_agent.catalog import Catalog, ModelResults, UnknownAgentError
from ainerd_agent.catalog.write.agents import Presence
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.latent import Encoder
from ainerd_agent.settings import AgentSettings, Settings
from ainerd_agent.workflows.model_at_work import ModelAtWork

if TYPE_CHECKING:
    from ainerd_agent.agent.protocol import Agent
    from ainerd_agent.agent.runners.queue_server import Manager


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAgent:
    """How an agent works, and what it works with.

    Attributes
    ----------
    settings : AgentSettings
        Where it may go, and what it seeks.
    encoder : Encoder
        Whose latents it learns from.
    manager : Manager or None
        The client of the queue server.
    mode : {"suggest", "ask", "automatic"}
        Only suggest, ask for approval of each suggestion, or measure them at once. It is the highest, too: people may
        ask for a lower one through the catalog, not for more.
    seed : int, optional
        Of a new agent's choices, 0 by default. One that goes on keeps its own.
    patience : float
        Seconds to wait for the results of a measurement.
    spool : Path
        Folder for what cannot be written while the catalog is away.
    """

    settings: AgentSettings
    encoder: Encoder
    manager: Manager | None = None
    mode: Mode = "ask"
    seed: int | None = None
    patience: float = 120.0
    spool: Path = Path("ainerd-unsent")

    @classmethod
    def from_settings(cls, settings: Settings, *, mode: Mode = "ask", **options: Any) -> Self:
        """As the table [agent] says, with the model of the settings; `options` are the other attributes.

        Raises
        ------
        SessionError
            There is no such table, or no queue server for a mode that needs one; or its axes, samples and regions do
            not go together.
        ModelError
            The model cannot be loaded.
        """
        given = settings.agent
        if given is None:
            raise SessionError(
                "where the agent may go is not known: write a table [agent] with x and y into ainerd.toml, each the "
                "lowest and the highest position in mm, or with other axes"
            )
        try:
            agent_from_settings(given, model="", repeatability=1.0)
        except ValueError as error:
            raise SessionError(f"the agent of the table [agent] cannot be made: {error}") from error
        manager = None if given.queue is None else queue_manager(given.queue)
        if manager is None and mode != "suggest":
            raise SessionError(
                f"the mode {mode} needs a queue server: set queue under [agent], or choose the mode suggest"
            )
        return cls(settings=given, encoder=Encoder.load(settings.model), manager=manager, mode=mode, **options)


def run_queue_agent(catalog: Catalog, name: str, agent: QueueAgent, *, say: Callable[[str], None]) -> str:
    """Suggest where to measure, bring it through the queue server, and learn from the results in the catalog.

    Parameters
    ----------
    catalog : Catalog
        The analysis of the runs must write to it, wherever that goes on.
    name : str
        A new agent, or one to go on with after its process ended: it makes the suggestion that it would have made.
    agent : QueueAgent
    say : callable
        Told what happens, in words.

    Returns
    -------
    str
        Why it ended. An interrupt from the keyboard is a reason too.

    Raises
    ------
    AgentRunsError
        An agent of this name runs already.
    CatalogError
        The agent was made with other settings; or see `ModelAtWork.begin`.

    Examples
    --------
    >>> agent = QueueAgent.from_settings(Settings(), mode="suggest")  # doctest: +SKIP
    >>> run_queue_agent(catalog, "night", agent, say=print)  # doctest: +SKIP
    """
    model = ModelAtWork.begin(catalog, agent.encoder)
    presence = Presence(model.results.container, name, agent.mode)
    writer = model.spooled_writer(agent.spool)
    reason = "it failed"
    try:
        runner = QueueRunner(
            model.results,
            new_or_restored(model.results, name, agent, say=say),
            None if agent.manager is None else QueueServer(agent.manager, agent.settings.plan),
            writer.record_suggestion,
            mode=agent.mode,
            presence=presence,
            patience=agent.patience,
            say=say,
        )
        reason = runner.run()
    except KeyboardInterrupt:
        reason = f"interrupted; `ainerd agent run {name}` goes on"
    finally:
        writer.flush()
        with suppress(CatalogError):  # then it counts as dead, which is as true
            presence.end(reason)
    return reason


def stop_now(name: str, manager: Manager, *, say: Callable[[str], None]) -> None:
    """Stop the queue and the plan that runs at once, and take out of the queue what an agent put into it.

    It asks nobody: neither for approval nor for a role, and needs no catalog.

    Parameters
    ----------
    name : str
        Of the agent.
    manager : Manager
        The client of the queue server.
    say : callable
        Told what was done, in words.

    Raises
    ------
    QueueError
        The queue server refuses.
    TimeoutError
        It does not answer, or the plan does not end.
    """
    done = QueueServer(manager).abort(name)
    for each in done or ["nothing was under way"]:
        say(each)


def new_or_restored(results: ModelResults, name: str, agent: QueueAgent, *, say: Callable[[str], None]) -> Agent:
    """The agent as it was when it ended, or a new one.

    Raises
    ------
    CatalogError
        It was made with other settings than these.
    """
    encoder = agent.encoder
    asked = agent_from_settings(
        agent.settings, model=encoder.name, repeatability=encoder.repeatability, seed=agent.seed or 0, name=name
    )
    try:
        found = restored(results, name)
    except UnknownAgentError:
        return asked
    made = found.settings.get("chooser", found.settings)  # of another strategy, what it has in common
    others = [
        f"{key} {made[key]}, not {value}"
        for key, value in asked.settings.items()
        if key in made and key != "agent" and made[key] != value and not (key == "seed" and agent.seed is None)
    ]
    if others:
        raise CatalogError(
            f"Agent {name} was made with {'; '.join(others)}: put that back into ainerd.toml, or give the new values "
            "to an agent of another name."
        )
    say(f"Going on with agent {name}, a {found.settings['agent']}.")
    return found


def queue_manager(address: str) -> Any:
    """The client of a queue server, by tcp://host:60615 or http://host:60610.

    Raises
    ------
    SessionError
        Another address, or the client is not installed.
    """
    try:
        from bluesky_queueserver_api import http, zmq
    except ImportError as error:
        raise SessionError("the queue server's client is not installed: pip install 'ainerd-agent[queue]'") from error

    if address.startswith(("http://", "https://")):
        return http.REManagerAPI(http_server_uri=address)
    if address.startswith("tcp://"):
        return zmq.REManagerAPI(zmq_control_addr=address)
    raise SessionError(f"the queue server is at {address!r}: write tcp://host:60615 or http://host:60610")
