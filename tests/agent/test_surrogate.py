import numpy as np

from ainerd_agent.agent.acquisition import expected_novelty
from ainerd_agent.agent.surrogate import Prediction, Surrogate


def test_the_surrogate_keeps_distances_and_interpolates():
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 4, size=(40, 2))
    direction = rng.normal(size=64)
    direction /= np.linalg.norm(direction)
    level = np.sin(positions[:, 0]) * 5
    latents = (level[:, None] * direction + 0.01 * rng.normal(size=(40, 64))).astype(np.float32)
    surrogate = Surrogate(4.0, seed=0).fit(positions, latents)
    distances = np.linalg.norm(surrogate.archive[:, None] - surrogate.archive[None], axis=-1)
    np.testing.assert_allclose(distances, np.abs(np.subtract.outer(level, level)), atol=0.2)

    asked = np.array([[1.0, 2.0], [2.5, 1.0]])
    prediction = surrogate.predict(asked)
    between = np.abs(prediction.mean[1, 0] - prediction.mean[0, 0])
    np.testing.assert_allclose(between, abs(5 * np.sin(1.0) - 5 * np.sin(2.5)), atol=0.3)
    far = surrogate.predict(np.array([[40.0, 40.0]]))
    assert far.std[0, 0] > 10 * prediction.std[0, 0]


def test_expected_novelty_grows_with_distance_and_with_uncertainty():
    archive = np.zeros((3, 2))
    prediction = Prediction(np.array([[0.0, 0], [3, 4], [0, 0]]), np.array([[0.01, 0.01], [0.01, 0.01], [2, 2]]))
    novelty = expected_novelty(prediction, archive, np.random.default_rng(0))
    assert novelty.mean[0] < 0.05
    np.testing.assert_allclose(novelty.mean[1], 5, atol=0.05)
    # The mean length of a gaussian vector in two dimensions.
    np.testing.assert_allclose(novelty.mean[2], 2 * np.sqrt(np.pi / 2), rtol=0.2)
    assert novelty.std[2] > 10 * novelty.std[0]
