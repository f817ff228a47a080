import numpy as np
import pytest

from ainerd_agent.errors import MapError, ModelError
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.scaling import scale
from ainerd_agent.scattering.simulation.maps import simulate_maps


@pytest.fixture(scope="module")
def simulated():
    return simulate_maps(140, seed=12345)


def test_latents_have_the_shape_they_should(encoder, simulated):
    latents = encoder.encode(simulated.c2[:3])
    assert latents.shape == (3, 64)
    assert latents.dtype == np.float32
    assert encoder.encode(simulated.c2[0]).shape == (1, 64)
    assert encoder.decode(latents).shape == (3, 256, 256)


def test_encoding_does_not_depend_on_the_company(encoder, simulated):
    together = encoder.encode(simulated.c2[:5])
    alone = np.concatenate([encoder.encode(each) for each in simulated.c2[:5]])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_maps_of_any_size_are_encoded_alike(encoder, simulated):
    """Half the resolution of a slow, clean map is the same map."""
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256))) / 256
    fine = np.exp(-lag / 0.3)
    coarse = fine.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    near = np.linalg.norm(encoder.encode(fine) - encoder.encode(coarse))
    assert near < encoder.repeatability


def test_contrast_does_not_matter(encoder, simulated):
    maps = simulated.c2[:4].astype(np.float32)
    np.testing.assert_allclose(encoder.encode(maps), encoder.encode(1 + 0.1 * maps, baseline=1.0), atol=0.05)


def test_reconstructions_are_closer_to_the_truth_than_the_measurement_is(encoder, simulated):
    maps = simulated.c2[:40].astype(np.float32)
    scaled = scale(maps).maps
    truth = simulated.truth[:40].astype(np.float32)
    reconstructed = encoder.decode(encoder.encode(maps))
    noise = np.mean((scaled - truth) ** 2)
    assert np.mean((reconstructed - truth) ** 2) < 0.5 * noise


def test_reconstruct_gives_maps_in_their_own_units_and_size(encoder):
    lag = np.abs(np.subtract.outer(np.arange(100), np.arange(100))) / 100
    maps = 1 + 0.2 * np.exp(-lag / 0.2)[None]
    found = encoder.reconstruct(maps, baseline=1.0)
    assert found.shape == maps.shape
    assert np.abs(found - maps).mean() < 0.03


def test_latents_tell_the_simulated_dynamics_apart(encoder, simulated):
    """A map's nearest neighbours in the latent space are mostly of its own kind; chance is a seventh."""
    latents = encoder.encode(simulated.c2)
    distance = np.linalg.norm(latents[:, None] - latents[None], axis=-1)
    nearest = distance.argsort(axis=1)[:, 1:4]
    share = np.mean(simulated.kind[nearest] == simulated.kind[:, None])
    assert share > 0.45


def test_clusters_run_from_slow_to_fast(encoder):
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256))) / 256
    taus = [10.0, 1.0, 0.3, 0.1, 0.03, 0.01]
    cluster, _ = encoder.clusters.predict(encoder.encode(np.stack([np.exp(-lag / tau) for tau in taus])))
    assert cluster[0] == 0
    assert cluster[-1] == len(encoder.clusters) - 1
    assert np.all(np.diff(cluster) >= 0)


def test_a_model_survives_a_round_trip(encoder, simulated, tmp_path):
    encoder.save(tmp_path / "copy.safetensors")
    copy = Encoder.load(tmp_path / "copy.safetensors")
    assert (copy.name, copy.repeatability) == (encoder.name, encoder.repeatability)
    np.testing.assert_array_equal(copy.clusters.centres, encoder.clusters.centres)
    np.testing.assert_allclose(copy.encode(simulated.c2[:2]), encoder.encode(simulated.c2[:2]), atol=1e-5)
    assert len(copy.weights_sha256) == 64


def test_a_model_is_found_by_the_name_that_results_have(encoder, tmp_path):
    own = Encoder(encoder.network, encoder.clusters, name="own", repeatability=encoder.repeatability)
    file = tmp_path / "any.safetensors"
    own.save(file)
    assert Encoder.named("own", file).name == "own"
    for given in (file, None):
        assert Encoder.named("paper-v1", given).name == "paper-v1"
    with pytest.raises(ModelError, match=r"model theirs, .*; .*any.safetensors is the model own: give its encoder"):
        Encoder.named("theirs", file)
    with pytest.raises(ModelError, match="there is no model at"):
        Encoder.named("paper-v1", tmp_path / "gone.safetensors")


def test_models_that_cannot_be_used_are_refused(tmp_path):
    import torch
    from safetensors.torch import save_file

    (tmp_path / "text.safetensors").write_text("no weights")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "empty.safetensors", metadata={"format": "1"})
    cases = {
        "missing.safetensors": "there is no model",
        "text.safetensors": "not a readable",
        "other.safetensors": "not a latent model",
        "empty.safetensors": "does not hold what it should",
    }
    for name, message in cases.items():
        with pytest.raises(ModelError, match=message):
            Encoder.load(tmp_path / name)


def test_latents_of_another_length_are_refused(encoder):
    with pytest.raises(MapError, match="shape"):
        encoder.decode(np.zeros((2, 63)))
    with pytest.raises(MapError, match="no map"):
        encoder.encode(np.zeros((0, 16, 16)))
