import numpy as np
import pytest

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent import Embedding, embed
from ainerd_agent.latent.atlas.embedding import membership


def test_few_points_are_projected_on_their_principal_components():
    latents = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
    latents[:, 0] *= 100
    found = embed(latents)
    assert found.shape == (6, 2)
    assert abs(np.corrcoef(found[:, 0], latents[:, 0])[0, 1]) > 0.99


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_strengths_fall_with_distance_and_add_up_whatever_the_unit(unit):
    distances = unit * np.sort(np.random.default_rng(0).uniform(0.5, 2, size=(50, 5)), axis=1)
    found = membership(distances)
    np.testing.assert_allclose(found[:, 1:].sum(axis=1), np.log2(5), rtol=1e-6)
    assert (np.diff(found, axis=1) <= 0).all()
    assert (found < 1).all()
    assert np.isfinite(membership(np.zeros((1, 5)))).all()


def plane():
    """A plane in the latent space, whose picture is the plane itself."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, size=(2000, 2))
    return (points @ np.linalg.qr(rng.normal(size=(64, 2)))[0].T).astype(np.float32), points


def test_new_points_lie_among_their_neighbours_and_the_fitted_ones_stay():
    latents, points = plane()
    embedding = Embedding(latents[:1900], points[:1900])
    before = embedding.points.copy()
    placed = embedding.place(latents[1900:])
    assert np.linalg.norm(placed - points[1900:], axis=1).max() < 0.1
    np.testing.assert_array_equal(embedding.place(latents[1950:1951])[0], placed[50])
    np.testing.assert_array_equal(embedding.place(latents[:7]), points[:7])
    np.testing.assert_array_equal(embedding.points, before)
    with pytest.raises(ValueError, match="read-only"):
        embedding.points[0] = 0


def test_what_cannot_be_placed_is_refused():
    latents, points = plane()
    with pytest.raises(MapError, match="too few for UMAP"):
        Embedding.fit(latents[:11])
    with pytest.raises(MapError, match="needs 5"):
        Embedding(latents[:4], points[:4])
    with pytest.raises(MapError, match="point for each of 20"):
        Embedding(latents[:20], points[:19])
    embedding = Embedding(latents[:20], points[:20])
    with pytest.raises(MapError, match="NaN"):
        embedding.place(np.full((1, 64), np.nan))
    with pytest.raises(MapError, match=r"\(n, 64\)"):
        embedding.place(np.zeros((1, 63)))


def test_a_saved_embedding_has_the_same_places(tmp_path):
    latents, points = plane()
    embedding = Embedding(latents[:100], points[:100])
    embedding.save(tmp_path / "picture.npz")
    again = Embedding.load(tmp_path / "picture.npz")
    np.testing.assert_array_equal(again.points, embedding.points)
    np.testing.assert_array_equal(again.place(latents[100:120]), embedding.place(latents[100:120]))


@pytest.mark.parametrize("content", [None, b"", b"not an npz", "without points", "pickled"])
def test_what_is_no_embedding_is_refused(tmp_path, content):
    path = tmp_path / "picture.npz"
    if content == "without points":
        np.savez(path, latents=plane()[0][:20])
    elif content == "pickled":
        np.savez(path, latents=plane()[0][:20], points=np.array([{}], dtype=object))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=str(path)):
        Embedding.load(path)
