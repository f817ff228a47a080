import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.scattering.correlation.age_lag import age_lag_of_maps
from ainerd_agent.scattering.files.map_files import read_maps


def relaxed(n, size=20, baseline=1.0, noise=0.0):
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    maps = baseline + np.exp(-lag / 2.0)[None].repeat(n, axis=0)
    return maps + noise * np.random.default_rng(0).normal(size=maps.shape)


def test_columns_of_an_npz_go_with_their_maps(tmp_path):
    path = tmp_path / "maps.npz"
    np.savez(path, c2=relaxed(3), series=np.array([7, 7, 8]), x=np.array([0.1, 0.2, 0.3]), other=np.zeros(5))
    stored = read_maps(path)
    assert len(stored) == 3
    assert set(stored.columns) == {"series", "x"}
    first, *_, last = stored.fingerprints("run", 100.0, baseline=1.0, duration=5.0)
    assert last.origin.seq_num == 3
    assert last.origin.extra == {"series": 8}
    assert first.origin.position == {"x": 0.1}
    assert first.c2.shape == (1, 20, 20)
    assert first.contrast[0] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert first.tau[0] == pytest.approx(5.0 / 20 * 3, rel=0.1)


def test_a_single_map_is_one_measurement(tmp_path):
    np.save(tmp_path / "one.npy", relaxed(1)[0])
    assert len(read_maps(tmp_path / "one.npy")) == 1


@pytest.mark.parametrize("baseline", [0.0, 1.0, 0.3])
def test_the_baseline_is_found(tmp_path, baseline):
    np.save(tmp_path / "maps.npy", relaxed(30, size=50, baseline=baseline, noise=0.05))
    assert read_maps(tmp_path / "maps.npy").baseline() == pytest.approx(baseline, abs=0.01)


def test_maps_with_nan_are_known_and_do_not_spoil_the_rest(tmp_path):
    maps = relaxed(4)
    maps[2, 3, 3] = np.nan
    np.save(tmp_path / "maps.npy", maps)
    stored = read_maps(tmp_path / "maps.npy")
    assert stored.finite.tolist() == [True, True, False, True]
    assert np.isfinite(stored.baseline())


def test_maps_that_tell_nothing_are_named_and_do_not_spoil_the_baseline(tmp_path):
    maps = relaxed(4, noise=0.01)
    maps[1, 3, 3] = np.nan
    maps[2] = np.where(np.eye(20), 5.0, 0.0)
    np.save(tmp_path / "maps.npy", maps)
    stored = read_maps(tmp_path / "maps.npy")
    assert stored.faults == {
        1: "the map holds NaN or infinite values",
        2: "the map is 0 everywhere beside its diagonal: nothing was measured",
    }
    assert stored.baseline() == pytest.approx(1, abs=0.01)


def test_files_without_maps_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((5, 6)))
    np.savez(tmp_path / "two.npz", a=relaxed(2), b=relaxed(2))
    np.save(tmp_path / "nan.npy", np.full((2, 9, 9), np.nan))
    (tmp_path / "text.npz").write_text("no maps here")
    np.save(tmp_path / "whole.npy", relaxed(4))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:2000])
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    cases = {
        "missing.npy": "there is no file",
        "flat.npy": "no square maps",
        "two.npz": "name one with --key",
        "nan.npy": "every map",
        "text.npz": "not a readable",
        "cut.npy": "not a readable",
        "pickled.npy": "not a readable",
    }
    for name, message in cases.items():
        with pytest.raises(MapError, match=message):
            read_maps(tmp_path / name)
    assert len(read_maps(tmp_path / "two.npz", key="b")) == 2


def test_columns_whose_names_are_taken_get_a_prefix(tmp_path):
    np.savez(tmp_path / "maps.npz", c2=relaxed(2), cluster=np.array([5, 6]), series=np.array([1, 2]))
    renamed = read_maps(tmp_path / "maps.npz").rename({"cluster", "bin"})
    assert {name: values.tolist() for name, values in renamed.columns.items()} == {
        "file_cluster": [5, 6],
        "series": [1, 2],
    }


def test_elapsed_time_counts_from_the_first_map(tmp_path):
    np.savez(tmp_path / "maps.npz", c2=relaxed(3), time=np.array([110.0, 100.0, 130.0]))
    found = read_maps(tmp_path / "maps.npz").fingerprints("run", 7.0, baseline=1.0)
    assert [each.origin.elapsed for each in found] == [10.0, 0.0, 30.0]


def test_maps_whose_duration_is_known_are_brought_to_age_and_lag(tmp_path):
    maps = relaxed(2)
    np.save(tmp_path / "maps.npy", maps)
    stored = read_maps(tmp_path / "maps.npy")
    for index, found in enumerate(stored.fingerprints("run", 0.0, baseline=1.0, duration=40.0)):
        expected = age_lag_of_maps(maps[index : index + 1].astype(np.float32) - 1, 40.0)
        np.testing.assert_array_equal(found.age_lag.values, expected.values)
        np.testing.assert_array_equal(found.age_lag.lags, expected.lags)
    assert all(each.age_lag is None for each in stored.fingerprints("run", 0.0, baseline=1.0))
