"""Following an exposure before its event comes: with real files that a real writer fills."""

import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ainerd_agent.callbacks.prefetch import Ahead
from ainerd_agent.instrument.detector import FRAMES, TIMESTAMPS, Burst, FrameFile
from ainerd_agent.records import Measurement, Origin
from ainerd_agent.scattering import TwoTimeOptions, azimuthal_bins, fingerprint
from ainerd_agent.scattering.frames.growing import Following
from ainerd_agent.scattering.frames.hdf5_frames import HDF5Frames
from ainerd_agent.scattering.geometry.detector import Geometry

SHAPE = (40, 48)
N_FRAMES = 64
FRAME_TIME = 0.01
GEOMETRY = Geometry(centre=(19.5, 23.5), distance=2.0)
PARTITION = azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.005, 0.03), n_bins=4)


def burst(number):
    frames = np.random.default_rng(number).poisson(3.0, (N_FRAMES, *SHAPE)).astype(np.uint16)
    return Burst(frames, 1000.0 * number, 0)


@pytest.fixture
def file(tmp_path):
    file = FrameFile(tmp_path / "frames.h5", "detector", (N_FRAMES, *SHAPE), FRAME_TIME)
    yield file
    file.close()


def measurement(file, number, start, frame_time=FRAME_TIME, problems=()):
    return Measurement(
        origin=Origin(raw_uid="run", seq_num=number + 1, start=start, stop=start + N_FRAMES * FRAME_TIME),
        frames=HDF5Frames(
            file._path,
            FRAMES,
            number * N_FRAMES,
            (number + 1) * N_FRAMES,
            timestamps=TIMESTAMPS,
            following=Following(timeout=2.0),
        ),
        frame_time=frame_time,
        problems=problems,
    )


class Correlating:
    """The real thing, and a note of what it was asked for."""

    def __init__(self):
        self.began = threading.Event()
        self.asked = []

    def __call__(self, measurement):
        self.asked.append(measurement.frames)
        if len(self.asked) == 2:
            self.began.set()
        return fingerprint(measurement, PARTITION, TwoTimeOptions(size=32))


def expected(burst):
    from ainerd_agent.scattering import two_time

    return two_time(burst.frames, PARTITION.labels, static=PARTITION.rings, size=32)


def expose(file, burst, *, complete=True):
    row = file.n_rows
    for first in range(0, N_FRAMES, 16):
        file.write(replace(burst, row=row), first, first + 16)
    if complete:
        file.count(row + 1)


def test_the_maps_are_there_when_the_event_comes(file):
    correlate = Correlating()
    ahead = Ahead(correlate)
    expose(file, burst(1))
    first = measurement(file, 0, burst(1).start)
    ahead.take(first)
    ahead.expect(first)
    assert correlate.began.wait(60)
    expose(file, burst(2))
    found = ahead.take(measurement(file, 1, burst(2).start))
    np.testing.assert_allclose(found.c2, expected(burst(2)), atol=1e-5)
    assert found.origin.seq_num == 2
    assert len(correlate.asked) == 2, "the frames were read once"


def test_what_the_event_tells_is_its_own(file):
    """The exposure was followed as if its event told what the one before did."""
    correlate = Correlating()
    ahead = Ahead(correlate)
    expose(file, burst(1))
    ahead.expect(measurement(file, 0, burst(1).start, problems=("of the first",)))
    expose(file, burst(2))
    ahead._pursuit.outcome.result(60)
    found = ahead.take(measurement(file, 1, burst(2).start, problems=("of the second",)))
    assert len(correlate.asked) == 1, "the frames were read once"
    assert {"of the second" in each for each in found.quality.problems} == {True}
    assert "of the first" not in " ".join(found.quality.problems)
    exposure = found.origin.exposure
    assert (exposure.frames, exposure.frame_time) == (N_FRAMES, FRAME_TIME)
    assert exposure.counted == pytest.approx(N_FRAMES * FRAME_TIME)


def test_a_frame_time_that_changed_is_that_of_the_event(file):
    ahead = Ahead(Correlating())
    expose(file, burst(1))
    ahead.expect(measurement(file, 0, burst(1).start))
    expose(file, burst(2))
    ahead._pursuit.outcome.result(60)
    found = ahead.take(measurement(file, 1, burst(2).start, frame_time=2 * FRAME_TIME))
    assert found.duration == pytest.approx(2 * N_FRAMES * FRAME_TIME)


def test_an_exposure_that_was_dropped_is_not_taken_for_the_one_that_was_repeated(file):
    correlate = Correlating()
    ahead = Ahead(correlate)
    expose(file, burst(1))
    first = measurement(file, 0, burst(1).start)
    ahead.expect(first)
    expose(file, burst(2), complete=False)  # a pause drops it, and the next one is written over it
    ahead._pursuit.outcome.result(60)
    expose(file, burst(3))
    found = ahead.take(measurement(file, 1, burst(3).start))
    np.testing.assert_allclose(found.c2, expected(burst(3)), atol=1e-5)


def test_other_frames_than_expected_are_read_anew(file):
    ahead = Ahead(Correlating())
    for number in (1, 2, 3):
        expose(file, burst(number))
    ahead.expect(measurement(file, 0, burst(1).start))
    found = ahead.take(measurement(file, 2, burst(3).start))
    np.testing.assert_allclose(found.c2, expected(burst(3)), atol=1e-5)


def test_an_exposure_that_never_comes_is_forgotten(file):
    ahead = Ahead(Correlating())
    expose(file, burst(1))
    ahead.expect(measurement(file, 0, burst(1).start))
    pursuit = ahead._pursuit
    ahead.forget()
    with pytest.raises(Exception, match="cancelled"):
        pursuit.outcome.result(60)


def test_a_movie_that_breaks_off_is_kept_and_marked(file):
    cut = burst(1)
    file.write(replace(cut, row=file.n_rows), 0, 40)
    file._file.close()
    with h5py.File(file._path, "r") as stored:
        assert len(stored[FRAMES]) == 40
    found = fingerprint(measurement(file, 0, cut.start), PARTITION, TwoTimeOptions(size=32))
    assert found.duration == pytest.approx(40 * FRAME_TIME)
    assert "24 frames at the end are missing" in found.quality.problems[0]
    whole = fingerprint(
        Measurement(
            origin=Origin(raw_uid="run", seq_num=1, start=0, stop=1),
            frames=HDF5Frames(file._path, FRAMES, 0, 40),
            frame_time=FRAME_TIME,
        ),
        PARTITION,
        TwoTimeOptions(size=32),
    )
    np.testing.assert_allclose(found.c2, whole.c2, atol=1e-6)
