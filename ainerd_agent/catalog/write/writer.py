"""Writing what was derived from runs: C2 maps, points, failures, and the agent's suggestions."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ainerd_agent.catalog.codec.suggestions import suggestion_table
from ainerd_agent.catalog.layout import address_of
from ainerd_agent.catalog.server_errors import ServerUnreachableError, server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.catalog.write.containers import model_container
from ainerd_agent.catalog.write.lock import Turns
from ainerd_agent.catalog.write.maps import MapsStore
from ainerd_agent.catalog.write.other_models import withdraw_elsewhere
from ainerd_agent.catalog.write.points import PointsStore, finish_points
from ainerd_agent.catalog.write.suggestions import SuggestionsStore
from ainerd_agent.records import Analysis, Events, Fingerprints, Run, Suggestion, SuggestionEvent
from ainerd_agent.records.analysis import ModelIdentity

FINAL_STATUSES = ("success", "abort", "fail")


def check_model(root_client: Container, model: ModelIdentity) -> None:
    """Make sure that the catalog has a place for results of a model, and that its name means these weights.

    Raises
    ------
    CatalogError
        The name belongs to other weights, or the server does not answer.
    """
    with server_errors(address_of(root_client)):
        model_container(root_client, model)


def _check_run(raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
    if any(f.origin.raw_uid != raw_uid for f in fingerprints) or any(a.origin.raw_uid != raw_uid for a in analyses):
        raise ValueError(f"not all measurements are of run {raw_uid}")


class DerivedWriter:
    """Write derived data to a Tiled server, from one thread at a time.

    Everything is idempotent. What is there already stays as it is, so an analysis that was interrupted goes on where
    it stopped, and one that is repeated changes nothing. Several processes may write the same run: they take turns.

    Parameters
    ----------
    root_client : tiled Container
        From `connect`.
    model : ModelIdentity
        The latent model that the analyses come from.
    turns : Turns, optional
        Those of another writer of the same thread; by default its own.

    Raises
    ------
    ServerUnreachableError
        By every method but `open_run`: no server answers. The same call may be repeated later.
    CatalogError
        By every method but `open_run`: the server refuses, or the records do not fit the stored ones.
    """

    def __init__(self, root_client: Container, *, model: ModelIdentity, turns: Turns | None = None) -> None:
        self.model = model
        self._root = root_client
        self._address = address_of(root_client)
        self._runs: dict[str, Run] = {}
        self._stores: dict[str, tuple[MapsStore, PointsStore]] = {}
        self._named: dict[str, set[str]] = {}
        """By run, what has no column in its points."""
        self._suggestions: SuggestionsStore | None = None
        self._turns = Turns(root_client) if turns is None else turns

    def for_model(self, model: ModelIdentity) -> DerivedWriter:
        """Give a writer to the same server for the results of another model, or of other parameters."""
        # A turn that could not be given back is as much the other's.
        return type(self)(self._root, model=model, turns=self._turns)

    def open_run(self, run: Run) -> None:
        """Announce a run. Nothing is written before its first measurement or failure."""
        self._runs.setdefault(run.uid, run)

    def append(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Add measurements of a run that is open, as many as there are; those already there are left as they are.

        Parameters
        ----------
        fingerprints, analyses : sequence
            Of the same measurements, in the same order.
        """
        _check_run(raw_uid, fingerprints, analyses)
        with self._stores_of(raw_uid) as (maps, points):
            # In this order: nobody shall read points whose maps are not there.
            maps.append(fingerprints)
            points.append(fingerprints, analyses)

    def replace(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Put measurements in the place of earlier ones of the same events: a plan was rewound, and repeated them.

        Those that are not there yet are added, as by `append`. What other models found in the earlier ones is taken
        away: their maps are no longer there. Wherever this is interrupted, it can be repeated.

        Parameters
        ----------
        fingerprints, analyses : sequence
            Of the same measurements, in the same order.

        Raises
        ------
        CatalogError
            As well where the maps have another shape than those of the run.
        """
        _check_run(raw_uid, fingerprints, analyses)
        with self._stores_of(raw_uid) as (maps, points):
            maps.check(fingerprints)
            # In this order: nobody shall read points of the earlier measurement beside maps of the later one.
            measurements = [f.origin.events for f in fingerprints]
            points.withdraw(measurements)
            withdraw_elsewhere(self._root, self.model.name, self._runs[raw_uid], measurements)
            maps.replace(fingerprints)
            points.append(fingerprints, analyses)

    def append_analyses(self, raw_uid: str, fingerprints: Sequence[Fingerprints], analyses: Sequence[Analysis]) -> None:
        """Add what another model says of measurements whose maps are in the catalog: `c2` and `g2` may be empty."""
        with self._stores_of(raw_uid) as (_, points):
            points.append(fingerprints, analyses)

    def record_failure(
        self, raw_uid: str, seq_num: int, message: str, *, stream: str = "primary", last_seq_num: int = 0
    ) -> None:
        """Note in the metadata of a run why a measurement could not be analysed.

        Parameters
        ----------
        stream, seq_num, last_seq_num
            The events that it is made of; by default one event of the stream "primary".
        """
        with self._stores_of(raw_uid) as (_, points):
            points.fail(Events(stream, seq_num, last_seq_num or seq_num), message)

    def close_run(self, raw_uid: str, status: str) -> None:
        """Note how a run ended: "success", "abort" or "fail". A run without any measurement leaves no trace."""
        if status not in FINAL_STATUSES:
            raise ValueError(f"status is {status!r}, not one of {', '.join(FINAL_STATUSES)}")
        with self._stores_of(raw_uid) as (_, points):
            points.update(status)
        del self._runs[raw_uid], self._stores[raw_uid]
        self._named.pop(raw_uid, None)

    def record_suggestion(
        self,
        suggestion: Suggestion,
        event: str,
        *,
        raw_uid: str = "",
        seq_num: int = 0,
        stream: str = "primary",
        novelty: float = math.nan,
        time: float | None = None,
        note: str = "",
    ) -> None:
        """Add an event in the life of a suggestion.

        Parameters
        ----------
        event : str
            One of `schema.SUGGESTION_EVENTS`.
        raw_uid, stream, seq_num
            The measurement that came of it; 0 where the number is not known.
        novelty : float
            What was found there.
        time : float, optional
            Of the event, seconds since the epoch; by default now.
        note : str
            Why it failed, or who decided.
        """
        happened = SuggestionEvent(
            time=clock.time() if time is None else time,
            suggestion_id=suggestion.id,
            event=event,
            position=suggestion.position,
            raw_uid=raw_uid,
            stream=stream,
            seq_num=seq_num,
            novelty=novelty,
            note=note,
        )
        row = suggestion_table(suggestion, happened)
        try:
            with server_errors(self._address):
                if self._suggestions is None:
                    self._suggestions = SuggestionsStore(model_container(self._root, self.model))
                self._suggestions.append(row)
        except BaseException:
            self._suggestions = None
            raise

    def forget_suggestions(self) -> None:
        """Read back which suggestions the server has, before the next one is written: others may have added to them."""
        self._suggestions = None

    def is_reachable(self) -> bool:
        """Whether the server answers: known within a second where nobody listens, within five where it is busy."""
        import httpx

        patience = httpx.Timeout(5.0, connect=1.0)
        try:
            try:
                answer = self._root.context.http_client.get(self._address, timeout=patience)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # A connection kept from before the server was started again: it is dropped now, so ask on a new one.
                answer = self._root.context.http_client.get(self._address, timeout=patience)
        except (httpx.TransportError, ServerUnreachableError):
            return False
        return bool(answer.status_code < 500)

    @contextmanager
    def _stores_of(self, raw_uid: str) -> Iterator[tuple[MapsStore, PointsStore]]:
        if raw_uid not in self._runs:
            raise ValueError(f"run {raw_uid} was not opened")
        try:
            with server_errors(self._address), self._turns.at(raw_uid):
                stores = self._stores.get(raw_uid)
                if stores is None or not all(store.is_current() for store in stores):
                    run = self._runs[raw_uid]
                    parent = model_container(self._root, self.model)
                    finish_points(parent, run)
                    stores = self._stores[raw_uid] = (
                        MapsStore(self._root, run),
                        PointsStore(parent, run, self.model, self._named.setdefault(raw_uid, set())),
                    )
                yield stores
        except BaseException:
            self._stores.pop(raw_uid, None)  # what reached the server is not known: read it back the next time
            raise
