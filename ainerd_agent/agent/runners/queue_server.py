"""A queue server, asked for what suggestions need of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Suggestion

SUGGESTION_KEY = "agent_suggestion"
"""In the start document of a run: which suggestion it measures."""


class QueueError(AinerdError):
    """The queue server refuses an item."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An item of the queue.

    Attributes
    ----------
    place : str
        "running", "waiting" or "done".
    uid : str
        Its own.
    result : mapping
        Of one that is done: "exit_status", "run_uids", "msg".
    """

    place: str
    uid: str
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """How it ended, and the last line of why."""
        told = str(self.result.get("msg") or self.result.get("traceback") or "").strip().splitlines()
        return f"the plan ended as {self.result.get('exit_status')}: {told[-1][:300] if told else 'no reason given'}"


class Manager(Protocol):
    """What is needed of a queue server: `bluesky_queueserver_api.zmq.REManagerAPI`, or that of `.http`."""

    def item_add(self, item: Any) -> Mapping[str, Any]:
        """Put an item at the end of the queue."""
        ...

    def queue_get(self, *, reload: bool = False) -> Mapping[str, Any]:
        """The items that wait, and the one that runs."""
        ...

    def history_get(self, *, reload: bool = False) -> Mapping[str, Any]:
        """The items that are done."""
        ...

    def status(self, *, reload: bool = False) -> Mapping[str, Any]:
        """What the manager does."""
        ...

    def queue_start(self) -> Mapping[str, Any]:
        """Run the queue."""
        ...

    def queue_stop(self) -> Mapping[str, Any]:
        """Stop the queue after the item that runs."""
        ...

    def item_remove(self, *, uid: str) -> Mapping[str, Any]:
        """Take an item out of the queue."""
        ...

    def re_pause(self, *, option: str) -> Mapping[str, Any]:
        """Pause the plan that runs."""
        ...

    def re_abort(self) -> Mapping[str, Any]:
        """Abort the plan that is paused."""
        ...


class QueueServer:
    """A queue server, in which the item of a suggestion is known by its metadata.

    Parameters
    ----------
    manager : Manager
    plan : str
        Name of the plan that measures at a position, one event in one run: it takes the names of the agent's axes, such
        as `x` and `y`, and `md`; and `counting`, in seconds, where the agent asks for an exposure of another length.
    arguments : mapping, optional
        Further keyword arguments of the plan.

    Raises
    ------
    ValueError
        The arguments have a name that each suggestion gives.
    """

    def __init__(self, manager: Manager, plan: str = "measure", arguments: Mapping[str, Any] | None = None) -> None:
        self._manager = manager
        self._plan, self._arguments = plan, dict(arguments or {})
        if "md" in self._arguments:
            raise ValueError("the suggestions give md to the plan: leave it out of its arguments")

    def add(self, suggestion: Suggestion) -> QueueItem:
        """Put a suggestion at the end of the queue; gives its item.

        Raises
        ------
        QueueError
            The server refuses it; or the arguments of the plan fix what it asks for: a position, or an exposure.
        TimeoutError
            It does not answer.
        """
        if taken := sorted(set(suggestion.position) & set(self._arguments)):
            raise QueueError(
                f"Suggestion {suggestion.id} gives {', '.join(taken)} to the plan, and so do its arguments: leave "
                "them out of these."
            )
        if not math.isnan(suggestion.counting) and "counting" in self._arguments:
            raise QueueError(
                f"Suggestion {suggestion.id} asks for {suggestion.counting:g} s of exposure, and the arguments of the "
                f"plan for {self._arguments['counting']} s: leave counting out of the arguments."
            )
        from bluesky_queueserver_api import BPlan

        about = {"agent": suggestion.agent, SUGGESTION_KEY: suggestion.id}
        about |= {name: told for name, told in (("sample", suggestion.sample), ("well", suggestion.well)) if told}
        counting = {} if math.isnan(suggestion.counting) else {"counting": suggestion.counting}
        plan = BPlan(self._plan, md=about, **suggestion.position, **counting, **self._arguments)
        plan.meta = {**about, "reason": suggestion.reason}
        with _answers():
            item = self._manager.item_add(plan)["item"]
        return QueueItem("waiting", str(item["item_uid"]))

    def find(self, suggestion_id: str) -> QueueItem | None:
        """The item of a suggestion. As `add`.

        One that has a result counts as done, also where the server has put it back into the queue, as it does with
        plans that failed or were aborted: whether they run again is for people to say.
        """
        with _answers():
            # The client keeps answers for half a second: an item that just ended would be in neither of two old ones.
            # In this order: what leaves the queue before it is read is in the history by then.
            queue, history = self._manager.queue_get(reload=True), self._manager.history_get(reload=True)
        running = queue.get("running_item") or {}
        places = (("running", [running]), ("done", [*reversed(history["items"])]), ("waiting", queue["items"]))
        return next(
            (
                QueueItem(place, str(each["item_uid"]), each.get("result") or {})
                for place, items in places
                for each in items
                if _about(each).get(SUGGESTION_KEY) == suggestion_id
            ),
            None,
        )

    def start(self) -> bool:
        """Run the queue where it stands still and holds one item; False where no environment is open. As `add`."""
        with _answers():
            status = self._manager.status(reload=True)  # an old one would start the queue beside items of others
            if not status["worker_environment_exists"]:
                return False
            if status["manager_state"] == "idle" and status["items_in_queue"] == 1:
                self._manager.queue_start()
        return True

    def abort(self, agent: str, *, patience: float = 30.0) -> list[str]:
        """Stop the queue, abort the plan that runs, and take out of the queue what an agent put into it.

        The plan that runs is aborted whoever put it there. Nothing is asked first, neither the catalog nor a role.

        Parameters
        ----------
        agent : str
            Its name.
        patience : float
            Seconds until the plan must have ended.

        Returns
        -------
        list of str
            What was done, in words.

        Raises
        ------
        QueueError
            The server refuses.
        TimeoutError
            It does not answer, or the plan does not end.
        """
        return [*self._stopped(time.monotonic() + patience), *self._without(agent)]

    def _stopped(self, deadline: float) -> Iterator[str]:
        with _answers():
            status = self._manager.status(reload=True)
            if status["manager_state"] == "executing_queue":
                self._manager.queue_stop()
                yield "the queue stops"
        asked = ""
        while True:
            with _answers():
                status = self._manager.status(reload=True)
                state, engine = status["manager_state"], status["re_state"]
                if state == "paused" and asked != "abort":
                    self._manager.re_abort()
                    asked = "abort"
                elif state == "executing_queue" and engine == "running" and not asked:
                    self._manager.re_pause(option="immediate")
                    asked = "pause"
                elif state not in ("executing_queue", "paused", "starting_queue", "executing_plan"):
                    break
            if time.monotonic() > deadline:
                raise TimeoutError(f"The plan has not ended: the queue server is {state}, the RunEngine {engine}.")
            time.sleep(0.05)
        if asked:
            yield "the plan was aborted" if asked == "abort" else "the plan came to its end"

    def _without(self, agent: str) -> Iterator[str]:
        with _answers():
            for each in self._manager.queue_get(reload=True)["items"]:
                if _about(each).get("agent") == agent:
                    self._manager.item_remove(uid=each["item_uid"])
                    yield f"item {_about(each).get(SUGGESTION_KEY)} was taken out of the queue"


def _about(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an agent wrote down with its item; the server puts one back after a failure with it."""
    return item.get("meta") or {}


@contextmanager
def _answers() -> Iterator[None]:
    """What the queue server says when it refuses, as our error; that it is away, as TimeoutError."""
    from bluesky_queueserver_api import comm_base

    try:
        yield
    except (comm_base.RequestFailedError, comm_base.RequestParameterError, comm_base.HTTPClientError) as error:
        raise QueueError(f"The queue server refuses: {' '.join(str(error).split()).rstrip('.')}.") from error
    except (comm_base.RequestTimeoutError, comm_base.HTTPRequestError, comm_base.HTTPServerError) as error:
        raise TimeoutError(f"The queue server does not answer ({type(error).__name__}).") from error
