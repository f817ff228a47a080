import numpy as np
import pytest

from ainerd_agent.agent.verdicts.converged import convergence
from ainerd_agent.agent.verdicts.until import Until
from ainerd_agent.scattering.fits.relaxation import Relaxation, fit_relaxation
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from tests.agent.verdicts.looks_of_movies import looks_at


def fit(tau=1.0, error=0.01, chi2=1.0, converged=True):
    return Relaxation(
        baseline=1.0, contrast=0.2, tau=tau, exponent=1.0, baseline_error=0.0, contrast_error=0.2 * error,
        tau_error=tau * error, exponent_error=0.0, reduced_chi2=chi2, n_lags=20, converged=converged,
    )  # fmt: skip


def test_nobody_asked():
    assert convergence([fit()], 100.0, Until()) is None


@pytest.mark.parametrize(
    "unusable", [fit(converged=False), fit(chi2=10.0), fit(tau=30.0), fit(error=0.2), fit(error=float("nan"))]
)
def test_a_bin_that_is_not_known_counts_as_such(unusable):
    found = convergence([*[fit()] * 9, unusable], 100.0, Until(tau=0.05, share=0.9))
    assert found.share == pytest.approx(0.9)
    assert found.errors["tau"] == pytest.approx(0.01)
    assert convergence([fit()] * 8 + [unusable] * 2, 100.0, Until(tau=0.05)).share == pytest.approx(0.8)


def test_all_that_is_asked_has_to_be_known():
    assert convergence([fit(error=0.04)], 100.0, Until(tau=0.05, contrast=0.05)).share == 1
    assert convergence([fit(error=0.04)], 100.0, Until(tau=0.05, contrast=0.01)).share == 0


def test_what_has_converged_is_as_near_to_the_truth_as_was_asked():
    """Over several movies, ended as soon as they may be: looking often makes nobody believe chance."""
    asked, apart, ended = 0.1, [], []
    for seed, tau in enumerate(np.geomspace(3.0, 30.0, 6)):
        for look, correlation in looks_at(equilibrium(tau), shares=(0.12, 0.2, 0.4, 0.7, 1.0), seed=seed):
            fits = fit_relaxation(correlation.g2(), baseline=1.0)
            if convergence(fits, look.seconds, Until(tau=asked)).share >= 0.9:
                apart += [each.tau / (tau / 2) - 1 for each in fits]  # frames of half a second
                ended.append(look.share)
                break
    assert len(ended) == 6
    assert np.mean(ended) < 0.6
    assert np.sqrt(np.mean(np.square(apart))) < asked
    assert np.mean(np.abs(apart) < 2 * asked) > 0.95
