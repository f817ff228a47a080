import h5py
import numpy as np
import pytest

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering import ArrayFrames, HDF5Frames


@pytest.fixture
def stack(tmp_path):
    frames = np.random.default_rng(0).poisson(3, size=(300, 6, 5)).astype(np.uint16)
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = frames
        file["entry/flat"] = frames[0]
    return path, frames


def test_a_part_of_a_stack_is_read_in_order(stack):
    path, frames = stack
    source = HDF5Frames(path, "entry/data", 100, 290)
    assert source.shape == (190, 6, 5)
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), frames[100:290])


def test_arrays_are_sources_too(stack):
    _, frames = stack
    np.testing.assert_array_equal(np.concatenate(list(ArrayFrames(frames).blocks())), frames)
    with pytest.raises(FrameError, match="shape"):
        ArrayFrames(frames[0])


def test_what_cannot_be_read_is_said(stack, tmp_path):
    path, _ = stack
    cases = {
        "is not there": HDF5Frames(tmp_path / "missing.h5", "entry/data", 0, 10),
        "holds 300 frames where 400 were announced": HDF5Frames(path, "entry/data", 300, 400),
        "has no dataset": HDF5Frames(path, "entry/nothing", 0, 10),
        r"\(frames, H, W\) is needed": HDF5Frames(path, "entry/flat", 0, 6),
    }
    for message, source in cases.items():
        with pytest.raises(FrameError, match=message):
            list(source.blocks())


def test_a_truncated_file_is_said(stack, tmp_path):
    path, _ = stack
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FrameError, match="truncated"):
        list(HDF5Frames(cut, "entry/data", 0, 300).blocks())
