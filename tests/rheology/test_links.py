"""Links between dynamics and stress: found where they were planted, and not where they were not."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import RheologyError
from ainerd_agent.figures import links_figure
from ainerd_agent.records import RheometerSamples
from ainerd_agent.rheology import find_links, relate
from ainerd_agent.rheology.anisotropy import anisotropy
from ainerd_agent.rheology.event_average import event_average
from ainerd_agent.rheology.lagged_correlation import lagged_correlation
from ainerd_agent.rheology.surrogates import detrend, p_values, phase_surrogates, scattered_events

TIME = 50.0 * np.arange(80)


@settings(deadline=None, max_examples=20)
@given(n=st.integers(8, 60), seed=st.integers(0, 2**32 - 1))
def test_phase_surrogates_keep_the_spectrum(n, seed):
    series = np.random.default_rng(seed).normal(size=n)
    found = phase_surrogates(series, 3, np.random.default_rng(seed))
    np.testing.assert_allclose(np.abs(np.fft.rfft(found)), np.abs(np.fft.rfft(series))[None].repeat(3, 0), atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(slope=st.floats(-5, 5), level=st.floats(-5, 5), width=st.floats(60, 1e4))
def test_a_straight_trend_is_taken_off_whole(slope, level, width):
    np.testing.assert_allclose(detrend(TIME, level + slope * TIME / 1000, width), 0, atol=1e-8)


def test_scattered_events_keep_their_intervals():
    found = scattered_events([100.0, 400, 1000], (0.0, 2000.0), 50, np.random.default_rng(0))
    intervals = np.sort(np.diff(np.sort(found, axis=1), axis=1, append=np.sort(found, axis=1)[:, :1] + 2000), axis=1)
    np.testing.assert_allclose(intervals, [[300, 600, 1100]] * 50)


def test_p_is_the_share_that_reaches_what_was_seen():
    each, strongest = p_values([2.0, 0.0], [[1.0, 1.0], [3.0, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(each, [2 / 4, 4 / 4])
    assert strongest == pytest.approx(2 / 4)


def test_a_dip_at_each_event_is_found_and_none_where_there_is_none():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2, len(TIME)))
    events = np.array([600.0, 1350, 2100, 2500, 3400])
    dip = -3 * np.exp(-0.5 * ((TIME[:, None] - events) / 60) ** 2).sum(axis=1)
    found = event_average(TIME, noise + np.array([[1.0], [0.0]]) * dip, events, window=200, n_surrogates=500)
    assert found.p[0] < 0.01 < 0.05 < found.p[1]
    assert abs(found.lag[found.average[0].argmin()]) <= 50
    with pytest.raises(RheologyError, match="needs two"):
        event_average(TIME, noise, events[:1], window=200)


def test_a_series_that_follows_the_stress_is_found_at_its_lag():
    rng = np.random.default_rng(2)
    stress = np.convolve(rng.normal(size=len(TIME) + 20), np.ones(3), "same")[: len(TIME)]
    follows = np.roll(stress, 4) + 0.5 * rng.normal(size=len(TIME))
    found = lagged_correlation([follows, rng.normal(size=len(TIME))], stress, step=50, max_lag=400, n_surrogates=500)
    assert found.best_lag[0] == 200
    assert found.p[0] < 0.01 < 0.05 < found.p[1]
    with pytest.raises(RheologyError, match="too few"):
        lagged_correlation(follows[:10], stress[:10], step=50, max_lag=400)


def test_chance_alone_is_called_a_link_as_often_as_stated():
    rng = np.random.default_rng(3)
    p = [lagged_correlation(a, b, step=50, max_lag=300, n_surrogates=99, seed=k).p[0]
         for k, (a, b) in enumerate(rng.normal(size=(150, 2, 60)))]  # fmt: skip
    assert np.mean(np.array(p) <= 0.05) < 0.12


def ring(n_times, rng, *, difference=0.0, n_bins=18):
    """Latents of a ring at many times: slow drift, noise, and a difference between directions; sector-major."""
    azimuth = 2 * np.pi * np.arange(n_bins) / n_bins
    drift = np.cumsum(rng.normal(size=(1, n_times, 4)), axis=1)
    direction = difference * np.cos(2 * azimuth)[:, None, None] * rng.normal(size=4)
    latents = drift + direction + rng.normal(size=(n_bins, n_times, 4))
    time, number = np.meshgrid(50.0 * np.arange(n_times), np.arange(1, n_bins + 1))
    return latents.reshape(-1, 4), time.ravel(), number.ravel()


def test_directions_that_differ_are_found_and_drift_is_not():
    rng = np.random.default_rng(3)
    found = anisotropy(*ring(20, rng, difference=1.0), n_surrogates=499)
    assert found.p_any == pytest.approx(1 / 500)
    assert np.median(found.ratio) > 1.5
    np.testing.assert_allclose(found.time, 50.0 * np.arange(20))
    chance = [anisotropy(*ring(8, rng), n_surrogates=99, seed=seed).p_any for seed in range(60)]
    assert 0 <= np.mean(np.array(chance) <= 0.05) < 0.15
    assert np.mean(chance) == pytest.approx(0.5, abs=0.15)


def test_bins_without_an_opposite_are_refused():
    latents, time, number = ring(5, np.random.default_rng(0))
    with pytest.raises(RheologyError, match="17 azimuthal bins"):
        anisotropy(latents[number > 1], time[number > 1], number[number > 1])
    present = number != 1 + (time > 100)  # the first bin early, the second one late
    with pytest.raises(RheologyError, match="every azimuthal bin"):
        anisotropy(latents[present], time[present], number[present])


def relaxation(rng, *, linked):
    """A relaxation whose dynamics speed up, or not, at each of ten drops of the stress."""
    time = 10.0 * np.arange(-20, 400)
    drops = np.array([350.0, 800, 1000, 1500, 1750, 2200, 2500, 2900, 3200, 3600])
    dips = np.exp(-0.5 * ((time[:, None] - drops) / 40) ** 2).sum(axis=1)
    stress = np.where(time <= 0, 500.0, 100 * np.exp(-0.6 * dips) * (1 + 0.01 * rng.normal(size=len(time))))
    samples = RheometerSamples(time, stress, np.where(time <= 0, 30.0, 0.0), np.full(len(time), np.nan))
    latents, start, number = ring(78, rng)
    latents = 0.3 * latents
    at = np.interp(start + 25, time, dips if linked else rng.permutation(dips))
    latents[:, 0] += 4 * at
    return relate(latents, start, number, samples, n_clusters=2, time_offset=0.0), latents


def test_a_relaxation_with_a_link_says_so_and_one_without_does_not():
    linked = find_links(*relaxation(np.random.default_rng(5), linked=True), n_surrogates=499)
    assert linked.events.p_any < 0.01
    assert linked.lagged.p_any < 0.01
    assert linked.anisotropy.p_any > 0.05
    assert linked.missing == {}
    assert linked.time[0] > 0  # the flow and its end are left out
    told = linked.verdicts()
    assert len(told) == 3
    assert "change (p =" in told[0]
    assert json.loads(json.dumps(linked.summary()))["events"]["n_events"] == linked.events.n_events
    apart = find_links(*relaxation(np.random.default_rng(6), linked=False), n_surrogates=499)
    assert min(apart.events.p_any, apart.lagged.p_any) > 0.01


def test_what_cannot_be_tested_is_said():
    relation, latents = relaxation(np.random.default_rng(7), linked=True)
    found = find_links(dataclasses.replace(relation, minima=relation.minima[:1]), latents, n_surrogates=99)
    assert found.events is None
    assert "needs two" in found.missing["events"]
    assert found.verdicts()[0] == found.missing["events"]
    figure = links_figure(found)
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes] == ["", "With the stress", "Anisotropy"]
