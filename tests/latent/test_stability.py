from pathlib import Path

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.stability import METHODS, agreement, choose, stability, try_numbers

PAPER = Path(__file__).parents[3] / "shared" / "real" / "ainerd_rheo_latents.npz"


def blobs(n_groups: int):
    rng = np.random.default_rng(0)
    group = rng.integers(n_groups, size=240)
    return (10 * np.eye(n_groups, 8)[group] + rng.normal(size=(240, 8))).astype(np.float32), group


def test_the_number_of_groups_is_found():
    latents, _ = blobs(4)
    chosen = choose(try_numbers(latents, range(2, 9), seeds=3))
    assert chosen.n_clusters == 4
    assert chosen.stability == pytest.approx(1)
    with pytest.raises(MapError, match="2 to 239 clusters"):
        try_numbers(latents, [300])


def test_agreement_is_one_for_renamed_labels_and_none_for_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=1000)
    assert agreement([labels, 3 - labels]) == pytest.approx((1, 1))
    assert abs(agreement([labels, rng.permutation(labels)])[0]) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fits_and_predicts(method):
    latents, group = blobs(3)
    clusterer = METHODS[method](3, 1)
    clusterer.fit(latents)
    assert agreement([clusterer.predict(latents), group])[0] > (0.5 if "one start" in method else 0.95)


@pytest.mark.skipif(not PAPER.exists(), reason="the paper's latents are not at ../shared/real")
def test_labels_of_the_papers_latents_do_not_depend_on_the_seed():
    latents = np.load(PAPER)["latents"]
    assert stability(METHODS["kmeans"], latents, 4)[0] >= 0.95
    assert stability(METHODS["kmeans, one start (paper)"], latents, 4)[0] < 0.95
