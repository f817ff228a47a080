import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.errors import MapError
from ainerd_agent.workflows.ingest import contrast_of_file, ingest, read_foreign_maps


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    maps = np.stack([1 + np.exp(-lag / tau) for tau in (1.0, 5.0)])
    np.savez(tmp_path / "maps.npz", c2=maps, bin=np.array([4, 5]), x=np.array([0.0, 1.0]))
    return tmp_path / "maps.npz"


def test_a_file_as_it_is_read(file):
    maps = read_foreign_maps(file)
    assert (len(maps), maps.size) == (2, 40)
    assert maps.baseline == pytest.approx(1, abs=0.01)
    assert maps.contrast is None
    assert math.isnan(maps.duration)
    assert set(maps.stored.columns) == {"file_bin", "x"}  # `bin` means something else in the catalog


def test_another_choice_is_another_run(file):
    given = [{}, {"baseline": 1.0}, {"duration": 2.0}, {"contrast": 1.0}, {"key": "c2"}]
    uids = [read_foreign_maps(file, **each).as_run("gel").uid for each in given]
    uids.append(read_foreign_maps(file).as_run("sol").uid)
    assert len(set(uids)) == len(uids)
    assert read_foreign_maps(file).as_run("gel").uid == uids[0]


@pytest.mark.parametrize("baseline", [math.nan, math.inf])
def test_a_baseline_is_a_number(file, baseline):
    with pytest.raises(MapError, match="must be a number"):
        read_foreign_maps(file, baseline=baseline)


def test_a_key_of_results_without_names_is_refused(tmp_path):
    with pytest.raises(MapError, match="leave out the key"):
        read_foreign_maps(tmp_path / "results.h5", key="c2")


def test_a_constant_map_costs_itself_and_not_the_file(tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    maps = np.stack([1 + np.exp(-lag / tau) for tau in (2.0, 5.0, 9.0)])
    maps[1] = 1.0
    np.save(tmp_path / "maps.npy", maps)
    with open_catalog(str(tmp_path / "session"), create=True) as catalog:
        done = ingest(catalog, read_foreign_maps(tmp_path / "maps.npy", baseline=1.0))
    assert (done.n_maps, done.left_out) == (2, 1)
    assert done.refused == {2: "the map is 1 everywhere beside its diagonal: nothing was measured"}


def test_a_map_that_has_neither_contrast_nor_noise_is_named(tmp_path):
    maps = np.ones((2, 40, 40))
    maps[:, 20, 10] = maps[:, 10, 20] = 1.5
    maps[1] += np.exp(-np.abs(np.subtract.outer(np.arange(40), np.arange(40))) / 3.0)
    np.save(tmp_path / "maps.npy", maps)
    with open_catalog(str(tmp_path / "session"), create=True) as catalog:
        done = ingest(catalog, read_foreign_maps(tmp_path / "maps.npy", baseline=1.0))
    assert list(done.refused) == [1]
    assert "neither contrast above the baseline 1 nor noise" in done.refused[1]


def test_one_contrast_is_found_for_all_maps_of_a_file(tmp_path):
    """That of the set-up, whatever single maps show: one decays within a pixel, one is noise."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    maps = np.stack([1 + 0.3 * np.exp(-lag / tau) for tau in (3, 5, 8, 12, 20, 30, 0.1)])
    maps += 0.02 * rng.normal(size=maps.shape)
    np.savez(tmp_path / "maps.npz", c2=maps.astype(np.float32))
    given = read_foreign_maps(tmp_path / "maps.npz", baseline=1.0)
    assert contrast_of_file(given) == pytest.approx(0.27, abs=0.03)
    few = replace(given, stored=given.stored.select(np.arange(7) < 4))
    assert contrast_of_file(few) is None
