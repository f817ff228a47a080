"""A queue server, asked for what suggestions need of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Suggestion

SUGGESTION_KEY = "agent_suggestion"
"""In the start document of a run: which suggestion it measures."""


class QueueError(AinerdError):
    """The queue server refuses an item."""


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

    def add(self, suggestion: Suggestion) -> Mapping[str, Any]:
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
            item: Mapping[str, Any] = self._manager.item_add(plan)["item"]
        return item

    def find(self, suggestion_id: str) -> Mapping[str, Any] | None:
        """The item of a suggestion: running, waiting, or done (then it has a "result"). As `add`."""
        with _answers():
            # The client keeps answers for half a second: an item that just ended would be in neither of two old ones.
            # In this order: what leaves the queue before it is read is in the history by then.
            queue, history = self._manager.queue_get(reload=True), self._manager.history_get(reload=True)
        items = [queue.get("running_item") or {}, *queue["items"], *reversed(history["items"])]
        return next((each for each in items if (each.get("meta") or {}).get(SUGGESTION_KEY) == suggestion_id), None)

    def start(self) -> bool:
        """Run the queue where it stands still and holds one item; False where no environment is open. As `add`."""
        with _answers():
            status = self._manager.status(reload=True)  # an old one would start the queue beside items of others
            if not status["worker_environment_exists"]:
                return False
            if status["manager_state"] == "idle" and status["items_in_queue"] == 1:
                self._manager.queue_start()
        return True


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
