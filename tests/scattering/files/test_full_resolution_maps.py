import h5py
import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.records import Bins
from ainerd_agent.scattering.correlation.full_resolution import whole_two_time
from ainerd_agent.scattering.correlation.normalisation import Normalisation
from ainerd_agent.scattering.correlation.window_counts import Selection
from ainerd_agent.scattering.files.full_resolution_maps import read_whole_maps, save_whole_maps

FRAMES = np.random.default_rng(0).poisson(3.0, size=(40, 6, 6)).astype(np.uint8)
LABELS = np.repeat([1, 2, 3], 12).reshape(6, 6)
BINS = Bins(q=np.array([0.02, 0.03, 0.04]), azimuth=np.array([10.0, 20.0, 30.0]), n_pixels=np.full(3, 12))
BAD = Normalisation(bad_frames=[9, 10])


def maps(**options):
    return list(whole_two_time(FRAMES, LABELS, Selection(bins=[1, 3], window=(5, 35)), normalisation=BAD, **options))


@pytest.mark.parametrize("form", ["upper", "full"])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_maps_come_back_with_what_is_known_of_them(tmp_path, form, precision):
    written = maps(precision=precision)
    save_whole_maps(tmp_path / "maps.h5", iter(written), form=form, frame_time=0.01, bins=BINS)
    found = list(read_whole_maps(tmp_path / "maps.h5"))
    for one, other in zip(found, written, strict=True):
        np.testing.assert_allclose(one.c2, other.c2, atol=1e-6)
        assert one.c2.dtype == other.c2.dtype
        assert (one.bin, one.window, one.n_pixels) == (other.bin, other.window, 12)
        assert (one.frame_time, one.q) == (0.01, BINS.q[one.bin - 1])
        assert list(one.bad_frames) == [9, 10]
    (only,) = read_whole_maps(tmp_path / "maps.h5", bins=[3])
    assert (only.bin, only.azimuth) == (3, 30.0)


def test_the_upper_triangle_is_read_as_pyxpcsviewer_reads_it(tmp_path):
    (written,) = whole_two_time(FRAMES, LABELS, Selection(bins=[2]))
    save_whole_maps(tmp_path / "maps.h5", [written])
    with h5py.File(tmp_path / "maps.h5") as file:
        half = file["/xpcs/twotime/correlation_map/c2_00002"][()]
        assert not np.tril(half, -1).any()
        whole = half + half.T
        whole[np.diag_indices(40)] /= 2
        np.testing.assert_allclose(whole, written.c2 + 1, rtol=1e-6)
        assert list(file["/xpcs/twotime/processed_bins"]) == [2]
        g2 = file["/xpcs/twotime/normalized_g2"][:, 0]
        np.testing.assert_allclose(g2, [1 + np.diagonal(written.c2, lag).mean() for lag in range(40)], rtol=1e-6)
        assert file["/xpcs/twotime/normalized_g2_segments"].shape == (8, 5, 1)
        assert file["/xpcs/twotime/correlation_map"].attrs["populated_elements"] == "upper_half"


def test_a_file_of_boost_corr_is_read(tmp_path):
    matrix = np.random.default_rng(1).uniform(1, 1.3, size=(20, 20)).astype(np.float32)
    matrix = matrix + matrix.T
    with h5py.File(tmp_path / "results.hdf", "w") as file:
        file["/xpcs/twotime/correlation_map/c2_00007"] = np.triu(matrix)
    (found,) = read_whole_maps(tmp_path / "results.hdf")
    np.testing.assert_allclose(found.c2, matrix - 1, rtol=1e-6)
    assert found.bin == 7
    assert np.isnan(found.frame_time)


def test_what_cannot_be_is_refused_and_leaves_no_half_file(tmp_path):
    path = tmp_path / "maps.h5"

    def breaking():
        yield maps()[0]
        raise MapError("the frames ended")

    with pytest.raises(MapError, match="the frames ended"):
        save_whole_maps(path, breaking())
    assert not path.exists()
    with pytest.raises(MapError, match="no map"):
        save_whole_maps(path, [])
    with pytest.raises(MapError, match="different windows"):
        save_whole_maps(path, [*maps(), *whole_two_time(FRAMES, LABELS)])
    with pytest.raises(MapError, match="bin 3 came with"):
        save_whole_maps(path, maps(), bins=Bins(q=BINS.q[:2], azimuth=BINS.azimuth[:2], n_pixels=BINS.n_pixels[:2]))
    save_whole_maps(path, maps())
    with pytest.raises(MapError, match="already"):
        save_whole_maps(path, maps())
    with pytest.raises(MapError, match=r"no map of bin 2; it has 1, 3"):
        list(read_whole_maps(path, bins=[2]))
    with pytest.raises(MapError, match="there is no file"):
        list(read_whole_maps(tmp_path / "none.h5"))
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(MapError, match="not a readable HDF5"):
        list(read_whole_maps(tmp_path / "text.h5"))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["/xpcs/multitau"] = 1
    with pytest.raises(MapError, match="no two-time maps"):
        list(read_whole_maps(tmp_path / "other.h5"))
