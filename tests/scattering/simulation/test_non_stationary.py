import numpy as np
import pytest

from ainerd_agent.scattering.correlation.age_lag import age_average
from ainerd_agent.scattering.simulation.non_stationary import KINDS, backwards, random_pair, stationary_twin

TIMES = (np.arange(64) + 0.5) / 64


def g2_of(g1):
    return age_average((np.abs(g1) ** 2)[None].astype(np.float32))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_covariance_that_changes_with_age(kind):
    rng, uneven = np.random.default_rng(0), []
    for _ in range(5):
        g1 = KINDS[kind](TIMES, rng)
        np.testing.assert_allclose(g1, g1.conj().T, atol=1e-12)
        np.testing.assert_allclose(np.diag(g1), 1)
        assert np.linalg.eigvalsh(g1).min() > -1e-9
        beside = np.abs(np.diagonal(g1, 6)) ** 2
        uneven.append(np.ptp(beside))
    assert max(uneven) > 0.1


def test_twins_and_reversals_have_the_same_g2():
    rng = np.random.default_rng(1)
    for name in ("ageing", "one jump", "burst"):
        g1 = KINDS[name](TIMES, rng)
        twin = stationary_twin(g1)
        np.testing.assert_allclose(g2_of(twin), g2_of(g1), atol=0.06)
        assert np.ptp(np.diagonal(twin, 6)) < 0.05
        np.testing.assert_allclose(g2_of(backwards(g1)), g2_of(g1), atol=1e-6)


def test_kinds_that_are_left_out_do_not_come():
    rng = np.random.default_rng(2)
    pairs = [random_pair(16, rng, without=("chirp", "burst")) for _ in range(300)]
    found = {pair.kind for pair in pairs if pair.relation != "usual"}
    assert found == set(KINDS) - {"chirp", "burst"}
    assert {pair.relation for pair in pairs} == {"twin", "reversal", "kin", "usual"}
