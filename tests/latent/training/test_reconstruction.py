import numpy as np
import pytest
import torch

from ainerd_agent.errors import ModelError
from ainerd_agent.latent.paper_autoencoder import PaperAutoencoder
from ainerd_agent.latent.training.batches import LongMaps
from ainerd_agent.latent.training.reconstruction import train
from ainerd_agent.scattering.simulation.maps import simulate_maps


def test_the_network_is_the_papers():
    network = PaperAutoencoder()
    assert [m.out_channels for m in network.encoder if isinstance(m, torch.nn.Conv2d)] == [8, 8, 16, 16, 32, 32]
    assert [m.kernel_size for m in network.encoder if isinstance(m, torch.nn.MaxPool2d)] == [4, 4, 4]
    maps = torch.randn(2, 1, 256, 256)
    assert network.encode(maps).shape == (2, 64)
    decoded = network(maps)
    assert decoded.shape == maps.shape
    torch.testing.assert_close(decoded, decoded.mT)


@pytest.fixture(scope="module")
def lesson():
    simulated = simulate_maps(8, seed=1)
    return LongMaps((simulated.c2 / simulated.contrast[:, None, None]).astype(np.float16), simulated.truth)


def fresh():
    torch.manual_seed(5)
    return PaperAutoencoder()


def test_training_learns_and_repeats(lesson):
    one, other = fresh(), fresh()
    numbers = torch.get_rng_state()
    history = train(one, lesson, lesson, epochs=2, batch=4, seed=5)
    assert torch.equal(torch.get_rng_state(), numbers)  # of the program that trains
    assert [epoch.number for epoch in history] == [1, 2]
    assert history[-1].training_error < history[0].training_error
    train(other, lesson, lesson, epochs=2, batch=4, seed=5)
    for mine, others in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, others)


class KilledError(Exception):
    """What ends a training before its time."""


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(lesson, tmp_path):
    whole = fresh()
    expected = train(whole, lesson, lesson, epochs=3, batch=4, seed=5)

    def die(epoch, _):
        if epoch.number == 2:
            raise KilledError

    checkpoint = tmp_path / "model.checkpoint.safetensors"
    with pytest.raises(KilledError):
        train(fresh(), lesson, lesson, epochs=3, batch=4, seed=5, checkpoint=checkpoint, on_epoch=die)
    resumed = PaperAutoencoder()
    found = train(resumed, lesson, lesson, epochs=3, batch=4, seed=5, checkpoint=checkpoint)
    assert [epoch.training_error for epoch in found] == pytest.approx([epoch.training_error for epoch in expected])
    for mine, others in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, others)


def test_a_checkpoint_of_another_training_is_refused(lesson, tmp_path):
    checkpoint = tmp_path / "model.checkpoint.safetensors"
    train(fresh(), lesson, lesson, epochs=1, batch=4, checkpoint=checkpoint)
    with pytest.raises(ModelError, match="other settings"):
        train(fresh(), lesson, lesson, epochs=2, batch=4, checkpoint=checkpoint)
    checkpoint.write_text("not a checkpoint")
    with pytest.raises(ModelError, match="not a checkpoint"):
        train(fresh(), lesson, lesson, epochs=1, batch=4, checkpoint=checkpoint)


def test_fewer_maps_than_a_batch_are_refused(lesson):
    with pytest.raises(ModelError, match="do not fill one batch"):
        train(fresh(), lesson, lesson, epochs=1, batch=9)
