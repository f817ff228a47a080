"""Whoever has the key of our server reads and writes what belongs to its session, and no other file of its account.

The attacks are plain requests with a valid key. Catalogs of older servers are made by editing the database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from PIL import Image

from ainerd_agent.catalog import TiledServer

SECRET = 4211
"""What must never come back, as bytes, text or number."""
TEXT = f"secret {SECRET}\n".encode()
HDF5, ZARR, CSV = "application/x-hdf5", "application/x-zarr", "multipart/related;type=text/csv"
TIFF, TIFFS = "image/tiff", "multipart/related;type=image/tiff"


class Site:
    """A server, a folder beside its own that is none of its business, and requests with the key."""

    def __init__(self, server: TiledServer, outside: Path) -> None:
        self.server, self.outside = server, outside
        # A connection for each request: Tiled ends it where it fails.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=f"{server.address}/api/v1", trust_env=False, timeout=30, limits=limits)
        self.http.headers["Authorization"] = "Apikey secret"
        self.names = iter(range(10**6))

    def register(self, uri: str, mimetype: str = "application/octet-stream", **options: Any) -> httpx.Response:
        key = options.pop("key", None) or f"node{next(self.names)}"
        return self.http.post(f"/register/{options.pop('at', '')}", json={"id": key, **node(uri, mimetype, **options)})

    def registered(self, uri: str, mimetype: str = "application/octet-stream", **options: Any) -> dict[str, Any]:
        answer = self.register(uri, mimetype, **options)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def old(self, inside: str, uri: str, mimetype: str = "application/octet-stream", **options: Any) -> dict[str, Any]:
        """What an older server registered: as today, then the address of its asset is changed."""
        node = self.registered(inside, mimetype, **options)
        self.edit("UPDATE assets SET data_uri = ? WHERE id = ?", uri, node["data_sources"][0]["assets"][0]["id"])
        return node

    def edit(self, statement: str, *values: Any) -> None:
        connection = sqlite3.connect(self.server.directory / "catalog.db", timeout=30)
        with connection:
            assert connection.execute(statement, values).rowcount
        connection.close()

    def frame(self, name: str) -> Path:
        return self.server.frames / name


def node(uri: str, mimetype: str, *, family: str = "bytes", structure: Any = None, **source: Any) -> dict[str, Any]:
    """The description of a node with one source of data."""
    asset = {"data_uri": uri, "is_directory": False, "parameter": "data_uri", "num": None, **source.pop("asset", {})}
    given = {"management": "external", "parameters": {}, "properties": {}, **source}
    return {
        "structure_family": family,
        "metadata": {},
        "specs": [],
        "data_sources": [
            {"structure_family": family, "structure": structure, "mimetype": mimetype, "assets": [asset], **given}
        ],
    }


def array(values: Any) -> dict[str, Any]:
    from tiled.structures.array import ArrayStructure

    return {"family": "array", "structure": asdict(ArrayStructure.from_array(np.asarray(values)))}


def table(frame: pd.DataFrame) -> dict[str, Any]:
    from tiled.structures.table import TableStructure

    return {"family": "table", "structure": asdict(TableStructure.from_pandas(frame))}


def uri_of(path: Path) -> str:
    return f"file://localhost{path}"


def refused(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert str(SECRET) not in answer.text
    assert np.int64(SECRET).tobytes() not in answer.content
    assert "detail" in answer.json()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_bytes(TEXT)
    (outside / "tree").mkdir()
    (outside / "tree" / "secret.txt").write_bytes(TEXT)
    with TiledServer(tmp_path_factory.mktemp("session"), api_key="secret") as server:
        (server.frames / "plain.txt").write_bytes(b"inside")
        site = Site(server, outside)
        yield site
        site.http.close()


VALUES = np.full((3, 4), SECRET, np.int64)


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["entry/data"] = VALUES


# --- registering ---


def addresses(site: Site) -> dict[str, str]:
    """Addresses of the secret, which the server must not take, by what they try."""
    secret = site.outside / "secret.txt"
    frames = site.server.frames
    up = os.path.relpath(secret, frames)
    for link, target in (("link.txt", secret), ("link-to-folder", site.outside)):
        if not frames.joinpath(link).is_symlink():
            frames.joinpath(link).symlink_to(target)
    return {
        "plain": uri_of(secret),
        "without host": f"file://{secret}",
        "up": uri_of(frames / up),
        "encoded up": uri_of(frames / up.replace("..", "%2e%2e")),
        "encoded slashes": uri_of(frames / up.replace("/", "%2F")),
        "link": uri_of(frames / "link.txt"),
        "link to a folder": uri_of(frames / "link-to-folder" / "secret.txt"),
        "other host": f"file://elsewhere{frames}/plain.txt",
        "the catalog itself": uri_of(site.server.directory / "catalog.db"),
        "the tables themselves": uri_of(site.server.directory / "tables.db"),
        "what the server wrote": uri_of(site.server.directory / "data" / "any"),
        "a pattern": uri_of(frames / "*.txt"),
        "no path": "file:secret.txt",
        "a chain of file systems": uri_of(frames / f"plain.txt::{secret}"),
        "a query": uri_of(frames / f"plain.txt?{secret}"),
        "sqlite": f"sqlite:///{site.server.directory / 'catalog.db'}",
        "duckdb": f"duckdb:///{secret}",
        "the web": "http://localhost/bucket/secret.txt",
    }


WAYS = [
    "plain", "without host", "up", "encoded up", "encoded slashes", "link", "link to a folder", "other host",
    "the catalog itself", "the tables themselves", "what the server wrote", "a pattern", "no path",
    "a chain of file systems", "a query", "sqlite", "duckdb", "the web",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("management", ["external", "writable", "immutable"])
def test_what_lies_outside_is_not_registered(site: Site, way: str, management: str) -> None:
    uri = addresses(site)[way]
    mimetype = "application/octet-stream" if management == "external" else ZARR
    refused(site.register(uri, mimetype, management=management, **array(VALUES)))
    # A source that is replaced later is no way around.
    legit = site.registered(uri_of(site.frame("plain.txt")))
    changed = node(uri, mimetype, management=management, **array(VALUES))["data_sources"][0]
    source = {"data_source": {**changed, "id": legit["data_sources"][0]["id"]}}
    refused(site.http.put(f"/data_source/{legit['id']}", json=source))


def test_assets_do_not_come_with_a_plain_node(site: Site) -> None:
    answer = site.http.post("/metadata/", json=node(uri_of(site.outside / "secret.txt"), "application/octet-stream"))
    assert not answer.is_success  # Tiled itself fails here, with 500


def test_the_answer_names_no_path(site: Site) -> None:
    answer = site.register(uri_of(site.outside / "secret.txt"))
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("This lies outside the folders of the session")
    assert str(site.outside) not in answer.text


def test_parameters_name_no_files(site: Site) -> None:
    tifffile.imwrite(site.frame("one.tiff"), VALUES.astype(np.uint16))
    tifffile.imwrite(site.outside / "one.tiff", VALUES.astype(np.uint16))
    given = {"parameters": {"data_uris": [uri_of(site.outside / "one.tiff")]}, **array(VALUES[None].astype(np.uint16))}
    inside = {"asset": {"parameter": "data_uris", "num": 0}}
    refused(site.register(uri_of(site.frame("one.tiff")), TIFFS, **given, **inside))
    old = site.registered(uri_of(site.frame("one.tiff")), TIFFS, **{**given, "parameters": {}}, **inside)
    site.edit(
        "UPDATE data_sources SET parameters = json_object('data_uris', json_array(?)) WHERE id = ?",
        uri_of(site.outside / "one.tiff"), old["data_sources"][0]["id"],
    )  # fmt: skip
    refused(site.http.get(f"/array/full/{old['id']}"))


def test_a_source_of_another_node_is_left_alone(site: Site) -> None:
    one, two = (site.registered(uri_of(site.frame("plain.txt"))) for _ in range(2))
    source = node(uri_of(site.frame("plain.txt")), "application/octet-stream")["data_sources"][0]
    changed = {"data_source": {**source, "structure": {}, "id": two["data_sources"][0]["id"]}}
    assert site.http.put(f"/data_source/{one['id']}", json=changed).status_code == 404


def test_spreadsheets_are_not_read(site: Site) -> None:
    mimetype = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    refused(site.register(uri_of(site.frame("plain.txt")), mimetype, family="container"))


# --- reading what an older server registered ---


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"the web", "sqlite", "duckdb"}])
def test_bytes_from_outside_are_not_handed_out(site: Site, way: str) -> None:
    inside = site.frame(f"{WAYS.index(way)}.txt")
    inside.touch()
    old = site.old(uri_of(inside), addresses(site)[way])
    asset = old["data_sources"][0]["assets"][0]["id"]
    refused(site.http.get(f"/asset/bytes/{old['id']}", params={"id": asset}))


@pytest.mark.parametrize("folder", ["tree", "link-to-tree"])
def test_folders_outside_are_not_listed(site: Site, folder: str) -> None:
    place = site.outside / "tree"
    if folder != "tree":
        place = site.frame(folder)
        place.symlink_to(site.outside / "tree")
    inside = site.frame(f"for-{folder}")
    inside.mkdir()
    old = site.old(uri_of(inside), uri_of(place), asset={"is_directory": True})
    asset = old["data_sources"][0]["assets"][0]["id"]
    refused(site.http.get(f"/asset/manifest/{old['id']}", params={"id": asset}))
    refused(site.http.get(f"/asset/bytes/{old['id']}", params={"id": asset, "relative_path": "secret.txt"}))


def test_members_of_a_folder_stay_in_it(site: Site) -> None:
    folder = site.frame("folder")
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "good.txt").write_bytes(b"good")
    (folder / "link.txt").symlink_to(site.outside / "secret.txt")
    (folder / "link").symlink_to(site.outside)
    made = site.registered(uri_of(folder), asset={"is_directory": True})
    asset = made["data_sources"][0]["assets"][0]["id"]

    def member(name: str) -> httpx.Response:
        return site.http.get(f"/asset/bytes/{made['id']}", params={"id": asset, "relative_path": name})

    assert member("sub/good.txt").content == b"good"
    assert member("sub/../sub/good.txt").content == b"good"
    up = os.path.relpath(site.outside, folder)
    for name in ("link.txt", "link/secret.txt", f"{up}/secret.txt", str(site.outside / "secret.txt"), "../plain.txt"):
        refused(member(name))
    refused(site.http.get(f"/asset/bytes/{made['id']}", params={"id": asset}))
    refused(member("missing.txt"))


def test_a_link_that_changes_later(site: Site) -> None:
    link = site.frame("current.h5")
    write_hdf5(site.frame("today.h5"))
    write_hdf5(site.outside / "today.h5")
    link.symlink_to(site.frame("today.h5"))
    made = site.registered(uri_of(link), HDF5, parameters={"dataset": "entry/data"}, **array(VALUES))
    assert site.http.get(f"/array/full/{made['id']}").content == VALUES.tobytes()
    link.unlink()
    link.symlink_to(site.outside / "today.h5")
    refused(site.http.get(f"/array/full/{made['id']}"))
    asset = made["data_sources"][0]["assets"][0]["id"]
    refused(site.http.get(f"/asset/bytes/{made['id']}", params={"id": asset}))


def write_csv(path: Path) -> None:
    pd.DataFrame({"a": [SECRET]}).to_csv(path, index=False)


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, VALUES)


def write_jpeg(path: Path) -> None:
    Image.fromarray(SMALL).save(path, "JPEG")


def write_rows(path: Path) -> None:
    path.write_text("1,2\n3,4\n")


def write_zarr(path: Path) -> None:
    zarr.create_array(str(path), data=VALUES, chunks=VALUES.shape)


def write_parquet(path: Path) -> None:
    pd.DataFrame({"a": [SECRET]}).to_parquet(path)


def write_feather(path: Path) -> None:
    pd.DataFrame({"a": [SECRET]}).to_feather(path, compression="uncompressed")


SMALL = np.full((4, 4), 211, np.uint8)
ONE = pd.DataFrame({"a": [SECRET]})
FORMATS = {
    "hdf5": (HDF5, write_hdf5, {"parameters": {"dataset": "entry/data"}, **array(VALUES)}),
    "hdf5 group": (HDF5, write_hdf5, {"family": "container"}),
    "npy": ("application/x-npy", write_npy, array(VALUES)),
    "npys": ("multipart/related;type=application/x-npy", write_npy, array(VALUES[None])),
    "tiff": (TIFF, lambda path: tifffile.imwrite(path, SMALL), array(SMALL)),
    "tiffs": (TIFFS, lambda path: tifffile.imwrite(path, SMALL), array(SMALL[None])),
    "jpeg": ("image/jpeg", write_jpeg, array(SMALL)),
    "jpegs": ("multipart/related;type=image/jpeg", write_jpeg, array(SMALL[None])),
    "csv": (CSV, write_csv, table(ONE)),
    "csv array": ("text/csv;header=absent", write_rows, array(np.array([[1, 2], [3, 4]]))),
    "parquet": ("application/x-parquet", write_parquet, table(ONE)),
    "arrow": ("application/vnd.apache.arrow.file", write_feather, table(ONE)),
    "zarr": (ZARR, write_zarr, array(VALUES)),
}  # fmt: skip


def read(site: Site, made: dict[str, Any], name: str) -> list[httpx.Response]:
    """All that can be read of it, one answer for each route."""
    family = FORMATS[name][2]["family"]
    if family == "container":
        routes = ["array/full/{}/entry/data", "metadata/{}/entry/data", "container/full/{}?format=json", "search/{}"]
    elif family == "table":
        routes = ["table/full/{}?format=text/csv", "table/partition/{}?partition=0&format=text/csv"]
    else:
        zeros = ",".join("0" * len(FORMATS[name][2]["structure"]["shape"]))
        routes = ["array/full/{}", "array/block/{}?block=" + zeros]
    return [site.http.get(route.format(made["id"])) for route in routes]


UNNAMED = ("hdf5", "hdf5 group", "zarr", "csv array")
"""Their adapters take an asset whose parameter has no name, which Tiled's own check passes over."""


@pytest.mark.parametrize(
    ("name", "parameter"), [*((name, "data_uris") for name in FORMATS), *((name, None) for name in UNNAMED)]
)
def test_each_format(site: Site, name: str, parameter: str | None) -> None:
    """It is read from inside, and from nowhere else."""
    mimetype, write, options = FORMATS[name]
    listed = name in {"csv", "parquet", "arrow"} or name.endswith("s") or name == "csv array"
    single = "data_uri"
    asset = {
        "is_directory": name == "zarr",
        "parameter": "data_uris" if listed else single,
        "num": 0 if listed else None,
    }
    if parameter is None:
        asset["parameter"] = None
    inside, outside = site.frame(f"{name}-{parameter}"), site.outside / f"{name}-{parameter}"
    for path in (inside, outside):
        write(path)
    made = site.registered(uri_of(inside), mimetype, asset=asset, **options)
    for answer in read(site, made, name):
        assert answer.is_success, answer.text
    site.edit(
        "UPDATE assets SET data_uri = ? WHERE id = ?", uri_of(outside), made["data_sources"][0]["assets"][0]["id"]
    )
    for answer in read(site, made, name):
        refused(answer)


def test_a_part_of_a_sequence(site: Site) -> None:
    for place in (site.server.frames, site.outside):
        for number in range(3):
            tifffile.imwrite(place / f"{number}.tiff", SMALL)
    body = node("", TIFFS, **array(np.stack([SMALL] * 3)))
    uris = [uri_of(site.frame(f"{number}.tiff")) for number in range(3)]
    body["data_sources"][0]["assets"] = [
        {"data_uri": uri, "is_directory": False, "parameter": "data_uris", "num": number}
        for number, uri in enumerate(uris)
    ]
    made = site.http.post("/register/", json={"id": "sequence", **body}).json()
    assert site.http.get("/array/full/sequence", params={"slice": "1"}).content == SMALL.tobytes()
    site.edit(
        "UPDATE assets SET data_uri = ? WHERE id = ?",
        uri_of(site.outside / "1.tiff"), made["data_sources"][0]["assets"][1]["id"],
    )  # fmt: skip
    assert site.http.get("/array/full/sequence", params={"slice": "0"}).content == SMALL.tobytes()
    refused(site.http.get("/array/full/sequence", params={"slice": "1"}))
    refused(site.http.get("/array/full/sequence"))


def test_the_validation_of_runs(site: Site) -> None:
    write_hdf5(site.frame("validated.h5"))
    write_hdf5(site.outside / "validated.h5")
    for path, specs in (("run", [{"name": "BlueskyRun", "version": "3.0"}]), ("run/primary", [])):
        parent, _, key = path.rpartition("/")
        body = {"id": key, "structure_family": "container", "metadata": {}, "specs": specs, "data_sources": []}
        assert site.http.post(f"/metadata/{parent}", json=body).is_success
    options = {"parameters": {"dataset": "entry/data"}, **array(np.zeros((1, 1)))}
    site.old(
        uri_of(site.frame("validated.h5")), uri_of(site.outside / "validated.h5"), HDF5, at="run/primary", **options
    )
    answer = site.http.get("/validate/run", params={"fix": True})
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert "outside the folders of the session" in answer.json()["notes"][0]
