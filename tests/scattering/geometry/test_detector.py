"""Geometry, against the definition of q as a difference of wave vectors, and against pyFAI's own arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyFAI.detectors import Detector, detector_factory
from pyFAI.geometry import Geometry as PyFAIGeometry

from ainerd_agent.errors import BinError
from ainerd_agent.scattering.geometry.detector import Geometry, PoniGeometry

PIXEL = 55e-6
WAVELENGTH = 0.11271  # nm
SHAPE = (40, 52)


def pyfai(centre=(20.3, 30.1), distance=8.0, rotations=(0.0, 0.0, 0.0), shape=SHAPE, orientation=3):
    detector = Detector(pixel1=PIXEL, pixel2=PIXEL, max_shape=shape, orientation=orientation)
    return PyFAIGeometry(
        distance,
        (centre[0] + 0.5) * PIXEL,
        (centre[1] + 0.5) * PIXEL,
        *rotations,
        wavelength=WAVELENGTH * 1e-9,
        detector=detector,
    )


def turn(one, angle):
    """Rotate (x1, x2, x3) about an axis, right-handed for a positive angle."""
    rotation = np.eye(3)
    first, second = (one + 1) % 3, (one + 2) % 3
    rotation[[first, first, second, second], [first, second, first, second]] = (
        np.cos(angle),
        -np.sin(angle),
        np.sin(angle),
        np.cos(angle),
    )
    return rotation


def by_wave_vectors(centre, distance, rotations, shape=SHAPE):
    """q = |k_out - k_in| and the azimuth of it, by the geometry that pyFAI's documentation describes.

    Axis 1 goes along rows (slow), axis 2 along columns (fast), axis 3 along the beam; the detector is turned about
    axis 1 and 2 clockwise, then about axis 3 anticlockwise.
    """
    rotation = turn(2, rotations[2]) @ turn(1, -rotations[1]) @ turn(0, -rotations[0])
    rows, columns = np.indices(shape)
    flat = np.stack(
        [(rows - centre[0]) * PIXEL, (columns - centre[1]) * PIXEL, np.full(shape, distance)],
        axis=-1,
    )
    place = flat @ rotation.T
    k_out = 2 * np.pi / WAVELENGTH * place / np.linalg.norm(place, axis=-1, keepdims=True)
    change = k_out - [0, 0, 2 * np.pi / WAVELENGTH]
    # Seen along the beam: from the image of the columns' direction towards that of the rows'.
    along_rows, along_columns = rotation[:2, 0], rotation[:2, 1]
    x = change[..., :2] @ along_columns
    normal = along_rows - along_columns * (along_rows @ along_columns) / (along_columns @ along_columns)
    y = change[..., :2] @ normal * np.linalg.norm(along_columns) / np.linalg.norm(normal)
    return np.linalg.norm(change, axis=-1), np.degrees(np.arctan2(y, x)) % 360


def apart(one, other):
    return np.abs((one - other + 180) % 360 - 180).max()


def test_q_follows_the_definition():
    q = Geometry(centre=(79.5, 79.5), distance=8.0).q((160, 160))
    assert q[79, 90] == pytest.approx(4 * np.pi / 0.11271 * np.sin(np.arctan(np.hypot(10.5, 0.5) * 55e-6 / 8) / 2))
    assert q[79, 90] > 4 * np.pi / 0.11271 * np.sin(np.arctan(10.5 * 55e-6 / 8) / 2)


@pytest.mark.parametrize(("row", "column", "azimuth"), [(10, 20, 0), (20, 10, 90), (10, 0, 180), (0, 10, 270)])
def test_azimuth_runs_from_columns_to_rows(row, column, azimuth):
    assert Geometry(centre=(10, 10), distance=1.0).azimuth((21, 21))[row, column] == azimuth
    assert PoniGeometry(pyfai((10, 10), 1.0, shape=(21, 21))).azimuth((21, 21))[row, column] == pytest.approx(azimuth)


# At least a tenth of a pixel from the middle of any: on the direct beam there is no azimuth.
somewhere = st.builds(lambda pixel, part: pixel + part / 10, st.integers(-30, 80), st.integers(1, 9))


@settings(max_examples=30, deadline=None)
@given(row=somewhere, column=somewhere, distance=st.floats(0.05, 20))
def test_without_tilt_pyfai_and_the_flat_geometry_agree(row, column, distance):
    flat = Geometry(centre=(row, column), distance=distance, pixel_size=PIXEL, wavelength=WAVELENGTH)
    given_by_pyfai = pyfai((row, column), distance)
    q, azimuth = PoniGeometry(given_by_pyfai).coordinates(SHAPE)
    np.testing.assert_allclose(q, flat.q(SHAPE), rtol=1e-9)
    assert apart(azimuth, flat.azimuth(SHAPE)) < 1e-9
    np.testing.assert_allclose(given_by_pyfai.center_array(SHAPE, unit="q_nm^-1"), flat.q(SHAPE), rtol=1e-9)
    chi = given_by_pyfai.center_array(SHAPE, unit="chi_deg")
    assert apart(chi, flat.azimuth(SHAPE)) < 1e-9  # untilted, and read out from the usual corner, chi is our azimuth


@settings(max_examples=40, deadline=None)
@given(
    rotations=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.floats(-3.1, 3.1)),
    centre=st.tuples(st.floats(-50, 90), st.floats(-50, 90)),
)
def test_a_tilted_detector_against_wave_vectors(rotations, centre):
    q, azimuth = PoniGeometry(pyfai(centre, 0.05, rotations)).coordinates(SHAPE)
    true_q, true_azimuth = by_wave_vectors(centre, 0.05, rotations)
    np.testing.assert_allclose(q, true_q, rtol=1e-9, atol=1e-9)
    certain = true_q > 1e-3  # at the direct beam there is no azimuth
    assert apart(azimuth[certain], true_azimuth[certain]) < 1e-7


def test_turning_the_detector_around_the_beam_turns_the_azimuth_with_it():
    flat = PoniGeometry(pyfai()).azimuth(SHAPE)
    assert apart(PoniGeometry(pyfai(rotations=(0, 0, 1.2))).azimuth(SHAPE), flat) < 1e-9


@pytest.mark.parametrize("orientation", [1, 2, 4])
def test_images_read_out_from_another_corner(orientation):
    """pyFAI flips such images; the azimuth follows rows and columns of the array, as everywhere here."""
    centre = (20.3, 30.1)
    in_the_array = (
        SHAPE[0] - 1 - centre[0] if orientation in (1, 2) else centre[0],
        SHAPE[1] - 1 - centre[1] if orientation in (1, 4) else centre[1],
    )
    geometry = PoniGeometry(pyfai(centre, orientation=orientation))
    flat = Geometry(centre=in_the_array, distance=8.0)
    np.testing.assert_allclose(geometry.q(SHAPE), flat.q(SHAPE), rtol=1e-9)
    assert apart(geometry.azimuth(SHAPE), flat.azimuth(SHAPE)) < 1e-8
    assert geometry.untilted(SHAPE).centre == pytest.approx(in_the_array)


def test_the_untilted_geometry_has_the_direct_beam_of_fit2d():
    tilted = pyfai()
    tilted.setFit2D(7000.0, 31.7, 12.2, tilt=3.0, tiltPlanRotation=40.0)
    found = PoniGeometry(tilted).untilted(SHAPE)
    assert found.centre == pytest.approx((11.7, 31.2), abs=1e-6)  # Fit2D counts from the corner of the first pixel
    assert found.distance == pytest.approx(7.0)
    assert (found.pixel_size, found.wavelength) == pytest.approx((PIXEL, WAVELENGTH))


def test_oblong_pixels_have_no_untilted_geometry():
    oblong = PyFAIGeometry(1.0, wavelength=1e-10, detector=Detector(50e-6, 75e-6))
    with pytest.raises(BinError, match="not square"):
        PoniGeometry(oblong).untilted(SHAPE)


def test_the_gaps_of_a_known_detector_are_masked():
    detector = detector_factory("Maxipix2x2")
    geometry = PoniGeometry(PyFAIGeometry(1.0, wavelength=1e-10, detector=detector))
    np.testing.assert_array_equal(geometry.gaps(detector.shape), detector.mask != 0)
    assert geometry.gaps(detector.shape).any()
    assert Geometry(centre=(0, 0), distance=1.0).gaps(SHAPE) is None


def test_a_poni_file(tmp_path):
    tilted = pyfai(rotations=(0.01, -0.02, 0.3))
    tilted.save(str(tmp_path / "here.poni"))
    loaded = PoniGeometry.load(tmp_path / "here.poni")
    for one, other in zip(loaded.coordinates(SHAPE), PoniGeometry(tilted).coordinates(SHAPE), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_the_geometry_that_was_given_is_not_changed():
    of_any_size = PyFAIGeometry(1.0, wavelength=1e-10, detector=Detector(PIXEL, PIXEL))
    geometry = PoniGeometry(of_any_size)
    assert geometry.q((4, 6)).shape == (4, 6)
    assert geometry.q((6, 4)).shape == (6, 4)
    assert of_any_size.detector.shape is None


@pytest.mark.parametrize(
    ("lost", "message"),
    [("Wavelength", "lacks wavelength"), ("Poni2", "lacks poni2"), ("Rot3", "lacks rot3"), ("Distance", "lacks dist")],
)
def test_a_truncated_poni_file_is_refused(tmp_path, lost, message):
    """pyFAI would put 0 (or 1 m) for what is missing."""
    path = tmp_path / "cut.poni"
    pyfai().save(str(path))
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(lost)))
    with pytest.raises(BinError, match=message):
        PoniGeometry.load(path)


@pytest.mark.parametrize("content", [b"", b"no geometry\n", bytes(range(256)), b"Distance: far\n"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.poni"
    path.write_bytes(content)
    with pytest.raises(BinError, match=r"PONI file"):
        PoniGeometry.load(path)


def test_a_missing_file_and_a_missing_wavelength_are_refused(tmp_path):
    with pytest.raises(BinError, match="there is no PONI file"):
        PoniGeometry.load(tmp_path / "none.poni")
    with pytest.raises(BinError, match="no wavelength"):
        PoniGeometry(PyFAIGeometry(1.0, detector=Detector(PIXEL, PIXEL)))


def test_frames_of_another_shape_are_refused():
    with pytest.raises(BinError, match="40 x 52 pixels, the frames have 20 x 26"):
        PoniGeometry(pyfai()).coordinates((20, 26))
