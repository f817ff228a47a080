from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from ainerd_agent.catalog import ServerUnreachableError
from ainerd_agent.catalog.codec.envelopes import read_envelope
from ainerd_agent.catalog.server_errors import ServerFailedError
from ainerd_agent.catalog.write.spool import SpooledWriter
from ainerd_agent.errors import CatalogError, SessionError
from ainerd_agent.records import (
    Analysis,
    Bins,
    Fingerprints,
    Origin,
    Quality,
    Relaxations,
    Run,
    ShearStress,
)
from ainerd_agent.records.analysis import ModelIdentity

FITS = Relaxations.unknown(2, "too slow")
ORIGIN = Origin(raw_uid="u", seq_num=2, start=1.0, stop=2.0, position={"x": 0.5}, extra={"load": np.float32(1.5)})
FINGERPRINTS = Fingerprints(
    origin=ORIGIN,
    c2=np.arange(32, dtype=np.float32).reshape(2, 4, 4),
    bins=Bins(q=np.ones(2), azimuth=np.zeros(2), n_pixels=np.array([3, 4])),
    duration=math.nan,
    mean_counts=np.ones(2),
    contrast=np.ones(2),
    tau=np.array([1.0, math.nan]),
    quality=Quality(snr=np.full(2, 5.0), bad_share=0.0, drift=0.0, problems=("", "dark")),
    g2=np.ones((2, 3), np.float32),
    lags=np.arange(3.0),
    relaxations=FITS,
)
ANALYSIS = Analysis(
    origin=ORIGIN,
    latents=np.ones((2, 64), np.float32),
    cluster=np.array([0, 1]),
    centre_distance=np.ones(2),
    novelty=np.full(2, math.nan),
    reconstruction_error=np.ones(2),
    stress=ShearStress(mean=3.0),
)


class Server:
    """A writer whose server is there and does as it is told."""

    model = ModelIdentity(name="m", weights_sha256="0", n_clusters=2)

    def __init__(self) -> None:
        self.answer: CatalogError | None = None
        self.has: list[int] = []

    def open_run(self, run: Run) -> None:
        pass

    def is_reachable(self) -> bool:
        return True

    def append(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: object) -> None:
        number = fingerprints[0].origin.seq_num
        if self.answer is not None and (number == 2 or not isinstance(self.answer, ServerFailedError)):
            raise self.answer
        self.has.append(number)


def spooled(server: Server, folder: Path) -> SpooledWriter:
    spool = SpooledWriter(server, folder)  # type: ignore[arg-type]
    spool.open_run(Run(uid="u", time=0.0))
    return spool


def append(spool: SpooledWriter, number: int) -> None:
    origin = dataclasses.replace(ORIGIN, seq_num=number)
    spool.append(
        "u", [dataclasses.replace(FINGERPRINTS, origin=origin)], [dataclasses.replace(ANALYSIS, origin=origin)]
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "m").iterdir())


def test_what_the_server_refuses_is_kept_and_tried_again_by_the_next_session(tmp_path: Path) -> None:
    server = Server()
    server.answer = CatalogError("the key is not right")
    spool = spooled(server, tmp_path)
    for number in (1, 2):
        with pytest.raises(CatalogError, match="the key is not right"):
            append(spool, number)
        assert spool.flush() == 0
    assert files(tmp_path) == ["00000001.refused", "00000002.refused"]
    (fingerprints,) = read_envelope(tmp_path / "m" / "00000002.refused")["arguments"]["fingerprints"]
    np.testing.assert_array_equal(fingerprints.c2, FINGERPRINTS.c2)
    server.answer = None
    append(spooled(server, tmp_path), 3)
    assert server.has == [1, 2, 3]
    assert files(tmp_path) == []


def test_a_server_that_fails_is_tried_again_until_it_is_the_record(tmp_path: Path) -> None:
    server = Server()
    server.answer = ServerFailedError("failed (500)")
    spool = spooled(server, tmp_path)
    for number in (1, 2, 3):
        append(spool, number)
    assert server.has == [1]  # what came later waits behind what the server failed at
    append(spool, 4)
    append(spool, 5)
    assert server.has == [1, 3, 4, 5]
    assert files(tmp_path) == ["00000001.refused"]
    server.answer = None
    assert spooled(server, tmp_path).flush() == 0
    assert server.has == [1, 3, 4, 5, 2]


def test_a_server_that_asks_for_peace_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, now = Server(), [0.0]
    monkeypatch.setattr("ainerd_agent.catalog.write.spool.clock.monotonic", lambda: now[0])
    server.answer = ServerUnreachableError("too much to do (429)", retry_after=30.0)
    spool = spooled(server, tmp_path)
    append(spool, 1)
    server.answer = None
    now[0] = 29.0
    append(spool, 2)
    assert server.has == []
    assert spool.flush() == 2
    now[0] = 31.0
    append(spool, 3)
    assert server.has == [1, 2, 3]


def test_a_full_disk_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.answer = ServerUnreachableError("nobody answers")
    spool = spooled(server, tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ainerd_agent.catalog.codec.envelopes.np.savez", full)
    with pytest.raises(SessionError, match=r"No space left on device.*ainerd analyze"):
        append(spool, 1)
    monkeypatch.undo()
    append(spool, 2)
    server.answer = None
    assert spool.flush() == 0
    assert server.has == [2]
