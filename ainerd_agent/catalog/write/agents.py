"""Which agents run: each process says in the catalog that it lives, and no two have one name.

A process of an agent is a container `/agents/<model>/<agent>/<n>`, whose metadata it keeps up to date: at once where it
does something else, otherwise every `BEAT` seconds. To take the place of one that is dead, another makes the container
n + 1. Tiled makes only one of a key, so of two that start at once, one is refused.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from ainerd_agent.catalog.layout import address_of, child, ensure_container, root_of
from ainerd_agent.catalog.schema import AGENTS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.containers import set_metadata
from ainerd_agent.catalog.write.decisions import key_of
from ainerd_agent.errors import CatalogError
from ainerd_agent.records.agents import BEAT, AgentProcess


class AgentRunsError(CatalogError):
    """An agent of this name runs already, or has taken the place of this one."""


class Presence:
    """The signs of life of an agent: its process writes them to the catalog.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    name : str
        Of the agent.
    mode : str
        The highest that is allowed.

    Attributes
    ----------
    before : AgentProcess or None
        The process before this one.

    Raises
    ------
    AgentRunsError
        One of this name runs.
    """

    def __init__(self, model: Container, name: str, mode: str) -> None:
        self._address = address_of(model)
        with server_errors(self._address):
            parent = root_of(model)
            for key in (AGENTS, str(model.item["id"]), key_of(name)):
                parent = ensure_container(
                    parent, key, specs=[], metadata={"agent": name} if key == key_of(name) else {}
                )
            self._parent = parent
            self.before = _last(parent)
            if self.before is not None and _lives(self.before):
                raise _runs(self.before)
            now = time.time()
            self._told = AgentProcess(
                agent=name, number=1 if self.before is None else self.before.number + 1, token=uuid.uuid4().hex,
                machine=platform.node(), process=os.getpid(), started=now, seen=now, mode=mode, highest=mode,
                held="" if self.before is None else self.before.held,
            )  # fmt: skip
            self._node = self._begin()

    def tell(self, doing: str, **changes: Any) -> None:
        """Say what the agent does; written where that is new, or `BEAT` seconds after the last time.

        Raises
        ------
        AgentRunsError
            Another process has taken its place: it had counted as dead.
        """
        now, told = time.time(), replace(self._told, doing=doing, **changes)
        if told == self._told and now - told.seen < BEAT:
            return
        with server_errors(self._address):
            if child(self._parent, str(told.number + 1)) is not None:
                after = _last(self._parent)
                raise _runs(after if after is not None else told)
            told = replace(told, seen=now)
            set_metadata(self._node, _metadata(told))
        self._told = told

    def end(self, why: str) -> None:
        """Say that the agent ends in good order."""
        with server_errors(self._address):
            self._told = replace(self._told, doing="ended", why=why, seen=time.time())
            set_metadata(self._node, _metadata(self._told))

    def _begin(self) -> Any:
        from tiled.client.utils import ClientError

        key = str(self._told.number)
        try:
            return self._parent.create_container(key, metadata=_metadata(self._told), specs=[])
        except ClientError as error:
            if error.response.status_code != 409:
                raise
            node = self._parent[key]
            other = _process_of(node)
            if other.token != self._told.token:  # an answer that was lost
                raise _runs(other) from error
            return node


def processes(model: Container) -> Iterator[AgentProcess]:
    """The last process of each agent that works with a model."""
    with server_errors(address_of(model)):
        parent = child(root_of(model), AGENTS)
        parent = None if parent is None else child(parent, str(model.item["id"]))
        for agent in () if parent is None else parent.values():
            if (last := _last(agent)) is not None:
                yield last


def state_of(process: AgentProcess) -> str:
    """What a process does now: "running", "waiting", "paused", "ended", or "dead"."""
    return process.state(time.time(), known_dead=_gone(process))


def _lives(process: AgentProcess) -> bool:
    return state_of(process) not in ("dead", "ended")


def _gone(process: AgentProcess) -> bool:
    """Whether it is known that a process is no more: only on its own machine."""
    if process.machine != platform.node():
        return False
    try:
        os.kill(process.process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # a process of somebody else's: it lives
        return False
    return False


def _last(agent: Container) -> AgentProcess | None:
    numbers = [int(key) for key in agent if key.isdecimal()]
    return _process_of(agent[str(max(numbers))]) if numbers else None


def _process_of(node: Any) -> AgentProcess:
    told = dict(node.metadata_copy()[0])
    told["heeded"] = tuple((float(when), str(what)) for when, what in told.get("heeded", ()))
    return AgentProcess(**told)


def _metadata(process: AgentProcess) -> dict[str, Any]:
    return {**asdict(process), "heeded": [list(each) for each in process.heeded]}


def _runs(other: AgentProcess) -> AgentRunsError:
    return AgentRunsError(
        f"An agent {other.agent} runs already, as process {other.process} on {other.machine}: stop that one "
        f"(`ainerd agent stop {other.agent}`), or give this one another name."
    )
