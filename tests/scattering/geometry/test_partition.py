import numpy as np
import pytest

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.partition import fine_rings, mean_azimuth, pixel_step
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins


def test_a_partition_fits_frames_of_its_shape_only():
    partition = azimuthal_bins(Geometry(centre=(79.5, 79.5), distance=8.0), (160, 160))
    assert partition.fitting((160, 160)) is partition
    with pytest.raises(BinError, match="for 160 x 160 pixels, the frames have 160 x 162"):
        partition.fitting((160, 162))


@pytest.mark.parametrize("degrees", [0.0, 10.0, 180.0, 355.0])
def test_the_mean_azimuth_knows_the_circle(degrees):
    number = np.repeat([1, 2], 41)
    azimuth = np.concatenate([(degrees + np.linspace(-20, 20, 41)) % 360, np.full(41, 90.0)])
    found = mean_azimuth(number, azimuth)
    assert (found[0] - degrees + 1e-9) % 360 < 2e-9
    assert found[1] == pytest.approx(90)


def test_a_ring_and_opposite_sectors_have_no_azimuth():
    number = np.repeat([1, 2], 360)
    azimuth = np.concatenate([np.arange(360.0), np.repeat([70.0, 250.0], 180)])
    assert np.isnan(mean_azimuth(number, azimuth)).all()


def test_fine_rings_are_as_wide_as_a_pixel():
    geometry = Geometry(centre=(-30.0, 20.0), distance=4.0)
    q = geometry.q((50, 60))
    step = pixel_step(q, np.arange(q.size))
    assert step == pytest.approx(2 * np.pi / geometry.wavelength * geometry.pixel_size / geometry.distance, rel=1e-3)
    value = q.ravel()
    rings = fine_rings(value, np.array([value.min(), value.max()]), np.zeros(q.size, dtype=int), step)
    assert (np.unique(rings) == np.arange(1, rings.max() + 1)).all()
    widths = [np.ptp(value[rings == ring]) for ring in range(1, rings.max())]
    assert max(widths) <= step
    # The last one takes what is left over.
    assert np.ptp(value[rings == rings.max()]) < 2 * step


def test_q_that_does_not_change_is_one_ring():
    flat = np.ones((4, 5))
    assert pixel_step(flat, np.arange(20)) == 0
    assert (fine_rings(np.ones(20), np.array([1.0, 1.0]), np.zeros(20, dtype=int), 0.0) == 1).all()
