from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ainerd_agent.records import MapStack
from ainerd_agent.scattering.fits import map_relaxations
from ainerd_agent.scattering.fits.map_relaxations import FIELDS, fit_maps

SIZE = 128
DURATION = 2.0


def maps_of(tau: float, *, exponent: float = 1.3, contrast: float = 0.3, noise: float = 0.01) -> MapStack:
    """Maps of three bins with independent noise at each point."""
    times = (np.arange(SIZE) + 0.5) * DURATION / SIZE
    shape = contrast * np.exp(-2 * (np.abs(times[:, None] - times) / tau) ** exponent)
    draw = np.random.default_rng(0).normal(scale=noise, size=(3, SIZE, SIZE))
    return (shape + (draw + draw.transpose(0, 2, 1)) / 2).astype(np.float32)


def values_of(found: Any, suffix: str = "") -> np.ndarray:
    return np.stack([getattr(found, f"{name}{suffix}") for name in FIELDS])


def test_values_lie_within_their_errors_in_seconds() -> None:
    found = fit_maps(maps_of(0.1), DURATION)
    assert found.problems == ("", "", "")
    truth = np.array([0.1, 1.3, 0.3, 1.0])
    assert (np.abs(values_of(found) - truth[:, None]) < 4 * values_of(found, "_error")).all()
    assert (found.tau_error < 0.1 * found.tau).all()


def test_times_beyond_an_eighth_of_the_exposure_come_without_errors_and_say_so() -> None:
    found = fit_maps(maps_of(0.2 * DURATION), DURATION)
    np.testing.assert_allclose(found.tau, 0.4, rtol=0.1)
    assert np.isnan(values_of(found, "_error")).all()
    assert all(problem.startswith("errors are not known") for problem in found.problems)


@pytest.mark.parametrize("maps", [maps_of(0.8 * DURATION), maps_of(0.1, contrast=0.0), maps_of(50 * DURATION)])
def test_fits_that_cannot_be_trusted_give_nan_and_a_reason(maps: MapStack) -> None:
    found = fit_maps(maps, DURATION)
    assert np.isnan(values_of(found)).all()
    assert np.isnan(values_of(found, "_error")).all()
    assert all(found.problems)


@pytest.mark.parametrize("maps", [np.full((2, SIZE, SIZE), np.nan), np.zeros((2, SIZE, SIZE)), np.zeros((2, 2, 2))])
def test_maps_without_anything_to_fit_raise_nothing(maps: MapStack) -> None:
    found = fit_maps(maps.astype(np.float32), DURATION)
    assert np.isnan(found.tau).all()
    assert all(found.problems)
    assert not any(problem.startswith("not fitted") for problem in found.problems)


def test_without_a_duration_nothing_is_fitted() -> None:
    assert "duration" in fit_maps(maps_of(0.1), float("nan")).problems[0]


def test_interpolated_times_do_not_count() -> None:
    maps = maps_of(0.1)
    filled = np.zeros(SIZE, dtype=bool)
    filled[40:60] = True
    spoiled = maps.copy()
    spoiled[:, filled] = spoiled[:, :, filled] = 5.0
    kept = spoiled.copy()
    assert fit_maps(spoiled, DURATION, filled=filled).tau == pytest.approx(fit_maps(maps, DURATION).tau, rel=0.03)
    np.testing.assert_array_equal(spoiled, kept)


def test_a_fit_that_breaks_down_costs_no_measurement(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise np.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(map_relaxations, "fit_relaxation", breaks)
    found = fit_maps(maps_of(0.1), DURATION)
    assert found.problems == ("not fitted: LinAlgError: did not converge",) * 3
    assert all(np.isnan(values).all() for values in list(dataclasses.asdict(found).values())[:-1])
    assert "could not be fitted" in caplog.text
