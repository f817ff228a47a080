import hashlib

import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.geometry import Geometry as PyFAIGeometry

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.aps_partition_writer import save_partition_map
from ainerd_agent.scattering.geometry.detector import Geometry
from ainerd_agent.scattering.geometry.from_settings import bins_from_settings, describe_bins
from ainerd_agent.scattering.geometry.sectors import azimuthal_bins
from ainerd_agent.settings import Settings

SHAPE = (160, 160)
GEOMETRY = Geometry(centre=(79.5, 79.5), distance=8.0)
FLAT = {"centre_row": 79.5, "centre_column": 79.5, "distance": 8.0}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def labels(settings, **options):
    return bins_from_settings(settings, **options)(SHAPE).labels


def test_bins_by_the_parameters_of_the_geometry():
    partition = bins_from_settings(Settings(geometry=FLAT))(SHAPE)
    np.testing.assert_array_equal(partition.labels, azimuthal_bins(GEOMETRY, SHAPE).labels)
    bins = {"n_q": 2, "n_bins": 12, "first_azimuth": -15.0, "q_min": 0.02}
    np.testing.assert_array_equal(
        labels(Settings(geometry=FLAT, bins=bins)),
        azimuthal_bins(GEOMETRY, SHAPE, q_range=(0.02, 0.029), n_q=2, n_bins=12, first_azimuth=-15).labels,
    )


def test_bins_by_a_poni_file():
    poni = PyFAIGeometry(8.0, 80 * 55e-6, 80 * 55e-6, wavelength=0.11271e-9, detector=Detector(55e-6, 55e-6))
    poni.save("here.poni")
    np.testing.assert_array_equal(
        labels(Settings(geometry={"poni": "here.poni"})), azimuthal_bins(GEOMETRY, SHAPE).labels
    )


def test_what_bins_come_from_is_told(tmp_path):
    poni = PyFAIGeometry(8.0, 80 * 55e-6, 80 * 55e-6, wavelength=0.11271e-9, detector=Detector(55e-6, 55e-6))
    poni.save("here.poni")
    np.save("good.npy", np.ones(SHAPE))
    told = describe_bins(Settings(geometry={"poni": "here.poni"}, bins={"mask": "good.npy"}))
    assert told["pyFAI"]["dist"] == 8.0
    assert told["poni_sha256"] == hashlib.sha256((tmp_path / "here.poni").read_bytes()).hexdigest()
    assert "mask_sha256" in told
    assert describe_bins(Settings(geometry=FLAT))["centre"] == (79.5, 79.5)
    assert describe_bins(Settings(), GEOMETRY)["distance"] == 8.0
    assert "poni_sha256" not in describe_bins(Settings(geometry={"poni": "here.poni"}), GEOMETRY)


def test_a_geometry_that_is_given_comes_first():
    other = Geometry(centre=(75.0, 80.0), distance=8.0)
    np.testing.assert_array_equal(labels(Settings(geometry=FLAT), geometry=other), azimuthal_bins(other, SHAPE).labels)


def test_the_mask_of_the_settings_and_one_that_is_given():
    mask, other = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    mask[:, 135:], other[:20] = True, True
    np.save("good.npy", ~mask)
    settings = Settings(geometry=FLAT, bins={"mask": "good.npy", "mask_marks": "good"})
    found = labels(settings, mask=other)
    assert not found[mask | other].any()
    np.testing.assert_array_equal(found > 0, (azimuthal_bins(GEOMETRY, SHAPE).labels > 0) & ~(mask | other))
    with pytest.raises(BinError, match=r"good.npy has the shape \(160, 160\), the other mask \(3, 4\)"):
        bins_from_settings(settings, mask=np.zeros((3, 4), dtype=bool))


def test_bins_by_a_partition_map():
    made = azimuthal_bins(GEOMETRY, SHAPE, n_q=2, n_bins=6)
    save_partition_map("qmap.h5", made)
    partition = bins_from_settings(Settings(bins={"partition": "qmap.h5"}))(SHAPE)
    np.testing.assert_array_equal(partition.labels, made.labels)
    np.testing.assert_array_equal(partition.bins.azimuth, made.bins.azimuth)
    with pytest.raises(BinError, match="for 160 x 160 pixels, the frames have 80 x 80"):
        bins_from_settings(Settings(bins={"partition": "qmap.h5"}))((80, 80))


@pytest.mark.parametrize("name", ["labels.npy", "maps.h5::/entry/labels"])
def test_bins_by_labels(name):
    made = azimuthal_bins(GEOMETRY, SHAPE, n_bins=4)
    if name.endswith(".npy"):
        np.save(name, made.labels)
    else:
        import h5py

        with h5py.File("maps.h5", "w") as file:
            file["entry/labels"] = made.labels
    partition = bins_from_settings(Settings(geometry=FLAT, bins={"partition": name}))(SHAPE)
    np.testing.assert_array_equal(partition.labels, made.labels)
    np.testing.assert_allclose(partition.bins.q, made.bins.q)


def test_what_is_missing_is_told_before_the_scan():
    with pytest.raises(BinError, match="geometry of the detector is not known: set poni"):
        bins_from_settings(Settings())
    with pytest.raises(BinError, match=r"no PONI file .*lost.poni"):
        bins_from_settings(Settings(geometry={"poni": "lost.poni"}))
    with pytest.raises(BinError, match=r"no file lost.npy"):
        bins_from_settings(Settings(geometry=FLAT, bins={"mask": "lost.npy"}))
    with pytest.raises(BinError, match=r"no file lost.h5"):
        bins_from_settings(Settings(bins={"partition": "lost.h5"}))
