import numpy as np
import pytest

from ainerd_agent.figures.convergence import Convergence, convergence_figure
from ainerd_agent.scattering.simulation.dynamics import equilibrium
from tests.agent.verdicts.looks_of_movies import FRAME_TIME, looks_at


@pytest.fixture(scope="module")
def found():
    ((look, _),) = looks_at(equilibrium(8.0), 640, shares=(1.0,))
    return Convergence.of(look.age_lag, 640 * FRAME_TIME)


def test_the_last_curve_is_that_of_the_whole_exposure(found):
    ((_, correlation),) = looks_at(equilibrium(8.0), 640, shares=(1.0,))
    short = correlation.lags <= 20
    np.testing.assert_allclose(found.g2[:, -1, short], correlation.g2().g2[:, short], atol=2e-3)
    assert found.seconds[-1] == pytest.approx(320.0)


def test_errors_fall_as_more_is_counted(found):
    ratio = np.nanmedian(found.g2_error[:, 0] / found.g2_error[:, -1])
    assert ratio == pytest.approx(np.sqrt(found.seconds[-1] / found.seconds[0]), rel=0.3)
    relative = found.relative_error
    assert (relative[:, -1] < relative[:, 1]).all()
    np.testing.assert_allclose(found.tau[:, -1], 4.0, rtol=0.15)


def test_nothing_is_said_of_lags_and_times_that_have_not_come(found):
    assert np.isnan(found.g2[:, 0, found.lags > found.seconds[0]]).all()
    slow = Convergence(**{name: getattr(found, name) for name in ("seconds", "lags", "g2", "g2_error", "tau_error")},
                       tau=np.full(found.tau.shape, 1e3))  # fmt: skip
    assert np.isnan(slow.relative_error).all()
    (text,) = convergence_figure(slow).axes[1].texts
    assert "no bin lasted" in text.get_text()


def test_the_figure_has_a_curve_for_each_look_and_a_line_for_each_bin(found):
    curves, errors = convergence_figure(found, bin=2, title="a run").axes
    assert len(curves.containers) == len(found.seconds)
    assert len(errors.lines) == len(found.tau) + 2  # the chosen one twice, and that of the legend
    assert curves.get_title() == "bin 2"
