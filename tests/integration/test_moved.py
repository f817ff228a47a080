"""A session's folder elsewhere: copied, moved, renamed, under names that are not plain, by a process that is killed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ainerd_agent.catalog import TiledServer, open_catalog
from ainerd_agent.catalog.server import _moved
from ainerd_agent.errors import SessionError
from tests.integration.derived_runs import MODEL, write_run

# Tiled 0.2.20 calls websockets in a way that version 17 discourages.
pytestmark = [pytest.mark.filterwarnings(r"ignore:connect\(\) must be used:DeprecationWarning")]

ASSET = (
    "INSERT INTO assets (data_uri, is_directory, time_created, time_updated) "
    "VALUES (?, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of the simulated beamline."""
    from ainerd_agent.instrument.experiment import simulated_experiment
    from ainerd_agent.settings import Settings
    from ainerd_agent.workflows.session import Listeners, SessionOptions, run_session

    folder = tmp_path_factory.mktemp("first place") / "Sitzung ä"
    options = SessionOptions(measurements=2, frames=32, folder=folder, seed=0, detector=(96, 96))
    experiment = simulated_experiment(options.detector, frames=options.frames, seed=options.seed)
    with open_catalog(str(folder), create=True) as catalog:
        run_session(catalog, options, experiment, Settings(), Listeners())
    return folder


def contents(folder: Path) -> dict[str, Any]:
    """All that is in a session, read through a server on its folder."""
    with open_catalog(str(folder)) as catalog:
        results = catalog.model()
        uid = catalog.uid(-1)
        raw = catalog["raw", uid]
        names = {name for name, _ in raw.documents()}
        return {
            "c2": catalog.c2(uid),
            "g2": catalog.maps(uid).g2(),
            "bins": catalog["xpcs", uid, "bins"].read(),
            "points": results.points(),
            "suggestions": results.suggestions(),
            "frames": raw["primary"]["detector"].read(),
            "documents": names,
            "file": results.run(uid).explain(1, 1)["frames"]["files"][0]["file"],
        }


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in ("c2", "g2", "frames"):
        np.testing.assert_array_equal(found[name], expected[name])
    for name in ("bins", "points", "suggestions"):
        assert found[name].equals(expected[name])
    assert found["documents"] == expected["documents"]


@pytest.fixture(scope="module")
def expected(session: Path) -> dict[str, Any]:
    return contents(session)


def addresses(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        return [uri for (uri,) in connection.execute("SELECT data_uri FROM assets ORDER BY id")]


def test_frames_are_registered_in_a_folder_with_umlauts_and_spaces(session: Path, expected: dict[str, Any]) -> None:
    assert expected["frames"].shape[0] * expected["frames"].shape[1] >= 2
    assert f"{session}/frames" in expected["file"]
    assert not list((session / "unsent" / "raw").glob("*"))


@pytest.mark.parametrize("name", ["plain", "mit Leerzeichen und Umläuten öß", "50% + 1"])
def test_a_copy_is_whole_without_the_original(
    session: Path, expected: dict[str, Any], tmp_path: Path, name: str
) -> None:
    original, copy = tmp_path / "original" / "s", tmp_path / name / "s"
    shutil.copytree(session, original)
    assert_same(contents(original), expected)
    shutil.copytree(original, copy)
    shutil.rmtree(original)
    assert_same(contents(copy), expected)
    assert all(str(copy) in address for address in addresses(copy))
    # Into its own former place, below which the next one lies.
    inner = copy / "s"
    shutil.copytree(copy, inner)
    assert_same(contents(inner), expected)
    assert_same(contents(inner), expected)
    assert_same(contents(copy), expected)


def test_one_can_go_on_in_the_new_place(session: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(session, moved)
    before = (session / "tables.db").stat().st_mtime_ns
    with open_catalog(str(moved)) as catalog:
        write_run(catalog.writer(MODEL), "later", [{}, {}])
    with open_catalog(str(moved)) as catalog:
        assert len(catalog.points(MODEL.name, raw_uid="later")) == 6
    assert (session / "tables.db").stat().st_mtime_ns == before


def test_a_session_of_before_is_followed_by_its_tables(session: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(session, moved)
    with closing(sqlite3.connect(moved / "catalog.db")) as connection:
        connection.execute("DROP TABLE ainerd_session")
        # An earlier version went on in the new place.
        connection.execute(
            ASSET,
            (_moved.tables_uri(moved),),
        )
        connection.commit()
    assert_same(contents(moved), expected)
    assert addresses(moved).count(_moved.tables_uri(moved)) == 1


def test_addresses_elsewhere_stay(session: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(session, moved)
    elsewhere = [f"file://localhost{session}-2/frames/a.h5", "file://localhost/data/b.h5", "s3://bucket/c"]
    with closing(sqlite3.connect(moved / "catalog.db")) as connection:
        for uri in elsewhere:
            connection.execute(
                ASSET,
                (uri,),
            )
        connection.commit()
    assert _moved.follow_move(moved / "catalog.db") == len(addresses(session))
    assert addresses(moved)[-3:] == elsewhere
    assert _moved.follow_move(moved / "catalog.db") == 0


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real, n_calls = _moved._place, [0]

    def place(uri: str) -> Path | None:
        n_calls[0] += 1
        if n_calls[0] == 4:
            raise KeyboardInterrupt
        return real(uri)

    with monkeypatch.context() as patched:
        patched.setattr(_moved, "_place", place)
        yield


def test_an_interruption_leaves_it_as_it_was(
    session: Path, expected: dict[str, Any], tmp_path: Path, interrupted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(session, moved)
    before = addresses(moved)
    with pytest.raises(KeyboardInterrupt):
        _moved.follow_move(moved / "catalog.db")
    assert addresses(moved) == before
    assert_same(contents(moved), expected)


def test_not_while_it_is_served(session: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(session, moved)
    with TiledServer(moved), pytest.raises(SessionError, match="Another Tiled server"), open_catalog(str(moved)):
        pass
