"""Lags below a pixel of the map: read from the age-lag map of a movie, known as far as its frames reach."""

import numpy as np
import pytest

from ainerd_agent.latent.short_lags import N_SHORT, extended_to_short_lags, short_lags, short_lags_or_none
from ainerd_agent.records import AgeLagMap


def age_lag_map(decay, n_frames, contrast=0.5, frame_time=0.01, noise=0.0):
    """Of which the correlation is a function of the lag in pixels of the map, alike at all ages."""
    duration = n_frames * frame_time
    lags = frame_time * np.unique(np.round(2 ** np.arange(0, np.log2(n_frames), 0.125)).astype(int))
    ages = duration * (np.arange(16) + 0.5) / 16
    values = contrast * decay(lags / (duration / 256)) * np.ones((2, 16, 1))
    values += noise * np.random.default_rng(0).normal(size=values.shape)
    errors = np.full(values.shape, max(noise, 1e-3))
    return AgeLagMap(values=values.astype(np.float32), errors=errors.astype(np.float32), ages=ages, lags=lags)


def test_octaves_below_a_pixel_are_known_as_far_as_there_are_frames():
    found = short_lags(age_lag_map(lambda lag: np.exp(-lag / 0.1), n_frames=5120), np.full(2, 0.5))
    # 20 frames in a pixel: four whole octaves, and a part of the fifth.
    assert np.isfinite(found).all(axis=0).tolist() == [True] * 5 + [False] * 3
    middle = 2.0 ** -(np.arange(5) + 0.5)
    np.testing.assert_allclose(found[0, :4], np.exp(-middle[:4] / 0.1), atol=0.05)  # few lags in the last ones
    assert np.isnan(short_lags(age_lag_map(lambda lag: np.exp(-lag), n_frames=256), np.full(2, 0.5))).all()


def test_values_of_large_error_count_less_and_what_is_unknown_stays_so():
    exact = age_lag_map(lambda lag: np.full_like(lag, 0.5), n_frames=5120)
    values, errors = exact.values.copy(), exact.errors.copy()
    values[0, :8] += 100
    errors[0, :8] = 1e6
    values[1, 0] = np.nan
    found = short_lags(AgeLagMap(values=values, errors=errors, ages=exact.ages, lags=exact.lags), np.array([0.5, 0.5]))
    np.testing.assert_allclose(found[:, :5], 0.5, atol=1e-3)
    assert np.isnan(short_lags(exact, np.array([np.nan, -1.0]))).all()
    assert short_lags_or_none(None, np.ones(3)).shape == (3, N_SHORT)
    assert np.isnan(short_lags_or_none(None, np.ones(3))).all()


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.6])
def test_a_stretched_exponential_is_extended_exactly(exponent):
    def decay(lag):
        return np.exp(-((lag / 3.0) ** exponent))

    middle = 2.0 ** -(np.arange(N_SHORT) + 0.5)
    np.testing.assert_allclose(extended_to_short_lags(decay(1.0), decay(2.0)), decay(middle), rtol=1e-9)


def test_nothing_moves_and_nothing_is_left():
    np.testing.assert_allclose(extended_to_short_lags(1.0, 1.0), 1.0)
    assert np.isfinite(extended_to_short_lags(0.0, 0.0)).all()
