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
from ainerd_agent.catalog.write.agents import AgentRunsError, Presence
from ainerd_agent.errors import AinerdError
from ainerd_agent.records import AgentRequest, Analysis, Decision, Suggestion
from ainerd_agent.records import life as lives
from ainerd_agent.records.in_words import place
from ainerd_agent.records.life import FINAL, REMOVED, TO_MEASURE, UNDECIDED, State

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
        To begin with, and the highest: people may ask for a lower one, and back, not for more.
    presence : Presence, optional
        By which others see that the agent lives. What was asked while it was down is known from the one before.
    patience : float
        Seconds until the results must be in the catalog, after the end of the run.
    say : callable, optional
        Told what happens, in words.

    Attributes
    ----------
    mode : str
        What becomes of suggestions now.
    held : str
        "pause" or "stop", where somebody asked for it: nothing new is suggested or put into the queue until somebody
        asks to resume. Empty otherwise.
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
        presence: Presence | None = None,
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
        self._highest: Mode = mode
        self._results, self._record, self._server = results, record, server
        self._patience, self._presence = patience, presence
        self._say = say
        self.open: OpenSuggestion | None = None
        self._told: set[str] = set()
        before = None if presence is None else presence.before
        self.held = "" if before is None else before.held
        self._decisions = Decisions(results, agent.name, () if before is None else before.heeded)
        for asked in self._decisions.new_requests():
            self._heed(asked, while_down=True)
        if self.held:
            self._say(f"somebody asked to {self.held} while it was down: it holds until somebody asks to resume")

    @property
    def paused(self) -> bool:
        """Whether nothing new is suggested or put into the queue."""
        return bool(self.held)

    def run(self, *, period: float = 1.0, sleep: Callable[[float], Any] = time.sleep) -> str:
        """Go on until there is a reason to end, and give it. A server that is away is waited for.

        Parameters
        ----------
        period : float
            Seconds between looks at the queue and the catalog.

        Raises
        ------
        AgentRunsError
            Another process of this name has taken its place.
        """
        while True:
            try:
                reason = self.step()
            except AgentRunsError:
                raise
            except QueueError as error:
                self.held = self.held or "pause"
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
            The queue server refuses the item. The suggestion stays open, and people may decide about it.
        CatalogError
            The catalog cannot be read.
        """
        self._decisions.read()
        for asked in self._decisions.new_requests():
            self._heed(asked)
        self._tell()
        if (reason := self.agent.should_stop()) and (self.open is None or not self.open.is_under_way):
            return reason
        if self.open is None:
            if self.held:
                return ""
            try:
                suggestion = self.agent.suggest()
            except NoSuggestionError as error:
                return str(error)
            self._propose(suggestion)
            if self.mode != "automatic":
                return ""
        if self.open is not None:
            self._advance(self.open)
        return ""

    def _propose(self, suggestion: Suggestion) -> None:
        """Begin the life of a suggestion, or go on with it where an earlier process left it."""
        waited = OpenSuggestion(suggestion, self._decisions.life(suggestion.id).state)
        self._happens(waited, lives.Proposed())
        self.open = waited
        self._say(f"{suggestion.id}: {_place(suggestion)}: {suggestion.reason}")
        self._ask(waited)

    def _ask(self, waited: OpenSuggestion) -> None:
        if self.mode == "ask" and waited.state is State.PROPOSED:
            self._happens(waited, lives.Waits())

    def _advance(self, waited: OpenSuggestion) -> None:
        if waited.raw_uid is not None:
            self._learn(waited, waited.raw_uid)
            return
        if waited.state in UNDECIDED:
            self._heed_decision(waited)
        if waited.is_under_way:
            self._look_at_item(waited)
        elif self.open is waited:
            self._bring_on(waited)

    def _heed_decision(self, waited: OpenSuggestion) -> None:
        """Act on what was decided, if anything was."""
        self._ask(waited)
        match self._decisions.held(waited.suggestion):
            case Decision(decision="approved"):
                self._happens(waited, lives.Approved())
            case Decision(decision="rejected"):
                self._happens(waited, lives.Rejected())
            case Decision(decision="edited", position=position):
                try:
                    self._happens(waited, lives.Edited(position))
                except LimitError as error:
                    self._happens(waited, lives.Withdrawn(f"it was edited beyond the limits: {error}"))
            case Decision(decision="queued") as settled if self.mode != "automatic" and self._server is not None:
                # An earlier process settled that, before or after it put it into the queue.
                if (item := self._server.find(waited.suggestion.id)) is None:
                    self._decisions.take_back(settled)
                else:
                    self._happens(waited, lives.Queued(item.uid))

    def _bring_on(self, waited: OpenSuggestion) -> None:
        """Have it measured, where it may be."""
        if self.mode == "suggest":
            self._look_for_run(waited)
        elif (waited.state in TO_MEASURE or self.mode == "automatic") and not self.held and waited.is_due():
            self._queue(waited)

    def _queue(self, waited: OpenSuggestion) -> None:
        server = self._needed_server()
        suggestion = waited.suggestion
        # An answer that was lost, or a process that ended: then it is there already.
        item = server.find(suggestion.id)
        if item is None:
            self.agent.limits.check(suggestion.position)
            settled = self._decisions.settle_queued(suggestion.id) if waited.state in UNDECIDED else None
            if waited.state in UNDECIDED and settled is None:
                return  # people decided just before: it is heeded at the next look
            try:
                item = server.add(suggestion)
            except QueueError:
                if settled is not None:  # it is in no queue for certain, so people may still decide
                    self._decisions.take_back(settled)
                raise
        self._happens(waited, lives.Queued(item.uid))
        self._start_queue()

    def _start_queue(self) -> None:
        if self.held or self.agent.should_stop():
            return
        if not self._needed_server().start():
            self._once("The queue server has no environment open: the item waits until somebody opens it.")

    def _look_at_item(self, waited: OpenSuggestion) -> None:
        """Look what became of an item of the queue."""
        item = self._needed_server().find(waited.suggestion.id)
        if item is None:
            if waited.state is State.QUEUED:
                self._happens(waited, lives.Withdrawn(REMOVED))
            else:
                self._happens(waited, lives.Failed("its item is neither in the queue nor in the history"))
            return
        if item.place == "waiting":
            self._start_queue()
        elif item.place == "running":
            if waited.state is State.QUEUED:
                self._happens(waited, lives.Exposing())
        else:
            uids = [str(uid) for uid in item.result.get("run_uids") or ()]
            if item.result["exit_status"] != "completed" or not uids:
                self._happens(waited, lives.Failed(item.failure), raw_uid=uids[0] if uids else "")
                return
            waited.await_results(uids[0])

    def _look_for_run(self, waited: OpenSuggestion) -> None:
        """Look whether somebody measured it by hand."""
        from tiled.queries import Key

        found = self._results.catalog.find_raw(Key(f"start.{SUGGESTION_KEY}") == waited.suggestion.id)
        if found:
            waited.await_results(found[-1])

    def _learn(self, waited: OpenSuggestion, raw_uid: str) -> None:
        analysis = self._results.analysis(raw_uid, 1)
        if analysis is None:
            if time.monotonic() - waited.since > self._patience:
                self._happens(waited, lives.Failed(f"no analysis within {self._patience:g} s"), raw_uid=raw_uid)
            return
        try:
            ended = analysis.origin.exposure.ended
            if ended not in ("", "planned") and waited.state is not State.ENDED_EARLY:
                self._happens(waited, lives.EndedEarly(raw_uid, ended), raw_uid=raw_uid)
            if (elsewhere := self._measured_elsewhere(waited, analysis.origin.position)) is not None:
                self._happens(waited, lives.Moved(elsewhere))
            self._happens(waited, lives.Measured(raw_uid, seq_num=1), raw_uid=raw_uid, analysis=analysis)
        except (LimitError, ValueError) as error:  # elsewhere, or of other bins: nothing to learn from
            self._happens(waited, lives.Failed(str(error)), raw_uid=raw_uid)

    def _measured_elsewhere(self, waited: OpenSuggestion, measured: Mapping[str, float]) -> dict[str, float] | None:
        """Where it was measured, if that is not where it was suggested."""
        suggested = waited.suggestion.position
        if not self.agent.limits.is_elsewhere(measured, suggested):
            return None
        # An axis on which nothing was read is taken to have been where it was asked to go.
        read = {axis: measured.get(axis, math.nan) for axis in suggested}
        return {axis: value if math.isnan(read[axis]) else read[axis] for axis, value in suggested.items()}

    def _happens(
        self, waited: OpenSuggestion, event: lives.Event, *, raw_uid: str = "", analysis: Analysis | None = None
    ) -> None:
        """Let something happen to a suggestion: the agent takes note, and the catalog.

        Raises
        ------
        LimitError
            It is to be moved to where the beam must not go. Nothing has happened then.
        ValueError
            The agent cannot learn from the results. Nothing has happened then.
        """
        taken = lives.step(waited.state, event)
        is_new, novelty = waited.state is not taken.state or isinstance(event, lives.Moved), math.nan
        for action in taken.actions:
            match action:
                case lives.Move(position):
                    waited.suggestion = self.agent.edit(waited.suggestion, position)
                case lives.Learn():
                    novelty = self.agent.ingest(waited.suggestion, analysis)
                case lives.LearnFailure():
                    self.agent.ingest(waited.suggestion, None)
                case lives.Forget():
                    self.agent.withdraw(waited.suggestion)
        waited.state = taken.state
        # Who decided has written it down; a restart proposes once more what is written down already.
        if is_new and not isinstance(event, lives.Approved | lives.Edited | lives.Rejected):
            note = lives.note_of(event)
            self._record(
                waited.suggestion, lives.name_of(event), raw_uid=raw_uid, seq_num=1 if raw_uid else 0, novelty=novelty,
                note=note,
            )  # fmt: skip
            if not isinstance(event, lives.Proposed | lives.Waits):
                found = f": novelty {novelty:.1f} found" if isinstance(event, lives.Measured) else ""
                self._say(f"{waited.suggestion.id}: {lives.name_of(event)}{f': {note}' if note else found}")
        elif is_new:
            self._say(f"{waited.suggestion.id}: {lives.name_of(event)}")
        if waited.state in FINAL and self.open is waited:
            self.open = None

    def _heed(self, asked: AgentRequest, *, while_down: bool = False) -> None:
        """Do what people asked for, if it is on the list of what may be asked."""
        if asked.what not in REQUESTS:
            _log.warning(
                "Somebody asked agent %s to %r, which it does not do. It can be asked to %s.",
                self.agent.name, asked.what, ", ".join(REQUESTS),
            )  # fmt: skip
            return
        because = f": {asked.note}" if asked.note else ""
        self._say(f"asked to {asked.what}{because}")
        match asked.what:
            case "resume":
                self.held = ""
            case "stop" if not while_down:
                self.agent.stop(f"somebody asked to stop{because}")
            case "pause" | "stop" as what:
                self.held = what
            case "suggest" | "ask" | "automatic" as mode:
                self._lower(mode)

    def _lower(self, mode: Mode) -> None:
        modes = get_args(Mode)
        if modes.index(mode) > modes.index(self._highest):
            self._say(
                f"the mode {mode} is refused: who started this agent allows {self._highest} at most. It stays with "
                f"{self.mode}; start it with --mode {mode} to allow more"
            )
        else:
            self.mode = mode

    def _tell(self) -> None:
        if self._presence is not None:
            undecided = self.open is not None and self.open.state in UNDECIDED and self.mode != "automatic"
            doing = "paused" if self.held else "waiting" if undecided else "running"
            self._presence.tell(doing, mode=self.mode, held=self.held, heeded=self._decisions.heeded)

    def _needed_server(self) -> QueueServer:
        if self._server is None:
            raise QueueError("There is no queue server.")
        return self._server

    def _once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._say(message)


def _place(suggestion: Suggestion) -> str:
    return place(suggestion.position, suggestion.units)
