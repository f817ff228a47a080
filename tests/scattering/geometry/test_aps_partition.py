"""APS partition maps, against maps built here as pySimpleMask makes them, and the rules of the tools that read ours.

The maps that are written were also read with boost_corr 0.1.7 and pyXpcsViewer 1.2.2, and maps made by pySimpleMask
0.4.5 were read here; these packages are not needed by the tests.
"""

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.aps_partition import read_partition_map
from ainerd_agent.scattering.geometry.aps_partition_writer import save_partition_map, write_partition_map
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.labels import label_bins
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins

SHAPE = (70, 90)
GEOMETRY = Geometry(centre=(33.3, 46.1), distance=4.0)

# What pyXpcsViewer reads of a map without asking whether it is there, energy aside.
VIEWER = [
    *("mask", "dynamic_roi_map", "static_roi_map", "dynamic_v_list_dim0", "static_v_list_dim0", "dynamic_v_list_dim1"),
    *("static_v_list_dim1", "beam_center_y", "beam_center_x", "detector_distance", "pixel_size"),
    *("static_index_mapping", "dynamic_index_mapping", "static_num_pts", "dynamic_num_pts", "map_names", "map_units"),
]


def assert_same(one, other):
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.rings, other.rings)
    assert one.labels.dtype == one.rings.dtype == np.int32
    for name in ("q", "azimuth", "n_pixels"):
        np.testing.assert_array_equal(getattr(one.bins, name), getattr(other.bins, name))


def simple_mask(n_q=2, n_phi=6, static=(8, 12), phi_offset=0.0):
    """A map as pySimpleMask makes it: edges from the extremes of the pixels that may be used, phi against +y."""
    q, azimuth = GEOMETRY.coordinates(SHAPE)
    phi = (180 - azimuth) % 360 - 180
    phi_shown = (phi + phi_offset + 180) % 360 - 180
    good = (q > 0.012) & (q < 0.025)
    good[30:36, 46:] = False  # an arm

    def parts(values, number):
        edges = np.linspace(values[good].min(), values[good].max(), number + 1)
        return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, number - 1), (edges[1:] + edges[:-1]) / 2

    stored = {"mask": good, "map_names": ["q", "phi"], "map_units": ["Å⁻¹", "deg"]}
    for prefix, (n_0, n_1) in (("dynamic", (n_q, n_phi)), ("static", static)):
        (row, q_list), (column, phi_list) = parts(q, n_0), parts(phi_shown, n_1)
        natural, regions = np.unique((row * n_1 + column)[good], return_inverse=True)
        labels = np.zeros(SHAPE, dtype=np.uint16)
        labels[good] = regions + 1
        stored |= {
            f"{prefix}_roi_map": labels,
            f"{prefix}_num_pts": [n_0, n_1],
            f"{prefix}_index_mapping": natural,
            f"{prefix}_v_list_dim0": q_list / 10,
            f"{prefix}_v_list_dim1": phi_list,
        }
    return stored


CENTRE = {"beam_center_y": GEOMETRY.centre[0], "beam_center_x": GEOMETRY.centre[1]}


def stored_as(path, datasets, group="/qmap"):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[f"{group}/{name}"] = value
    return path


@pytest.mark.parametrize("group", ["/qmap", "/xpcs/qmap"])
def test_a_map_of_pysimplemask(tmp_path, group):
    made = simple_mask()
    partition = read_partition_map(stored_as(tmp_path / "map.h5", made, group))
    np.testing.assert_array_equal(partition.labels, made["dynamic_roi_map"])
    np.testing.assert_array_equal(partition.rings, made["static_roi_map"])
    assert len(partition.bins) == 12
    # Angstrom to nanometre, and phi to azimuth: the values are the middles of the bins.
    by_pixels = label_bins(made["dynamic_roi_map"], geometry=GEOMETRY)
    np.testing.assert_allclose(partition.bins.q, by_pixels.bins.q, rtol=0.1)
    off = (partition.bins.azimuth - by_pixels.bins.azimuth + 180) % 360 - 180
    assert np.abs(off).max() < 12
    np.testing.assert_array_equal(partition.bins.n_pixels, by_pixels.bins.n_pixels)
    assert (partition.grid.n_q, partition.grid.n_azimuth) == (2, 6)
    np.testing.assert_allclose(partition.ring_q[0], made["static_v_list_dim0"][0] * 10)


def test_a_geometry_takes_the_place_of_what_the_map_lists(tmp_path):
    made = simple_mask() | {"map_names": ["x", "y"]}
    path = stored_as(tmp_path / "map.h5", made)
    with pytest.raises(BinError, match="divides the detector by x and y, not by q and phi: give a geometry"):
        read_partition_map(path)
    partition = read_partition_map(path, geometry=GEOMETRY)
    by_pixels = label_bins(made["dynamic_roi_map"], geometry=GEOMETRY, rings=made["static_roi_map"])
    assert_same(partition, by_pixels)


def test_azimuths_that_the_pixels_contradict_are_corrected(tmp_path, caplog):
    """pySimpleMask lists phi with its offset."""
    made = simple_mask(phi_offset=50.0)
    by_pixels = label_bins(made["dynamic_roi_map"], geometry=GEOMETRY).bins.azimuth
    without_centre = read_partition_map(stored_as(tmp_path / "a.h5", made)).bins.azimuth
    assert np.abs((without_centre - by_pixels + 180) % 360 - 180).min() > 30
    assert not caplog.records
    corrected = read_partition_map(stored_as(tmp_path / "b.h5", made | CENTRE)).bins.azimuth
    np.testing.assert_allclose(corrected, by_pixels)
    assert "taking the azimuths of the pixels" in caplog.text


def test_a_map_of_phi_alone(tmp_path):
    made = simple_mask(n_q=1, n_phi=8, static=(1, 8))
    partition = read_partition_map(stored_as(tmp_path / "map.h5", made | CENTRE))
    assert len(np.unique(partition.bins.azimuth)) == 8
    assert np.ptp(partition.bins.q) == 0


def test_an_older_map_lists_q_and_phi_bin_by_bin(tmp_path):
    made = simple_mask()
    n_bins = int(made["dynamic_roi_map"].max())
    place = made["dynamic_index_mapping"]
    older = {
        "dynamicMap": np.where(made["mask"], made["dynamic_roi_map"], -1).astype(np.int16)[None],
        "staticMap": np.where(made["mask"], made["static_roi_map"], -1).astype(np.int16)[None],
        "mask": made["mask"].astype(np.int32)[None],
        "dqval": made["dynamic_v_list_dim0"][place // 6][:, None],
        "dphival": made["dynamic_v_list_dim1"][place % 6][:, None],
    }
    expected = read_partition_map(stored_as(tmp_path / "now.h5", made))
    assert_same(read_partition_map(stored_as(tmp_path / "then.h5", older, "/data")), expected)

    names = {"dqmap": "dynamicMap", "sqmap": "staticMap", "mask": "mask", "dqlist": "dqval", "dphilist": "dphival"}
    result = {name: older[of] for name, of in names.items()}
    assert_same(read_partition_map(stored_as(tmp_path / "result.h5", result, "/xpcs")), expected)

    # Of these, bins without pixels keep their number.
    older["dynamicMap"][older["dynamicMap"] == 3] = -1
    older["staticMap"][older["dynamicMap"] == -1] = -1
    path = stored_as(tmp_path / "gap.h5", older, "/data")
    with pytest.raises(BinError, match=f"bin 3 of {n_bins} holds no pixel"):
        read_partition_map(path)
    dropped = read_partition_map(path, empty="drop")
    assert dropped.dropped == (3,)
    np.testing.assert_array_equal(dropped.bins.q, np.delete(expected.bins.q, 2))

    older["dqval"] = older["dqval"][:-1]
    with pytest.raises(BinError, match="should list 11 values in dynamic_v_list_dim1, and lists 12"):
        read_partition_map(stored_as(tmp_path / "short.h5", older, "/data"))


def test_a_mask_is_taken_away(tmp_path):
    made = simple_mask()
    mask = made["dynamic_roi_map"] == 2
    path = stored_as(tmp_path / "map.h5", made)
    with pytest.raises(BinError, match="The mask covers bin 2"):
        read_partition_map(path, mask=mask)
    partition = read_partition_map(path, mask=mask, empty="drop")
    assert not partition.labels[mask].any()
    np.testing.assert_array_equal(partition.grid.place, np.delete(np.arange(12), 1))
    with pytest.raises(BinError, match=r"mask has the shape \(3, 4\)"):
        read_partition_map(path, mask=np.zeros((3, 4)))
    # The map's own mask is 1 where a pixel may be used.
    made["mask"] = made["mask"] & ~mask
    with pytest.raises(BinError, match="bin 2 of 12"):
        read_partition_map(stored_as(tmp_path / "masked.h5", made))


@st.composite
def partitions(draw):
    options = {
        "n_q": draw(st.integers(1, 3)),
        "n_bins": draw(st.sampled_from([1, 2, 5, 18])),
        "first_azimuth": draw(st.floats(-400, 400)),
    }
    mask = np.random.default_rng(draw(st.integers(0, 99))).random(SHAPE) < draw(st.sampled_from([0.0, 0.3, 0.97]))
    partition = azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.012, 0.024), mask=mask, empty="drop", **options)
    match draw(st.sampled_from(["sectors", "labels", "list of q", "nothing known"])):
        case "labels":
            return label_bins(partition.labels, geometry=GEOMETRY)
        case "list of q":
            return label_bins(partition.labels, q=np.linspace(0.1, 0.2, len(partition.bins)))
        case "nothing known":
            return label_bins(partition.labels)
    return partition


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(partition=partitions(), geometry=st.sampled_from([None, GEOMETRY]))
def test_what_is_written_is_read_back(tmp_path_factory, partition, geometry):
    path = tmp_path_factory.mktemp("maps") / "map.h5"
    save_partition_map(path, partition, geometry=geometry)
    again = read_partition_map(path)
    assert_same(again, partition)
    if partition.grid is not None:
        assert (again.grid.n_q, again.grid.n_azimuth) == (partition.grid.n_q, partition.grid.n_azimuth)
        np.testing.assert_array_equal(again.grid.place, partition.grid.place)
    if partition.ring_q is not None:
        np.testing.assert_array_equal(again.ring_q, partition.ring_q)

    with h5py.File(path) as file:
        stored = {name: item[()] for name, item in file["qmap"].items() if isinstance(item, h5py.Dataset)}
        assert file["qmap"].attrs["hash"]
    if geometry is not None:
        assert set(VIEWER) <= set(stored)
        assert stored["energy"] == pytest.approx(11.0003, abs=1e-3)  # keV, of 0.11271 nm
    # boost_corr: the pixels of the bins, of the static regions and of the mask are the same ...
    np.testing.assert_array_equal(stored["mask"] > 0, stored["dynamic_roi_map"] > 0)
    np.testing.assert_array_equal(stored["mask"] > 0, stored["static_roi_map"] > 0)
    # ... and each static region lies in one bin.
    used = stored["mask"]
    pairs = np.unique(np.stack([stored["static_roi_map"][used], stored["dynamic_roi_map"][used]]), axis=1)
    np.testing.assert_array_equal(pairs[0], np.arange(1, pairs.shape[1] + 1))
    # pyXpcsViewer: numbers without gaps, the place of each in a grid, and lists as long as the sides of the grid.
    for prefix in ("dynamic", "static"):
        n_0, n_1 = stored[f"{prefix}_num_pts"]
        assert len(stored[f"{prefix}_v_list_dim0"]) == n_0
        assert len(stored[f"{prefix}_v_list_dim1"]) == n_1
        place = stored[f"{prefix}_index_mapping"]
        assert len(place) == stored[f"{prefix}_roi_map"].max()
        assert (np.diff(place) > 0).all()
        assert place.max(initial=0) < n_0 * n_1


def test_what_is_written_means_the_same_to_others(tmp_path):
    """Without our subgroup: q in 1/angstrom and phi against +y, from -180 to 180, at their places in the grid."""
    partition = azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.012, 0.024), n_q=2, n_bins=6)
    path = tmp_path / "map.h5"
    save_partition_map(path, partition, geometry=GEOMETRY, group="/xpcs/qmap")
    with h5py.File(path, "r+") as file:
        group = file["xpcs/qmap"]
        del group["ainerd"]
        np.testing.assert_allclose(group["dynamic_v_list_dim1"], [-30, -90, -150, 150, 90, 30])
        assert [name.decode() for name in group["map_names"][()]] == ["q", "phi"]
        np.testing.assert_allclose(group["static_v_list_dim0"], np.unique(partition.ring_q) / 10)
        assert group["static_v_list_dim0"].attrs["unit"] == "Å⁻¹"
    others = read_partition_map(path)
    np.testing.assert_array_equal(others.labels, partition.labels)
    np.testing.assert_allclose(others.bins.azimuth, partition.bins.azimuth)
    np.testing.assert_allclose(others.bins.q, partition.bins.q, rtol=0.01)
    # The static regions are the rings, cut at the sectors.
    assert others.rings.max() == 6 * partition.rings.max()
    used = partition.labels > 0
    np.testing.assert_allclose(others.ring_q[others.rings[used] - 1], partition.ring_q[partition.rings[used] - 1])


def test_a_group_is_not_written_twice(tmp_path):
    partition = azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.012, 0.024))
    path = tmp_path / "map.h5"
    save_partition_map(path, partition)
    with pytest.raises(BinError, match="has a group /qmap already"):
        save_partition_map(path, partition)
    with h5py.File(path, "a") as file:
        write_partition_map(file.create_group("/xpcs/qmap"), partition)
    assert_same(read_partition_map(path), partition)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(BinError, match="cannot be written as an HDF5 file"):
        save_partition_map(tmp_path / "text.h5", partition)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"static_roi_map": np.ones((5, 5), dtype=int)}, r"static_roi_map has the shape \(5, 5\)"),
        ({"mask": np.ones((5, 5))}, r"mask has the shape \(5, 5\)"),
        ({"dynamic_roi_map": np.zeros(SHAPE, dtype=int)}, "must hold bins, integers from 1"),
        ({"dynamic_roi_map": np.ones(SHAPE)}, "must hold bins, integers from 1"),
        ({"dynamic_index_mapping": np.arange(4)}, "12 regions, 4 of them in the index mapping, in a grid of 2 x 6"),
        ({"dynamic_index_mapping": np.arange(1, 13)}, "does not fit together"),
        ({"dynamic_v_list_dim0": np.ones(3)}, "should list 2 values in dynamic_v_list_dim0, and lists 3"),
        ({"dynamic_v_list_dim0": np.full(2, np.nan)}, "q of bin 1, 2, .* is NaN"),
        ({"map_units": ["furlong^-1", "deg"]}, "q in 'furlong"),
        ({"map_units": ["Å⁻¹", "grad"]}, "phi in 'grad'"),
        ({"static_roi_map": np.zeros(SHAPE, dtype=int)}, "belong to no ring"),
    ],
)
def test_a_map_that_does_not_fit_together_is_refused(tmp_path, change, message):
    path = stored_as(tmp_path / "map.h5", simple_mask() | change)
    with pytest.raises(BinError, match=message):
        read_partition_map(path)


def test_files_without_a_map_are_refused(tmp_path):
    with pytest.raises(BinError, match="there is no file"):
        read_partition_map(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(BinError, match="not a readable HDF5 file"):
        read_partition_map(tmp_path / "text.h5")
    with pytest.raises(BinError, match="holds no partition map"):
        read_partition_map(stored_as(tmp_path / "frames.h5", {"data": np.ones((4, 4))}, "/entry"))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"] = np.ones((4, 4))
    with pytest.raises(BinError, match="holds no partition map"):
        read_partition_map(tmp_path / "data.h5")
    whole = stored_as(tmp_path / "whole.h5", simple_mask())
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(BinError, match="not a readable HDF5 file"):
        read_partition_map(tmp_path / "cut.h5")
