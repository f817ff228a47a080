"""Durations and places of crops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.latent.time_scales import FEWEST_PIXELS, SHARES, crops_of, is_rung, rungs

EXPOSURES = st.floats(1e-3, 1e5)
SIZES = st.integers(8, 1024)


@given(EXPOSURES, SIZES)
def test_crops_of_a_scale_cover_the_exposure_and_overlap_by_half_at_most(exposure: float, n_pixels: int) -> None:
    crops = crops_of(exposure, n_pixels)
    for scale in {crop.scale for crop in crops}:
        starts = np.array([crop.start for crop in crops if crop.scale == scale])
        steps = np.diff(starts)
        if scale > 2 / 3 * (1 + 1e-6):
            assert starts == pytest.approx([(1 - scale) / 2])
            continue
        assert starts[0] == 0
        assert starts[-1] + scale == pytest.approx(1)
        assert (steps <= scale * (1 + 1e-5)).all()  # no gap
        assert (steps >= scale / 2 * (1 - 1e-5)).all()
        np.testing.assert_allclose(steps, steps[:1].repeat(len(steps)), rtol=1e-6)
        assert scale * n_pixels >= FEWEST_PIXELS * (1 - 1e-5)


@given(EXPOSURES, EXPOSURES)
def test_maps_of_any_exposure_have_crops_of_the_same_durations(one: float, other: float) -> None:
    durations = [{crop.seconds for crop in crops_of(each, 256) if is_rung(crop.seconds)} for each in (one, other)]
    low, high = sorted((one, other))
    both = {2.0**power for power in range(-20, 20) if high / 15.99 <= 2.0**power <= low}
    assert both <= durations[0] & durations[1]


@given(EXPOSURES)
def test_seconds_are_what_a_crop_spans(exposure: float) -> None:
    for crop in crops_of(exposure, 256):
        assert crop.seconds == pytest.approx(crop.scale * exposure, rel=1e-5)


def test_without_an_exposure_there_are_shapes_only() -> None:
    crops = crops_of(math.nan, 256)
    assert [crop.scale for crop in crops if crop.place == 0] == list(SHARES)
    assert all(math.isnan(crop.seconds) for crop in crops)
    assert rungs(math.nan, 256) == rungs(0.0, 256) == []


def test_what_is_in_both_ladders_is_there_once() -> None:
    assert [(crop.scale, crop.seconds) for crop in crops_of(16.0, 256) if crop.place == 0] == [
        (1, 16), (0.5, 8), (0.25, 4), (0.125, 2), (0.0625, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(("n_pixels", "scales"), [(15, []), (16, [1.0]), (31, [1.0]), (32, [1.0, 0.5]), (1, [])])
def test_crops_of_too_few_pixels_are_not_made(n_pixels: int, scales: list[float]) -> None:
    assert sorted({crop.scale for crop in crops_of(math.nan, n_pixels)}, reverse=True) == scales
