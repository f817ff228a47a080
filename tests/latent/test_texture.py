"""The texture in few numbers: noise is left out, whatever its strength, and what stands out of it stays."""

import numpy as np
import pytest
import torch

from ainerd_agent.latent.texture import SATURATION, Texture
from ainerd_agent.latent.training.texture_directions import telling_directions


@pytest.fixture
def texture():
    """Of which all noise is taken to be of strength 1."""
    torch.manual_seed(0)
    made = Texture(n_textures=30, n_numbers=10, n_decay=4, width=8).eval()
    for parameter in made.noise[-1].parameters():
        torch.nn.init.zeros_(parameter)
    return made


def test_what_is_no_stronger_than_noise_becomes_zero(texture):
    weak = torch.full((3, 30), 0.9)
    assert texture(weak, torch.zeros(3, 4)).abs().max() == 0
    assert texture(torch.zeros(2, 30), torch.zeros(2, 4)).abs().max() == 0


def test_what_stands_out_is_shrunk_as_james_and_stein_do(texture):
    seen = torch.zeros(1, 30)
    seen[0, :10] = 2.0
    expected = np.full(10, 2.0 * (1 - 1 / 4))  # noise over power
    expected /= np.sqrt(1 + (expected**2).sum() / SATURATION**2)
    np.testing.assert_allclose(texture(seen, torch.zeros(1, 4)).detach().numpy()[0], expected, rtol=1e-5)


def test_a_strong_texture_is_bounded_and_keeps_its_direction(texture):
    seen = torch.zeros(1, 30)
    seen[0, 2] = 1e4
    found = texture(seen, torch.zeros(1, 4)).detach().numpy()[0]
    assert np.linalg.norm(found) == pytest.approx(SATURATION, rel=1e-3)
    assert found[2] == pytest.approx(SATURATION, rel=1e-3)


def test_directions_tell_dynamics_from_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 6)).astype(np.float32) * np.array([1, 1, 5, 1, 1, 1], dtype=np.float32)
    truth = np.zeros((4000, 6), dtype=np.float32)
    truth[:, 1], truth[:, 2] = 3 * rng.normal(size=(2, 4000))
    directions, telling = telling_directions(truth, [noise])
    assert (np.diff(telling) <= 0).all()
    # As strong in two directions, of which one is full of noise: the other comes first.
    assert np.abs(directions[0]).argmax() == 1
    assert telling[0] > 5 * telling[1]
    assert telling[2:].max() < 1e-6


def test_one_kind_of_noise_counts_like_another_however_many_and_strong():
    rng = np.random.default_rng(1)
    some = rng.normal(size=(300, 5)).astype(np.float32)
    truth = rng.normal(size=(100, 5)).astype(np.float32)
    plain = telling_directions(truth, [some, some])[1]
    strong = telling_directions(truth, [some, 100 * np.tile(some, (3, 1))])[1]
    np.testing.assert_allclose(plain, strong, rtol=0.02)
