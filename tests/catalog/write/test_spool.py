from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import ServerUnreachableError
from ainerd_agent.catalog.codec.envelopes import read_envelope, write_envelope
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
    Suggestion,
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

MODEL = ModelIdentity(name="m", weights_sha256="0", n_clusters=2)


class Server:
    """A writer whose server answers and does what it should."""

    def __init__(self, model: ModelIdentity = MODEL) -> None:
        self.model = model
        self.siblings: list[Server] = []
        self.answer: BaseException | None = None
        self.has: list[int | str] = []
        self.on_append: Callable[[], None] = lambda: None

    def open_run(self, run: Run) -> None:
        pass

    def is_reachable(self) -> bool:
        return True

    def forget_suggestions(self) -> None:
        pass

    def append(self, raw_uid: str, fingerprints: list[Fingerprints], analyses: object) -> None:
        number = fingerprints[0].origin.seq_num
        if self.answer is not None and (number == 2 or not isinstance(self.answer, ServerFailedError)):
            raise self.answer
        self.has.append(number)
        self.on_append()

    def record_failure(self, raw_uid: str, seq_num: int, message: str, **events: object) -> None:
        self._take(message)

    def close_run(self, raw_uid: str, status: str) -> None:
        self._take(status)

    def record_suggestion(self, suggestion: Suggestion, event: str, **about: object) -> None:
        self._take(event)

    def _take(self, what: str) -> None:
        if self.answer is not None:
            raise self.answer
        self.has.append(what)

    def for_model(self, model: ModelIdentity) -> Server:
        self.siblings.append(Server(model))
        return self.siblings[-1]


AWAY = ServerUnreachableError("nobody answers")


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
    return sorted(path.name for path in (folder / "m").iterdir() if not path.name.startswith("."))


def endings(folder: Path) -> list[str]:
    return [Path(name).suffix for name in files(folder)]


def test_what_the_server_refuses_is_kept_and_tried_again_by_the_next_session(tmp_path: Path) -> None:
    server = Server()
    server.answer = CatalogError("the key is not right")
    spool = spooled(server, tmp_path)
    for number in (1, 2):
        with pytest.raises(CatalogError, match="the key is not right"):
            append(spool, number)
        assert spool.flush() == 0
    assert endings(tmp_path) == [".refused", ".refused"]
    (fingerprints,) = read_envelope(tmp_path / "m" / files(tmp_path)[1])["arguments"]["fingerprints"]
    np.testing.assert_array_equal(fingerprints.c2, FINGERPRINTS.c2)
    server.answer = None
    append(spooled(server, tmp_path), 3)
    assert server.has == [1, 2, 3]
    assert files(tmp_path) == []


def test_the_end_of_a_run_is_noted_again_after_what_was_refused_of_it(tmp_path: Path) -> None:
    """Where nothing else of the run is there, the catalog has no place yet that says how it ended."""
    server = Server()
    for delivered_later in (False, True):
        server.answer = CatalogError("the key is not right")
        spool = spooled(server, tmp_path)
        if not delivered_later:
            with pytest.raises(CatalogError, match="the key is not right"):
                append(spool, 1)
        else:
            assert spool.flush() == 0
        server.answer = None
        spool.close_run("u", "abort")
    assert server.has == ["abort", "abort"]
    assert endings(tmp_path) == [".refused", ".refused", ".refused"]
    assert spooled(server, tmp_path).flush() == 0
    assert server.has == ["abort", "abort", 1, "abort", "abort"]
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
    assert endings(tmp_path) == [".refused"]
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
    server.answer = AWAY
    spool = spooled(server, tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ainerd_agent.catalog.codec.envelopes.np.savez", full)
    with pytest.raises(SessionError, match=r"Lost: measurement 1 of run u.*No space left on device.*ainerd analyze"):
        append(spool, 1)
    assert files(tmp_path) == []
    monkeypatch.undo()
    append(spool, 2)
    server.answer = None
    assert spool.flush() == 0
    assert server.has == [2]


@pytest.mark.parametrize("answer", [AWAY, CatalogError("the key is not right")])
def test_whatever_is_lost_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: CatalogError) -> None:
    server = Server()
    server.answer = answer
    spool = spooled(server, tmp_path)
    (tmp_path / "m").rmdir()
    (tmp_path / "m").write_text("in the way")
    suggestion = Suggestion(id="s", position={"x": 1.0}, reason="Why not.")
    for call, name in (
        (lambda: append(spool, 3), "measurement 3 of run u"),
        (lambda: spool.record_failure("u", 4, "dark"), r"the failure of measurement 4 of run u \(dark\)"),
        (lambda: spool.record_suggestion(suggestion, "measured", raw_uid="u", seq_num=3), "'measured' of suggestion s"),
        (lambda: spool.close_run("u", "success"), r"the end of run u \(success\)"),
    ):
        caplog.clear()
        with pytest.raises(SessionError, match=f"Lost: .*{name}.*{answer if answer is not AWAY else ''}"):
            call()
        (critical,) = (record.message for record in caplog.records if record.levelname == "CRITICAL")
        assert critical.startswith("Lost: ")


def test_a_server_that_is_there_needs_no_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    spool = spooled(server, tmp_path)
    (tmp_path / "m").rmdir()
    (tmp_path / "m").write_text("in the way")
    append(spool, 1)
    assert server.has == [1]
    assert "cannot be listed" in caplog.text


def test_a_folder_that_somebody_deletes_is_made_again(tmp_path: Path) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    append(spool, 1)
    shutil.rmtree(tmp_path / "m")
    append(spool, 2)
    server.answer = None
    append(spool, 3)
    assert server.has == [2, 3]


def test_ctrl_c_while_the_server_is_asked(tmp_path: Path) -> None:
    server = Server()
    spool = spooled(server, tmp_path)
    server.answer = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        append(spool, 1)
    assert endings(tmp_path) == [".npz"]
    with pytest.raises(KeyboardInterrupt):  # now while the first one is delivered
        append(spool, 2)
    server.answer = None
    append(spool, 3)
    assert server.has == [1, 2, 3]


def test_ctrl_c_while_a_record_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ainerd_agent.catalog.codec.envelopes.np.savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(spool, 1)
    assert "Lost: measurement 1 of run u" in caplog.text
    assert files(tmp_path) == []


def test_a_record_that_vanishes_was_delivered_by_somebody_else(tmp_path: Path) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    for number in (1, 2, 3):
        append(spool, number)
    second = tmp_path / "m" / files(tmp_path)[1]
    server.answer = None
    server.on_append = lambda: second.unlink(missing_ok=True)
    assert spool.flush() == 0
    assert server.has == [1, 3]
    assert files(tmp_path) == []


def test_what_the_server_cannot_find_is_not_taken_for_delivered(tmp_path: Path) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    append(spool, 1)
    server.answer = FileNotFoundError("a file of the server")
    assert spool.flush() == 0
    assert endings(tmp_path) == [".refused"]


def test_a_record_that_cannot_be_read_lets_the_others_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    append(spool, 1)
    locked = tmp_path / "m" / files(tmp_path)[0]

    def read(path: Path) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return read_envelope(path)

    with monkeypatch.context() as of_somebody_else:
        of_somebody_else.setattr("ainerd_agent.catalog.write.spool.read_envelope", read)
        append(spool, 2)
        server.answer = None
        append(spool, 3)
        assert server.has == [2, 3]
    assert f"{locked} cannot be read (Permission denied)" in caplog.text
    assert [path.name for path in (tmp_path / "m").glob("*.npz")] == [locked.name]
    assert spooled(server, tmp_path).flush() == 0
    assert server.has == [2, 3, 1]


def test_what_was_delivered_and_cannot_be_removed_is_delivered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    append(spool, 1)
    server.answer = None

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", read_only)
        append(spool, 2)
        append(spool, 3)
    assert server.has == [1, 2, 3]
    assert "was delivered, but cannot be removed (Read-only file system)" in caplog.text


def test_one_process_delivers_at_a_time(tmp_path: Path) -> None:
    servers = Server(), Server()
    first, second = (spooled(server, tmp_path) for server in servers)
    servers[0].answer = AWAY
    append(first, 1)

    def meanwhile() -> None:
        append(second, 5)  # goes behind what is being delivered
        servers[0].on_append = lambda: None

    servers[0].on_append = meanwhile
    servers[0].answer = None
    assert first.flush() == 0
    assert (servers[0].has, servers[1].has) == ([1, 5], [])
    append(second, 6)
    assert servers[1].has == [6]


def test_other_files_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    foreign = ["00000001 (copy).npz", "00000001.npz~", "1.npz", "notes.npz", "record-1.npz", "00000009.unfinished"]
    for name in foreign:
        (folder / name).write_bytes(b"not ours")
    (folder / "00000002.npz").mkdir()
    server = Server()
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    assert "6 files that are no records, and are left alone: 00000001 (copy).npz, " in caplog.text
    append(spool, 1)
    server.answer = None
    assert spool.flush() == 0
    assert server.has == [1]
    assert files(tmp_path) == sorted([*foreign, "00000002.npz"])
    assert all((folder / name).read_bytes() == b"not ours" for name in foreign)


def test_a_folder_of_version_0_1_is_delivered(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "fixtures" / "spool-0.1" / "toy-1", tmp_path / "m")
    server = Server()
    spool = spooled(server, tmp_path)
    append(spool, 7)
    assert server.has == [1, 2, "saturated", "measured", "success", 7]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "other",
    [{"parameters": {"q_min": 0.5}}, {"geometry": {"distance": 9.0}}, {"weights_sha256": "1"}, {"n_clusters": 3}],
)
def test_records_are_delivered_under_the_model_that_made_them(tmp_path: Path, other: dict[str, Any]) -> None:
    away, server = Server(dataclasses.replace(MODEL, **other)), Server()
    away.answer = AWAY
    kept = spooled(away, tmp_path)
    append(kept, 1)
    kept.close_run("u", "abort")
    append(spooled(server, tmp_path), 2)
    assert server.has == [2]
    (sibling,) = server.siblings
    assert (sibling.model, sibling.has) == (away.model, [1, "abort"])


def test_parameters_are_the_same_after_their_time_in_a_file(tmp_path: Path) -> None:
    """Also those that JSON does not have."""
    model = dataclasses.replace(MODEL, parameters={"sizes": (4, 5), "path": tmp_path, "sigma": np.float64(math.nan)})
    server = Server(model)
    server.answer = AWAY
    spool = spooled(server, tmp_path)
    append(spool, 1)
    server.answer = None
    assert spool.flush() == 0
    assert (server.has, server.siblings) == ([1], [])


def test_records_that_do_not_name_their_model_are_the_deliverers(tmp_path: Path) -> None:
    """As they were kept before they named it."""
    (tmp_path / "m").mkdir()
    write_envelope(
        tmp_path / "m" / "record-1700000000000000000-0a1b2c3d.npz",
        {"method": "close_run", "run": Run(uid="u", time=0.0), "arguments": {"raw_uid": "u", "status": "abort"}},
    )
    server = Server()
    assert spooled(server, tmp_path).flush() == 0
    assert server.has == ["abort"]
