"""The rheometer's readings: the stress during an exposure, when the flow stopped, the minima after it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ainerd_agent.errors import RheologyError
from ainerd_agent.records import FloatArray, RheometerSamples, ShearStress

COLUMNS = ("time", "shear_rate", "shear_stress", "viscosity")
"""Columns of a rheometer table: s, 1/s, Pa, Pa s."""

FLOWING = 0.01
"""Share of the highest shear rate above which the sample counts as flowing."""

SIGNIFICANT = 5.0
"""Depth of a significant stress minimum, in standard deviations of the noise of one reading."""


def stress_during(samples: RheometerSamples, start: float, stop: float, *, tolerance: float = 1.0) -> ShearStress:
    """Say what the rheometer read during an exposure.

    Parameters
    ----------
    samples : RheometerSamples
        Readings in order of time; those without a stress are passed over.
    start, stop : float
        The exposure, both ends included, on the clock of the readings.
    tolerance : float
        Where no reading lies inside, the nearest one is used if it is at most this many seconds away.

    Returns
    -------
    ShearStress
        Mean and (population) standard deviation. `n_samples` is 0 where the nearest reading was used, and where
        there was none: all is NaN then.
    """
    usable = np.flatnonzero(np.isfinite(samples.shear_stress))
    time = samples.time[usable]
    inside = usable[(time >= start) & (time <= stop)]
    used = inside
    if not len(inside) and len(usable):
        distance = np.maximum(start - time, time - stop)
        nearest = int(distance.argmin())
        if distance[nearest] <= tolerance:
            used = usable[nearest : nearest + 1]
    if not len(used):
        return ShearStress()
    return ShearStress(
        mean=float(samples.shear_stress[used].mean()),
        std=float(samples.shear_stress[used].std()),
        shear_rate=_finite_mean(samples.shear_rate[used]),
        viscosity=_finite_mean(samples.viscosity[used]),
        n_samples=len(inside),
    )


def _finite_mean(values: FloatArray) -> float:
    """Mean of the finite values; NaN where there are none (a viscosity at rest is not defined)."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def read_rheology(path: str | Path) -> RheometerSamples:
    """Read a rheometer table.

    Parameters
    ----------
    path : str or Path
        CSV with a header that names at least `time` (s), `shear_rate` (1/s), `shear_stress` (Pa) and `viscosity`
        (Pa s). Further columns are ignored. Only a viscosity may be empty: at rest it is not defined.

    Returns
    -------
    RheometerSamples
        In order of time.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_readings(csv.reader(file), path))
    except FileNotFoundError:
        raise RheologyError(f"There is no rheometer table at {path}.") from None
    except OSError as error:
        raise RheologyError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise RheologyError(f"{path} is not a text file of comma-separated values.") from None
    if not rows:
        raise RheologyError(f"{path} holds no readings.")
    table = np.array(rows)
    table = table[np.argsort(table[:, 0], kind="stable")]
    time, shear_rate, shear_stress, viscosity = np.ascontiguousarray(table.T)
    return RheometerSamples(time=time, shear_stress=shear_stress, shear_rate=shear_rate, viscosity=viscosity)


def _readings(lines: Any, path: Path) -> Iterator[list[float]]:
    """Yield the `COLUMNS` of each line of a csv reader, as numbers."""
    header = [name.strip() for name in next(lines, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = ", ".join(filter(None, header)) or "none"
        raise RheologyError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has: {found}. "
            "The first line must name the columns, separated by commas."
        )
    places = [header.index(name) for name in COLUMNS]
    for line in lines:
        if any(text.strip() for text in line):
            yield [
                _number(line[place] if place < len(line) else "", name, f"{path}, line {lines.line_num}")
                for name, place in zip(COLUMNS, places, strict=True)
            ]


def _number(text: str, column: str, where: str) -> float:
    optional = column == "viscosity"
    if optional and not text.strip():
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise RheologyError(f"{where}: {column} is {text!r}, which is not a number.") from None
    if not (optional or np.isfinite(value)):
        raise RheologyError(f"{where}: {column} is {text.strip()}; it must be finite.")
    return value


def cessation_time(samples: RheometerSamples) -> float:
    """Say when the flow stopped: the last reading with a shear rate above 1 % of the highest.

    Returns
    -------
    float
        On the clock of the readings, s.
    """
    flowing = flowing_readings(samples)
    if not flowing.any():
        raise RheologyError(
            "The rheometer read no flow (no shear rate above zero), so there is no cessation of flow: "
            "give the rheometer's time at XPCS time 0 (--time-offset)."
        )
    if flowing[-1]:
        raise RheologyError(
            f"The sample still flowed at the last rheometer reading ({samples.time[-1]:g} s): "
            "give the rheometer's time at XPCS time 0 (--time-offset)."
        )
    return float(samples.time[flowing][-1])


def flowing_readings(samples: RheometerSamples) -> NDArray[np.bool_]:
    """Tell at which readings the sample flowed, shape (n,)."""
    rate = np.nan_to_num(np.abs(samples.shear_rate), nan=0.0)
    return np.asarray(rate > FLOWING * rate.max(initial=0.0))


def stress_minima(samples: RheometerSamples, *, after: float) -> FloatArray:
    """Find the significant local minima of the shear stress.

    The readings are smoothed by a Gaussian of one reading (standard deviation), and a minimum counts where it is
    deeper (its prominence) than five standard deviations of the noise of one reading. The noise is measured on the
    readings themselves: how far each lies from the line between its two neighbours (the median, so that slopes and
    steps do not count). Smoothed white noise spans about four such standard deviations over thousands of readings.

    A minimum's time is that of its lowest reading, which smoothing may have moved.

    Smoothing runs over readings, not over seconds: it never makes a minimum out of a falling curve, however
    unevenly it was sampled, and it invents nothing in a gap.

    Parameters
    ----------
    samples : RheometerSamples
    after : float
        Only readings later than this count: the cessation of flow.

    Returns
    -------
    ndarray, shape (n_minima,)
        Times of the readings at the minima, ascending.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    kept = np.isfinite(samples.shear_stress) & (samples.time > after)
    time, first = np.unique(samples.time[kept], return_index=True)
    stress = samples.shear_stress[kept][first]
    if len(time) < 5:
        return np.empty(0)
    smooth = gaussian_filter1d(stress, 1.0, mode="nearest")
    # The spacing of floating-point numbers is the floor: a curve that was computed has no noise, only rounding.
    floor = np.spacing(np.abs(stress).max())
    depth = SIGNIFICANT * max(_noise(time, stress), floor)
    places, _ = find_peaks(-smooth, prominence=depth)
    # Smoothing moves the lowest point away from a steep flank: the minimum is the lowest reading around it.
    around = np.clip(places[:, None] + np.arange(-2, 3), 0, len(stress) - 1)
    lowest = around[np.arange(len(places)), stress[around].argmin(axis=1)]
    return np.asarray(np.unique(time[lowest]), dtype=np.float64)


def _noise(time: FloatArray, stress: FloatArray) -> float:
    """Estimate the noise of one reading (standard deviation) from its distance to the line between its neighbours."""
    before = (time[1:-1] - time[:-2]) / (time[2:] - time[:-2])
    residual = stress[1:-1] - (1 - before) * stress[:-2] - before * stress[2:]
    residual /= np.sqrt(1 + (1 - before) ** 2 + before**2)
    deviation = float(np.median(np.abs(residual)))
    # 1.4826 turns the median deviation of normal noise into its standard deviation. Coarsely digitised readings
    # mostly repeat, so that their median deviation is zero.
    return 1.4826 * deviation if deviation > 0 else float(residual.std())
