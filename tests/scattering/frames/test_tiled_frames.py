"""What `TiledFrames` asks for, and asks for again; with a real server in tests/integration/test_tiled_frames.py."""

import threading

import httpx
import numpy as np
import pytest

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames import tiled_frames
from ainerd_agent.scattering.frames.tiled_frames import TiledFrames

MOVIE = np.random.default_rng(0).poisson(2.0, (12, 3, 5)).astype(np.uint16)


def answer(status):
    request = httpx.Request("GET", "http://tiled/array/full")
    return httpx.HTTPStatusError(f"{status}: no", request=request, response=httpx.Response(status, request=request))


class Served:
    """An array of a Tiled client: `faults` are raised, or given instead of frames, before it answers properly."""

    def __init__(self, movie=MOVIE, faults=(), shape=None, dtype=None):
        self.movie, self.faults = movie, list(faults)
        self.shape, self.dtype = shape or movie.shape, dtype or movie.dtype
        self.asked = []

    def __getitem__(self, item):
        self.asked.append(item)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        return self.movie[item]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(tiled_frames, "PAUSE", 1e-4)


def read(served, **options):
    return np.concatenate(list(TiledFrames(served, **options).blocks()))


@pytest.mark.parametrize("fault", [answer(422), ValueError("cannot reshape array")], ids=["422", "too few bytes"])
def test_what_passes_is_asked_for_again(fault):
    served = Served(faults=[fault] * 4)
    np.testing.assert_array_equal(read(served, start=2, stop=9), MOVIE[2:9])
    assert served.asked == [slice(2, 9)] * 5


@pytest.mark.parametrize("fault", [answer(422), ValueError("cannot reshape array")], ids=["422", "too few bytes"])
def test_what_does_not_pass_is_told(fault):
    served = Served(faults=[fault] * 9)
    with pytest.raises(FrameError, match="does not give frames 0 to 11 after 5 attempts: ") as told:
        read(served)
    assert told.value.__cause__ is fault
    assert len(served.asked) == 5


@pytest.mark.parametrize(
    "fault",
    [
        answer(404),
        answer(429),
        answer(503),
        httpx.ReadTimeout("timed out"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError(""),
        KeyError("likely a broken link"),
    ],
    ids=repr,
)
def test_what_tiled_asked_for_again_itself_is_not_repeated(fault):
    """Its client has tried for 45 seconds by then."""
    served = Served(faults=[fault] * 9)
    with pytest.raises(FrameError, match=r"frames 0 to 11 after 1 attempts: \S") as told:
        read(served)
    assert told.value.__cause__ is fault
    assert len(served.asked) == 1


def test_an_answer_of_another_shape_is_refused():
    served = Served(faults=[MOVIE[:4]])
    with pytest.raises(FrameError, match=r"shape \(4, 3, 5\) for frames 0 to 11"):
        read(served)


def test_an_error_does_not_wait_for_attempts_at_other_blocks(monkeypatch):
    """The first block fails for good while the second is in a pause that would outlast the test."""
    monkeypatch.setattr(tiled_frames, "PAUSE", 1000.0)
    monkeypatch.setattr(tiled_frames, "BLOCK_BYTES", 4 * MOVIE[0].nbytes)
    second_asked = threading.Event()

    class Uneven(Served):
        def __getitem__(self, item):
            if item.start == 0:
                assert second_asked.wait(60)
                raise answer(404)
            second_asked.set()
            raise answer(422)

    with pytest.raises(FrameError, match="frames 0 to 3 after 1 attempts: 404"):
        read(Uneven())
    assert not [each for each in threading.enumerate() if each.name.startswith("read-frames")]


def test_who_stops_reading_does_not_wait_for_attempts(monkeypatch):
    monkeypatch.setattr(tiled_frames, "PAUSE", 1000.0)
    monkeypatch.setattr(tiled_frames, "BLOCK_BYTES", 4 * MOVIE[0].nbytes)

    class Growing(Served):
        def __getitem__(self, item):
            if item.start > 0:
                raise answer(422)
            return super().__getitem__(item)

    blocks = TiledFrames(Growing()).blocks()
    np.testing.assert_array_equal(next(blocks), MOVIE[:4])
    blocks.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("read-frames")]


def test_what_cannot_be_frames_is_refused():
    cases = {
        "no array": object(),
        "holds complex64, which is no counts": Served(MOVIE.astype(np.complex64)),
        "holds <U2, which is no counts": Served(dtype=np.dtype("<U2")),
        r"shape \(12, 3\); \(frames, H, W\) is needed": Served(MOVIE[..., 0]),
    }
    for message, array in cases.items():
        with pytest.raises(FrameError, match=message):
            TiledFrames(array)
