"""Whether what a shipped model says of repeats and kinds comes true, on dynamics and experiments not learnt from."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

from ainerd_agent.latent import Encoder
from ainerd_agent.latent.held_out import held_out
from ainerd_agent.latent.same_g2 import Kind, Level, Side, draw_sides, measure, stationary_twin
from ainerd_agent.latent.same_g2.dynamics import TIMES, by_clock
from ainerd_agent.latent.training.known_dynamics import KIND_OF, known_maps
from ainerd_agent.latent.training.readings import ALIKE, UNLIKE, real_pairs, simulated_readings
from ainerd_agent.records.analysis import KINDS
from ainerd_agent.scattering.files.map_files import read_maps

REAL = Path(__file__).parents[4] / "shared" / "real" / "chx_c2_50.npz"
OTHER_SEED = 5
N_DYNAMICS = 60


@pytest.fixture(scope="module")
def encoder():
    found = Encoder.load("ages-v1")
    assert found.repeats is not None, "the shipped model has lost its readings"
    assert found.kinds is not None
    return found


@pytest.fixture(scope="module")
def simulated(encoder):
    return simulated_readings(encoder, N_DYNAMICS, OTHER_SEED)


def probabilities(encoder, pairs):
    found = encoder.repeats.compare(pairs.first, pairs.first_noise, pairs.second, pairs.second_noise)
    return encoder.repeats.probability(found.surprise), found.distance


def test_simulations_are_the_same_again_and_of_all_kinds():
    first, again = (list(known_maps(3, 1)) for _ in range(2))
    assert [each.name for each in first] == [each.name for each in again]
    np.testing.assert_array_equal(first[0].scaled, again[0].scaled)
    assert set(KIND_OF.values()) == set(KINDS)


@pytest.mark.parametrize("which", [ALIKE, UNLIKE], ids=["Friedel pairs", "other detector and counts"])
def test_probabilities_of_simulated_repeats_are_uniform(encoder, simulated, which):
    found, distance = probabilities(encoder, simulated.pairs(which))
    assert kstest(found, "uniform").statistic < 0.25
    assert np.mean(found < 0.01) <= 0.06
    assert np.mean(found < 0.05) <= 0.15
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.2)
    assert 0.7 < np.median(distance) < 1.4


def test_probabilities_of_real_repeats_are_uniform(encoder):
    if not REAL.exists():
        pytest.skip(f"real maps are needed, which are not here: {REAL.name}")
    stored = read_maps(REAL)
    stored = stored.select(held_out(stored.columns["series"], 0.15))
    pairs = real_pairs(encoder, stored, baseline=1.0, contrast=1.0)
    found, distance = probabilities(encoder, pairs)
    assert kstest(found, "uniform").statistic < 0.22  # most of them too probable: small ones count
    assert np.mean(found < 0.01) <= 0.03
    assert np.mean(found < 0.05) <= 0.1
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.2)
    assert 0.8 < np.median(distance) < 1.25


def test_an_avalanche_is_no_repeat_of_its_stationary_twin(encoder):
    rng = np.random.default_rng(OTHER_SEED)
    level = Level(pixels=1500, counts=1.0, modes=2)

    def half_jump(r):
        return Side.of(by_clock(r.uniform(0.1, 1.2) * TIMES + np.log(2) / 2 * (r.uniform(0.25, 0.75) < TIMES)))

    found, kinds = [], []
    for _ in range(12):
        sides = draw_sides(Kind(half_jump, stationary_twin), rng)
        seen = encoder.measure(np.stack([measure(side, level, rng) for side in sides]), contrast=level.contrast)
        apart = encoder.repeats.compare(seen.latents[:1], seen.noise[:1], seen.latents[1:], seen.noise[1:])
        found.append(encoder.repeats.probability(apart.surprise)[0])
        kinds += list(encoder.kinds.predict(seen.latents[:1], seen.noise[:1]).kind)
    assert np.mean(np.array(found) < 0.01) >= 0.75
    assert kinds.count("intermittent") >= 9


def test_kinds_are_mostly_right_and_as_probable_as_they_say(encoder, simulated):
    lessons = simulated.lessons()
    found = encoder.kinds.predict(lessons.latents, lessons.noise)
    right = found.of_all.argmax(axis=1) == lessons.kind
    assert right.mean() > 0.6
    assert right.mean() == pytest.approx(found.of_all.max(axis=1).mean(), abs=0.15)
