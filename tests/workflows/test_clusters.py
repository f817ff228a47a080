import numpy as np
import pytest

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent import Clusters, Encoder
from ainerd_agent.workflows.clusters import ModelPoints, choose_clusters, compare_methods, read_latents, refit_clusters


@pytest.fixture(scope="module")
def groups():
    """Three groups of latents."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(level, 0.3, (40, 64)) for level in (0, 2, 4)]).astype(np.float32)


def test_three_groups_are_three_clusters(groups):
    found = choose_clusters(groups, largest=5, seeds=3)
    assert [trial.n_clusters for trial in found.trials] == [2, 3, 4, 5]
    assert found.best.n_clusters == 3
    methods = compare_methods(found, seeds=3)
    assert methods["kmeans"] == (1.0, 1.0)
    assert "hdbscan" in methods


def test_numbers_are_tried_on_no_more_points_than_asked_for(groups):
    found = choose_clusters(groups, largest=3, seeds=2, most=50)
    assert found.latents.shape == (50, 64)
    assert len(np.unique(found.latents, axis=0)) == 50


def test_latents_come_from_a_file(groups, tmp_path):
    np.savez(tmp_path / "latents.npz", latents=groups)
    np.testing.assert_array_equal(read_latents(tmp_path / "latents.npz"), groups)
    np.savez(tmp_path / "other.npz", vectors=groups)
    np.savez(tmp_path / "nan.npz", latents=np.full((3, 64), np.nan))
    (tmp_path / "text.npz").write_text("text")
    cut = (tmp_path / "latents.npz").read_bytes()[:1000]
    (tmp_path / "cut.npz").write_bytes(cut)
    for name, message in {
        "other": "lacks the array latents",
        "nan": "NaN or infinite",
        "text": "cannot be read",
        "cut": "cannot be read",
        "none": "cannot be read",
    }.items():
        with pytest.raises(MapError, match=message):
            read_latents(tmp_path / f"{name}.npz")


def test_a_refit_is_a_model_of_its_own_whose_clusters_lie_where_the_points_do(groups, tmp_path):
    encoder = Encoder.load()
    slowness = np.repeat([0.0, 1.0, 2.0], 40)
    slowness[::10] = np.nan
    encoder.clusters = Clusters.fit(groups + 0.5, np.repeat([0.0, 1.0, 2.0], 40), 3)
    before = encoder.clusters.version
    points = ModelPoints(model=encoder.name, latents=groups, slowness=slowness)
    made = refit_clusters(encoder, points, tmp_path / "autumn.safetensors")

    assert made.name == "autumn"
    np.testing.assert_allclose(made.clusters.centres.mean(axis=1), [4, 2, 0], atol=0.1)  # the slowest first
    assert (encoder.name, encoder.clusters.version) == ("ages-v1", before)
    maps = np.exp(-np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 5)[None]
    np.testing.assert_array_equal(made.encode(maps), encoder.encode(maps))

    with pytest.raises(ModelError, match="cannot be called ages-v1 like the old one"):
        refit_clusters(encoder, points, tmp_path / "ages-v1.safetensors")
    with pytest.raises(ModelError, match="the points are of the model other"):
        refit_clusters(encoder, ModelPoints(model="other", latents=groups, slowness=slowness), tmp_path / "x")
