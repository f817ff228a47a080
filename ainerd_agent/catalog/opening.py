"""Opening a catalog: at the address of a server, or in the folder of a session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ainerd_agent.catalog.catalog import Catalog
from ainerd_agent.catalog.connection import connect_tiled
from ainerd_agent.catalog.layout import check_layout, create_layout
from ainerd_agent.catalog.server.embedded import TiledServer
from ainerd_agent.catalog.server_errors import server_errors
from ainerd_agent.errors import SessionError


def connect(uri: str, *, create: bool = False) -> Catalog:
    """Connect to a Tiled server that holds our catalog.

    Parameters
    ----------
    uri : str
        As `TiledServer.uri`, with `?api_key=...`, or without it and the key in TILED_API_KEY.
    create : bool
        Create the containers of the catalog where they are missing.

    Raises
    ------
    CatalogError
        Nobody answers, the API key is refused, or there is no catalog of ours.
    """
    catalog = Catalog(connect_tiled(uri))
    try:
        with server_errors(catalog.address):
            if create:
                create_layout(catalog.tiled)
            check_layout(catalog.tiled)
    except BaseException:
        catalog.close()
        raise
    return catalog


@contextmanager
def open_catalog(where: str, *, create: bool = False) -> Iterator[Catalog]:
    """The catalog of a server by its address, or of a folder, which is served meanwhile.

    Parameters
    ----------
    create : bool
        Make a new one where there is none.

    Raises
    ------
    SessionError
        A folder without a catalog, or one that is being served: then give the address.
    CatalogError
        See `connect`.
    """
    if re.match(r"\w+://", where):
        with connect(where, create=create) as catalog:
            yield catalog
        return
    folder = Path(where)
    if not create and not (folder / "catalog.db").is_file():
        raise SessionError(f"{folder} holds no session (it has no catalog.db): give the folder of one, or an address")
    with TiledServer(folder) as server, connect(server.uri, create=create) as catalog:
        yield catalog
