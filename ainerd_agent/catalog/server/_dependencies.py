"""Small answers of Tiled in half the time: dependencies of a request are analysed once, not at every request.

Tiled overrides a dependency of its FastAPI application (its settings). As soon as one is overridden, FastAPI inspects
the signatures of all dependencies of a route at every request, to find what the overriding ones depend on. That is the
same each time, and nearly half of what a small request costs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def remember_dependencies() -> None:
    """Let FastAPI remember what a dependency depends on, in this process. Calling it twice is harmless."""
    from fastapi.dependencies import utils

    analyse = utils.get_dependant
    if hasattr(analyse, "__wrapped__"):
        return

    @lru_cache(maxsize=4096)
    def remembered(parent_oauth_scopes: tuple[str, ...] | None, **given: Any) -> Any:
        return analyse(parent_oauth_scopes=None if parent_oauth_scopes is None else list(parent_oauth_scopes), **given)

    def get_dependant(*, parent_oauth_scopes: list[str] | None = None, **given: Any) -> Any:
        scopes = None if parent_oauth_scopes is None else tuple(parent_oauth_scopes)
        try:
            return remembered(scopes, **given)
        except TypeError:  # something that cannot be remembered
            return analyse(parent_oauth_scopes=parent_oauth_scopes, **given)

    get_dependant.__wrapped__ = analyse  # type: ignore[attr-defined]
    utils.get_dependant = get_dependant
