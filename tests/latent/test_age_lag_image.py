import numpy as np
import pytest
import torch

from ainerd_agent.latent.age_lag_image import MIN_PIXELS, AgeLagImage
from ainerd_agent.latent.lag_autoencoder import lag_bins
from ainerd_agent.scattering.correlation.age_lag import age_average


@pytest.fixture(scope="module")
def view():
    return AgeLagImage()


def test_cells_are_means_over_the_pixels_whose_middle_lies_in_the_section(view):
    maps = np.random.default_rng(0).normal(size=(2, 256, 256))
    found = view(torch.from_numpy(maps)).numpy()[:, : view.n_cells]
    first, second = np.indices((256, 256))
    middle, lag = (first + second) / 2, np.abs(first - second)
    bins = [np.flatnonzero(row) for row in lag_bins(14).numpy()]
    expected = []
    for age in range(16):
        for lags in bins:
            inside = (middle >= 16 * age) & (middle < 16 * (age + 1)) & (lag >= lags[0]) & (lag <= lags[-1])
            if np.count_nonzero(inside) >= 2 * MIN_PIXELS:
                expected.append(maps[:, inside].mean(axis=1))
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-6)


def test_means_over_age_are_g2_in_bins_of_lag(view):
    maps = np.random.default_rng(1).normal(size=(1, 256, 256)).astype(np.float32)
    maps = (maps + maps.transpose(0, 2, 1)) / 2
    found = view.lag_means(view(torch.from_numpy(maps))).numpy()[0]
    pixels, g2 = np.arange(256, 0, -1), age_average(maps)[0]
    expected = [np.average(g2[row > 0], weights=pixels[row > 0]) for row in lag_bins(24).numpy()]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_the_same_at_all_ages_has_no_texture(view):
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256)))
    even = torch.from_numpy(np.exp(-lag / 40.0)[None].astype(np.float32))
    # Not quite nothing: at the first and last ages, a bin of long lags holds more of its shorter ones.
    assert view.texture(view(even)).abs().max() < 0.2
    turned = even * torch.linspace(0.5, 1.5, 256)
    assert view.texture(view(turned)).abs().max() > 2


def test_white_noise_is_equally_strong_in_all_of_the_texture(view):
    maps = torch.from_numpy(np.random.default_rng(2).normal(size=(300, 256, 256)).astype(np.float32))
    spread = view.texture(view(maps)).std(dim=0)
    assert spread.max() / spread.min() < 1.4
    assert spread.mean() == pytest.approx(2**-0.5, rel=0.03)
