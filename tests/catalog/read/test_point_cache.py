from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ainerd_agent.catalog.read.point_cache import KEPT, PointFiles
from ainerd_agent.catalog.read.similar import PointIndex
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Events


def points(uid: str, seq_nums: list[int], bins: int = 2) -> pd.DataFrame:
    n = len(seq_nums) * bins
    numbers = np.repeat(seq_nums, bins)
    columns = {
        "raw_uid": uid,
        "stream": "primary",
        "seq_num": numbers,
        "last_seq_num": numbers,
        "bin": np.tile(np.arange(bins) + 1, len(seq_nums)),
    }
    # In another order than they have, of which there are more than ten.
    latents = {f"z{axis}": np.arange(n) + 100.0 * axis for axis in reversed(range(11))}
    return pd.DataFrame({**columns, **dict.fromkeys(KEPT, 1.0), "cluster": 3, **latents})


def events(*seq_nums: int) -> set[Events]:
    return {Events("primary", number, number) for number in seq_nums}


def opened(folder: Path, about: str = "a") -> PointFiles:
    files = PointFiles(folder, [about])
    with files.alone():
        files.catch_up()
    return files


def test_what_was_added_is_there_for_others(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.retakes = {"u": {Events("primary", 2, 2): 4.5}}
    with files.alone():
        files.add([points("u", [1, 2]), points("v", [7])], ["empty"], 5.0)
    other = opened(tmp_path)
    assert len(other) == 6
    assert other.retakes == files.retakes
    assert (other.uids, other.since) == (["u", "v", "empty"], 5.0)
    assert other.measurements() == {"u": events(1, 2), "v": events(7)}
    assert other.measurements(4) == {"v": events(7)}
    assert other.latents(slice(1, 2)).tolist() == [[1.0 + 100 * axis for axis in range(11)]]
    assert other.rows(np.array([5]))["cluster"].tolist() == [3]
    with other.alone():
        other.add([points("u", [3])], [], 6.0)
    with files.alone():
        assert files.catch_up() is False
    assert (len(files), files.measurements(6)) == (8, {"u": events(3)})
    assert files.run.tolist() == [0, 0, 0, 0, 1, 1, 0, 0]


def test_a_tail_that_does_not_count_is_overwritten(tmp_path: Path) -> None:
    files = opened(tmp_path)
    with files.alone():
        files.add([points("u", [1])], [], 1.0)
    for path in tmp_path.glob("*.bin"):
        with path.open("ab") as file:
            file.write(b"half of a row")
    again = opened(tmp_path)
    assert len(again) == 2
    with again.alone():
        again.add([points("u", [2])], [], 2.0)
    assert opened(tmp_path).latents(slice(None))[:, 0].tolist() == [0.0, 1.0, 0.0, 1.0]


def test_latents_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    table = points("u", [1])
    table.loc[0, "z3"] = np.nan
    files = opened(tmp_path)
    with files.alone():
        files.add([table], [], 1.0)
    assert files.rows(slice(None))["bin"].tolist() == [2]


def test_another_catalog_or_nonsense_is_not_mixed_in(tmp_path: Path) -> None:
    files = opened(tmp_path)
    with files.alone():
        files.add([points("u", [1])], [], 1.0)
    assert len(opened(tmp_path, "b")) == 0
    (tmp_path / "latents-0.bin").write_bytes(b"short")
    with pytest.raises(CatalogError, match="damaged"):
        opened(tmp_path).latents(slice(None))


def test_the_large_archive_stays_and_a_small_one_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ainerd_agent.catalog.read.similar.SMALL", 6)
    files = opened(tmp_path)
    index = PointIndex(files)
    expected: list[int] = []
    for seq_num in range(1, 9):
        with files.alone():
            files.add([points("u", [seq_num], bins=4)], [], 1.0)
        archives = index._arranged()
        expected.append(len(archives))
        assert sum(map(len, archives)) == len(index) == 4 * seq_num
        numbers, distances = index.nearest(files.latents(slice(0, 1))[0], 3, itself=0)
        assert len(set(numbers.tolist())) == 3
        assert 0 not in numbers
        assert distances.tolist() == sorted(distances.tolist())
    assert set(expected) == {1, 2}
    allowed = np.zeros(len(index), np.bool_)
    allowed[-2:] = True
    assert set(index.nearest(files.latents(slice(0, 1))[0], 9, allowed)[0]) == {30, 31}
