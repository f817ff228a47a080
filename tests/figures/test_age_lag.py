"""The figure of a measurement over age and lag."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh

from ainerd_agent.figures import AgedMeasurement, age_lag_figure, save
from ainerd_agent.figures.age_lag import _grid, contrast_of
from ainerd_agent.records import AgeLagMap, Bins, Exposure, Fingerprints, Origin, Quality
from ainerd_agent.scattering import fit_ages
from ainerd_agent.scattering.correlation.age_lag import age_lag_of_maps

LAGS = 0.1 * np.concatenate([np.arange(1, 16), np.arange(8, 16) * 2, np.arange(8, 16) * 4])
AGES = 2.0 * np.arange(8) + 1


def relaxing(n_bins, error=0.01, tau=0.8, seed=0):
    """A map that relaxes as g1 = exp(-lag / tau), a little longer at each age."""
    rng = np.random.default_rng(seed)
    times = tau * (1 + AGES / 20)
    values = 0.2 * np.exp(-2 * LAGS / times[:, None])
    errors = np.full((n_bins, len(AGES), len(LAGS)), error)
    noise = error * rng.standard_normal(errors.shape)
    return AgeLagMap(
        values=(values + noise).astype(np.float32), errors=errors.astype(np.float32), ages=AGES, lags=LAGS
    ), times


def drawn(found, **known):
    n_bins = len(found.values)
    azimuth = np.arange(n_bins) * 20.0
    measurement = AgedMeasurement(
        age_lag=found, azimuth=azimuth, q=np.full(n_bins, 0.05), fits=fit_ages(found), **known
    )
    return age_lag_figure(measurement)


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def panels_of(figure):
    return [axes for axes in figure.axes if axes.get_title()]


def hatched(axes):
    (cells,) = [each for each in axes.collections if isinstance(each, PolyCollection) and each.get_hatch()]
    return cells.get_paths()


@pytest.mark.parametrize("n_bins", [*range(1, 25), 36, 100])
def test_panels_fill_a_tidy_grid(n_bins):
    rows, columns = _grid(n_bins)
    assert n_bins <= rows * columns < n_bins + columns
    assert columns <= 6
    assert rows <= columns or columns == 6


def test_known_grids():
    assert [_grid(n) for n in (1, 2, 4, 9, 18)] == [(1, 1), (1, 2), (2, 2), (3, 3), (3, 6)]


@pytest.mark.parametrize("n_bins", [1, 5, 18])
def test_each_bin_has_a_panel_with_its_values_and_times(n_bins, tmp_path):
    found, times = relaxing(n_bins)
    figure = drawn(found, title="Run abc, measurement 3, x 1 mm")
    panels = panels_of(figure)
    assert [axes.get_title() for axes in panels] == [f"bin {k + 1}, {20 * k}°" for k in range(n_bins)]
    for number, axes in enumerate(panels):
        (mesh,) = [each for each in axes.collections if isinstance(each, QuadMesh)]
        np.testing.assert_array_equal(mesh.get_array(), found.values[number])
        line = axes.lines[0]
        np.testing.assert_allclose(line.get_xdata(), times, rtol=0.4)
        np.testing.assert_allclose(line.get_ydata(), AGES)
        assert not hatched(axes)
    bottom = panels[-_grid(n_bins)[1] :]
    assert {axes.get_xlabel() for axes in bottom} == {"Lag (s)"}
    assert not {axes.get_xlabel() for axes in panels if axes not in bottom} - {""}
    assert "x 1 mm, q = 0.0500" in figure.get_suptitle()
    assert legend_of(figure) == ["relaxation time of $g_1$ with its standard error"]
    assert save(figure, tmp_path, "age-lag")[0].stat().st_size > 5000


def test_values_lie_at_their_ages_and_lags():
    figure = drawn(relaxing(1)[0])
    (axes,) = panels_of(figure)
    (mesh,) = [each for each in axes.collections if isinstance(each, QuadMesh)]
    corners = mesh.get_coordinates()
    assert axes.get_xscale() == "log"
    assert (corners[0, :-1, 0] < LAGS).all()
    assert (corners[0, 1:, 0] > LAGS).all()
    np.testing.assert_allclose(corners[:, 0, 1], np.arange(9) * 2.0)


def test_cells_with_large_errors_are_hatched_and_told():
    found = relaxing(2)[0]
    errors = found.errors.copy()
    errors[1, 2, :4] = 0.5 * 0.2 * 1.2
    figure = drawn(replace(found, errors=errors))
    assert [len(hatched(axes)) for axes in panels_of(figure)] == [0, 4]
    assert "error above half of the contrast" in legend_of(figure)


def test_a_bin_of_noise_is_hatched_and_does_not_set_the_colours():
    found = relaxing(6)[0]
    values, errors = found.values.copy(), found.errors.copy()
    values[3] = 50 * np.random.default_rng(1).standard_normal(values[3].shape)
    errors[3] = 50.0
    figure = drawn(replace(found, values=values, errors=errors))
    panels = panels_of(figure)
    assert len(hatched(panels[3])) == values[3].size
    assert not hatched(panels[0])
    assert all(0.1 < axes.collections[0].get_clim()[1] < 0.3 for axes in panels)


def test_what_is_missing_is_blank_and_told():
    found = relaxing(2)[0]
    values, errors = found.values.copy(), found.errors.copy()
    values[..., :3] = errors[..., :3] = np.nan
    errors[1] = np.nan
    told = legend_of(drawn(replace(found, values=values, errors=errors), stored=True))
    assert "no value: no pairs were averaged there, or a lag too short for the stored map" in told
    assert "errors of values not known in bin 2" in told
    assert "relaxation time, error not known" in told
    values[:] = np.nan
    told = legend_of(drawn(replace(found, values=values, errors=errors)))
    assert "no value: no pairs were averaged there" in told
    assert "no relaxation time could be fitted" in told


def test_fits_that_do_not_describe_fringes_are_crossed_out():
    found = relaxing(1, error=0.002, tau=2.0)[0]
    fringes = (found.values * (0.8 + 0.2 * np.cos(3 * LAGS)) ** 2).astype(np.float32)
    figure = drawn(replace(found, values=fringes))
    assert "relaxation time of a curve that does not fit" in legend_of(figure)
    crosses = [line for line in panels_of(figure)[0].lines if line.get_marker() == "x"]
    assert len(crosses[0].get_xdata())


def test_times_that_lie_beyond_the_axis_are_counted():
    found, times = relaxing(1, tau=LAGS[-1] * 0.9)
    # Of the last ages alone the relaxation takes longer than the longest lag.
    beyond = int((fit_ages(found).tau > LAGS[-1] * 1.1).sum())
    assert 0 < beyond < len(times)
    assert f"relaxation times beyond the axis: {beyond}" in legend_of(drawn(found))


def test_rings_of_different_q_are_told_apart():
    found = relaxing(2)[0]
    figure = age_lag_figure(AgedMeasurement(age_lag=found, azimuth=np.full(2, np.nan), q=np.array([0.05, 0.1])))
    assert [axes.get_title() for axes in panels_of(figure)] == [
        "bin 1, 0.0500 nm$^{-1}$", "bin 2, 0.100 nm$^{-1}$"
    ]  # fmt: skip
    assert not figure.get_suptitle()


def test_the_contrast_is_that_of_the_first_known_lags():
    values = np.full((2, 3, 5), np.nan)
    values[0, :, 2:] = [0.3, 0.2, 0.1]
    contrast = contrast_of(values)
    assert contrast[0] == pytest.approx(0.2)
    assert math.isnan(contrast[1])


def fingerprints(**known):
    t = np.arange(64)
    c2 = 0.2 * np.exp(-np.abs(t[:, None] - t) / 4.0) + 0.002 * np.random.default_rng(0).standard_normal((64, 64))
    exposure = Exposure(frames=known.pop("frames", None))
    origin = Origin(
        raw_uid="abcdefghijk", seq_num=4, start=0.0, stop=6.4, exposure=exposure,
        position={"x": 1.0, "theta": 10.0}, units={"theta": "deg"}, **known,
    )  # fmt: skip
    one = np.ones(1)
    return Fingerprints(
        origin=origin,
        c2=c2[None].astype(np.float32),
        bins=Bins(q=0.05 * one, azimuth=30 * one, n_pixels=np.array([100])),
        duration=6.4,
        mean_counts=one,
        contrast=0.2 * one,
        tau=0.4 * one,
        quality=Quality(snr=one, bad_share=0.0, drift=0.0, problems=("",)),
        g2=np.ones((1, 64), dtype=np.float32),
        lags=0.1 * t,
    )


def test_a_measurement_without_an_age_lag_map_takes_that_of_its_c2():
    made = fingerprints(frames=640)
    aged = AgedMeasurement.of(made)
    expected = age_lag_of_maps(made.c2, 6.4, n_frames=640)
    np.testing.assert_array_equal(aged.age_lag.values, expected.values)
    assert aged.stored
    assert aged.age_lag.lags[0] == pytest.approx(0.01)
    assert aged.title == "Run abcdefgh, measurement 4, x 1 mm, theta 10 deg"
    # C2 = |g1|**2 falls with 4 pixels of 0.1 s.
    assert np.nanmedian(aged.fits.tau) == pytest.approx(0.8, rel=0.2)
    assert AgedMeasurement.of(fingerprints()).age_lag.lags[0] == pytest.approx(0.1)
    assert "measurement flow/4" in AgedMeasurement.of(fingerprints(stream="flow")).title


def test_a_measurement_with_an_age_lag_map_is_drawn_from_it():
    found = relaxing(1)[0]
    aged = AgedMeasurement.of(replace(fingerprints(), age_lag=found))
    assert aged.age_lag is found
    assert not aged.stored


def test_without_a_duration_ages_and_lags_are_pixels():
    aged = AgedMeasurement.of(replace(fingerprints(frames=640), duration=np.nan))
    figure = age_lag_figure(aged)
    assert panels_of(figure)[0].get_xlabel() == "Lag (map pixels)"
    assert aged.age_lag.ages[-1] == pytest.approx(62)
