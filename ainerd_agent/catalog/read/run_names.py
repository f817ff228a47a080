"""Runs by the names that people give them: a uid, the beginning of one, a scan id, or "the last but one".

All who take a name of a run ask `run_named`. It makes a request or two, whatever the number of runs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ainerd_agent.catalog.layout import address_of, child
from ainerd_agent.catalog.queries import narrowed
from ainerd_agent.catalog.schema import ANALYSIS_SPEC, MAPS_SPEC, RAW_RUN_SPEC
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import CatalogError
from ainerd_agent.records.run import RunName

if TYPE_CHECKING:
    from ainerd_agent.catalog.tiled_types import Container, Query

SHORTEST = 4
"""Letters of a uid at least: fewer fit by chance."""

LISTED = 10
"""Runs that are named where a name fits several."""

_told: set[tuple[str, str]] = set()
"""Of which names it was said that they fit several runs, by address: once is enough."""

_WHOLE = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""A uid as Bluesky makes them: no other one begins with it."""

_log = logging.getLogger(__name__)


class UnknownRunError(CatalogError):
    """No run has this name."""


class AmbiguousRunError(CatalogError):
    """Several runs begin with this."""


@dataclass(frozen=True, slots=True)
class RunKeys:
    """Where the metadata of runs say what people name them by.

    Attributes
    ----------
    spec : str
        What a run is, among other things in its container.
    uid, scan_id, time : str
        Keys, with dots between those of nested metadata.
    """

    spec: str
    uid: str
    scan_id: str
    time: str


RAW_RUNS = RunKeys(RAW_RUN_SPEC, "start.uid", "start.scan_id", "start.time")
RUNS_WITH_MAPS = RunKeys(MAPS_SPEC[0], "raw_uid", "scan_id", "time")
ANALYSED_RUNS = RunKeys(ANALYSIS_SPEC[0], "raw_uid", "scan_id", "time")


def run_named(container: Container, name: RunName, keys: RunKeys) -> Any:
    """The run of this name.

    Parameters
    ----------
    container : Container
        With runs by uid, or those of them that a search found: then only these count.
    name : str or int
        A uid; at least `SHORTEST` letters that one begins with; a scan id; or -1 for the latest run by the time of its
        start, -2 for the one before it, and so on. Digits are a scan id, or where no run has it, the beginning of a
        uid. A scan id of several runs is the latest of them, which the log says.
    keys : RunKeys
        Of runs in this container.

    Raises
    ------
    UnknownRunError
        There is none.
    AmbiguousRunError
        Several begin with this; the error names them.
    CatalogError
        The server does not answer.
    """
    text = str(name).strip().replace("\N{MINUS SIGN}", "-")
    with server_errors(address_of(container)):
        if re.fullmatch(r"-\d+", text):
            return _latest(container, int(text), keys)
        if isinstance(name, str) and (found := _of_uid(container, text)) is not None:
            return found
        if re.fullmatch(r"\d{1,18}", text):
            found = _by_scan_id(container, int(text), keys)
            if found is not None:
                return found
        if isinstance(name, int):
            raise UnknownRunError(f"No run here has the scan id {name}.")
        return _by_beginning(container, text, keys)


def uid_named(container: Container, name: RunName, keys: RunKeys) -> str:
    """The uid of the run of this name; see `run_named`."""
    return str(run_named(container, name, keys).item["id"])


def with_uid(container: Container, conditions: Mapping[str, Any], keys: RunKeys) -> dict[str, Any]:
    """Conditions of a search with the uid of a run in `raw_uid`, where they have a name of one there.

    A text that is no name of a run stays: nothing fits it.
    """
    found = dict(conditions)
    name = found.get("raw_uid")
    if isinstance(name, int | str):
        try:
            found["raw_uid"] = uid_named(container, name, keys)
        except UnknownRunError:
            if isinstance(name, int) or name[:1] in ("-", "\N{MINUS SIGN}"):
                raise
    return found


def _of_uid(container: Container, text: str) -> Any | None:
    if not text or "/" in text or text in (".", ".."):
        return None
    try:
        found = child(container, text)
    except ValueError:  # what the client for raw runs makes of short names
        return None
    return found if found is not None and found.item["id"] == text else None


def _latest(container: Container, place: int, keys: RunKeys) -> Any:
    if place == 0:
        raise UnknownRunError("Runs are counted back from -1, the latest.")
    runs = _newest_first(container, keys)
    found = runs.values()[-place - 1 : -place]
    if not found:
        raise UnknownRunError(f"There is no run {place}: {len(runs)} are here.")
    return found[0]


def _by_scan_id(container: Container, scan_id: int, keys: RunKeys) -> Any | None:
    from tiled.queries import Key

    runs = _newest_first(container, keys, Key(keys.scan_id) == scan_id)
    some = runs.values()[:2]
    if len(some) > 1:
        _say_once(container, f"{len(runs)} runs have the scan id {scan_id}: taken is the latest, {some[0].item['id']}")
    return some[0] if some else None


def _by_beginning(container: Container, text: str, keys: RunKeys) -> Any:
    from tiled.queries import Like

    if re.fullmatch(_WHOLE, text):  # asked for again and again until it is there
        raise UnknownRunError(f"No run here is called {text}.")
    if len(text) < SHORTEST:
        raise UnknownRunError(
            f"No run is called {text!r}: give a uid or at least {SHORTEST} letters of its beginning, a scan id, or -1 "
            "for the latest run."
        )
    runs = _newest_first(container, keys, Like(keys.uid, f"{text}%"))
    # To SQL, capitals are small letters, and _ and % any.
    some = [run for run in runs.values()[: LISTED + 1] if run.item["id"].startswith(text)]
    exact = [run for run in some if run.item["id"] == text]
    if len(exact or some) == 1:
        return (exact or some)[0]
    if not some:
        raise UnknownRunError(f"No run here is called {text!r}, or begins with it.")
    named = "; ".join(_described(some, keys))
    raise AmbiguousRunError(f"Several runs begin with {text!r}: {named}. Write more of the uid.")


def _described(runs: list[Any], keys: RunKeys) -> Iterator[str]:
    for run in runs[:LISTED]:
        scan_id: Any = run.metadata
        for key in keys.scan_id.split("."):
            scan_id = (scan_id or {}).get(key)
        yield run.item["id"] + ("" if scan_id is None else f" (scan {scan_id})")
    if len(runs) > LISTED:
        yield "and more"


def _newest_first(container: Container, keys: RunKeys, *queries: Query) -> Container:
    from tiled.queries import SpecsQuery

    # Without the spec, what has no time would come first on PostgreSQL. On SQLite numbers are sorted as text; of times
    # that is the same until 2286.
    found = narrowed(container, [SpecsQuery(include=[keys.spec]), *queries])
    return found.sort((keys.time, -1))


def _say_once(container: Container, text: str) -> None:
    told = (address_of(container), text)
    if told not in _told:
        _told.add(told)
        _log.warning("%s", text)
