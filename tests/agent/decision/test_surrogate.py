import numpy as np

from ainerd_agent.agent.decision.acquisition import expected_novelty
from ainerd_agent.agent.decision.surrogate import Prediction, Surrogate


def test_the_surrogate_keeps_distances_and_interpolates():
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 4, size=(40, 2))
    direction = rng.normal(size=64)
    direction /= np.linalg.norm(direction)
    level = np.sin(positions[:, 0]) * 5
    latents = (level[:, None] * direction + 0.01 * rng.normal(size=(40, 64))).astype(np.float32)
    places = np.column_stack([positions, np.arange(40.0)])
    surrogate = Surrogate(4.0).fit(places, latents)
    distances = np.linalg.norm(surrogate.measured[:, None] - surrogate.measured[None], axis=-1)
    np.testing.assert_allclose(distances, np.abs(np.subtract.outer(level, level)), atol=0.2)

    asked = np.array([[1.0, 2.0, 40.0], [2.5, 1.0, 40.0]])
    prediction = surrogate.predict(asked)
    between = np.abs(prediction.mean[1, 0] - prediction.mean[0, 0])
    np.testing.assert_allclose(between, abs(5 * np.sin(1.0) - 5 * np.sin(2.5)), atol=0.3)
    far = surrogate.predict(np.array([[40.0, 40.0, 40.0]]))
    assert far.std[0, 0] > 10 * prediction.std[0, 0]


def test_expected_novelty_grows_with_distance_and_with_uncertainty():
    measured = np.zeros((3, 2))
    prediction = Prediction(np.array([[0.0, 0], [3, 4], [0, 0]]), np.array([[0.01, 0.01], [0.01, 0.01], [2, 2]]))
    novelty = expected_novelty(prediction, measured, np.zeros(2), np.random.default_rng(0))
    assert novelty.mean[0] < 0.05
    np.testing.assert_allclose(novelty.mean[1], 5, atol=0.05)
    # The mean length of a gaussian vector in two dimensions.
    np.testing.assert_allclose(novelty.mean[2], 2 * np.sqrt(np.pi / 2), rtol=0.25)
    assert novelty.std[2] > 10 * novelty.std[0]
    less = expected_novelty(prediction, measured, np.array([8.0, 8.0]), np.random.default_rng(0))
    np.testing.assert_allclose(less.mean[1], 3, atol=0.1)  # 25 - 16 of the square is noise of the measurements


def latents_of(level, rng, noise):
    direction = np.zeros(16)
    direction[3] = 1
    return level[:, None] * direction + noise * rng.normal(size=(len(level), 16))


def test_predictions_are_as_certain_as_they_say():
    """Of a truth drawn from the prior, a share of 0.68 lies within one standard deviation."""
    hits, total = 0, 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        positions = rng.uniform(0, 4, (80, 2))
        places = np.column_stack([positions, np.arange(80.0)])
        wave = rng.normal(size=(12, 2)) / 0.8
        phase, weight = rng.uniform(0, 2 * np.pi, 12), rng.normal(size=12)
        level = np.cos(positions @ wave.T + phase) @ weight
        surrogate = Surrogate(4.0).fit(places[:50], latents_of(level[:50], rng, 0.1))
        found = surrogate.predict(places[50:])
        imagined = np.stack([surrogate.imagine(place) for place in places[:50]])
        sign = np.sign(np.corrcoef(imagined[:, 3], surrogate.measured[:, 0])[0, 1])
        truth = sign * (level[50:] - surrogate._centre[3])
        hits += np.count_nonzero(np.abs(found.mean[:, 0] - truth) < found.std[:, 0])
        total += 30
    assert 0.5 < hits / total < 0.9


def test_what_ages_is_not_taken_for_what_varies_over_the_sample():
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 4, (60, 2)), np.sort(rng.uniform(0, 600, 60))])
    ageing = Surrogate(4.0).fit(places, latents_of(places[:, 2] / 100, rng, 0.05))
    still = Surrogate(4.0).fit(places, latents_of(np.sin(2 * places[:, 0]), rng, 0.05))
    assert np.isfinite(ageing._age)
    assert np.isinf(still._age)
    same_place = np.tile(places[0], (2, 1))
    same_place[1, 2] = 590.0
    assert np.abs(np.diff(ageing.predict(same_place).mean[:, 0]))[0] > 4
    assert np.abs(np.diff(still.predict(same_place).mean[:, 0]))[0] == 0


def test_repeats_bound_the_noise():
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 4, (30, 2)), np.zeros(30)])
    rough = rng.normal(size=(30, 16))  # as if each place had dynamics of its own
    free, bound = Surrogate(4.0).fit(places, rough), Surrogate(4.0).fit(places, rough, noise=0.05)
    assert bound.noise.sum() <= 0.06 < free.noise.sum()


def test_what_is_imagined_is_what_was_measured_there():
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 4, (40, 2)), np.zeros(40)])
    measured = latents_of(np.sin(places[:, 0]), rng, 0.01)
    surrogate = Surrogate(4.0).fit(places, measured)
    imagined = np.stack([surrogate.imagine(place) for place in places])
    assert np.abs(imagined - measured).max() < 0.1


def test_equal_measurements_are_predicted_again():
    places = np.column_stack([np.arange(5.0), np.zeros(5), np.zeros(5)])
    found = Surrogate(4.0).fit(places, np.ones((5, 8))).predict(places + 0.5)
    assert np.isfinite(found.mean).all()
    assert np.abs(found.std).max() < 1e-6


def test_each_group_of_axes_has_a_length_of_its_own():
    """What changes quickly along one axis and slowly along the other is predicted worse with one length for both."""
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 1, (60, 2)), np.zeros(60)])
    level = np.sin(12 * places[:, 0]) + 0.3 * places[:, 1]
    apart = Surrogate(1.0, 16, (0, 1)).fit(places, latents_of(level, rng, 0.02))
    together = Surrogate(1.0, 16, (0, 0)).fit(places, latents_of(level, rng, 0.02))
    assert len(together.lengths) == 1
    assert apart.lengths[0] < 0.4 < apart.lengths[1]
    asked = np.column_stack([rng.uniform(0, 1, (50, 2)), np.zeros(50)])
    truth = np.sin(12 * asked[:, 0]) + 0.3 * asked[:, 1]
    errors = []
    for surrogate in (apart, together):
        found = np.stack([surrogate.imagine(place) for place in asked])[:, 3]
        errors.append(np.sqrt(np.mean((found - truth) ** 2)))
    assert errors[0] < 0.7 * errors[1]
