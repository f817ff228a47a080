import numpy as np
import pytest

from ainerd_agent.latent.kinds import LEAST_PROBABILITY, KindModel
from ainerd_agent.latent.training.learn_kinds import KindLessons, kind_weights, learn_kinds
from ainerd_agent.records.analysis import KINDS, UNKNOWN

LATENT, NOISES = 8, 2


def lessons(n: int, seed: int) -> KindLessons:
    """Clouds that overlap: the first five numbers of the latent are high, each for one kind."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(KINDS), n, p=[0.4, 0.2, 0.2, 0.1, 0.1])
    latents = rng.normal(size=(n, LATENT)).astype(np.float32)
    latents[np.arange(n), kind] += 2.2
    return KindLessons(latents, rng.normal(size=(n, NOISES)).astype(np.float32), kind, np.arange(n))


@pytest.fixture(scope="module")
def model() -> KindModel:
    return learn_kinds(lessons(4000, 0))


def test_probabilities_come_true(model):
    known = lessons(4000, 1)
    found = model.predict(known.latents, known.noise)
    weight = kind_weights(known.kind)
    likeliest = found.of_all.argmax(axis=1)
    np.testing.assert_allclose(found.of_all.sum(axis=1), 1, rtol=1e-6)
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        here = (found.probability >= low) & (found.probability < high)
        told = np.average(found.probability[here], weights=weight[here])
        true = np.average((likeliest == known.kind)[here], weights=weight[here])
        assert true == pytest.approx(told, abs=0.08)


def test_what_is_as_like_to_two_kinds_is_unknown(model):
    known = lessons(4000, 2)
    found = model.predict(known.latents, known.noise)
    torn = found.probability < LEAST_PROBABILITY
    assert torn.any()
    assert {found.kind[number] for number in np.flatnonzero(torn)} == {UNKNOWN}


def test_what_is_far_away_or_flagged_is_unknown(model):
    clear = np.zeros((2, LATENT), np.float32)
    clear[:, 2] = 2.5
    noise = np.zeros((2, NOISES), np.float32)
    assert model.predict(clear, noise).kind == ("intermittent", "intermittent")
    assert model.predict(clear, noise, [False, True]).kind == ("intermittent", UNKNOWN)
    far = clear * np.array([[1], [12]], np.float32)
    assert model.predict(far, noise).kind == ("intermittent", UNKNOWN)
