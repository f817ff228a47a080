import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.errors import MapError
from ainerd_agent.scattering.correlation.age_lag import age_lag


@given(size=st.integers(2, 20), seed=st.integers(0, 50))
def test_age_is_the_first_of_the_two_times(size, seed):
    c2 = np.random.default_rng(seed).normal(size=(2, size, size))
    found = age_lag(c2, 0.5, age="first", start=3.0)
    for age in range(size):
        for lag in range(size):
            if age + lag < size:
                assert (found.c2[:, age, lag] == c2[:, age, age + lag]).all()
            else:
                assert np.isnan(found.c2[:, age, lag]).all()
    assert found.age[-1] == 3.0 + 0.5 * (size - 1)


@given(size=st.integers(2, 20))
def test_age_is_the_middle_of_the_two_times(size):
    # A map that tells its own age and lag: what is linear in age is interpolated exactly.
    t1, t2 = np.indices((size, size))
    found = age_lag((t1 + t2) / 2 + 100.0 * np.abs(t2 - t1), n_lags=size - 1)
    expected = np.arange(size)[:, None] + 100.0 * np.arange(size - 1)
    known = np.isfinite(found.c2[0])
    np.testing.assert_allclose(found.c2[0][known], expected[known])
    # Known wherever both times, or those half a step beside them, lie in the map.
    half = (np.arange(size - 1) + 1) // 2
    ages = np.arange(size)[:, None]
    np.testing.assert_array_equal(known, (ages >= half) & (ages <= size - 1 - half))


def test_missing_frames_stay_missing_and_only_maps_are_turned():
    c2 = np.ones((5, 5), dtype=np.float32)
    c2[2] = c2[:, 2] = np.nan
    found = age_lag(c2, age="first")
    assert found.c2.dtype == np.float32
    assert np.isnan(found.c2[0, 2]).all()
    assert np.isnan(found.c2[0, 0, 2])
    assert found.c2[0, 0, 3] == 1
    with pytest.raises(MapError, match="shape"):
        age_lag(np.ones((3, 4)))
    with pytest.raises(ValueError, match="age"):
        age_lag(np.ones((3, 3)), age="old")
