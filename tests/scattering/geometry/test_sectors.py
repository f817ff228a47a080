import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins

SHAPE = (160, 160)
GEOMETRY = Geometry(centre=(79.5, 79.5), distance=8.0)


@st.composite
def rings_on_a_centred_detector(draw):
    """A square detector with the beam in its middle, and rings that are wholly on it."""
    side = draw(st.integers(50, 90))
    middle = (side - 1) / 2
    geometry = Geometry(centre=(middle, middle), distance=draw(st.floats(1, 10)))
    along = geometry.q((side, side))[side // 2]
    inner, outer = along[int(middle + side / 5)], along[-2]
    n_q = draw(st.integers(1, 3))
    n_bins = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 18]))
    first = draw(st.integers(-1440, 1440)) / 4
    return geometry, side, {"q_range": (inner, outer), "n_q": n_q, "n_bins": n_bins, "first_azimuth": first}


def test_the_default_is_the_papers_partition():
    partition = azimuthal_bins(GEOMETRY, SHAPE)
    assert len(partition.bins) == 18
    np.testing.assert_allclose(np.diff(partition.bins.azimuth), 20)
    q, azimuth = GEOMETRY.q(SHAPE), GEOMETRY.azimuth(SHAPE)
    used = partition.labels > 0
    assert q[used].min() >= 0.019
    assert q[used].max() < 0.029
    np.testing.assert_array_equal(partition.labels[used], azimuth[used] // 20 + 1)
    np.testing.assert_array_equal(partition.bins.n_pixels, np.bincount(partition.labels.ravel())[1:])
    # Rings are as wide as a pixel, so that the mean intensity is constant along them.
    assert partition.rings.max() == pytest.approx((0.029 - 0.019) / (q[79, 130] - q[79, 129]), abs=2)


@settings(max_examples=60, deadline=None)
@given(case=rings_on_a_centred_detector(), data=st.data())
def test_every_usable_pixel_of_the_rings_is_in_exactly_one_bin(case, data):
    geometry, side, options = case
    seed = data.draw(st.integers(0, 2**31))
    mask = np.random.default_rng(seed).random((side, side)) < 0.2
    partition = azimuthal_bins(geometry, (side, side), mask=mask, empty="drop", **options)
    q, azimuth = geometry.q((side, side)), geometry.azimuth((side, side))
    low, high = options["q_range"]
    used = (q >= low) & (q < high) & ~mask
    np.testing.assert_array_equal(partition.labels > 0, used)
    np.testing.assert_array_equal(partition.rings > 0, used)
    assert partition.labels.dtype == partition.rings.dtype == np.int32
    assert partition.bins.n_pixels.sum() == used.sum()
    assert set(np.unique(partition.labels[used])) == set(range(1, len(partition.bins) + 1))

    # Each bin is the cell of the grid that it says it is, and no ring of the static image is in two q rings.
    step, edges = 360 / options["n_bins"], np.linspace(low, high, options["n_q"] + 1)
    for number, place in enumerate(partition.grid.place, start=1):
        row, column = divmod(place, options["n_bins"])
        mine = partition.labels == number
        assert q[mine].min() >= edges[row] - 1e-12
        assert q[mine].max() < edges[row + 1] + 1e-12
        assert partition.bins.q[number - 1] == pytest.approx(q[mine].mean())
        turned = (azimuth[mine] - options["first_azimuth"] - column * step + 1e-6) % 360
        assert turned.max() <= step + 2e-6
        assert partition.bins.azimuth[number - 1] == pytest.approx(
            (options["first_azimuth"] + (column + 0.5) * step) % 360
        )
    row_of_bin = partition.grid.place // options["n_bins"]
    row = row_of_bin[partition.labels[used] - 1]
    for ring in np.unique(partition.rings[used]):
        assert len(np.unique(row[partition.rings[used] == ring])) == 1
        np.testing.assert_allclose(partition.ring_q[ring - 1], q[partition.rings == ring].mean())


@settings(max_examples=60, deadline=None)
@given(case=rings_on_a_centred_detector())
def test_friedel_partners_and_sectors_turned_by_a_quarter_are_alike(case):
    geometry, side, options = case
    n_q, n_bins = options["n_q"], options["n_bins"]
    partition = azimuthal_bins(geometry, (side, side), empty="drop", **options)
    if partition.dropped:
        return  # a ring narrower than a pixel
    sizes = partition.bins.n_pixels.reshape(n_q, n_bins)
    if n_bins % 2 == 0:
        np.testing.assert_array_equal(sizes, np.roll(sizes, n_bins // 2, axis=1))
        opposite = partition.labels[::-1, ::-1]
        np.testing.assert_array_equal(_shifted(partition.labels, n_bins // 2, n_bins), opposite)
    if n_bins % 4 == 0:
        np.testing.assert_array_equal(sizes, np.roll(sizes, n_bins // 4, axis=1))
        # The pixel at (row, column) from the centre comes to (column, -row): a quarter turn from columns to rows.
        np.testing.assert_array_equal(_shifted(partition.labels, n_bins // 4, n_bins).T[:, ::-1], partition.labels)


def _shifted(labels, sectors, n_bins):
    place = labels - 1
    return np.where(labels > 0, place // n_bins * n_bins + (place + sectors) % n_bins + 1, 0)


def test_rings_are_numbered_from_the_inside():
    partition = azimuthal_bins(GEOMETRY, SHAPE, n_q=3, n_bins=6, first_azimuth=-30)
    assert (partition.grid.n_q, partition.grid.n_azimuth) == (3, 6)
    np.testing.assert_allclose(partition.bins.azimuth, np.tile([0, 60, 120, 180, 240, 300], 3), atol=1e-9)
    assert (np.diff(partition.bins.q[::6]) > 0.003).all()
    assert partition.labels[79, 79 + 52] == 1  # on +x, in the innermost ring
    assert partition.labels[79 + 60, 79] == 6 + 3  # just beyond +y, in the second


def test_pixels_on_an_edge_belong_to_the_sector_that_begins_there():
    geometry = Geometry(centre=(10.0, 10.0), distance=1.0)
    reach = float(geometry.q((21, 21)).max())
    labels = azimuthal_bins(geometry, (21, 21), q_range=(geometry.q((21, 21))[10, 12], reach), n_bins=8).labels
    assert [labels[10, 15], labels[15, 15], labels[15, 10], labels[15, 5]] == [1, 2, 3, 4]
    assert [labels[10, 5], labels[5, 5], labels[5, 10], labels[5, 15]] == [5, 6, 7, 8]


@pytest.mark.parametrize("dtype", [bool, np.uint8, float])
def test_masked_pixels_are_not_used(dtype):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, 140:] = True
    assert not azimuthal_bins(GEOMETRY, SHAPE, mask=mask.astype(dtype)).labels[mask].any()


def test_the_gaps_of_the_detector_are_not_used():
    class WithGap(Geometry):
        def gaps(self, shape):
            return np.arange(shape[1])[None, :] // 3 == np.full((shape[0], 1), 40)

    labels = azimuthal_bins(WithGap(centre=(79.5, 79.5), distance=8.0), SHAPE).labels
    assert not labels[:, 120:123].any()
    assert labels[:, 119].any()


def test_an_empty_bin_is_refused_by_name():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[80:, 80:] = True  # the first quarter turn
    with pytest.raises(
        BinError, match=r"azimuthal bin 1, 2, 3, 4 of 18 holds no pixel .* The mask covers bin 1, 2, 3, 4"
    ):
        azimuthal_bins(GEOMETRY, SHAPE, mask=mask)
    half = Geometry(centre=(79.5, 0.0), distance=8.0)
    with pytest.raises(BinError, match=r"No pixel of the detector lies in bin 6, 7, .*check the beam centre"):
        azimuthal_bins(half, SHAPE)
    with pytest.raises(BinError, match=r"The mask covers bin 5.*No pixel of the detector lies in bin 6, 7"):
        azimuthal_bins(half, SHAPE, mask=half.azimuth(SHAPE) // 20 == 4)


def test_an_empty_bin_is_dropped_where_that_is_wanted(caplog):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[80:, 80:] = True
    partition = azimuthal_bins(GEOMETRY, SHAPE, mask=mask, empty="drop")
    assert partition.dropped == (1, 2, 3, 4)
    assert "bin 1, 2, 3, 4 of 18" in caplog.text
    whole = azimuthal_bins(GEOMETRY, SHAPE)
    np.testing.assert_array_equal(partition.bins.azimuth, whole.bins.azimuth[4:])
    np.testing.assert_array_equal(partition.labels == 2, (whole.labels == 6) & ~mask)
    np.testing.assert_array_equal(partition.grid.place, np.arange(4, 18))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(BinError, match=r"between q = 1 and 2 1/nm: it sees .* to 0.04"):
        azimuthal_bins(GEOMETRY, SHAPE, q_range=(1, 2))
    with pytest.raises(BinError, match="must rise"):
        azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.03, 0.02))
    with pytest.raises(BinError, match="at least one"):
        azimuthal_bins(GEOMETRY, SHAPE, n_bins=0)
    with pytest.raises(BinError, match=r"mask has the shape \(160, 100\)"):
        azimuthal_bins(GEOMETRY, SHAPE, mask=np.zeros((160, 100), dtype=bool))
    with pytest.raises(BinError, match="every pixel is masked"):
        azimuthal_bins(GEOMETRY, SHAPE, mask=np.ones(SHAPE, dtype=bool))
    with pytest.raises(BinError, match="a mask must hold"):
        azimuthal_bins(GEOMETRY, SHAPE, mask=np.full(SHAPE, np.nan))


def test_pixels_without_q_must_be_masked():
    class Broken(Geometry):
        def coordinates(self, shape):
            q, azimuth = Geometry.coordinates(self, shape)
            q[3, 4:6] = np.nan
            return q, azimuth

    broken = Broken(centre=(79.5, 79.5), distance=8.0)
    with pytest.raises(BinError, match="NaN or infinite in 2 pixels"):
        azimuthal_bins(broken, SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[3, 4:6] = True
    assert len(azimuthal_bins(broken, SHAPE, mask=mask).bins) == 18
