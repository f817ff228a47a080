"""A rise is seen where there is a fringe, and by chance at the stated rate."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.scattering.correlation.g2 import G2
from ainerd_agent.scattering.fits.fringe_significance import chance, frequencies, rises
from ainerd_agent.scattering.fits.relaxation import usable_curve


@settings(max_examples=30, deadline=None)
@given(knots=st.lists(st.floats(0, 1), min_size=5, max_size=30), seed=st.integers(0, 1000))
def test_a_curve_that_falls_has_no_rise(knots, seed):
    """Whatever its shape: the weights of a rise cannot make a falling curve positive."""
    lags = np.arange(1, 101.0)
    falling = 1 + np.interp(lags, np.linspace(1, 100, len(knots)), np.sort(knots)[::-1])
    rng = np.random.default_rng(seed)
    groups = falling + 0.01 * rng.normal(size=(1, 8, 1)) * falling + 1e-9 * rng.normal(size=(1, 8, 100))
    g2 = G2.of_groups(lags, groups, n_pairs=101 - lags)
    curve = usable_curve(g2, 0)
    mean = rises(curve, frequencies(1.0, 75.0)).groups.mean(axis=0) * curve.sigma.max()
    assert mean.max() <= 1e-6


def test_chance_is_told_at_its_rate():
    """White noise: p values are even, so that hardly any of 60 is below 1 %."""
    rng = np.random.default_rng(3)
    lags = np.arange(1, 41.0)
    grid = frequencies(1.0, 30.0)
    found = []
    for _ in range(60):
        g2 = G2.of_groups(lags, 1 + rng.normal(size=(1, 16, 40)), n_pairs=41 - lags)
        found.append(chance(rises(usable_curve(g2, 0), grid).groups))
    assert np.mean(np.array(found) < 0.01) < 0.05
    assert 0.4 < np.mean(found) < 0.6
