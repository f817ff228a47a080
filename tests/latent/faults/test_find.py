"""What is found in maps, and that nothing is found in sound ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.latent.damage import DAMAGES
from ainerd_agent.latent.encoder import Encoder
from ainerd_agent.latent.faults import Fault, find_faults
from ainerd_agent.latent.scaling import replace_diagonal
from ainerd_agent.scattering.simulation.maps import simulate_maps

SAID = {
    "gap": "gap",
    "constant": "gap",
    "strong": "stripe",
    "shuffled": "frames seem shuffled",
    "inverted": "upside down",
    "negated": "upside down",
    "noise": "white noise",
    "asymmetric": "not symmetric",
    "scale": "scale off",
}


@pytest.fixture(scope="module")
def sound():
    maps = simulate_maps(40, 31_415, size=64)
    return (maps.c2 / maps.contrast[:, None, None]).astype(np.float32)


def said_of(maps):
    own = maps.astype(np.float32)
    replace_diagonal(own)
    return [each[0].said.split(":")[0].split(",")[0] if each else "" for each in find_faults(own)]


def exponential(size, tau, sigma, seed):
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    noise = np.triu(rng.normal(0, sigma, (size, size)))
    return np.exp(-lag / tau) + noise + np.triu(noise, 1).T


def test_sound_maps_are_not_marked(sound):
    assert sum(map(bool, said_of(sound))) <= 2


@pytest.mark.parametrize("name", SAID)
def test_damage_is_found_and_named(sound, name):
    rng = np.random.default_rng(1)
    damaged = np.stack([DAMAGES[name](each.astype(float).copy(), -1.0, rng) for each in sound])
    found = said_of(damaged)
    assert np.mean([text == SAID[name] for text in found]) >= 0.8, found


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.4])
def test_frames_of_a_gap_are_numbered_from_one(value):
    maps = exponential(50, 10, 0.1, 0)[None]
    maps[0, 9:12] = maps[0, :, 9:12] = value
    (fault,) = find_faults(maps.astype(np.float32))[0]
    assert fault.pixels == ((9, 11),)
    assert fault.words(50) == "frames 10-12 of the map's 50: gap, nothing but one value"
    assert fault.words(50, 500) == "frames 91-120 of 500: gap, nothing but one value"


def test_a_stripe_is_where_it_is():
    maps = exponential(64, 10, 0.1, 0)[None]
    maps[0, 30] += 0.7
    maps[0, :, 30] += 0.7
    own = maps.astype(np.float32)
    replace_diagonal(own)
    (fault,) = find_faults(own)[0]
    assert fault == Fault("stripe", ((30, 30),))
    assert fault.words(64) == "frame 31 of the map's 64: stripe"


def test_real_dynamics_at_their_extremes_are_sound():
    later = (np.arange(64) > 30).astype(float)
    still, jump = np.ones((64, 64)), np.exp(-2 * np.abs(np.subtract.outer(later, later)))
    assert said_of(np.stack([still, still + exponential(64, 1e-9, 0.3, 1), jump])) == [""] * 3
    assert said_of(exponential(64, 1.5, 0.1, 2)[None]) == [""]


def test_nothing_but_noise_or_zeros_has_no_correlation():
    noise = exponential(64, 1e-9, 0.3, 3)
    noise[np.arange(64), np.arange(64)] = 0
    assert said_of(np.stack([noise, np.zeros((64, 64))])) == ["white noise"] * 2


def test_a_constant_far_below_the_baseline_is_told_and_not_computed_with():
    with np.errstate(all="raise"):
        assert "million" in find_faults(np.full((1, 16, 16), -8e30, np.float32))[0][0].said


@settings(max_examples=40, deadline=None)
@given(size=st.integers(8, 90), tau=st.floats(3, 30), seed=st.integers(0, 2**31))
def test_any_size_is_looked_at_and_symmetry_always_matters(size, tau, seed):
    maps = exponential(size, tau, 0.02, seed)
    assert said_of(np.triu(maps)[None]) == ["not symmetric"]
    assert said_of(maps[None])[0] in ("", "stripe")
    backwards = maps[::-1, ::-1].copy()
    assert said_of(backwards[None])[0] in ("", "stripe")


def test_any_model_tells_faults_of_maps_in_their_own_units(sound):
    maps = 1 + 0.3 * np.stack([sound[0], np.triu(sound[0])])
    found = Encoder.load("paper-v1").measure(maps, baseline=1.0, contrast=0.3)
    assert [len(each) for each in found.faults] == [0, 1]
    assert found.side == 64
