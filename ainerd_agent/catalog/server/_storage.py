"""What an embedded server needs of Tiled 0.2's storage beyond its defaults. Only `server` imports this."""

from __future__ import annotations

import asyncio
import functools
import threading
import warnings
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from tiled.adapters.sql import SQLAdapter
from tiled.server.streaming import TTLCacheDatastore

STREAM_MEMORY = 256 * 2**20
"""Bytes of array and table updates that the server remembers for subscribers."""


class OneBatchSQLAdapter(SQLAdapter):  # type: ignore[misc]  # Tiled is untyped
    """Tables in SQLite that can be read whatever their first rows hold.

    SQLite has no NaN: it stores NULL. The ADBC driver guesses each column's type from the first batch of 1024 rows,
    takes a column of NULLs for integers, and fails at the first float after it: a table whose stress or relaxation
    time starts to be known late could never be read again. One batch for all rows lets it see every value first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage: Any = _OneBatchStorage(self.storage)


class _OneBatchStorage:
    """A storage whose cursors fetch all rows in one batch."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self.dialect: str = storage.dialect

    def connect(self) -> Any:
        connection = self._storage.connect()
        if self.dialect == "sqlite":
            options = {"adbc.sqlite.query.batch_rows": "1000000000"}
            connection.cursor = functools.partial(connection.cursor, adbc_stmt_kwargs=options)
        return connection


class BoundedDatastore(TTLCacheDatastore):  # type: ignore[misc]
    """The updates that subscribers may still ask for, in memory of limited size.

    Tiled's own keeps the last thousand updates with their payload for an hour: with C2 maps, gigabytes.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._data_cache: TTLCache[str, Any] = TTLCache(
            maxsize=STREAM_MEMORY, ttl=settings["data_ttl"], getsizeof=_update_size
        )


def _update_size(update: dict[str, Any]) -> int:
    # Never more than the whole: cachetools refuses an item that is larger than its cache.
    return min(len(update["metadata"]) + len(update.get("payload", b"")), STREAM_MEMORY)


def prepare_database(path: Path) -> None:
    """Create an empty catalog at `path` where there is none, and check that this version of Tiled can open it.

    Tiled itself starts a second interpreter to create one, which takes seconds.
    """
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            if not path.exists():
                _create_database(path)
            asyncio.run(_check_database(path))
        except Exception as error:
            failures.append(error)

    # In its own thread, because a notebook's thread runs an event loop already.
    thread = threading.Thread(target=prepare, name="tiled-prepare")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Tiled's template of alembic's settings is dated
        thread.start()
        thread.join()
    if failures:
        raise failures[0]


def _create_database(path: Path) -> None:
    from tiled.alembic_utils import stamp_head
    from tiled.catalog.alembic_constants import ALEMBIC_DIR, ALEMBIC_INI_TEMPLATE_PATH

    # Under another name until it is complete, so that what was interrupted is not taken for a catalog.
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    asyncio.run(_create_tables(unfinished))
    stamp_head(ALEMBIC_INI_TEMPLATE_PATH, ALEMBIC_DIR, _uri(unfinished))
    unfinished.rename(path)


async def _create_tables(path: Path) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from tiled.catalog.core import initialize_database

    engine = create_async_engine(_uri(path))
    try:
        await initialize_database(engine)
    finally:
        await engine.dispose()


async def _check_database(path: Path) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine
    from tiled.catalog.core import check_catalog_database

    engine = create_async_engine(_uri(path))
    try:
        await check_catalog_database(engine)
    finally:
        await engine.dispose()


def _uri(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"
