"""Relaxation at each age against simulated dynamics whose relaxation time is known at every moment."""

from dataclasses import replace

import numpy as np
import pytest

from ainerd_agent.scattering.correlation.age_lag import age_lag_of_maps
from ainerd_agent.scattering.correlation.age_lag_correlation import Ages
from ainerd_agent.scattering.correlation.g2 import smoothing_of
from ainerd_agent.scattering.correlation.two_time_stream import TwoTimeStream
from ainerd_agent.scattering.fits.ages import FARTHEST, _line, fit_ages
from ainerd_agent.scattering.fits.relaxation import Relaxation, student_factor
from ainerd_agent.scattering.simulation.dynamics import heterodyne
from tests.scattering.speckle_movie import speckle_movie

N_BINS, SIDE, N_FRAMES, N_AGES = 8, 24, 1600, 8
LABELS = np.repeat(np.arange(1, N_BINS + 1), SIDE)[:, None] * np.ones(SIDE, dtype=int)
TIME = np.arange(N_FRAMES)


def stream_of(tau, seed, size=16):
    """Photons on speckle with g1 = exp(-lag / tau), tau (T,), of full contrast."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((2, *LABELS.shape))
    frames = np.empty((N_FRAMES, *LABELS.shape), dtype=np.uint8)
    for t, each in enumerate(tau):
        keep = np.exp(-1 / each)
        field = keep * field + np.sqrt(1 - keep**2) * rng.standard_normal(field.shape)
        frames[t] = rng.poisson((field**2).sum(axis=0) / 2)
    stream = TwoTimeStream(LABELS, N_FRAMES, size=size, ages=Ages(n_ages=N_AGES))
    stream.add(frames)
    return stream


def correlated(tau, seed):
    return stream_of(tau, seed).result().age_lag


@pytest.fixture(scope="module")
def ageing():
    tau = 15 * np.exp(1.0 * TIME / N_FRAMES)
    correlation = correlated(tau, seed=1)
    return tau, fit_ages(correlation), fit_ages(correlation.record()), correlation.record()


@pytest.fixture(scope="module")
def still():
    tau = np.full(N_FRAMES, 20.0)
    correlation = correlated(tau, seed=2)
    return tau, fit_ages(correlation), fit_ages(correlation.record()), correlation.record()


@pytest.mark.parametrize("source", [1, 2], ids=["groups", "record"])
@pytest.mark.parametrize("kind", ["ageing", "still"])
def test_two_errors_hold_the_truth(kind, source, request):
    made = request.getfixturevalue(kind)
    tau, found = made[0], made[source]
    truth = np.interp(found.ages, TIME, tau)
    away = (found.tau - truth) / found.tau_error
    assert np.isfinite(away).all()
    assert (np.abs(away) < 2).mean() > 0.85
    assert abs(away.mean()) < 0.5
    assert np.nanmedian(np.abs(found.exponent - 1) / found.exponent_error) < 2


@pytest.mark.parametrize("source", [1, 2], ids=["groups", "record"])
def test_the_rate_of_ageing(ageing, still, source):
    for found, truth in ((ageing[source], 1.0 / N_FRAMES), (still[source], 0.0)):
        away = (found.ageing_rate - truth) / found.ageing_rate_error
        assert np.abs(away).max() < 4
        assert np.abs(found.ageing_rate.mean() - truth) < 0.25 / N_FRAMES


@pytest.mark.parametrize("source", [1, 2], ids=["groups", "record"])
def test_whether_one_relaxation_time_is_enough(ageing, still, source):
    assert (ageing[source].one_tau < 1e-4).all()
    assert (still[source].one_tau > 1e-3).all()
    assert np.median(still[source].one_tau) > 0.1


@pytest.mark.parametrize("kind", ["ageing", "still"])
def test_a_record_is_fitted_as_the_groups_are(kind, request):
    _, groups, record, _ = request.getfixturevalue(kind)
    # The same points with the same weights; only those that few groups scatter little at by chance differ.
    np.testing.assert_allclose(record.tau, groups.tau, rtol=0.02)
    assert 0.8 < np.median(record.tau_error / groups.tau_error) < 1.6


def test_a_stored_map_is_fitted_with_its_smoothing():
    tau = np.full(N_FRAMES, 20.0)
    maps = stream_of(tau, seed=4, size=320).result().c2
    record = age_lag_of_maps(maps, float(N_FRAMES), n_frames=N_FRAMES, n_ages=N_AGES)
    found = fit_ages(record, smoothing=smoothing_of(N_FRAMES, 320))
    away = (found.tau - 20.0) / found.tau_error
    known = np.isfinite(away)
    assert known.mean() > 0.8
    assert (np.abs(away[known]) < 2).mean() > 0.85
    assert abs(away[known].mean()) < 0.7
    assert np.isfinite(found.ageing_rate).all()


def test_a_record_without_errors_gives_times_without_errors(still):
    record = replace(still[3], errors=np.full_like(still[3].errors, np.nan))
    found = fit_ages(record)
    np.testing.assert_allclose(np.median(found.tau), 20.0, rtol=0.15)
    assert np.isnan(found.tau_error).all()
    assert np.isnan(found.ageing_rate).all()
    assert "error is not known" in found.fits[0][0].message


def test_a_record_that_holds_nothing_says_so(still):
    record = replace(still[3], values=np.full_like(still[3].values, np.nan))
    found = fit_ages(record)
    assert np.isnan(found.tau).all()
    assert "too few" in found.fits[0][0].message


def test_what_does_not_relax_says_so():
    found = fit_ages(correlated(np.full(N_FRAMES, 1e9), seed=3))
    assert np.isnan(found.tau).all()
    assert np.isnan(found.ageing_rate).all()
    assert np.isnan(found.one_tau).all()
    assert all("relaxes too slowly" in fit.message or "does not decay" in fit.message for fit in found.fits[0])


def test_fringes_give_no_rate_of_ageing():
    """A relaxation that does not follow what is seen says nothing of how it changes."""
    frames, labels = speckle_movie(
        heterodyne(400.0, 2 * np.pi * 12 / 800, 0.4, 0.0), 800, 2, 1600, azimuths=[0.0, 90.0]
    )
    stream = TwoTimeStream(labels, 800, size=16, ages=Ages(n_ages=5))
    stream.add(frames)
    found = fit_ages(stream.result().age_lag)
    chi2 = np.array([[fit.reduced_chi2 for fit in of_bin] for of_bin in found.fits])
    assert (chi2[0] > FARTHEST).sum() >= 3
    assert np.isnan(found.ageing_rate[0])
    assert np.isnan(found.one_tau[0])


def test_the_error_of_the_rate_holds_though_those_of_the_ages_are_uncertain():
    """Ages whose errors are from eight groups, with normal noise."""
    rng = np.random.default_rng(5)
    ages, away = np.arange(16.0), []
    for _ in range(400):
        fits = tuple(
            Relaxation(tau=np.exp(0.03 * age + 0.05 * rng.standard_normal()), tau_error=e, reduced_chi2=1.0)
            for age, e in zip(ages, 0.05 * np.sqrt(rng.chisquare(7, 16) / 7) * student_factor(8), strict=True)
        )
        fits = tuple(replace(fit, tau_error=fit.tau_error * fit.tau) for fit in fits)
        rate, error, _ = _line(ages, fits, 8)
        away.append((rate - 0.03) / error)
    assert 0.92 < (np.abs(away) < 2).mean() < 0.99
