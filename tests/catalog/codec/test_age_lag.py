"""Age-lag maps of one run come back on their own axes, whatever the lengths and frame times of the others."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.age_lag import AgeLagAxes, with_axes_of
from ainerd_agent.catalog.codec.arrays import arrays_of, stacked
from ainerd_agent.catalog.codec.maps_index import MapsIndex, maps_index, maps_metadata
from ainerd_agent.catalog.schema import AGE_LAG
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import AgeLagMap, Exposure, Fingerprints, Run
from tests.integration.derived_runs import N_BINS, measurement

N_AGES = 4
GRID = np.array([*range(1, 16), *range(16, 31, 2), *range(32, 61, 4)], np.float64)


def aged(number: int, frames: int, frame_time: float | None, lags: Any = None, n_ages: int = N_AGES) -> Fingerprints:
    """A measurement with an age-lag map of known values; without a frame time its lags are points of a map."""
    f, _ = measurement("run", number)
    duration = 64.0 if frame_time is None else frames * frame_time
    chosen = GRID[frames > GRID] if lags is None else np.array(lags, np.float64)
    shape = (N_BINS, n_ages, len(chosen))
    values = (number + np.arange(math.prod(shape)).reshape(shape) / 1000).astype(np.float32)
    found = AgeLagMap(
        values=np.where(np.arange(n_ages)[:, None] * chosen > n_ages * frames, np.float32(np.nan), values),
        errors=(values / 100).astype(np.float32),
        ages=(np.arange(n_ages) + 0.5) / n_ages * duration,
        lags=chosen * (duration / 256 if frame_time is None else frame_time),
    )
    origin = dataclasses.replace(f.origin, exposure=Exposure(frames=frames, frame_time=frame_time))
    return dataclasses.replace(f, origin=origin, duration=duration, lags=f.lags * duration, age_lag=found)


def same(found: AgeLagMap | None, expected: AgeLagMap | None) -> None:
    assert (found is None) is (expected is None)
    if found is None or expected is None:
        return
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.errors, expected.errors)
    np.testing.assert_allclose(found.lags, expected.lags, rtol=1e-14)
    np.testing.assert_allclose(found.ages, expected.ages, rtol=1e-14)


def written(measurements: list[Fingerprints]) -> tuple[MapsIndex, np.ndarray]:
    """One after the other, as a writer does: the index as its metadata tell it, and the array."""
    index, array = MapsIndex.beginning(measurements[0]), np.empty((0, N_BINS, 2, N_AGES, 0), np.float32)
    for f in measurements:
        axes = with_axes_of(index.age_lag_axes, [f])
        (new,) = arrays_of([f], [AGE_LAG], axes)[AGE_LAG]
        n_lags = 0 if axes is None else len(axes.lags)
        before = np.pad(array, [(0, 0)] * 4 + [(0, n_lags - array.shape[-1])], constant_values=np.nan)
        array = np.concatenate([before, stacked([new], (N_BINS, 2, N_AGES, n_lags))])
        index = index.extended([f], ["c2", "g2", AGE_LAG])
    told = json.loads(json.dumps(maps_metadata(Run(uid="run", time=0.0), index)))
    return maps_index(told), array


MEASUREMENTS = st.lists(
    st.tuples(st.integers(2, 64), st.sampled_from([1.0, 1 / 300, 0.1, 1e-6, None]), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip


@given(MEASUREMENTS)
def test_each_comes_back_on_its_own_axes(given: list[tuple[int, float | None, bool]]) -> None:
    measurements = [
        aged(n, frames, frame_time) if there else dataclasses.replace(aged(n, frames, frame_time), age_lag=None)
        for n, (frames, frame_time, there) in enumerate(given, 1)
    ]
    index, array = written(measurements)
    for place, f in enumerate(measurements):
        same(index.age_lag_of(place, array[place]), f.age_lag)


def test_lags_in_frames_are_exact_and_those_of_longer_movies_come_behind() -> None:
    index, _ = written([aged(1, 20, 0.1), aged(2, 64, 1 / 3), aged(3, 6, 0.1)])
    axes = index.age_lag_axes
    assert axes is not None
    np.testing.assert_array_equal(axes.lags, GRID)
    np.testing.assert_array_equal(axes.ages, [0.125, 0.375, 0.625, 0.875])


def test_a_lag_between_those_that_are_there_keeps_its_place_and_is_read_in_order() -> None:
    """As of a first movie of which no two good frames follow on each other."""
    first, second = aged(1, 16, 0.5, lags=[2, 4, 8]), aged(2, 16, 0.5, lags=[1, 2, 4, 8])
    index, array = written([first, second])
    assert index.age_lag_axes is not None
    np.testing.assert_array_equal(index.age_lag_axes.lags, [2, 4, 8, 1])
    same(index.age_lag_of(0, array[0]), first.age_lag)
    same(index.age_lag_of(1, array[1]), second.age_lag)


def test_a_retake_of_another_length_has_its_own_axes() -> None:
    first, second = aged(1, 20, 0.1), aged(2, 20, 0.1)
    index, array = written([first, second])
    again = aged(1, 64, 0.025)
    axes = with_axes_of(index.age_lag_axes, [again])
    assert axes is not None
    placed = axes.placed(again)
    assert placed is not None
    index = index.replaced(0, again, index.arrays)
    same(index.age_lag_of(0, placed), again.age_lag)
    same(index.age_lag_of(1, array[1]), second.age_lag)


def test_what_lies_behind_the_lags_of_the_run_does_not_count() -> None:
    index, array = written([aged(1, 20, 0.1)])
    more = np.concatenate([array[0], np.ones((N_BINS, 2, N_AGES, 3), np.float32)], axis=-1)
    same(index.age_lag_of(0, more), aged(1, 20, 0.1).age_lag)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ages": np.full(N_AGES, np.nan)}, "must rise"),
        ({"lags": np.array([2.0, 1.0])}, "must rise"),
        ({"lags": np.array([-1.0, 1.0])}, "must rise"),
        ({"values": np.zeros((N_BINS, N_AGES, 3), np.float32)}, "by its bins, ages and lags"),
    ],
)
def test_maps_whose_axes_are_none_are_refused(change: dict[str, Any], said: str) -> None:
    f = aged(1, 8, 0.5, lags=[1, 2])
    assert f.age_lag is not None
    with pytest.raises(CatalogError, match=said):
        with_axes_of(None, [dataclasses.replace(f, age_lag=dataclasses.replace(f.age_lag, **change))])


def test_maps_of_an_exposure_of_unknown_duration_are_refused() -> None:
    with pytest.raises(CatalogError, match="duration of the exposure must be known"):
        with_axes_of(None, [dataclasses.replace(aged(1, 8, 0.5), duration=math.nan)])


def test_another_number_of_sections_is_refused() -> None:
    axes = with_axes_of(None, [aged(1, 8, 0.5)])
    assert isinstance(axes, AgeLagAxes)
    with pytest.raises(CatalogError, match="8 sections of age other than the 4"):
        with_axes_of(axes, [aged(2, 8, 0.5, n_ages=8)])
