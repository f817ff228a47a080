"""The least squares of fringes: exact slopes, a start near the truth, and the truth itself without noise."""

import numpy as np
import pytest

from ainerd_agent.scattering.fits.fringe_fit import (
    STEPS,
    Fit,
    _model,
    best_start,
    designs_of,
    fit_fringes,
    fractions_of,
)
from ainerd_agent.scattering.fits.relaxation import Curve

LAGS = np.arange(1, 61.0)
AZIMUTH = np.array([0.0, 60.0, 120.0])
TRUTH = {"depth": 0.42, "motion": np.array([9.0, 6.0]), "own": np.array([1.01, 0.3, np.log(45.0), 1.2])}
DESIGNS = designs_of(np.full(3, 0.03), AZIMUTH, 0.002, 20.0)


def g2_of(design):
    """The formula at the head of `heterodyne`, averaged over the bin."""
    fringe = np.cos(np.multiply.outer(design @ TRUTH["motion"], LAGS)).mean(axis=0)
    baseline, contrast, log_tau, exponent = TRUTH["own"]
    decay = np.exp(-2 * (LAGS / np.exp(log_tau)) ** exponent)
    return baseline + contrast * (1 - TRUTH["depth"] * (1 - fringe)) * decay


def curve_of(design, noise=1e-4):
    deviations = noise * np.random.default_rng(0).normal(size=(8, len(LAGS)))
    return Curve(LAGS, g2_of(design), np.full(len(LAGS), noise), np.zeros(len(LAGS)), deviations)


def test_a_bin_spans_the_directions_and_q_of_its_width():
    (wide,) = designs_of(np.array([0.03]), np.array([90.0]), 0.002, 20.0)
    assert wide.shape == (len(STEPS) ** 2, 2)
    np.testing.assert_allclose(np.hypot(*wide.T).min(), 0.03 - 0.4 * 0.002)
    np.testing.assert_allclose(np.degrees(np.arctan2(wide[:, 1], wide[:, 0])).max(), 98)
    (narrow,) = designs_of(np.array([0.03]), np.array([90.0]), 0.0, 0.0)
    np.testing.assert_allclose(narrow, [[0, 0.03]], atol=1e-15)


def test_the_model_is_the_formula_and_its_slopes_are_exact():
    at, share = LAGS[None], np.ones((1, 1))
    values = np.concatenate([[TRUTH["depth"]], TRUTH["motion"], TRUTH["own"]])

    def model(values):
        return _model(at, share, values[3:], values[0], values[1:3], DESIGNS[1])

    value, by_shared, by_own = model(values)
    np.testing.assert_allclose(value, g2_of(DESIGNS[1]), rtol=1e-12)
    slopes = np.concatenate([by_shared, by_own], axis=1)
    for index in range(len(values)):
        step = 1e-6 * np.eye(len(values))[index]
        numeric = (model(values + step)[0] - model(values - step)[0]) / 2e-6
        np.testing.assert_allclose(slopes[:, index], numeric, atol=1e-8)


def test_the_start_is_the_candidate_nearest_the_truth():
    (narrow,) = designs_of(np.array([0.03]), np.array([0.0]), 0.0, 0.0)
    true = float((narrow @ TRUTH["motion"])[0])
    candidates = true * np.array([0.7, 0.85, 1.01, 1.2, 1.4])[:, None]
    start, best = best_start(curve_of(narrow), candidates)
    assert best == 2
    assert start.depth == pytest.approx(TRUTH["depth"], abs=0.05)
    np.testing.assert_allclose(start.relaxation[:2], TRUTH["own"][:2], atol=0.03)


def test_without_noise_the_truth_is_found():
    curves = [curve_of(each) for each in DESIGNS]
    motion = 1.05 * TRUTH["motion"]
    starts = [best_start(each, (design @ motion)[None])[0] for each, design in zip(curves, DESIGNS, strict=True)]
    found = fit_fringes(curves, DESIGNS, motion, starts)
    np.testing.assert_allclose(
        found.values, np.concatenate([[TRUTH["depth"]], TRUTH["motion"], np.tile(TRUTH["own"], 3)]), rtol=1e-4
    )
    assert (found.errors > 0).all()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.3, 0.5])
def test_the_fraction_is_the_smaller_root(fraction):
    depth = 2 * fraction * (1 - fraction)
    told = fractions_of(Fit(np.array([depth]), np.array([[1e-6]])))
    assert told["fraction"] == pytest.approx(fraction)
    assert told["fraction_error"] > 0
