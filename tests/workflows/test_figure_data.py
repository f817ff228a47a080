import json

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.scattering.files.aps_results import write_results
from ainerd_agent.scattering.files.map_files import StoredMaps
from ainerd_agent.workflows.figure_data import data_of_file, read_dimensions, simulated_data


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load()


@pytest.fixture
def maps(tmp_path):
    """Twelve maps: one not finite, one a mean, the others of two experiments."""
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 32
    c2 = np.stack([1 + 0.3 * np.exp(-lag / tau) for tau in np.geomspace(0.05, 3, 12)])
    c2[0, 3, 4] = np.nan
    columns = {"series": np.arange(12) % 2, "is_mean": np.arange(12) == 1, "azimuth": np.arange(12) * 20}
    np.savez(tmp_path / "maps.npz", c2=c2, **columns)
    return tmp_path / "maps.npz"


def test_maps_are_scaled_and_encoded_by_the_model(encoder, maps):
    data = data_of_file(encoder, maps, baseline=1.0, contrast=0.3)
    c2 = np.load(maps)["c2"][2:]
    np.testing.assert_allclose(data.latents, encoder.encode(c2, baseline=1.0, contrast=0.3), atol=1e-5)
    np.testing.assert_allclose(data.maps, encoder.scale(c2, baseline=1.0, contrast=0.3).maps, atol=1e-6)
    np.testing.assert_array_equal(data.azimuth, np.arange(2, 12) * 20.0)
    assert data.time is None
    assert data.label.tolist() == [0, 1] * 5
    np.testing.assert_array_equal(data.cluster, encoder.clusters.predict(data.latents)[0])


def test_results_of_aps_are_maps_with_a_baseline_of_one(encoder, maps, tmp_path):
    c2 = np.load(maps)["c2"][4:5]
    (whole,) = StoredMaps(c2, {"azimuth": np.array([40.0])}).fingerprints("one", 0.0, baseline=1.0, duration=2.0)
    write_results(tmp_path / "one.h5", whole, {}, {})
    data = data_of_file(encoder, tmp_path / "one.h5", contrast=0.3)
    np.testing.assert_allclose(data.latents, encoder.encode(c2, baseline=1.0, contrast=0.3), atol=1e-4)
    np.testing.assert_allclose(data.azimuth, [40])


def test_no_more_maps_than_asked_for(encoder, maps):
    some = data_of_file(encoder, maps, most=4, seed=1)
    assert len(some) == len(some.maps) == len(some.label) == 4
    np.testing.assert_array_equal(some.azimuth, data_of_file(encoder, maps, most=4, seed=1).azimuth)
    assert set(some.azimuth) < set(range(40, 240, 20))


def test_latents_have_clusters_of_their_own_and_no_maps(encoder, tmp_path):
    rng = np.random.default_rng(0)
    time, number = (each.ravel() for each in np.meshgrid(np.arange(6) * 50.0, np.arange(1, 19)))
    np.savez(tmp_path / "latents.npz", latents=rng.normal(size=(108, 64)), start_time_s=time, azimuthal_bin=number)
    data = data_of_file(encoder, tmp_path / "latents.npz")
    assert data.maps is None
    assert set(data.cluster) == set(range(data.n_clusters))
    np.testing.assert_array_equal(data.time, time)
    assert (data.azimuth.min(), data.azimuth.max()) == (10, 350)


def test_simulated_maps_know_their_kind(encoder):
    data = simulated_data(encoder, 14, seed=2)
    assert data.maps.shape == (14, 256, 256)
    assert data.label.dtype.kind == "U"
    np.testing.assert_array_equal(data.latents, simulated_data(encoder, 14, seed=2).latents)


def test_files_that_cannot_be_drawn_are_refused(encoder, tmp_path):
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "nan.npy", np.full((3, 16, 16), np.nan))
    np.savez(tmp_path / "means.npz", c2=np.zeros((3, 16, 16)), is_mean=np.ones(3, dtype=bool))
    np.savez(tmp_path / "bare.npz", latents=np.zeros((3, 64)))
    for name, message in {
        "none.npz": "no file",
        "text.npz": "text.npz",
        "nan.npy": "every map",
        "means.npz": "no finite map of a single window",
        "bare.npz": "lacks the array start_time_s",
    }.items():
        with pytest.raises(MapError, match=message):
            data_of_file(encoder, tmp_path / name)


def test_errors_of_trained_lengths_come_from_the_benchmark(tmp_path):
    path = tmp_path / "dimensions.json"
    path.write_text(json.dumps({"machine": {}, "dimensions": [2, 16], "errors": [0.1, 0.05], "components": [0.2, 0.1]}))
    assert read_dimensions(path) == ([2, 16], [0.1, 0.05])
    path.write_text("[1, 2]")
    for file in (path, tmp_path / "none.json"):
        with pytest.raises(MapError, match="not what benchmarks"):
            read_dimensions(file)
