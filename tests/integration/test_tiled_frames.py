"""Movies read from a real Tiled server, also one that fails now and then."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import h5py
import httpx
import numpy as np
import pytest
from tiled.client import from_uri
from tiled.client import utils as tiled_utils
from tiled.structures.array import ArrayStructure
from tiled.structures.core import StructureFamily
from tiled.structures.data_source import Asset, DataSource, Management

from ainerd_agent.catalog.server.embedded import TiledServer
from ainerd_agent.errors import FrameError
from ainerd_agent.scattering import TwoTimeStream, two_time
from ainerd_agent.scattering.frames import tiled_frames
from ainerd_agent.scattering.frames.tiled_frames import TiledFrames

SHAPE = (3, 20, 12, 15)
"""Events, frames, H, W."""


@pytest.fixture(scope="module")
def movies() -> np.ndarray:
    return np.random.default_rng(0).poisson(2.0, SHAPE).astype(np.uint16)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, movies: np.ndarray) -> Iterator[Any]:
    """A catalog with the movies as an array, and as HDF5 stacks of three and four dimensions from a detector."""
    with TiledServer(tmp_path_factory.mktemp("catalog")) as server:
        client = from_uri(server.uri)
        client.write_array(movies, key="array")
        with h5py.File(server.frames / "movies.h5", "w") as file:
            file.create_dataset("events", data=movies, chunks=(1, 4, *SHAPE[2:]))
            file.create_dataset("stack", data=movies[1], chunks=(1, *SHAPE[2:]))
        for key, stored in (("events", movies), ("stack", movies[1])):
            source = DataSource(
                structure_family=StructureFamily.array,
                structure=ArrayStructure.from_array(stored),
                mimetype="application/x-hdf5",
                parameters={"dataset": key},
                management=Management.external,
                assets=[
                    Asset(
                        data_uri=(server.frames / "movies.h5").as_uri(),
                        is_directory=False,
                        parameter="data_uris",
                        num=0,
                    )
                ],
            )
            client.new(structure_family=StructureFamily.array, data_sources=[source], key=key, metadata={}, specs=[])
        yield client
        client.context.http_client.close()


@pytest.fixture(autouse=True)
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven frames a request."""
    monkeypatch.setattr(tiled_frames, "BLOCK_BYTES", 7 * 2 * SHAPE[2] * SHAPE[3])
    monkeypatch.setattr(tiled_frames, "PAUSE", 0.001)


@pytest.mark.parametrize("key", ["array", "events", "stack"])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (3, 19), (5, 5)])
def test_a_movie_is_read_in_order(client, movies, key, start, stop):
    source = TiledFrames(client[key], start, stop, event=None if key == "stack" else 1)
    expected = movies[1, start:stop]
    assert source.shape == expected.shape
    blocks = list(source.blocks())
    assert len(blocks) == -(-len(expected) // 7)
    np.testing.assert_array_equal(np.concatenate([expected[:0], *blocks]), expected)


def test_movies_that_are_not_there_are_refused(client):
    cases = {
        r"\(frames, H, W\) is needed": (client["events"], 0, None, None),
        r"\(events, frames, H, W\) is needed": (client["stack"], 0, None, 1),
        "holds 3 events; there is no event 3": (client["events"], 0, None, 3),
        "holds 20 frames where 10 to 25 were announced": (client["stack"], 10, 25, None),
    }
    for message, (array, start, stop, event) in cases.items():
        with pytest.raises(FrameError, match=message):
            TiledFrames(array, start, stop, event)


class Failing(httpx.BaseTransport):
    """What lies between a client and the server, and answers itself to some of the requests for frames."""

    def __init__(self, behind: httpx.BaseTransport, answers: list[int | None]) -> None:
        self.behind, self.answers, self.asked = behind, answers, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "/array/" in request.url.path:
            self.asked += 1
            if self.answers and (status := self.answers.pop(0)) is not None:
                if status == 0:
                    raise httpx.ReadError("the connection broke", request=request)
                return httpx.Response(status, json={"detail": "the shapes do not agree"}, request=request)
        return self.behind.handle_request(request)


@pytest.fixture
def failing(client, monkeypatch):
    """Have the next requests for frames answered with a status (None: by the server; 0: by a broken connection)."""

    def fail(answers: list[int | None]) -> Failing:
        http = client.context.http_client
        transport = Failing(http._transport, answers)
        monkeypatch.setattr(http, "_transport", transport)
        return transport

    return fail


def test_a_request_that_fails_in_passing_is_made_again(client, movies, failing):
    failing([422, None, 0, 422, 422])
    source = TiledFrames(client["stack"])
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), movies[1])


@pytest.mark.parametrize(("status", "attempts"), [(422, 5), (404, 1)])
def test_a_server_that_does_not_give_the_frames_is_told(client, failing, status, attempts):
    failing([status] * 20)
    with pytest.raises(FrameError, match=rf"does not give frames 0 to \d+ after {attempts} attempts: {status}"):
        list(TiledFrames(client["stack"], 0, 5).blocks())


def test_maps_from_the_server_are_those_from_memory(client, movies):
    labels = np.arange(1, SHAPE[2] + 1)[:, None] * np.ones(SHAPE[3], dtype=np.int64) % 4
    source = TiledFrames(client["array"], event=2)
    stream = TwoTimeStream(labels, source.shape[0], size=16)
    for block in source.blocks():
        stream.add(block)
    expected = two_time(movies[2], labels, size=16)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(stream.result().c2, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("key", "movie", "message"),
    [
        ("complex", np.zeros((4, 3, 5), dtype=np.complex64), "holds complex64, which is no counts"),
        ("image", np.zeros((3, 5), dtype=np.uint16), r"shape \(3, 5\); \(frames, H, W\) is needed"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(client, key, movie, message):
    client.write_array(movie, key=key)
    with pytest.raises(FrameError, match=message):
        TiledFrames(client[key])


def test_what_is_no_array_is_refused(client):
    with pytest.raises(FrameError, match="is no array"):
        TiledFrames(client.create_container(key="folder"))


@pytest.fixture
def two_attempts(monkeypatch):
    """Tiled's client asks twice, not for 45 seconds."""
    monkeypatch.setattr(tiled_utils, "TILED_RETRY_ATTEMPTS", 2)


def reading_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("read-frames")]


def test_a_server_that_goes_away_is_told(tmp_path, movies, two_attempts):
    with TiledServer(tmp_path) as server:
        client = from_uri(server.uri)
        source = TiledFrames(client.write_array(movies[0], key="movie"))
        blocks = source.blocks()
        np.testing.assert_array_equal(next(blocks), movies[0, :7])
    with closing(client.context.http_client):
        # Blocks that were asked for before are still there; a movie that is opened now is not.
        with pytest.raises(FrameError, match=r"Tiled does not give frames 0 to 6 after 1 attempts: .*refused"):
            list(source.blocks())
        blocks.close()
    assert not reading_threads()


class Silent(httpx.BaseTransport):
    """Sends requests for frames to a port where nobody answers."""

    def __init__(self, behind: httpx.BaseTransport, port: int) -> None:
        self.behind, self.port, self.asked = behind, port, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "/array/" in request.url.path:
            self.asked += 1
            request.url = request.url.copy_with(host="127.0.0.1", port=self.port)
        return self.behind.handle_request(request)


def test_a_server_that_does_not_answer_in_time_is_told(client, monkeypatch, two_attempts):
    http, source = client.context.http_client, TiledFrames(client["stack"], 0, 5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Silent(http._transport, listener.getsockname()[1])
        monkeypatch.setattr(http, "_transport", silent)
        monkeypatch.setattr(http, "timeout", 0.05)
        with pytest.raises(FrameError, match=r"Tiled does not give frames 0 to 4 after 1 attempts: .*timed out"):
            list(source.blocks())
    assert silent.asked == 2
    assert not reading_threads()


def test_a_slow_server_is_waited_for(client, movies, monkeypatch):
    """Answers that come late, and in another order than they were asked for."""
    http, later = client.context.http_client, threading.Event()

    class Slow(httpx.BaseTransport):
        behind, first = http._transport, True

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if "/array/" in request.url.path:
                if self.first:
                    self.first = False
                    assert later.wait(60)
                else:
                    later.set()
            return self.behind.handle_request(request)

    monkeypatch.setattr(http, "_transport", Slow())
    np.testing.assert_array_equal(np.concatenate(list(TiledFrames(client["stack"]).blocks())), movies[1])
