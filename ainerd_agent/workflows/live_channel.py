"""The live channel: what is known of the exposure that goes on, on this machine, over HTTP.

Only the newest look and the newest verdict are kept; nothing is stored. What asks may be another process: the plan that
wants to know whether its exposure may end, a page, a notebook.

    GET /            the exposure that goes on, and its newest verdict (JSON)
    GET /verdict     ?run=UID&exposure=N&after=K: the newest verdict on it, of a look later than K; 204 where none is
    GET /look        the newest look with its running maps (.npz, without pickle); 304 for a client that has it (ETag)
"""

from __future__ import annotations

import io
import json
import logging
import threading
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.catalog.server.listener import HOST, listen
from ainerd_agent.records.look import Look
from ainerd_agent.records.verdict import Verdict

STOP_SECONDS = 2

_log = logging.getLogger(__name__)

ARRAYS = ("c2", "mean_counts", "contrast", "lags", "g2", "g2_error", "intensity", "complete")
"""Arrays of a look that are handed out under their names, where it has them."""


class LiveChannel:
    """Serves the newest look and verdict. Keep it as long as it is wanted; it is closed with `close`.

    Parameters
    ----------
    port : int
        0 takes any free port.

    Raises
    ------
    SessionError
        The port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        import uvicorn

        self._lock = threading.Lock()
        self._look: tuple[int, int, Look, NDArray[np.float32] | None] | None = None
        self._verdict: Verdict | None = None
        listener = listen(port)
        self.port: int = listener.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._application(), log_config=None, log_level="error", access_log=False, lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="live channel", daemon=True
        )
        self._listener = listener
        self._thread.start()

    @property
    def address(self) -> str:
        """As "http://127.0.0.1:8765"."""
        return f"http://{HOST}:{self.port}"

    def show(self, exposure: int, look: Look, latents: NDArray[np.float32] | None = None) -> None:
        """Have a look served from now on, in place of the one before.

        Parameters
        ----------
        exposure : int
            Number of the exposure in its run.
        look : Look
        latents : ndarray, shape (n_bins, 64), optional
            Of its maps.
        """
        with self._lock:
            version = 1 if self._look is None else self._look[0] + 1
            self._look = (version, exposure, look, latents)

    def decide(self, verdict: Verdict) -> None:
        """Have a verdict served from now on; one of an earlier look at the same exposure changes nothing."""
        with self._lock:
            before = self._verdict
            same = before is not None and (before.raw_uid, before.exposure) == (verdict.raw_uid, verdict.exposure)
            if before is None or not same or verdict.look > before.look:
                self._verdict = verdict

    def verdict(self, raw_uid: str, exposure: int, after: int = 0) -> Verdict | None:
        """What `GET /verdict` answers: for a plan in this process."""
        with self._lock:
            found = self._verdict
        if found is None or (found.raw_uid, found.exposure) != (raw_uid, exposure) or found.look <= after:
            return None
        return found

    latest = verdict
    """The channel itself is what `count_until` asks, where both are in one process."""

    def close(self) -> None:
        """Stop serving. Closing twice is harmless."""
        self._server.should_exit = True
        self._thread.join(2 * STOP_SECONDS)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _application(self) -> Any:
        from fastapi import FastAPI, Request, Response
        from fastapi.concurrency import run_in_threadpool
        from fastapi.middleware.trustedhost import TrustedHostMiddleware
        from fastapi.responses import JSONResponse

        async def summary(_: Request) -> Response:
            with self._lock:
                look, verdict = self._look, self._verdict
            known: dict[str, Any] = {"verdict": None if verdict is None else verdict.as_plain()}
            if look is not None:
                exposure, seen = look[1:3]
                known |= {
                    "run": seen.origin.raw_uid, "exposure": exposure, "look": seen.number, "frames": seen.frames,
                    "planned": seen.planned_frames, "seconds": seen.seconds,
                }  # fmt: skip
            return JSONResponse(known)

        async def verdict(request: Request) -> Response:
            asked = request.query_params
            try:
                exposure, after = int(asked["exposure"]), int(asked.get("after", 0))
                run = asked["run"]
            except (KeyError, ValueError):
                return JSONResponse({"error": "ask as /verdict?run=UID&exposure=1&after=0"}, 400)
            found = self.verdict(run, exposure, after)
            return Response(status_code=204) if found is None else JSONResponse(found.as_plain())

        async def newest(request: Request) -> Response:
            with self._lock:
                found = self._look
            if found is None:
                return Response(status_code=204)
            tag = f'"{found[0]}"'
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers={"etag": tag})
            content = await run_in_threadpool(_packed, *found[1:])
            return Response(content, media_type="application/x-npz", headers={"etag": tag, "cache-control": "no-store"})

        app = FastAPI(openapi_url=None)
        for path, answer in (("/", summary), ("/verdict", verdict), ("/look", newest)):
            app.add_route(path, answer)
        # A page of somebody else's, in a browser on this machine, must not read along under a name of its own.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
        return app


def _packed(exposure: int, look: Look, latents: NDArray[np.float32] | None) -> bytes:
    """A look as .npz: its arrays, and the rest as JSON in `about`."""
    about = {
        "run": look.origin.raw_uid, "exposure": exposure, "source": look.source, "look": look.number,
        "frames": look.frames, "planned": look.planned_frames, "seconds": look.seconds,
        "planned_seconds": look.planned_seconds, "plan_rows": look.plan_rows, "n_complete": look.n_complete,
        "problems": list(look.problems), "position": dict(look.origin.position),
    }  # fmt: skip
    arrays = {name: getattr(look, name) for name in ARRAYS}
    arrays |= asdict(look.bins) | {"latents": latents}
    if look.age_lag is not None:
        arrays |= {f"age_lag_{name}": value for name, value in asdict(look.age_lag).items()}
    buffer = io.BytesIO()
    there = {name: array for name, array in arrays.items() if array is not None}
    np.savez(buffer, allow_pickle=False, about=np.array(json.dumps(about)), **there)
    return buffer.getvalue()
