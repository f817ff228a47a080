"""Files inside the session that name files outside, and writing and deleting outside: none of it gets through."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow
import pytest
import tifffile
import zarr

from ainerd_agent.catalog import TiledServer
from tests.integration.conftest import client_of
from tests.integration.test_confinement import (
    HDF5,
    SECRET,
    SMALL,
    TIFF,
    VALUES,
    ZARR,
    Site,
    array,
    node,
    refused,
    site,  # noqa: F401  (a fixture)
    uri_of,
    write_hdf5,
)

SHAPE, DTYPE = VALUES.shape, VALUES.dtype


def raw_storage(file: h5py.File, target: Path) -> None:
    file.create_dataset("data", SHAPE, DTYPE, external=[(str(target.with_suffix(".raw")), 0, VALUES.nbytes)])


def external_link(file: h5py.File, target: Path) -> None:
    file["data"] = h5py.ExternalLink(str(target), "entry/data")


def relative_link(file: h5py.File, target: Path) -> None:
    file["data"] = h5py.ExternalLink(os.path.relpath(target, Path(file.filename).parent), "entry/data")


def soft_link(file: h5py.File, target: Path) -> None:
    file["away"] = h5py.ExternalLink(str(target), "entry")
    file["group/within"] = h5py.SoftLink("/away/data")
    file["data"] = h5py.SoftLink("group/within")


def virtual(file: h5py.File, target: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, DTYPE)
    layout[:] = h5py.VirtualSource(str(target), "entry/data", SHAPE)
    file.create_virtual_dataset("data", layout)


def virtual_within(file: h5py.File, target: Path) -> None:
    """A virtual dataset over one of the same file, whose values are elsewhere."""
    file.create_dataset("raw", SHAPE, DTYPE, external=[(str(target.with_suffix(".raw")), 0, VALUES.nbytes)])
    layout = h5py.VirtualLayout(SHAPE, DTYPE)
    layout[:] = h5py.VirtualSource(".", "raw", SHAPE)
    file.create_virtual_dataset("data", layout)


def by_another_file(file: h5py.File, target: Path) -> None:
    """A link to a file inside that links to one outside."""
    between = Path(file.filename).with_suffix(".between.h5")
    with h5py.File(between, "w") as other:
        other["data"] = h5py.ExternalLink(str(target), "entry/data")
    file["data"] = h5py.ExternalLink(between.name, "data")


TRICKS = [raw_storage, external_link, relative_link, soft_link, virtual, virtual_within, by_another_file]


def target(folder: Path) -> Path:
    path = folder / "target.h5"
    if not path.exists():
        write_hdf5(path)
        path.with_suffix(".raw").write_bytes(VALUES.tobytes())
    return path


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("place", ["inside", "outside"])
def test_hdf5_that_names_other_files(site: Site, trick: Any, place: str) -> None:  # noqa: F811
    """Detectors write such files. They are read where all of them lie inside, and refused otherwise."""
    path = site.frame(f"{trick.__name__}-{place}.h5")
    with h5py.File(path, "w") as file:
        trick(file, target(site.server.frames if place == "inside" else site.outside))
    one = site.registered(uri_of(path), HDF5, parameters={"dataset": "data"}, **array(VALUES))
    whole = site.registered(uri_of(path), HDF5, family="container")
    answers = [site.http.get(f"/array/full/{route}") for route in (one["id"], f"{whole['id']}/data")]
    answers.append(site.http.get(f"/search/{whole['id']}"))
    for answer in answers:
        if place == "outside":
            refused(answer)
        else:
            assert answer.is_success, answer.text
    if place == "inside":
        assert answers[0].content == VALUES.tobytes()


def test_numbered_sources(site: Site) -> None:  # noqa: F811
    for number in range(2):
        write_hdf5(site.frame(f"part-{number}.h5"))
    path, unlimited = site.frame("numbered.h5"), h5py.h5s.UNLIMITED
    space = h5py.h5s.create_simple((2, *SHAPE), (unlimited, *SHAPE))
    space.select_hyperslab((0, 0, 0), (unlimited, 1, 1), (1, 1, 1), (1, *SHAPE))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"part-%b.h5", b"entry/data", h5py.h5s.create_simple(SHAPE))
    with h5py.File(path, "w") as file:
        shape = h5py.h5s.create_simple((2, *SHAPE), (unlimited, *SHAPE))
        h5py.h5d.create(file.id, b"data", h5py.h5t.py_create(DTYPE), shape, properties)
    made = site.registered(uri_of(path), HDF5, parameters={"dataset": "data"}, **array(np.stack([VALUES, VALUES])))
    assert site.http.get(f"/array/full/{made['id']}").content == 2 * VALUES.tobytes()
    site.frame("part-7.h5").symlink_to(target(site.outside))
    refused(site.http.get(f"/array/full/{made['id']}"))


def test_links_in_a_circle(site: Site) -> None:  # noqa: F811
    path = site.frame("circle.h5")
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    made = site.registered(uri_of(path), HDF5, parameters={"dataset": "a"}, **array(VALUES))
    refused(site.http.get(f"/array/full/{made['id']}"))


def test_tiff_that_names_other_files(site: Site) -> None:  # noqa: F811
    tifffile.imwrite(site.outside / "other.ome.tiff", SMALL)
    path = site.frame("first.ome.tiff")
    ome = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYZCT" ID="Pixels:0" SizeC="1" SizeT="2" SizeX="4" SizeY="4" SizeZ="1" Type="uint8">'
        '<TiffData FirstT="0" IFD="0" PlaneCount="1"><UUID FileName="first.ome.tiff">urn:uuid:1</UUID></TiffData>'
        f'<TiffData FirstT="1" IFD="0" PlaneCount="1"><UUID FileName="{site.outside}/other.ome.tiff">urn:uuid:2</UUID>'
        "</TiffData></Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros_like(SMALL), description=ome, metadata=None)
    made = site.registered(uri_of(path), TIFF, **array(np.stack([SMALL, SMALL])))
    refused(site.http.get(f"/array/full/{made['id']}"))


def test_a_chunk_that_is_a_link(site: Site) -> None:  # noqa: F811
    for folder in (site.server.frames, site.outside):
        zarr.create_array(str(folder / "chunks.zarr"), data=VALUES, chunks=SHAPE)
    made = site.registered(uri_of(site.frame("chunks.zarr")), ZARR, asset={"is_directory": True}, **array(VALUES))
    assert site.http.get(f"/array/full/{made['id']}").content == VALUES.tobytes()
    chunk = site.frame("chunks.zarr/c/0/0")
    chunk.unlink()
    chunk.symlink_to(site.outside / "chunks.zarr/c/0/0")
    refused(site.http.get(f"/array/full/{made['id']}"))


def awkward(form: dict[str, Any], length: int) -> dict[str, Any]:
    structure = {"length": length, "form": form}
    made = node("", "application/x-awkward-buffers", family="awkward", structure=structure, management="writable")
    made["data_sources"][0]["assets"] = []
    return made


def numbers(key: str) -> dict[str, Any]:
    return {"class": "NumpyArray", "primitive": "int64", "form_key": key, "parameters": {}, "inner_shape": []}


def upload(site: Site, name: str, buffers: dict[str, bytes]) -> Any:  # noqa: F811
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key, value in buffers.items():
            archive.writestr(key, value)
    return site.http.put(
        f"/awkward/full/{name}", content=packed.getvalue(), headers={"Content-Type": "application/zip"}
    )


def test_buffers_stay_in_their_folder(site: Site) -> None:  # noqa: F811
    assert site.http.post("/metadata/", json={"id": "buffers", **awkward(numbers("node0"), 3)}).is_success
    values = np.arange(3).tobytes()
    assert upload(site, "buffers", {"node0-data": values}).is_success
    assert site.http.get("/awkward/full/buffers", params={"format": "application/zip"}).is_success
    refused(upload(site, "buffers", {f"{site.outside}/planted": b"planted"}))
    refused(upload(site, "buffers", {"../../planted": b"planted"}))
    assert not (site.outside / "planted").exists()
    assert not (site.server.directory / "planted").exists()

    (site.outside / "key-data").write_bytes(VALUES.tobytes())
    stolen = awkward(numbers(f"{site.outside}/key"), VALUES.size)
    assert site.http.post("/metadata/", json={"id": "stolen", **stolen}).is_success
    refused(site.http.get("/awkward/full/stolen", params={"format": "application/zip"}))


def test_what_was_uploaded_is_not_read_as_another_format(site: Site) -> None:  # noqa: F811
    assert site.http.post("/metadata/", json={"id": "crafted", **awkward(numbers("node0"), 1)}).is_success
    made = site.http.get("/metadata/crafted", params={"include_data_sources": True}).json()
    source = made["data"]["attributes"]["data_sources"][0]
    folder = Path(source["assets"][0]["data_uri"].removeprefix("file://localhost"))
    refused(site.register(uri_of(folder / "node0-data"), HDF5, **array(VALUES)))
    for changed in ({"mimetype": HDF5}, {"management": "external"}):
        refused(site.http.put("/data_source/crafted", json={"data_source": {**source, **changed}}))


@pytest.mark.parametrize("key", ["..", "."])
def test_nothing_is_written_outside(site: Site, key: str) -> None:  # noqa: F811
    container = {"structure_family": "container", "metadata": {}, "specs": [], "data_sources": []}
    refused(site.http.post("/metadata/", json={"id": key, **container}))
    # An older server may have such a node.
    name = f"up{len(key)}"
    assert site.http.post("/metadata/", json={"id": name, **container}).is_success
    site.edit("UPDATE nodes SET key = ? WHERE key = ?", key, name)
    made = node("", ZARR, management="writable", **array(VALUES))
    made["data_sources"][0]["assets"] = []
    base = f"{site.server.address}/api/v1/metadata/"
    answer = site.http.build_request("POST", base, json={"id": "planted", **made})
    answer.url = answer.url.copy_with(raw_path=f"/api/v1/metadata/{key.replace('.', '%2e')}".encode())
    refused(site.http.send(answer))
    assert not (site.server.directory / "planted").exists()


@pytest.mark.parametrize(
    "way", ["/metadata/{}?recursive=true&external_only=false", "/asset/{}?external_only=false&id={}"]
)
def test_nothing_is_deleted_outside(site: Site, way: str) -> None:  # noqa: F811
    with client_of(site.server.uri) as client:
        written = client.write_array(VALUES, key=f"written{len(way)}")
        asset = written.data_sources()[0].assets[0].id
    victim = site.outside / f"victim{len(way)}"
    victim.mkdir()
    (victim / "file").touch()
    site.edit("UPDATE assets SET data_uri = ? WHERE id = ?", uri_of(victim), asset)
    refused(site.http.delete(way.format(f"written{len(way)}", asset)))
    assert (victim / "file").exists()


def test_tables_of_another_server(site: Site, tmp_path: Path) -> None:  # noqa: F811
    """Two servers of one process share Tiled's register of databases."""
    schema = pyarrow.schema([("a", pyarrow.int64())])
    with TiledServer(tmp_path) as other, client_of(other.uri) as theirs, client_of(site.server.uri) as ours:
        described = []
        for client in (theirs, ours):
            made = client.create_appendable_table(schema, key="table")
            made.append_partition(0, pyarrow.table({"a": [SECRET if client is theirs else 1]}, schema=schema))
            described.append(made.data_sources()[0])
        assert list(ours["table"].read()["a"]) == [1]
        site.edit(
            "UPDATE assets SET data_uri = ? WHERE id = ?", described[0].assets[0].data_uri, described[1].assets[0].id
        )
        refused(site.http.get("/table/full/table", params={"format": "text/csv"}))
        own = described[1].assets[0]
        site.edit("UPDATE assets SET data_uri = ? WHERE id = ?", own.data_uri, own.id)
        site.edit(
            "UPDATE data_sources SET parameters = json_set(parameters, '$.dataset_id', '0 OR 1=1') WHERE id = ?",
            described[1].id,
        )
        refused(site.http.get("/table/full/table", params={"format": "text/csv"}))


def test_what_a_session_writes_still_works(site: Site) -> None:  # noqa: F811
    import sparse

    with client_of(site.server.uri) as client:
        box = client.create_container("box é: 50%")
        array_client = box.write_array(VALUES, key="array")
        array_client.patch(VALUES, offset=(3, 0), extend=True)
        assert array_client.read().shape == (6, 4)
        box.write_table(pd.DataFrame({"a": [1, 2]}), key="table")
        assert list(box["table"].read()["a"]) == [1, 2]
        box.write_sparse(coords=np.array([[0, 1], [1, 0]]), data=np.array([3.8, 4.0]), shape=(2, 2), key="sparse")
        assert isinstance(box["sparse"].read(), sparse.COO)
        chunks = client.context.http_client.get(
            f"{site.server.address}/api/v1/asset/manifest/box é: 50%/array",
            params={"id": array_client.data_sources()[0].assets[0].id},
        )
        assert chunks.is_success
        box.delete_contents(["array", "table", "sparse"], external_only=False)
