"""g2 of sections of age in the form of APS 8-ID."""

import dataclasses

import h5py
import numpy as np
import pytest

from ainerd_agent.records import AgeLagMap
from ainerd_agent.scattering.files.aps_results import read_results, write_results
from tests.integration.derived_runs import N_BINS, measurement

N_LAGS, SECONDS = 64, 16.0
TAU = np.array([0.5, 1.0, 2.0, 4.0])


@pytest.fixture
def measured():
    """A measurement whose relaxation time is known at four ages, on lags of a movie with frames of 0.1 s."""
    f, _ = measurement("run", 1)
    lags = 0.1 * np.array([*range(1, 16), *(k << level for level in range(1, 5) for k in range(8, 16))])
    lags = lags[lags < 12]
    decay = 0.3 * np.exp(-2 * lags / TAU[:, None])
    decay[0, lags > 6] = np.nan  # the first section is too short for these
    values = np.stack([decay * (bin + 1) for bin in range(N_BINS)]).astype(np.float32)
    aged = AgeLagMap(values=values, errors=values / 50, ages=np.array([2.0, 6.0, 10.0, 14.0]), lags=lags)
    steps = np.arange(N_LAGS) * SECONDS / N_LAGS
    g2 = np.ones((N_BINS, N_LAGS), np.float32)
    return dataclasses.replace(f, g2=g2, lags=steps, duration=SECONDS, age_lag=aged)


def test_the_map_comes_back_with_its_axes_and_errors(measured, tmp_path):
    write_results(tmp_path / "run.h5", measured, {}, {})
    found = read_results(tmp_path / "run.h5").age_lag
    assert found is not None
    for name in ("values", "errors", "ages", "lags"):
        np.testing.assert_allclose(getattr(found, name), getattr(measured.age_lag, name), rtol=1e-6, atol=1e-12)
    assert found.values.dtype == found.errors.dtype == np.float32
    with h5py.File(tmp_path / "run.h5") as file:
        own = file["ainerd/age_lag"]
        assert own["normalized_g2"].shape == (len(found.lags), 4, N_BINS)
        assert (own["delay_list"].attrs["units"], own["ages"].attrs["units"]) == ("s", "s")


def test_segments_are_on_the_lags_where_readers_look(measured, tmp_path):
    write_results(tmp_path / "run.h5", measured, {}, {})
    with h5py.File(tmp_path / "run.h5") as file:
        segments, lags = file["xpcs/twotime/normalized_g2_segments"][()], file["xpcs/twotime/delay_list"][()]
        assert "linear in the logarithm" in file["xpcs/twotime/normalized_g2_segments"].attrs["description"]
    assert segments.shape == (N_LAGS, 4, N_BINS)
    expected = 1 + 0.3 * np.exp(-2 * lags[:, None] / TAU)
    reached = (lags > 0) & (lags < 11.1)
    np.testing.assert_allclose(segments[reached, 1:, 0], expected[reached, 1:], atol=2e-3)
    np.testing.assert_allclose(segments[reached, 1:, 2] - 1, 3 * (expected[reached, 1:] - 1), atol=6e-3)
    assert np.isnan(segments[0]).all()  # no pair of frames has lag 0
    assert np.isnan(segments[lags > 6.1, 0]).all()
    assert np.isnan(segments[lags > 12]).all()


def test_without_a_map_the_whole_exposure_is_one_segment(measured, tmp_path):
    write_results(tmp_path / "run.h5", dataclasses.replace(measured, age_lag=None), {}, {})
    assert read_results(tmp_path / "run.h5").age_lag is None
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["xpcs/twotime/normalized_g2_segments"].shape == (N_LAGS, 1, N_BINS)
