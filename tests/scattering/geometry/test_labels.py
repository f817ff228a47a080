import numpy as np
import pytest

from ainerd_agent.errors import BinError
from ainerd_agent.scattering import two_time
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.labels import label_bins
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins

SHAPE = (30, 40)
GEOMETRY = Geometry(centre=(-4.2, 8.3), distance=2.0)


def three_blocks():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[2:8, 3:9], labels[10:14, 20:30], labels[20:28, 5:9] = 1, 2, 3
    return labels


def test_labels_alone():
    labels = three_blocks()
    partition = label_bins(labels)
    np.testing.assert_array_equal(partition.labels, labels)
    np.testing.assert_array_equal(partition.rings, labels)  # each bin is its own static region
    np.testing.assert_array_equal(partition.bins.n_pixels, [36, 40, 32])
    assert np.isnan(partition.bins.q).all()
    assert np.isnan(partition.bins.azimuth).all()
    assert partition.labels.dtype == np.int32


def test_a_geometry_gives_q_azimuth_and_rings():
    partition = label_bins(three_blocks(), geometry=GEOMETRY)
    q, azimuth = GEOMETRY.coordinates(SHAPE)
    for number in (1, 2, 3):
        mine = partition.labels == number
        assert partition.bins.q[number - 1] == pytest.approx(q[mine].mean())
        assert azimuth[mine].min() < partition.bins.azimuth[number - 1] < azimuth[mine].max()
    used = partition.labels > 0
    assert (partition.rings[used] > 0).all()
    assert not partition.rings[~used].any()
    assert 20 < partition.rings.max() < 40
    images = label_bins(three_blocks(), q=q, azimuth=azimuth)
    np.testing.assert_array_equal(images.rings, partition.rings)
    np.testing.assert_array_equal(images.bins.q, partition.bins.q)


def test_the_labels_of_sectors_give_the_sectors_back():
    geometry = Geometry(centre=(79.5, 79.5), distance=8.0)
    sectors = azimuthal_bins(geometry, (160, 160), n_q=2, n_bins=12)
    again = label_bins(sectors.labels, geometry=geometry, rings=sectors.rings)
    np.testing.assert_array_equal(again.labels, sectors.labels)
    np.testing.assert_array_equal(again.rings, sectors.rings)
    np.testing.assert_allclose(again.bins.q, sectors.bins.q)
    np.testing.assert_allclose(again.ring_q, sectors.ring_q)
    np.testing.assert_allclose(again.bins.azimuth, sectors.bins.azimuth, atol=0.5)


def test_lists_and_masks():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:12] = True
    partition = label_bins(three_blocks(), q=[0.1, 0.2, 0.3], azimuth=[-10, 400, 90], mask=mask)
    np.testing.assert_allclose(partition.bins.q, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(partition.bins.azimuth, [350, 40, 90])
    np.testing.assert_array_equal(partition.bins.n_pixels, [36, 20, 32])
    assert not partition.labels[mask].any()


def test_masks_of_bins_become_labels():
    labels = three_blocks()
    partition = label_bins(np.stack([labels == number for number in (1, 2, 3)]))
    np.testing.assert_array_equal(partition.labels, labels)
    stack = np.stack([labels == 1, labels > 0])
    with pytest.raises(BinError, match="overlap in 36 pixels: the one in row 2, column 3 belongs to bins 1 and 2"):
        label_bins(stack)


def test_bins_without_pixels():
    labels = three_blocks()
    labels[labels == 2] = 5
    with pytest.raises(BinError, match=r"bin 2, 4 of 5 holds no pixel .* No label is 2, 4: number"):
        label_bins(labels)
    partition = label_bins(labels, q=[1, 2, 3, 4, 5], empty="drop")
    assert partition.dropped == (2, 4)
    np.testing.assert_array_equal(partition.bins.q, [1, 3, 5])
    np.testing.assert_array_equal(partition.labels == 3, labels == 5)
    with pytest.raises(BinError, match="bin 4, 5 of 5"):
        label_bins(three_blocks(), q=[1, 2, 3, 4, 5])
    with pytest.raises(BinError, match="bin 4 of 4"):
        label_bins(three_blocks(), n_bins=4)
    with pytest.raises(BinError, match=r"bin 1 of 3 .* The mask covers bin 1"):
        label_bins(three_blocks(), mask=three_blocks() == 1)
    with pytest.raises(BinError, match="bin 1, 2, 3 of 3"):
        label_bins(three_blocks(), mask=three_blocks() > 0, empty="drop")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(SHAPE, 1.5), "integers"),
        (np.zeros(SHAPE, dtype=int), "hold no bin"),
        (np.empty((0, 4), dtype=int), "hold no bin"),
        (three_blocks().astype(int) - 1, "go down to -1"),
        (np.ones(5, dtype=int), "integers of shape"),
        (np.ones(SHAPE, dtype=bool), "integers of shape"),
        (three_blocks().astype(np.int64) * 10**12, "only 1200 pixels"),
    ],
)
def test_what_is_no_label_array_is_refused(labels, message):
    with pytest.raises(BinError, match=message):
        label_bins(labels)


def test_what_does_not_fit_the_labels_is_refused():
    labels = three_blocks()
    nan = np.ones(SHAPE)
    nan[3, 4] = np.nan
    with pytest.raises(BinError, match="q is NaN or infinite in 1 pixels of the bins"):
        label_bins(labels, q=nan)
    nan[3, 4], nan[0, 0] = 1, np.nan
    assert label_bins(labels, q=nan).rings.max() == 1  # outside of the bins it does not matter
    with pytest.raises(BinError, match="q of bin 2 is NaN"):
        label_bins(labels, q=[1, np.nan, 3])
    with pytest.raises(BinError, match=r"q has the shape \(2,\)"):
        label_bins(labels, q=[1, 2])
    with pytest.raises(BinError, match=r"azimuth has the shape \(40, 30\)"):
        label_bins(labels, azimuth=np.ones((40, 30)))
    with pytest.raises(BinError, match="mask has the shape"):
        label_bins(labels, mask=np.zeros((30, 41)))
    with pytest.raises(BinError, match="rings must be integers"):
        label_bins(labels, rings=np.ones(SHAPE))
    with pytest.raises(BinError, match="36 pixels of the bins belong to no ring"):
        label_bins(labels, rings=np.where(labels == 1, 0, 4))


def test_a_partition_can_be_correlated():
    partition = label_bins(three_blocks(), geometry=GEOMETRY)
    frames = np.random.default_rng(0).poisson(4.0, size=(60, *SHAPE))
    assert two_time(frames, partition.labels, static=partition.rings, size=16).shape == (3, 16, 16)
