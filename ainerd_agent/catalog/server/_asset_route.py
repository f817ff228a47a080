"""The route that hands out files as they are.

Tiled's own joins `relative_path` to the folder of an asset without looking where that leads, so ours comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Security
from fastapi.responses import FileResponse
from tiled.server.authentication import (
    check_scopes,
    get_current_access_tags,
    get_current_principal,
    get_current_scopes,
    get_session_state,
)
from tiled.server.dependencies import get_entry, get_root_tree
from tiled.server.settings import get_settings

router = APIRouter()


def answer_first(app: FastAPI) -> None:
    """Add the route to an application, before Tiled's."""
    app.include_router(router, prefix="/api/v1")
    app.router.routes.insert(0, app.router.routes.pop())


@router.get("/asset/bytes/{path:path}")
async def asset_bytes(
    request: Request,
    path: str,
    id: int,
    settings: Annotated[Any, Depends(get_settings)],
    principal: Annotated[Any, Depends(get_current_principal)],
    root_tree: Annotated[Any, Depends(get_root_tree)],
    session_state: Annotated[Any, Depends(get_session_state)],
    access_tags: Annotated[Any, Depends(get_current_access_tags)],
    scopes: Annotated[Any, Depends(get_current_scopes)],
    _: Annotated[Any, Security(check_scopes, scopes=["read:data"])],
    relative_path: Path | None = None,
) -> FileResponse:
    """A file of an asset, with the parameters and rights of Tiled's route."""
    if not settings.expose_raw_assets:
        raise HTTPException(403, "This server hands out no files.")
    entry = await get_entry(
        path,
        ["read:data"],
        principal,
        access_tags,
        scopes,
        root_tree,
        session_state,
        request.state.metrics,
        None,
        getattr(request.app.state, "access_policy", None),
    )
    if not hasattr(entry, "asset_file"):
        raise HTTPException(405, "This node has no files to hand out.")
    file = await entry.asset_file(id, relative_path)
    return FileResponse(file, filename=file.name)
