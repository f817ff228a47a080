import numpy as np
import pytest

from ainerd_agent.errors import BinError
from ainerd_agent.scattering import Geometry, azimuthal_bins

GEOMETRY = Geometry(centre=(79.5, 79.5), distance=8.0)


def test_q_follows_the_definition():
    two_theta = np.arctan(10.5 * 55e-6 / 8)
    q = GEOMETRY.q((160, 160))
    assert q[79, 90] == pytest.approx(4 * np.pi / 0.11271 * np.sin(np.arctan(np.hypot(10.5, 0.5) * 55e-6 / 8) / 2))
    assert q[79, 90] > 4 * np.pi / 0.11271 * np.sin(two_theta / 2)


@pytest.mark.parametrize(("row", "column", "azimuth"), [(10, 20, 0), (20, 10, 90), (10, 0, 180), (0, 10, 270)])
def test_azimuth_runs_from_columns_to_rows(row, column, azimuth):
    assert Geometry(centre=(10, 10), distance=1.0).azimuth((21, 21))[row, column] == azimuth


def test_the_default_is_the_papers_partition():
    partition = azimuthal_bins(GEOMETRY, (160, 160))
    assert len(partition.bins) == 18
    np.testing.assert_allclose(np.diff(partition.bins.azimuth), 20)
    q, azimuth = GEOMETRY.q((160, 160)), GEOMETRY.azimuth((160, 160))
    used = partition.labels > 0
    assert q[used].min() >= 0.019
    assert q[used].max() < 0.029
    np.testing.assert_array_equal(partition.labels[used], azimuth[used] // 20 + 1)
    np.testing.assert_array_equal(partition.bins.n_pixels, np.bincount(partition.labels.ravel())[1:])
    # Rings are as wide as a pixel, so that the mean intensity is constant along them.
    assert partition.rings.max() == pytest.approx((0.029 - 0.019) / (q[79, 130] - q[79, 129]), abs=2)


def test_masked_pixels_are_not_used():
    mask = np.zeros((160, 160), dtype=bool)
    mask[:, 140:] = True
    assert not azimuthal_bins(GEOMETRY, (160, 160), mask=mask).labels[mask].any()


def test_an_empty_bin_is_refused_by_name():
    mask = np.zeros((160, 160), dtype=bool)
    mask[80:, 80:] = True  # the first quarter turn
    with pytest.raises(BinError, match="azimuthal bin 1, 2, 3, 4 of 18 holds no pixel"):
        azimuthal_bins(GEOMETRY, (160, 160), mask=mask)
