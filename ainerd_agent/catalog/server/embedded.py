"""An embedded Tiled server: the catalog of a session in one folder, in a thread of this process."""

from __future__ import annotations

import fcntl
import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ainerd_agent.catalog.server.listener import HOST, listen
from ainerd_agent.errors import SessionError
from ainerd_agent.settings import PersonSettings

_START_SECONDS = 60.0
_STOP_SECONDS = 5
_log = logging.getLogger(__name__)


class TiledServer:
    """A Tiled server on this machine that keeps everything in one folder, and can be reopened on it.

    Parameters
    ----------
    directory : Path
        Holds the catalog (`catalog.db`), the rows of tables (`tables.db`), arrays (`data`), and the files that
        detectors write (`frames`), which the server can read. Created where it does not exist.
    port : int
        0 takes any free port.
    api_key : str or None
        Letters and digits. By default a new random key each time.
    people : mapping, optional
        By name: who may decide about suggestions (`settings.server.people`). Where nobody is named, everybody may.

    Raises
    ------
    SessionError
        The folder cannot be written or is being served already, the port is taken, or Tiled does not start.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        api_key: str | None = None,
        people: Mapping[str, PersonSettings] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self._api_key = secrets.token_hex(16) if api_key is None else api_key
        if not (self._api_key.isascii() and self._api_key.isalnum()):
            raise SessionError("The API key of the Tiled server may hold letters and digits only.")
        with ExitStack() as resources:
            resources.enter_context(_claim(self.directory))
            listener = resources.enter_context(listen(port))
            self.port: int = listener.getsockname()[1]
            try:
                self._server = _build_server(self.directory, self._api_key, people or {})
            except Exception as error:
                reason = str(error).partition("\n")[0]
                raise SessionError(f"Tiled cannot open the catalog in {self.directory}: {reason}") from error
            # A daemon: a server that was never closed must not keep the interpreter from ending.
            self._thread = threading.Thread(
                target=self._run, args=(listener,), name=f"tiled-server-{self.port}", daemon=True
            )
            with _without_greeting(self._thread.name):
                self._thread.start()
                resources.callback(self._stop)
                self._wait_until_healthy()
            self._resources = resources.pop_all()

    @property
    def frames(self) -> Path:
        """The folder for detector files, which the server can read."""
        return self.directory / "frames"

    @property
    def address(self) -> str:
        """Where the server listens, without the API key: fit for logs."""
        return f"http://{HOST}:{self.port}"

    @property
    def uri(self) -> str:
        """What `connect` and `tiled.client.from_uri` take, with the API key: a secret."""
        return f"{self.address}/api/v1?api_key={self._api_key}"

    def close(self) -> None:
        """Stop the server and release its folder and port. Closing twice is harmless."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, listener: socket.socket) -> None:
        try:
            self._server.run(sockets=[listener])
        except SystemExit:
            _log.error("Tiled did not start.")  # uvicorn has logged why, and ends its thread this way

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=2 * _STOP_SECONDS)
        if self._thread.is_alive():
            _log.warning("The Tiled server on %s is still busy; it ends with this process.", self.directory)

    def _wait_until_healthy(self) -> None:
        import httpx

        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(trust_env=False, timeout=1.0) as client:
            while time.monotonic() < deadline:
                if not self._thread.is_alive():
                    raise SessionError(f"Tiled did not start on {self.directory}: the log above says why.")
                try:
                    if client.get(f"{self.address}/healthz").is_success:
                        return
                except httpx.TransportError:
                    pass  # not answering yet
                time.sleep(0.02)
        raise SessionError(f"Tiled did not start on {self.directory} within {_START_SECONDS:.0f} s.")


@contextmanager
def _without_greeting(thread: str) -> Iterator[None]:
    """Keep quiet what Tiled writes on stderr when a server starts in this thread. Other servers are heard."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.threadName != thread or record.levelno >= logging.WARNING

    log = logging.getLogger("tiled.server.app")
    log.addFilter(is_wanted)
    try:
        yield
    finally:
        log.removeFilter(is_wanted)


def _claim(directory: Path) -> IO[str]:
    """Create the folders, and lock them: two servers on one SQLite file lose rows."""
    try:
        for folder in (directory, directory / "data", directory / "frames"):
            folder.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("w")
    except OSError as error:
        raise SessionError(
            f"The folder {directory} cannot be written ({error.strerror}): choose another, or change its permissions."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SessionError(
            f"Another Tiled server is using the folder {directory}: stop that one, or choose another folder."
        ) from error
    return lock


def _build_server(directory: Path, api_key: str, people: Mapping[str, PersonSettings]) -> Any:
    import copy

    import uvicorn
    from bluesky_tiled_plugins.exporters import json_seq_exporter
    from bluesky_tiled_plugins.routers.validator import router as validator_router
    from tiled.config import Authentication
    from tiled.media_type_registration import default_serialization_registry
    from tiled.server.app import build_app
    from tiled.server.settings import get_settings

    from ainerd_agent.catalog.server._asset_route import answer_first
    from ainerd_agent.catalog.server._decisions import Decisions, settle_decisions
    from ainerd_agent.catalog.server._dependencies import remember_dependencies

    remember_dependencies()
    serializers = copy.deepcopy(default_serialization_registry)
    serializers.register("BlueskyRun", "application/json-seq", json_seq_exporter)
    app = build_app(
        _open_catalog(directory),
        authentication=Authentication(single_user_api_key=api_key),
        serialization_registry=serializers,
        include_routers=[validator_router],
    )
    answer_first(app)
    settle_decisions(app, Decisions(directory / "decisions.db", people))
    # Tiled's settings belong to the process: without a copy, a second server's API key would replace the first one's.
    settings = app.dependency_overrides[get_settings]().model_copy(deep=True)
    app.dependency_overrides[get_settings] = lambda: settings
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
    )


def _open_catalog(directory: Path) -> Any:
    from tiled.catalog.adapter import RootNode
    from tiled.config import StreamingCacheConfig
    from tiled.server.settings import DatabaseSettings
    from tiled.utils import ensure_specified_sql_driver

    from ainerd_agent.catalog.server._confined_catalog import ConfinedContainer, SessionContext
    from ainerd_agent.catalog.server._confined_readers import TABLES, confined_adapters
    from ainerd_agent.catalog.server._confinement import SessionFolders
    from ainerd_agent.catalog.server._moved import follow_move, tables_uri
    from ainerd_agent.catalog.server._storage import BoundedDatastore, OneBatchSQLAdapter, prepare_database

    database = directory / "catalog.db"
    prepare_database(database)
    if follow_move(database):
        _log.info("The session was moved or copied to %s: its addresses were rewritten.", directory)
    tables = tables_uri(directory)
    folders = SessionFolders(directory / "frames", directory / "data", tables)
    context = SessionContext(
        DatabaseSettings(uri=ensure_specified_sql_driver(database), pool_size=5, max_overflow=10, pool_pre_ping=False),
        folders=folders,
        writable_storage=[directory / "data", tables],
        # Tiled compares names only. Ours are the checks that count, after all links.
        readable_storage=[str(directory / "frames"), str(folders.frames)],
        adapters_by_mimetype=confined_adapters(folders, {TABLES: OneBatchSQLAdapter}),
        updates=BoundedDatastore(StreamingCacheConfig(uri="bounded").model_dump()),
        # SQLite takes one writer: with more connections appends fail with "database is locked".
        storage_pool_size=1,
        storage_max_overflow=0,
    )
    return ConfinedContainer(context, RootNode(None, None, None))
