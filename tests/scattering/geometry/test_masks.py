import fabio.edfimage
import fabio.tifimage
import h5py
import numpy as np
import pytest

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.masks import circle, load_image, load_mask, rectangle

SHAPE = (30, 40)


def some_mask():
    return rectangle(SHAPE, rows=(3, 5), columns=(10, 39))


def test_a_beam_stop_on_an_arm():
    stop = circle(SHAPE, centre=(15.0, 20.0), radius=3.0)
    assert stop[15, 23]
    assert not stop[15, 24]
    assert stop.sum() == 29  # pixels whose middle is within 3 of that of another one
    arm = rectangle(SHAPE, rows=(14, 16), columns=(20, 1000))
    assert arm.sum() == 3 * 20
    assert (stop | arm)[15].sum() == 3 + 20


@pytest.mark.parametrize(
    "off",
    [
        lambda: circle(SHAPE, (-9.0, 4.0), 5.0),
        lambda: rectangle(SHAPE, (40, 50), (0, 9)),
        lambda: rectangle(SHAPE, (-9, -4), (0, 9)),
    ],
)
def test_a_beam_stop_beside_the_detector_is_refused(off):
    with pytest.raises(BinError, match="covers no pixel of a 30 x 40 detector"):
        off()


@pytest.fixture(params=["npy", "tif", "edf", "h5", "h5::/entry/mask"])
def mask_file(request, tmp_path):
    ending, _, dataset = request.param.partition("::")
    path = tmp_path / f"mask.{ending}"
    values = some_mask().astype(np.uint8)
    if ending == "npy":
        np.save(path, values)
    elif ending == "h5":
        with h5py.File(path, "w") as file:
            file["entry/mask"] = values
            file["entry/spectrum"] = np.ones(4)
            if dataset:
                file["entry/other"] = 1 - values
    else:
        kind = fabio.tifimage.TifImage if ending == "tif" else fabio.edfimage.EdfImage
        kind(data=values).write(str(path))
    return f"{path}::{dataset}" if dataset else path


def test_masks_from_files(mask_file):
    np.testing.assert_array_equal(load_mask(mask_file), some_mask())
    np.testing.assert_array_equal(load_mask(mask_file, marks="good"), ~some_mask())


def test_what_is_no_mask_is_refused(tmp_path):
    with pytest.raises(BinError, match="there is no file"):
        load_mask(tmp_path / "none.npy")
    with pytest.raises(BinError, match="marks must be"):
        load_mask(tmp_path / "none.npy", marks="worse")  # type: ignore[arg-type]
    np.save(tmp_path / "nan.npy", np.full(SHAPE, np.nan))
    with pytest.raises(BinError, match="holds NaN"):
        load_mask(tmp_path / "nan.npy")
    np.save(tmp_path / "line.npy", np.ones(40))
    with pytest.raises(BinError, match=r"one image \(H, W\) of numbers, not float64 of shape \(40,\)"):
        load_image(tmp_path / "line.npy")
    np.save(tmp_path / "stack.npy", np.ones((1, *SHAPE), dtype=bool))
    assert load_image(tmp_path / "stack.npy").shape == SHAPE


@pytest.mark.parametrize("ending", ["npy", "tif", "edf", "h5", "png"])
def test_a_truncated_file_is_refused(tmp_path, ending):
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(b"\x93NUMPY\x01\x00" if ending == "npy" else b"II*\x00\x10")
    with pytest.raises(BinError, match=r"not a readable image|one image"):
        load_mask(path)


def test_an_hdf5_file_with_several_images_asks_for_one(tmp_path):
    path = tmp_path / "masks.h5"
    with h5py.File(path, "w") as file:
        file["a"], file["b/c"], file["d"] = np.ones(SHAPE), np.ones(SHAPE), np.ones(3)
    with pytest.raises(BinError, match=r'holds the images a, b/c: name one, as in ".*masks.h5::/path"'):
        load_mask(path)
    with pytest.raises(BinError, match="has no dataset /b"):
        load_mask(f"{path}::/b")
    with h5py.File(tmp_path / "no.h5", "w") as file:
        file["d"] = np.ones(3)
    with pytest.raises(BinError, match="holds no image"):
        load_mask(tmp_path / "no.h5")
