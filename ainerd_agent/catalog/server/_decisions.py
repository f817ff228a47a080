"""Decisions about suggestions, settled by our server: of two contrary ones, the first holds.

They are in a database of their own beside the catalog, which no route of Tiled reads or writes. Whoever may write to
the catalog can write a row that says "approved", but not make it hold. Who decides is known by a personal key, whose
hash is in the settings of the server. Where nobody is named there, anybody with the key of the catalog may decide, and
the decision says that it is not verified.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Security
from pydantic import BaseModel, ConfigDict, Field
from tiled.server.authentication import check_scopes, get_current_principal

from ainerd_agent.settings import PersonSettings

BY_AGENTS = ("queued",)
"""What agents settle themselves, so that no decision comes after it. It approves nothing, so it needs no role."""

_PATIENCE = 30.0
"""Seconds that a decision waits for others that are being written."""


class Claim(BaseModel):
    """What somebody wants to hold."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approved", "edited", "rejected", "queued"]
    token: str = Field(max_length=64)
    position: dict[str, float] = {}
    note: str = Field(default="", max_length=4000)
    by: str = Field(default="", max_length=200)


@dataclass(frozen=True)
class Decisions:
    """The decisions of a session.

    Parameters
    ----------
    file : Path
        The database.
    people : mapping
        By name: who may decide.
    """

    file: Path
    people: Mapping[str, PersonSettings]

    def person_of(self, key: str | None) -> str:
        """The name of whom a key belongs to.

        Raises
        ------
        HTTPException
            401: it is nobody's.
        """
        if not key:
            return ""
        digest = hashlib.sha256(key.encode()).hexdigest()
        found = [name for name, each in self.people.items() if secrets.compare_digest(each.key_sha256, digest)]
        if not found:
            raise HTTPException(401, "The personal key (AINERD_PERSON_KEY) belongs to nobody whom this server knows.")
        return found[0]

    def check_role(self, person: str) -> None:
        """Raise HTTPException (403) where people are named in the settings, and this is none who may approve."""
        if self.people and (person not in self.people or "approve" not in self.people[person].roles):
            who = f"{person} has not the role" if person else "without a personal key nobody has the role"
            raise HTTPException(
                403,
                f"Only people with the role approve decide here, and {who}: set AINERD_PERSON_KEY to the key of "
                "somebody who has it under [server.people].",
            )

    def settle(self, model: str, suggestion_id: str, claim: Claim, by: str, verified: bool) -> dict[str, Any]:
        """Let a claim hold, unless another one holds already; gives the one that holds."""
        held = json.dumps(
            {
                **claim.model_dump(),
                "suggestion_id": suggestion_id,
                "time": time.time(),
                "by": by,
                "verified": verified if by else None,
            }
        )
        with closing(self._connect()) as database, database:
            # One statement: SQLite lets one writer at a time through, also of several processes.
            database.execute("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?)", (model, suggestion_id, held))
        return self.find(model, suggestion_id) or {}

    def take_back(self, model: str, suggestion_id: str, token: str) -> None:
        """Let what an agent settled hold no more, if it is this one; what people decided stays."""
        with closing(self._connect()) as database, database:
            database.execute(
                "DELETE FROM decisions WHERE model = ? AND suggestion_id = ? "
                "AND json_extract(held, '$.token') = ? AND json_extract(held, '$.decision') = ?",
                (model, suggestion_id, token, *BY_AGENTS),
            )

    def find(self, model: str, suggestion_id: str) -> dict[str, Any] | None:
        """The decision that holds; None where there is none."""
        with closing(self._connect()) as database:
            row = database.execute(
                "SELECT held FROM decisions WHERE model = ? AND suggestion_id = ?", (model, suggestion_id)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.file, timeout=_PATIENCE)
        database.execute(
            "CREATE TABLE IF NOT EXISTS decisions "
            "(model TEXT, suggestion_id TEXT, held TEXT, PRIMARY KEY (model, suggestion_id))"
        )
        return database


def settle_decisions(app: FastAPI, decisions: Decisions) -> None:
    """Add the route to an application, before Tiled's."""
    router = APIRouter()

    @router.post("/ainerd/decisions/{model}/{suggestion_id:path}")
    def settle(
        model: str,
        suggestion_id: str,
        claim: Claim,
        principal: Annotated[Any, Depends(get_current_principal)],
        _: Annotated[Any, Security(check_scopes, scopes=["write:data"])],
        x_ainerd_person: Annotated[str | None, Header()] = None,
    ) -> dict[str, Any]:
        """Decide about a suggestion; gives the decision that holds, which may be an earlier one."""
        person = decisions.person_of(x_ainerd_person) or _name_of(principal)
        if claim.decision not in BY_AGENTS:
            decisions.check_role(person)
        return decisions.settle(model, suggestion_id, claim, person or claim.by, bool(person))

    @router.delete("/ainerd/decisions/{model}/{suggestion_id:path}")
    def take_back(
        model: str,
        suggestion_id: str,
        token: str,
        _: Annotated[Any, Security(check_scopes, scopes=["write:data"])],
    ) -> dict[str, Any]:
        """Take back what an agent settled; gives what holds then, under "held"."""
        decisions.take_back(model, suggestion_id, token)
        return {"held": decisions.find(model, suggestion_id)}

    @router.get("/ainerd/decisions/{model}/{suggestion_id:path}")
    def find(
        model: str,
        suggestion_id: str,
        _: Annotated[Any, Security(check_scopes, scopes=["read:data"])],
    ) -> dict[str, Any]:
        """The decision that holds, under "held"; null where there is none."""
        return {"held": decisions.find(model, suggestion_id)}

    before = len(app.router.routes)
    app.include_router(router, prefix="/api/v1")
    added = app.router.routes[before:]
    app.router.routes[:] = [*added, *app.router.routes[:before]]


def _name_of(principal: Any) -> str:
    """Whom Tiled has authenticated; empty for the one key of a session, which everybody has."""
    identities = getattr(principal, "identities", None) or ()
    return str(identities[0].id) if identities else ""
