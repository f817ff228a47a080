"""A real RE manager with Redis and the startup files of the profile, as a beamline starts it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bluesky_queueserver_api.zmq import REManagerAPI

from tests.integration.catalog_servers import free_port, redis, running
from tests.integration.conftest import ROOT


@contextmanager
def re_manager(catalog: str, folder: Path, **settings: str) -> Iterator[REManagerAPI]:
    """The manager's client, once an environment is open; it has its own `address`.

    Parameters
    ----------
    catalog : str
        Address of a Tiled server, with its API key.
    folder : Path
        For the session and the log.
    **settings
        Variables of the environment.
    """
    startup = Path(shutil.copytree(ROOT / "profile" / "startup", folder / "startup"))
    address, _, key = catalog.partition("?api_key=")
    environment = {
        "AINERD_SESSION": str(folder / "session"),
        "AINERD_TILED_URI": address.removesuffix("/api/v1"),
        "AINERD_TILED_API_KEY": key,
        "AINERD_FRAMES": "40",
        **settings,
    }
    control, info = free_port(), free_port()
    with redis() as redis_uri, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        program = [
            str(Path(sys.executable).with_name("start-re-manager")), "--startup-dir", str(startup), "--keep-re",
            "--redis-addr", redis_uri.removeprefix("redis://").removesuffix("/0"),
            "--zmq-control-addr", f"tcp://127.0.0.1:{control}", "--zmq-info-addr", f"tcp://127.0.0.1:{info}",
        ]  # fmt: skip
        with running(program, folder, control):
            client = REManagerAPI(zmq_control_addr=f"tcp://127.0.0.1:{control}")
            client.environment_open()
            client.wait_for_idle(timeout=180)  # kernels that were never compiled here take a minute and more
            log = "\n".join(each.read_text() for each in folder.glob("*.log"))
            assert client.status()["worker_environment_exists"], log
            client.address = f"tcp://127.0.0.1:{control}"
            yield client
            client.environment_close()
            client.wait_for_idle(timeout=60)
            client.close()
