"""Suggestions through a queue server: they wait for approval where that is asked for, and run as items of its queue.

What people decide, and what they ask of the agent, they write to the catalog (`lifecycle.approval`,
`catalog.write.requests`). So any process may do it, no decision is lost where the agent is away, and all of it can be
read later.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from ainerd_agent.agent.lifecycle.decisions import Decisions
from ainerd_agent.agent.lifecycle.open_suggestions import OpenSuggestion
from ainerd_agent.agent.protocol import Agent, NoSuggestionError, Record
from ainerd_agent.agent.runners.queue_server import SUGGESTION_KEY, QueueError, QueueServer
from ainerd_agent.agent.space import LimitError
from ainerd_agent.catalog import ModelResults
from ainerd_agent.catalog.schema import REQUESTS
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import Suggestion
from ainerd_agent.records.in_words import place

_log = logging.getLogger(__name__)

Mode = Literal["suggest", "ask", "automatic"]
"""Only suggest, ask for approval of each suggestion, or run them at once."""


class QueueRunner:
    """Brings one suggestion after the other through a queue server, and what came of it back to the agent.

    A measurement is known by its results in the catalog: the analysis runs where the queue server does, or anywhere
    else. Where they do not come in time, the measurement counts as failed, and the agent goes on with what it knows.

    Parameters
    ----------
    results : ModelResults
        Of the latent model of the agent.
    agent : Agent
        A new one of any strategy, or one from `lifecycle.restore.restored`: it goes on with the item that it had in
        the queue.
    server : QueueServer or None
        None where the mode is "suggest" and stays so.
    record : Record
    mode : {"suggest", "ask", "automatic"}
        To begin with; people may ask for another one.
    patience : float
        Seconds until the results must be in the catalog, after the end of the run.
    say : callable, optional
        Told what happens, in words.

    Attributes
    ----------
    mode : str
        What becomes of suggestions now.
    paused : bool
        Whether nothing new is suggested or put into the queue.
    open : OpenSuggestion or None
        What is waited for.
    """

    def __init__(
        self,
        results: ModelResults,
        agent: Agent,
        server: QueueServer | None,
        record: Record,
        *,
        mode: Mode = "ask",
        patience: float = 120.0,
        say: Callable[[str], None] = _log.info,
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"the mode is {mode!r}, not one of {', '.join(get_args(Mode))}")
        if server is None and mode != "suggest":
            raise ValueError(f"the mode {mode!r} needs a queue server; without one, an agent can only suggest")
        if not agent.model:
            raise ValueError(f"agent {agent.name} has no latent model: make it with the name of one")
        if agent.model != results.name:
            raise ValueError(f"the agent suggests for the model {agent.model!r}, and is to learn from {results.name!r}")
        self.agent = agent
        self.mode: Mode = mode
        self.paused = False
        self._results, self._record, self._server = results, record, server
        self._patience = patience
        self._say = say
        self.open: OpenSuggestion | None = None
        self._told: set[str] = set()
        self._decisions = Decisions(results, agent.name)

    def run(self, *, period: float = 1.0, sleep: Callable[[float], Any] = time.sleep) -> str:
        """Go on until there is a reason to end, and give it. A server that is away is waited for.

        Parameters
        ----------
        period : float
            Seconds between looks at the queue and the catalog.
        """
        while True:
            try:
                reason = self.step()
            except QueueError as error:
                self.paused = True
                self._say(f"{error} The agent pauses; put that right, and ask it to resume.")
                reason = ""
            except (AinerdError, TimeoutError, OSError) as error:
                self._once(f"{error} Waiting.")
                reason = ""
            else:
                self._told.clear()
            if reason:
                return reason
            sleep(period)

    def step(self) -> str:
        """Look once at the catalog and the queue, and do what there is to do.

        Returns
        -------
        str
            Why to end; empty where it goes on.

        Raises
        ------
        QueueError
            The queue server refuses the item. The suggestion stays open.
        CatalogError
            The catalog cannot be read.
        """
        self._decisions.read()
        self._heed_requests()
        if (reason := self.agent.should_stop()) and (self.open is None or not self.open.item):
            return reason
        if self.open is None:
            if self.paused:
                return ""
            try:
                suggestion = self.agent.suggest()
            except NoSuggestionError as error:
                return str(error)
            self._record(suggestion, "proposed")
            self.open = OpenSuggestion(suggestion)
            self.open.item = self._decisions.item_of(suggestion.id)  # of an earlier process
            self._say(f"{suggestion.id}: {_place(suggestion)}: {suggestion.reason}")
            if self.mode != "automatic":
                return ""
        self._advance(self.open)
        return ""

    def _advance(self, waited: OpenSuggestion) -> None:
        if not waited.item and not waited.raw_uid:
            self._act_on_decision(waited)
        elif waited.item and not waited.raw_uid:
            self._look_at_item(waited)
        if self.open is waited and waited.raw_uid:
            self._learn(waited)

    def _act_on_decision(self, waited: OpenSuggestion) -> None:
        """Act on what was decided, if anything was."""
        decision = self._decisions.of(waited.suggestion.id)
        if decision is not None and decision.event == "rejected":
            self._withdraw(waited, "was rejected")
            return
        if decision is not None and decision.event == "edited":
            try:
                waited.suggestion = self.agent.edit(waited.suggestion, decision.position)
            except LimitError as error:
                self._record(waited.suggestion, "rejected", note=str(error))
                self._withdraw(waited, f"was edited beyond the limits: {error}")
                return
        if self.mode == "suggest":
            self._measured_by_hand(waited)
        elif (decision is not None or self.mode == "automatic") and not self.paused and waited.is_due():
            self._queue(waited)

    def _queue(self, waited: OpenSuggestion) -> None:
        server = self._needed_server()
        suggestion = waited.suggestion
        # An answer that was lost, or a process that ended: then it is there already.
        item = server.find(suggestion.id)
        if item is None:
            self.agent.limits.check(suggestion.position)
            item = server.add(suggestion)
            self._say(f"{suggestion.id}: in the queue")
        waited.item = str(item["item_uid"])
        self._record(suggestion, "queued", note=waited.item)
        self._start_queue()

    def _start_queue(self) -> None:
        if not self._needed_server().start():
            self._once("The queue server has no environment open: the item waits until somebody opens it.")

    def _look_at_item(self, waited: OpenSuggestion) -> None:
        """Look what became of an item of the queue."""
        item = self._needed_server().find(waited.suggestion.id)
        if item is None:
            self._record(waited.suggestion, "rejected", note="the item was removed from the queue")
            self._withdraw(waited, "was removed from the queue")
            return
        if not (result := item.get("result")):
            self._start_queue()
            return
        uids = list(result.get("run_uids") or ())
        if result["exit_status"] != "completed" or not uids:
            why = f"the plan ended as {result['exit_status']}: {_short(result)}"
            self._failed(waited, str(uids[0]) if uids else "", why)
            return
        waited.raw_uid, waited.since = str(uids[0]), time.monotonic()

    def _measured_by_hand(self, waited: OpenSuggestion) -> None:
        from tiled.queries import Key

        found = self._results.catalog.find_raw(Key(f"start.{SUGGESTION_KEY}") == waited.suggestion.id)
        if found:
            waited.raw_uid, waited.since = found[-1], time.monotonic()

    def _learn(self, waited: OpenSuggestion) -> None:
        analysis = self._results.analysis(waited.raw_uid, 1)
        if analysis is not None:
            try:
                self._heed_position(waited, analysis.origin.position)
                novelty = self.agent.ingest(waited.suggestion, analysis)
            except (LimitError, ValueError) as error:  # elsewhere, or of other bins: nothing to learn from
                self._failed(waited, waited.raw_uid, str(error))
                return
            self._record(waited.suggestion, "measured", raw_uid=waited.raw_uid, seq_num=1, novelty=novelty)
            self._say(f"{waited.suggestion.id}: novelty {novelty:.1f} found")
            self.open = None
        elif time.monotonic() - waited.since > self._patience:
            self._failed(waited, waited.raw_uid, f"no analysis within {self._patience:g} s")

    def _heed_position(self, waited: OpenSuggestion, measured: Mapping[str, float]) -> None:
        """Take note that it was measured elsewhere than it was suggested, as if somebody had edited it.

        Raises
        ------
        LimitError
            That is outside of the limits or forbidden.
        """
        suggested = waited.suggestion.position
        if self.agent.limits.is_elsewhere(measured, suggested):
            # An axis on which nothing was read is taken to have been where it was asked to go.
            there = {
                axis: value if math.isnan(at := measured.get(axis, math.nan)) else at
                for axis, value in suggested.items()
            }
            waited.suggestion = self.agent.edit(waited.suggestion, there)
            self._record(waited.suggestion, "edited", note="it was measured there")
            self._say(f"{waited.suggestion.id}: was measured elsewhere, at {_place(waited.suggestion)}")

    def _failed(self, waited: OpenSuggestion, raw_uid: str, why: str) -> None:
        self.agent.ingest(waited.suggestion, None)
        self._record(waited.suggestion, "failed", raw_uid=raw_uid, seq_num=1 if raw_uid else 0, note=why)
        self._say(f"{waited.suggestion.id}: failed: {why}")
        self.open = None

    def _withdraw(self, waited: OpenSuggestion, why: str) -> None:
        self.agent.withdraw(waited.suggestion)
        self._say(f"{waited.suggestion.id}: {why}")
        self.open = None

    def _heed_requests(self) -> None:
        """Do what people asked for, if it is on the list of what may be asked."""
        for asked in self._decisions.new_requests():
            if asked.what not in REQUESTS:
                _log.warning(
                    "Somebody asked agent %s to %r, which it does not do. It can be asked to %s.",
                    self.agent.name, asked.what, ", ".join(REQUESTS),
                )  # fmt: skip
                continue
            because = f": {asked.note}" if asked.note else ""
            self._say(f"asked to {asked.what}{because}")
            match asked.what:
                case "pause":
                    self.paused = True
                case "resume":
                    self.paused = False
                case "stop":
                    self.agent.stop(f"somebody asked to stop{because}")
                case "suggest" | "ask" | "automatic" as mode:
                    if self._server is None and mode != "suggest":
                        self._say(f"there is no queue server for the mode {mode}")
                    else:
                        self.mode = mode

    def _needed_server(self) -> QueueServer:
        if self._server is None:
            raise QueueError("There is no queue server.")
        return self._server

    def _once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._say(message)


def _short(result: Mapping[str, Any]) -> str:
    lines = str(result.get("msg") or result.get("traceback") or "no reason given").strip().splitlines()
    return lines[-1][:300] if lines else "no reason given"


def _place(suggestion: Suggestion) -> str:
    return place(suggestion.position, suggestion.units)
