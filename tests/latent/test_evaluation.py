"""What a model's card tells."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.evaluation import evaluate_retrieval, evaluate_simulated, fringe_height
from ainerd_agent.scattering.files.map_files import StoredMaps


def test_fringes_are_what_rises_again_with_the_lag():
    lag = np.abs(np.subtract.outer(np.arange(64), np.arange(64)))
    falling, fringed = np.exp(-lag / 20), np.exp(-lag / 20) * np.cos(2 * np.pi * lag / 16) ** 2
    height = fringe_height(np.stack([falling, fringed]))
    assert height[0] == pytest.approx(0, abs=1e-6)
    assert height[1] == pytest.approx(np.exp(-8 / 20), abs=0.02)


def test_figures_of_the_shipped_model_are_better_than_chance():
    parts = []
    found = evaluate_simulated(Encoder.load(), 60, on_part=parts.append)
    assert parts == [60]
    assert found.n_alike == 1
    assert found.same_kind > 1 / 7
    assert found.denoising < 0.3
    assert found.order_of_maps > 0.5


def test_retrieval_needs_to_know_what_belongs_together():
    alone = StoredMaps(np.ones((3, 16, 16), np.float32), {})
    with pytest.raises(MapError, match="series, roi and is_mean"):
        evaluate_retrieval(Encoder.load(), alone, baseline=1.0, contrast=1.0)
