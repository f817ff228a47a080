import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.scattering.simulation import dynamics as kinds
from ainerd_agent.scattering.simulation.dynamics import Dynamics

TIMES = np.linspace(0, 1, 80)

any_dynamics = st.one_of(
    st.builds(kinds.equilibrium, st.floats(0.01, 10), st.floats(0.3, 2)),
    st.builds(kinds.ageing_glass, st.floats(0.01, 1), st.floats(0.1, 3), st.floats(0.1, 2)),
    st.builds(kinds.intermittent, st.floats(0.1, 10), st.tuples(st.floats(0, 1), st.floats(0, 1)), st.floats(0, 3)),
    st.builds(kinds.flowing, st.floats(0.1, 10), st.floats(0, 30), st.floats(0, 360)),
    st.builds(kinds.heterodyne, st.floats(0.1, 10), st.floats(0, 80), st.floats(0, 1), st.floats(0, 360)),
)


@settings(deadline=None)
@given(dynamics=any_dynamics, azimuth=st.floats(0, 360))
def test_g1_is_a_covariance(dynamics, azimuth):
    g1 = dynamics.g1(TIMES, azimuth)
    np.testing.assert_allclose(g1, g1.conj().T, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(g1), 1)
    assert np.linalg.eigvalsh(g1).min() > -1e-9
    assert np.abs(g1).max() <= 1 + 1e-12


@settings(deadline=None)
@given(dynamics=any_dynamics, azimuth=st.floats(0, 180))
def test_opposite_azimuths_see_the_same(dynamics, azimuth):
    here, there = dynamics.g1(TIMES, azimuth), dynamics.g1(TIMES, azimuth + 180)
    np.testing.assert_allclose(np.abs(here), np.abs(there), atol=1e-9)


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.7])
def test_equilibrium_depends_on_the_lag_alone(exponent):
    g1 = kinds.equilibrium(0.3, exponent).g1(TIMES)
    lag = np.abs(np.subtract.outer(TIMES, TIMES))
    np.testing.assert_allclose(g1, np.exp(-((lag / 0.3) ** exponent)))


def test_ageing_slows_down():
    g1 = kinds.ageing_glass(0.05, age=0.2).g1(TIMES)
    beside = np.diagonal(g1, 5)
    assert np.all(np.diff(beside) > 0)


def test_an_avalanche_decorrelates_across_it_and_nowhere_else():
    quiet = kinds.equilibrium(5.0).g1(TIMES)
    g1 = kinds.intermittent(5.0, (0.5,), slip=1.5).g1(TIMES)
    before, after = TIMES < 0.5, TIMES >= 0.5
    np.testing.assert_allclose(g1[np.ix_(before, before)], quiet[np.ix_(before, before)])
    np.testing.assert_allclose(g1[np.ix_(before, after)], np.exp(-1.5) * quiet[np.ix_(before, after)])


def test_flow_is_fast_along_the_flow_and_slow_across():
    dynamics = kinds.flowing(2.0, 20.0, flow_azimuth=30.0)
    along, across = dynamics.g1(TIMES, 30.0), dynamics.g1(TIMES, 120.0)
    np.testing.assert_allclose(across, np.exp(-np.abs(np.subtract.outer(TIMES, TIMES)) / 2.0))
    assert along[0, 20] < 0.01 < across[0, 20]


def test_heterodyne_fringes_have_the_frequency_of_the_velocity():
    dynamics = kinds.heterodyne(1e6, 2 * np.pi * 5, fraction=0.5)
    np.testing.assert_allclose(np.abs(dynamics.g1(TIMES, 0.0)[0]) ** 2, np.cos(np.pi * 5 * TIMES) ** 2, atol=1e-5)
    np.testing.assert_allclose(np.abs(dynamics.g1(TIMES, 90.0)), 1, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"tau": 0.0}, {"tau": 1.0, "exponent": 2.5}, {"tau": 1.0, "fraction": 1.2}])
def test_impossible_dynamics_are_refused(wrong):
    with pytest.raises(ValueError):
        Dynamics(kind="wrong", **wrong)
