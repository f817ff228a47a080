import numpy as np
import torch

from ainerd_agent.instrument.training_maps import simulate_maps
from ainerd_agent.latent.autoencoder import PaperAutoencoder
from ainerd_agent.latent.scaling import scale
from ainerd_agent.latent.training import train


def test_the_network_is_the_papers():
    network = PaperAutoencoder()
    assert [m.out_channels for m in network.encoder if isinstance(m, torch.nn.Conv2d)] == [8, 8, 16, 16, 32, 32]
    assert [m.kernel_size for m in network.encoder if isinstance(m, torch.nn.MaxPool2d)] == [4, 4, 4]
    maps = torch.randn(2, 1, 256, 256)
    assert network.encode(maps).shape == (2, 64)
    decoded = network(maps)
    assert decoded.shape == maps.shape
    torch.testing.assert_close(decoded, decoded.mT)


def test_training_learns_and_repeats():
    simulated = simulate_maps(16, seed=1)
    maps, truth = scale(simulated.c2).maps.astype(np.float16), simulated.truth
    epochs = []

    def fit(collect):
        return train(maps, truth, (maps[:8], truth[:8]), epochs=3, batch=4, seed=5, on_epoch=collect)

    first = fit(lambda epoch, _: epochs.append(epoch))
    second = fit(lambda *_: None)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].training_error < epochs[0].training_error
    for mine, other in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(mine, other)
