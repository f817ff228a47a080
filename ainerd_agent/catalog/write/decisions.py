"""Decisions about suggestions, of which one holds: what the catalog settles, once and for all readers.

Our own server settles them in a database of its own (`server._decisions`). On another Tiled server a decision is a
container `/decisions/<model>/<suggestion>`: Tiled makes one of a key and refuses the second (409), also across
processes and machines. The rows of the table of suggestions are for reading; they do not make a decision hold.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from ainerd_agent.catalog.layout import address_of, child, ensure_container, root_of
from ainerd_agent.catalog.schema import DECISIONS
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.catalog.tiled_types import Container
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Decision

PERSON_KEY = "AINERD_PERSON_KEY"
"""The environment variable with the personal key by which our server knows who decides."""

QUEUED = "queued"
"""What an agent settles before it queues what nobody decided about."""

_OF_ANOTHER_SERVER = (404, 405)


class DecidedAlreadyError(CatalogError):
    """Somebody else decided first.

    Attributes
    ----------
    held : Decision
        What holds.
    """

    def __init__(self, held: Decision) -> None:
        super().__init__(f"Suggestion {held.suggestion_id} was decided already: it is {held}.")
        self.held = held


def settle(
    model: Container,
    suggestion_id: str,
    decision: str,
    *,
    position: Mapping[str, float] | None = None,
    note: str = "",
    by: str = "",
) -> Decision:
    """Decide, unless somebody has decided already: of two at the same moment, one wins, and both learn which.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    suggestion_id : str
        The whole of it.
    decision : str
        As in `Decision`.
    position : mapping, optional
        By axis, for "edited".
    note : str
        Why.
    by : str
        Who decides, where the server does not know.

    Returns
    -------
    Decision
        The caller's own.

    Raises
    ------
    DecidedAlreadyError
        Another decision holds.
    CatalogError
        The server refuses the person.
    """
    token = uuid.uuid4().hex
    claim = {"decision": decision, "token": token, "position": dict(position or {}), "note": note, "by": by}
    with server_errors(address_of(model)):
        held = _settled_by_route(model, suggestion_id, claim)
        if held is None:
            held = _settled_by_key(model, suggestion_id, claim)
    if held.token != token:
        raise DecidedAlreadyError(held)
    return held


def take_back(model: Container, decision: Decision) -> None:
    """Let what an agent settled hold no more, so that people can decide: the queue server has refused the item.

    Only its "queued" can be taken back. What people decided stays, also where it came in between.

    Parameters
    ----------
    model : Container
        `/ainerd/<model>`.
    decision : Decision
        The one that holds.

    Raises
    ------
    CatalogError
        It is one of people, or the server refuses.
    """
    if decision.decision != QUEUED:
        raise CatalogError(f"Suggestion {decision.suggestion_id} is {decision}: what people decided stays.")
    with server_errors(address_of(model)):
        answer = _ask(model, "DELETE", decision.suggestion_id, params={"token": decision.token})
        if answer.status_code in _OF_ANOTHER_SERVER:
            _taken_back_by_key(model, decision)


def held(model: Container, suggestion_id: str) -> Decision | None:
    """The decision about a suggestion that holds; None where there is none yet."""
    with server_errors(address_of(model)):
        answer = _ask(model, "GET", suggestion_id)
        if answer.status_code == 200:
            found = answer.json()["held"]
            return None if found is None else Decision(**found)
        parent = _decisions_of(model)
        node = None if parent is None else child(parent, key_of(suggestion_id))
        return None if node is None else Decision(**node.metadata_copy()[0])


def _settled_by_route(model: Container, suggestion_id: str, claim: Mapping[str, Any]) -> Decision | None:
    """As our server settles it; None where the server is not one of ours."""
    answer = _ask(model, "POST", suggestion_id, claim)
    return Decision(**answer.json()) if answer.status_code == 200 else None


def _ask(
    model: Container,
    method: str,
    suggestion_id: str,
    claim: Mapping[str, Any] | None = None,
    *,
    params: Mapping[str, str] | None = None,
) -> Any:
    """Ask our route; the answer is one of success, or 404 or 405 where the server is not one of ours."""
    from tiled.client.utils import retry_context

    url = f"{address_of(model).rstrip('/')}/ainerd/decisions/{quote(str(model.item['id']), safe='')}"
    key = os.environ.get(PERSON_KEY, "")
    for attempt in retry_context():
        with attempt:
            answer = model.context.http_client.request(
                method,
                f"{url}/{quote(suggestion_id, safe='')}",
                json=claim,
                params=params,
                headers={"Accept": "application/json", **({"X-Ainerd-Person": key} if key else {})},
            )
            if answer.status_code in (401, 403):
                raise CatalogError(_detail(answer))
            if answer.status_code not in _OF_ANOTHER_SERVER:
                answer.raise_for_status()
    return answer


def _detail(answer: Any) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The Tiled server refuses the decision ({answer.status_code}): check the API key."


def _settled_by_key(model: Container, suggestion_id: str, claim: Mapping[str, Any]) -> Decision:
    """By a container that only one can make. Nobody vouches for who that was."""
    from tiled.client.utils import ClientError

    by = claim["by"]
    metadata = {
        **claim,
        "suggestion_id": suggestion_id,
        "time": time.time(),
        "verified": False if by else None,
    }
    parent = ensure_container(ensure_container(root_of(model), DECISIONS, specs=[]), str(model.item["id"]), specs=[])
    try:
        node = parent.create_container(key_of(suggestion_id), metadata=metadata)
    except ClientError as error:
        if error.response.status_code != 409:
            raise
        node = parent[key_of(suggestion_id)]
    return Decision(**node.metadata_copy()[0])


def _taken_back_by_key(model: Container, decision: Decision) -> None:
    """Delete the container of an agent's "queued". Nothing else can have taken its place: only its agent deletes it."""
    from tiled.client.utils import ClientError

    parent = _decisions_of(model)
    node = None if parent is None else child(parent, key_of(decision.suggestion_id))
    there = {} if node is None else node.metadata_copy()[0]
    if (there.get("decision"), there.get("token")) != (QUEUED, decision.token):
        return
    try:
        parent.delete_contents(key_of(decision.suggestion_id))
    except ClientError as error:
        if error.response.status_code != 404:  # an earlier attempt, whose answer was lost
            raise


def _decisions_of(model: Container) -> Any:
    """The container of the decisions about suggestions of a model, on other servers; None where there is none yet."""
    decisions = child(root_of(model), DECISIONS)
    return None if decisions is None else child(decisions, str(model.item["id"]))


def key_of(suggestion_id: str) -> str:
    """The key of a container that stands for a name, whatever signs are in it."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}", suggestion_id)
    return suggestion_id if plain else sha256(suggestion_id.encode()).hexdigest()
