"""Names of records: none is taken twice, and their order is that of writing."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.envelopes import read_envelope, rename_exclusively, write_envelope
from ainerd_agent.catalog.write.spool_folder import SpoolFolder
from ainerd_agent.errors import SessionError

N_RECORDS = 60
MOMENTS = st.integers(0, 2**63)


def keep_many(folder: Path, writer: int, gate: Any) -> None:
    spool = SpoolFolder(folder)
    gate.wait(60)
    for number in range(N_RECORDS):
        spool.keep([writer, number])


def test_processes_that_write_at_once_keep_everything_in_order(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(3)
    workers = [context.Process(target=keep_many, args=(tmp_path, writer, gate)) for writer in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    kept = [read_envelope(path) for path in SpoolFolder(tmp_path).waiting()]
    for writer in range(3):
        assert [number for who, number in kept if who == writer] == list(range(N_RECORDS))
    assert len(list(tmp_path.iterdir())) == 3 * N_RECORDS


@settings(max_examples=40, deadline=None)
@given(
    moments=st.lists(MOMENTS, max_size=8),
    old=st.lists(st.integers(1, 10**10), max_size=4, unique=True),
    restart=st.integers(0, 8),
)
def test_order_is_that_of_writing_whatever_the_clock_says(moments: list[int], old: list[int], restart: int) -> None:
    clock = iter(moments)
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(time, "time_ns", lambda: next(clock))
        folder = Path(name)
        for number in old:
            write_envelope(folder / f"{number:08d}.npz", number)
        spool = SpoolFolder(folder)
        written = []
        for place in range(len(moments)):
            if place == restart:
                spool = SpoolFolder(folder)
            written.append(spool.keep(place))
        assert [path.name for path in spool.waiting()] == [
            *(f"{number:08d}.npz" for number in sorted(old)),
            *(path.name for path in written),
        ]


def test_a_name_that_is_taken_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 8)  # as two processes that drew the same number
    monkeypatch.setattr(time, "time_ns", lambda: 2 * 10**18)
    one, other = SpoolFolder(tmp_path), SpoolFolder(tmp_path)
    one.keep("first")
    other.keep("second")
    assert [read_envelope(path) for path in one.waiting()] == ["first", "second"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_no_ending_replaces_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    for name in ("00000001.npz", "00000001.refused"):
        write_envelope(tmp_path / name, name)
    spool = SpoolFolder(tmp_path)
    spool.refuse(tmp_path / "00000001.npz")
    assert spool.waiting() == []
    assert {read_envelope(path) for path in spool.readmit()} == {"00000001.npz", "00000001.refused"}
    assert len(spool.waiting()) == 2


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_no_file_is_written_over_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    write_envelope(tmp_path / "1.npz", "first")
    with pytest.raises(FileExistsError):
        write_envelope(tmp_path / "1.npz", "second")
    assert read_envelope(tmp_path / "1.npz") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["1.npz"]


def no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_renaming_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    write_envelope(tmp_path / "1.npz", "record")
    os.link(tmp_path / "1.npz", tmp_path / "1.refused")
    rename_exclusively(tmp_path / "1.npz", tmp_path / "1.refused")
    assert [path.name for path in tmp_path.iterdir()] == ["1.refused"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="file/m cannot be created: Not a directory"):
        SpoolFolder(tmp_path / "file" / "m")


def test_one_is_alone_until_it_lets_go(tmp_path: Path) -> None:
    one, other = SpoolFolder(tmp_path), SpoolFolder(tmp_path)
    with one.alone() as first, other.alone() as second:
        assert (first, second) == (True, False)
    with other.alone() as second:
        assert second
