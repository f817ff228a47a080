import numpy as np
import pytest
from scipy.optimize import least_squares

from ainerd_agent.scattering.fits.least_squares import minimise, moved_by

T = np.linspace(0, 5, 60)
DATA = 0.3 + 2 * np.exp(-T / 1.7) + 0.005 * np.random.default_rng(0).normal(size=60)


def model(values):
    level, height, time = values
    shape = np.exp(-T / time)
    return level + height * shape - DATA, np.stack([np.ones(60), shape, height * shape * T / time**2], axis=1)


@pytest.mark.parametrize(
    ("low", "high"), [([-9, -9, 0.01], [9, 9, 99]), ([-9, -9, 0.01], [9, 1.5, 99]), ([0.4, -9, 2], [9, 9, 99])]
)
def test_the_minimum_is_that_of_scipy(low, high):
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    found = minimise(model, np.array([0.5, 1.2, 3.0]), low, high)
    theirs = least_squares(
        lambda p: model(p)[0], [0.5, 1.2, 3.0], lambda p: model(p)[1], bounds=(low, high), xtol=1e-12, ftol=1e-12
    )
    assert found.reached
    assert found.cost == pytest.approx(2 * theirs.cost, rel=1e-6)
    np.testing.assert_allclose(found.values, theirs.x, rtol=2e-3)


def test_too_few_steps_are_told():
    assert not minimise(model, np.array([5.0, 5.0, 50.0]), np.full(3, 0.01), np.full(3, 99.0), max_steps=1).reached


def test_the_minimum_moves_as_far_as_the_data_say():
    wide = np.full(3, -np.inf), np.full(3, np.inf)
    found = minimise(model, np.array([0.5, 1.2, 3.0]), *wide)
    change = 1e-3 * np.random.default_rng(1).normal(size=60)

    def changed(values):
        residuals, slopes = model(values)
        return residuals - change, slopes

    again = minimise(changed, found.values, *wide)
    np.testing.assert_allclose(again.values - found.values, moved_by(found.slopes, change[:, None])[:, 0], rtol=0.05)


def test_what_the_data_do_not_determine_is_not_known():
    slopes = np.stack([np.ones(5), np.arange(5), 2 * np.arange(5)], axis=1).astype(float)
    moved = moved_by(slopes, np.ones((5, 1)))
    assert moved[0, 0] == pytest.approx(1)
    assert np.isnan(moved[1:]).all()
