"""What a model's card tells."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.evaluation import (
    evaluate_flag,
    evaluate_retrieval,
    evaluate_same_g2,
    evaluate_simulated,
    fringe_height,
    unlike_training,
)
from ainerd_agent.latent.same_g2 import KINDS
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


@pytest.fixture
def stored():
    """Five noisy windows of each of ten experiments, and their mean."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    clean = np.stack([1 + np.exp(-lag / tau) for tau in np.repeat(np.geomspace(1, 30, 10), 6)])
    columns = {
        "series": np.repeat(np.arange(10), 6),
        "roi": np.zeros(60),
        "window": np.tile([0, 1, 2, 3, 4, -1], 10),
        "is_mean": np.tile([False] * 5 + [True], 10),
    }
    return StoredMaps((clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32), columns)


def test_retrieval_is_of_windows_beside_the_discriminant_on_the_same_task(stored):
    even = stored.columns["series"] % 4 == 0
    found = evaluate_retrieval(Encoder.load(), stored.select(even), stored.select(~even), baseline=1.0, contrast=1.0)
    assert found.g2 is not None
    for each in (found.plain, found.scaled, found.g2):
        assert (each.n_groups, each.archive) == (3, 15)  # of three experiments, none is a mean
        assert each.mean > 0.8
    assert evaluate_retrieval(Encoder.load(), stored, baseline=1.0, contrast=1.0).g2 is None


@pytest.mark.parametrize("missing", ["series", "roi", "window"])
def test_retrieval_needs_to_know_what_belongs_together_and_what_overlaps(stored, missing):
    columns = {name: each for name, each in stored.columns.items() if name != missing}
    with pytest.raises(MapError, match=f"series, roi, window.*missing: {missing}"):
        evaluate_retrieval(Encoder.load(), StoredMaps(stored.maps, columns), baseline=1.0, contrast=1.0)


def test_pairs_of_one_g2_are_encoded_with_their_contrast():
    parts = []
    found = evaluate_same_g2(Encoder.load("paper-v1"), 1, on_part=parts.append)
    assert parts[-1] == 8 * (len(KINDS) + 2)
    assert found.mean > 0.85
    assert len(found.kinds) == len(KINDS)


def test_the_flag_looks_at_the_maps_whatever_the_model(stored):
    sound = stored.select(~stored.columns["is_mean"])
    encoder = Encoder.load()
    found = evaluate_flag(encoder, sound.maps, baseline=1.0, contrast=1.0)
    assert found.n_maps == 50
    assert found.missed["asymmetric"] == found.missed["gap"] == 0
    assert found.missed["scale"] < 0.5
    said = unlike_training(encoder, sound.maps, baseline=1.0, contrast=1.0)
    assert found.false_alarms == np.mean(said)
    encoder.familiarity = None
    assert evaluate_flag(encoder, sound.maps, baseline=1.0, contrast=1.0).missed["gap"] == 0
