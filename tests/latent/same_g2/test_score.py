"""The AUC of pairs: 1 for what sees ages, 0.5 for what does not, whatever the noise does."""

import numpy as np
import pytest

from ainerd_agent.latent.g2_discriminant import binned_g2
from ainerd_agent.latent.same_g2 import KINDS, NULL, auc, auc_of_pair, score, trials, truth_of


@pytest.fixture(scope="module")
def measured():
    """Pairs of some kinds and of the null, each measured."""
    kinds = ["ageing and its reversal", "flow stops or starts", "pulsed rate and its twin", NULL]
    return list(trials(3, seed=5, kinds=kinds))


def scored(measured, represent):
    scores = {}
    for trial in measured:
        scores.setdefault(trial.pair.kind, []).append(auc_of_pair(represent(trial)))
    return score(scores)


def test_a_perfect_representation_gets_one(measured):
    def perfect(trial):
        return np.concatenate([[truth_of(side).ravel()] * len(trial.levels) for side in trial.pair.sides])

    found = scored(measured, perfect)
    assert [each.auc for each in found.kinds] == [1.0] * 3
    assert found.null.auc == 0.5


def test_one_that_is_blind_to_age_is_at_chance(measured):
    found = scored(measured, lambda trial: binned_g2(trial.c2 / trial.contrast[:, None, None].astype(np.float32)))
    for each in (*found.kinds, found.null):
        assert each.auc == pytest.approx(0.5, abs=0.15)
    assert found.mean == pytest.approx(0.5, abs=0.08)


def test_random_latents_are_at_chance_within_the_interval():
    rng = np.random.default_rng(0)
    scores = {kind: [auc_of_pair(rng.standard_normal((8, 64))) for _ in range(60)] for kind in (*KINDS, NULL)}
    found = score(scores)
    assert found.null.low <= 0.5 <= found.null.high
    assert found.mean == pytest.approx(0.5, abs=0.02)


def test_latents_that_follow_the_noise_are_at_chance():
    # Were measurements of the two sides at one level compared, this would be far below.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        level = np.tile(rng.standard_normal((4, 8)), (2, 1))
        found.append(auc_of_pair(level + 0.1 * rng.standard_normal((8, 8))))
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_auc_counts_equal_ones_half():
    assert auc([2, 2], [1, 2]) == 0.75
    assert auc([0], [1]) == 0


def test_kinds_apart():
    found = score({"ageing and its twin": [0.8], "fading echo and its reversal": [0.6], NULL: [0.5]})
    assert (found.mean_of(unseen=False), found.mean_of(unseen=True)) == (0.8, 0.6)
    assert found.worst.kind == "fading echo and its reversal"


def test_trials_are_repeated_by_their_seed_whatever_other_kinds_there_are(measured):
    again = next(iter(trials(1, seed=5, kinds=["ageing and its reversal"])))
    np.testing.assert_array_equal(again.c2, measured[0].c2)
    assert again.levels == measured[0].levels
