"""Where a detector pixel sits in reciprocal space."""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import BinError
from ainerd_agent.records import FloatArray

Shape = tuple[int, int]


class DetectorGeometry(Protocol):
    """What bins need to know of a detector."""

    def coordinates(self, shape: Shape) -> tuple[FloatArray, FloatArray]:
        """Momentum transfer (1/nm) and azimuth (degrees in [0, 360)) of each pixel, both of shape (H, W)."""
        ...

    def gaps(self, shape: Shape) -> NDArray[np.bool_] | None:
        """True where the detector has no sensitive pixel, shape (H, W); None where that is not known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A flat detector, normal to the beam.

    The azimuth is counted from the detector's +x (columns rising) towards +y (rows rising), in degrees.

    Attributes
    ----------
    centre : tuple of float
        Row and column of the direct beam, in pixels; (0, 0) is the middle of the first pixel.
    distance, pixel_size : float
        Metres.
    wavelength : float
        Nanometres.
    """

    centre: tuple[float, float]
    distance: float
    pixel_size: float = 55e-6
    wavelength: float = 0.11271

    def _offsets(self, shape: Shape) -> tuple[FloatArray, FloatArray]:
        """Rows and columns from the centre, of shapes (H, 1) and (1, W)."""
        rows, columns = np.arange(shape[0], dtype=np.float64), np.arange(shape[1], dtype=np.float64)
        return rows[:, None] - self.centre[0], columns[None, :] - self.centre[1]

    def q(self, shape: Shape) -> FloatArray:
        """Momentum transfer 4 pi / wavelength * sin(theta) of each pixel, 1/nm, shape (H, W)."""
        rows, columns = self._offsets(shape)
        two_theta = np.arctan(np.hypot(rows, columns) * self.pixel_size / self.distance)
        return np.asarray(4 * np.pi / self.wavelength * np.sin(two_theta / 2))

    def azimuth(self, shape: Shape) -> FloatArray:
        """Azimuth of each pixel, degrees in [0, 360), shape (H, W)."""
        rows, columns = self._offsets(shape)
        return np.asarray(np.degrees(np.arctan2(rows, columns)) % 360)

    def coordinates(self, shape: Shape) -> tuple[FloatArray, FloatArray]:
        """`q` and `azimuth`."""
        return self.q(shape), self.azimuth(shape)

    def gaps(self, shape: Shape) -> None:
        """Not known."""


@dataclass(frozen=True, slots=True, eq=False)
class PoniGeometry:
    """A detector as pyFAI describes it: tilted, with gaps between its modules, or distorted.

    The azimuth turns around the beam. It is counted, as with `Geometry`, from the direction in which the detector's
    columns rise towards the one in which its rows rise, both seen along the beam. pyFAI's chi, in contrast, is counted
    from the horizontal axis of the laboratory: a detector that is turned around the beam (rot3), or read out from
    another corner (orientation 1, 2, 4), has another zero or sense there.

    Attributes
    ----------
    integrator : pyFAI.geometry.Geometry
        Or one of its kinds, as `pyFAI.integrator.azimuthal.AzimuthalIntegrator`; with wavelength. It is not changed.

    Raises
    ------
    BinError
        Where the wavelength is missing, or the frames have another shape than the detector.

    References
    ----------
    J. Kieffer, V. Valls, N. Blanc, C. Hennig, J. Synchrotron Rad. 27, 558 (2020): the geometry of pyFAI.
    """

    integrator: Any

    def __post_init__(self) -> None:
        if not self.integrator.wavelength:
            raise BinError("the pyFAI geometry has no wavelength, without which there is no q")

    @classmethod
    def load(cls, path: str | Path) -> PoniGeometry:
        """Read a PONI file, as `pyFAI-calib2` writes it.

        Raises
        ------
        BinError
            No such file, not a PONI file, or one that lacks a parameter.
        """
        from pyFAI.geometry import Geometry as PyFAIGeometry
        from pyFAI.io.ponifile import PoniFile

        if not Path(path).is_file():
            raise BinError(f"there is no PONI file {path}")
        try:
            poni = PoniFile(data=str(path))
        except Exception as error:  # pyFAI raises whatever the broken line causes
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise BinError(f"{path} is not a readable PONI file: {first_line}") from error
        # pyFAI takes 0 (or 1 m) for what is missing, and q would be wrong without a word.
        needed = ("dist", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
        missing = [name for name in needed if getattr(poni, name) is None]
        if missing:
            raise BinError(f"the PONI file {path} lacks {', '.join(missing)}: it is truncated, or of another kind")
        geometry = PyFAIGeometry()
        geometry.load(poni)
        if not (geometry.detector.pixel1 and geometry.detector.pixel2):
            raise BinError(f"the PONI file {path} names no detector, and no pixel size either")
        return cls(geometry)

    def _sized(self, shape: Shape) -> Any:
        """A copy of the pyFAI geometry whose detector has a shape."""
        sized = copy(self.integrator)
        detector = copy(sized.detector)
        known = detector.shape or detector.max_shape
        if known is not None and tuple(known) != tuple(shape):
            raise BinError(
                f"the PONI file is for a detector of {known[0]} x {known[1]} pixels, the frames have "
                f"{shape[0]} x {shape[1]}: take the file of this detector (and binning or region of interest)"
            )
        detector.shape = shape
        sized.detector = detector
        return sized

    def coordinates(self, shape: Shape) -> tuple[FloatArray, FloatArray]:
        """Momentum transfer (1/nm) and azimuth (degrees in [0, 360)) of each pixel, both of shape (H, W)."""
        from pyFAI.units import to_unit

        sized, unit = self._sized(shape), to_unit("q_nm^-1")
        z, y, x = _positions(sized, *np.indices(shape, dtype=np.float64))
        q = unit.equation(x, y, z, sized.wavelength) * unit.scale

        along_columns, along_rows = self._directions(sized, shape)
        unit_x = along_columns / np.linalg.norm(along_columns)
        sense = np.sign(unit_x[0] * along_rows[1] - unit_x[1] * along_rows[0])
        azimuth = np.arctan2(sense * (unit_x[0] * y - unit_x[1] * x), unit_x[0] * x + unit_x[1] * y)
        return np.asarray(q), np.asarray(np.degrees(azimuth) % 360)

    def q(self, shape: Shape) -> FloatArray:
        """Momentum transfer of each pixel, 1/nm, shape (H, W)."""
        return self.coordinates(shape)[0]

    def azimuth(self, shape: Shape) -> FloatArray:
        """Azimuth of each pixel, degrees in [0, 360), shape (H, W)."""
        return self.coordinates(shape)[1]

    def gaps(self, shape: Shape) -> NDArray[np.bool_] | None:
        """Pixels that pyFAI masks for this kind of detector: the gaps between modules, shape (H, W)."""
        mask = self._sized(shape).detector.mask
        return None if mask is None else np.asarray(mask) != 0

    def untilted(self, shape: Shape) -> Geometry:
        """The flat geometry with the same direct beam, for tools that know no tilt.

        Raises
        ------
        BinError
            Where the pixels are not square.
        """
        sized = self._sized(shape)
        detector = sized.detector
        if not np.isclose(detector.pixel1, detector.pixel2, rtol=1e-6):
            raise BinError(f"pixels of {detector.pixel1} x {detector.pixel2} m are not square")
        along_columns, along_rows = self._directions(sized, shape)
        z, y, x = (float(value[0]) for value in _positions(sized, np.zeros(1), np.zeros(1)))
        # The pixel whose x and y vanish: where the direct beam hits a flat detector.
        row, column = np.linalg.solve(np.array([along_rows[:2], along_columns[:2]]).T, [-x, -y])
        return Geometry(
            centre=(float(row), float(column)),
            distance=float(z + row * along_rows[2] + column * along_columns[2]),
            pixel_size=float(detector.pixel1),
            wavelength=float(sized.wavelength) * 1e9,
        )

    @staticmethod
    def _directions(sized: Any, shape: Shape) -> tuple[FloatArray, FloatArray]:
        """Steps (x, y, z) of one column and of one row in the laboratory, m, averaged along the edges."""
        last_row, last_column = max(shape[0] - 1, 1), max(shape[1] - 1, 1)
        corners = _positions(sized, np.array([0.0, 0.0, last_row]), np.array([0.0, last_column, 0.0]))
        z, y, x = corners
        places = np.stack([x, y, z], axis=1)
        return (places[1] - places[0]) / last_column, (places[2] - places[0]) / last_row


def _positions(sized: Any, rows: FloatArray, columns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Place (z along the beam, y, x) of pixels in the laboratory, m, with the sample at the origin."""
    z, y, x = sized.calc_pos_zyx(d1=rows, d2=columns, do_parallax=True)
    return z, y, x


def describe(geometry: DetectorGeometry) -> dict[str, Any]:
    """What there is to know of a geometry, in words and numbers, to be kept beside results."""
    match geometry:
        case Geometry():
            return asdict(geometry)
        case PoniGeometry():
            return {"pyFAI": dict(geometry.integrator.get_config())}
        case _:
            return {"geometry": type(geometry).__name__}
