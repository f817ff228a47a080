"""Relaxation at each age against simulated dynamics whose relaxation time is known at every moment."""

import numpy as np
import pytest

from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.two_time import TwoTimeStream
from ainerd_agent.scattering.fits.ages import fit_ages

N_BINS, SIDE, N_FRAMES, N_AGES = 8, 24, 1600, 8
LABELS = np.repeat(np.arange(1, N_BINS + 1), SIDE)[:, None] * np.ones(SIDE, dtype=int)
TIME = np.arange(N_FRAMES)


def correlated(tau, seed):
    """Photons on speckle with g1 = exp(-lag / tau), tau (T,), of full contrast."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((2, *LABELS.shape))
    frames = np.empty((N_FRAMES, *LABELS.shape), dtype=np.uint8)
    for t, each in enumerate(tau):
        keep = np.exp(-1 / each)
        field = keep * field + np.sqrt(1 - keep**2) * rng.standard_normal(field.shape)
        frames[t] = rng.poisson((field**2).sum(axis=0) / 2)
    stream = TwoTimeStream(LABELS, N_FRAMES, size=16, ages=Ages(n_ages=N_AGES))
    stream.add(frames)
    return stream.result().age_lag


@pytest.fixture(scope="module")
def ageing():
    tau = 15 * np.exp(1.0 * TIME / N_FRAMES)
    return tau, fit_ages(correlated(tau, seed=1))


@pytest.fixture(scope="module")
def still():
    tau = np.full(N_FRAMES, 20.0)
    return tau, fit_ages(correlated(tau, seed=2))


@pytest.mark.parametrize("kind", ["ageing", "still"])
def test_two_errors_hold_the_truth(kind, request):
    tau, found = request.getfixturevalue(kind)
    truth = np.interp(found.ages, TIME, tau)
    away = (found.tau - truth) / found.tau_error
    assert np.isfinite(away).all()
    assert (np.abs(away) < 2).mean() > 0.85
    assert abs(away.mean()) < 0.5
    assert np.nanmedian(np.abs(found.exponent - 1) / found.exponent_error) < 2


def test_the_rate_of_ageing(ageing, still):
    for (_, found), truth in ((ageing, 1.0 / N_FRAMES), (still, 0.0)):
        away = (found.ageing_rate - truth) / found.ageing_rate_error
        assert np.abs(away).max() < 4
        assert np.abs(found.ageing_rate.mean() - truth) < 0.25 / N_FRAMES


def test_whether_one_relaxation_time_is_enough(ageing, still):
    assert (ageing[1].one_tau < 1e-4).all()
    assert (still[1].one_tau > 1e-3).all()
    assert np.median(still[1].one_tau) > 0.1


def test_what_does_not_relax_says_so():
    found = fit_ages(correlated(np.full(N_FRAMES, 1e9), seed=3))
    assert np.isnan(found.tau).all()
    assert np.isnan(found.ageing_rate).all()
    assert np.isnan(found.one_tau).all()
    assert all("relaxes too slowly" in fit.message or "does not decay" in fit.message for fit in found.fits[0])
