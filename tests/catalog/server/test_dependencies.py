"""What FastAPI remembers of dependencies changes no answer."""

from __future__ import annotations

import asyncio
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.dependencies import utils

from ainerd_agent.catalog.server._dependencies import remember_dependencies


def settings() -> str:
    return "default"


def user(name: str = "nobody", at: str = Depends(settings)) -> str:
    return f"{name} of {at}"


def application(override: str) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def who(found: Annotated[str, Depends(user)]) -> str:
        return found

    app.dependency_overrides[settings] = lambda: override
    return app


def asked(app: FastAPI, name: str) -> str:
    async def get() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return str((await client.get("/", params={"name": name})).json())

    return asyncio.run(get())


def test_answers_are_those_of_each_application_and_analysed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(utils.get_dependant, "__wrapped__", utils.get_dependant)
    analysed = []

    def counted(**given: object) -> object:
        analysed.append(given["call"])
        return original(**given)  # type: ignore[arg-type]

    monkeypatch.setattr(utils, "get_dependant", counted)
    remember_dependencies()
    remember_dependencies()
    one = application("one")
    before = len(analysed)
    assert before
    other = application("other")
    assert len(analysed) == before
    for name in ("ada", "emmy"):
        assert asked(one, name) == f"{name} of one"
        assert asked(other, name) == f"{name} of other"
    before = len(analysed)
    assert asked(one, "max") == "max of one"
    assert len(analysed) == before
