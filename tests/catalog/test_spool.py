from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ainerd_agent.catalog.schema import ModelIdentity
from ainerd_agent.catalog.spool import SpooledWriter, read_envelope, write_envelope
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import Analysis, Bins, Fingerprints, Origin, Quality, Run, ShearStress, Suggestion

ORIGIN = Origin(raw_uid="u", seq_num=2, start=1.0, stop=2.0, position={"x": 0.5}, extra={"load": np.float32(1.5)})
FINGERPRINTS = Fingerprints(
    origin=ORIGIN,
    c2=np.arange(32, dtype=np.float32).reshape(2, 4, 4),
    bins=Bins(q=np.ones(2), azimuth=np.zeros(2), n_pixels=np.array([3, 4])),
    duration=math.nan,
    mean_counts=np.ones(2),
    contrast=np.ones(2),
    tau=np.array([1.0, math.nan]),
    quality=Quality(snr=np.full(2, 5.0), bad_share=0.0, drift=0.0, problems=("", "dark")),
    g2=np.ones((2, 3), np.float32),
    lags=np.arange(3.0),
)
ANALYSIS = Analysis(
    origin=ORIGIN,
    latents=np.ones((2, 64), np.float32),
    cluster=np.array([0, 1]),
    centre_distance=np.ones(2),
    novelty=np.full(2, math.nan),
    reconstruction_error=np.ones(2),
    stress=ShearStress(mean=3.0),
)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    content = {
        "run": Run(uid="u", time=1.0, metadata={"steps": [1, 2], "shape": (4, 5), "none": None}),
        "arguments": {"fingerprints": [FINGERPRINTS], "analyses": [ANALYSIS]},
        "suggestion": Suggestion(id="s", position={"x": 1.0}, reason="Näher dran.", inputs=("u/1",)),
    }
    path = tmp_path / "1.npz"
    write_envelope(path, content)
    back = read_envelope(path)
    assert back["run"] == content["run"]
    assert dataclasses.asdict(back["suggestion"]).keys() == dataclasses.asdict(content["suggestion"]).keys()
    assert (back["suggestion"].inputs, back["suggestion"].reason) == (("u/1",), "Näher dran.")
    (fingerprints,) = back["arguments"]["fingerprints"]
    (analysis,) = back["arguments"]["analyses"]
    assert fingerprints.origin == ORIGIN
    assert analysis.stress.mean == 3.0
    for name in ("c2", "tau", "g2", "lags"):
        np.testing.assert_array_equal(getattr(fingerprints, name), getattr(FINGERPRINTS, name))
        assert getattr(fingerprints, name).dtype == getattr(FINGERPRINTS, name).dtype
    np.testing.assert_array_equal(fingerprints.bins.n_pixels, [3, 4])
    assert [file.name for file in tmp_path.iterdir()] == ["1.npz"]


def test_files_can_be_read_without_this_package(tmp_path: Path) -> None:
    write_envelope(tmp_path / "1.npz", {"method": "append", "records": [FINGERPRINTS]})
    with np.load(tmp_path / "1.npz", allow_pickle=False) as file:
        envelope = json.loads(str(file["envelope"]))
        name = envelope["mapping"]["records"][0]["fields"]["c2"]["array"]
        np.testing.assert_array_equal(file[name], FINGERPRINTS.c2)
    assert envelope["mapping"]["method"] == "append"


@pytest.mark.parametrize("content", [b"", b"half a file", b"PK\x03\x04 and no more"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "00000007.npz"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="00000007"):
        read_envelope(path)


class Refusing:
    """A writer whose server is there and refuses everything: a full disk, a changed key."""

    model = ModelIdentity(name="m", weights_sha256="0", n_clusters=2)

    def open_run(self, run: Run) -> None:
        pass

    def append(self, raw_uid: str, fingerprints: object, analyses: object) -> None:
        raise CatalogError("answered 500")


def test_what_the_server_refuses_is_kept(tmp_path: Path) -> None:
    for _ in range(2):  # a second process on the folder does not overwrite what the first one kept
        spool = SpooledWriter(Refusing(), tmp_path)  # type: ignore[arg-type]
        spool.open_run(Run(uid="u", time=0.0))
        with pytest.raises(CatalogError, match="answered 500"):
            spool.append("u", [FINGERPRINTS], [ANALYSIS])
        assert spool.flush() == 0
    kept = sorted((tmp_path / "m").iterdir())
    assert [path.name for path in kept] == ["00000001.refused", "00000002.refused"]
    (fingerprints,) = read_envelope(kept[0])["arguments"]["fingerprints"]
    np.testing.assert_array_equal(fingerprints.c2, FINGERPRINTS.c2)
