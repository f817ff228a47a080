"""All ways to the stack of two-time maps that `benchmarks/two_time.py` compares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from measuring import gpu_name
from numpy.typing import NDArray

from peers import full_matrix, packages
from peers.full_matrix import Convention

Correlate = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way from frames (T, H, W) and labels (H, W) to maps (n_bins, 256, 256).

    Attributes
    ----------
    prepare : callable
        Imports what is needed for so many threads, and gives what correlates.
    convention : {"static", "frame"}
        See `full_matrix.Convention`.
    result : {"exact", "averaged", "g2"}
        The map of all frames; that of frames or times that were averaged first; or g2 only, and no map.
    distribution : str, optional
        The package that has to be installed.
    counts : {"any", "below 128"}
        What frames may hold.
    power : int
        Time grows like T to this power.
    quick : bool
        Whether `--quick` has it too.
    needs_gpu : bool
    note : str
        What a reader of the table must know.
    """

    name: str
    prepare: Callable[[int], Correlate]
    convention: Convention
    result: Literal["exact", "averaged", "g2"] = "exact"
    distribution: str | None = None
    counts: Literal["any", "below 128"] = "any"
    power: int = 2
    quick: bool = False
    needs_gpu: bool = False
    note: str = ""

    @property
    def title(self) -> str:
        """Name and version."""
        if self.distribution is None:
            return self.name
        try:
            return self.name.replace(self.distribution, f"{self.distribution} {version(self.distribution)}")
        except PackageNotFoundError:
            return self.name

    @property
    def same_as_ours(self) -> str:
        """The way of ours that is normalised like this one."""
        return "ours" if self.convention == "static" else "ours, per frame"

    def missing(self) -> str | None:
        """Why the method cannot be run here, or None."""
        if self.needs_gpu and gpu_name() is None:
            return "no GPU here"
        if self.distribution is not None:
            try:
                version(self.distribution)
            except PackageNotFoundError:
                return MISSING.get(self.distribution, "not installed: see the extra `bench`")
        return None


def ours(threads: int, **options: Any) -> Correlate:
    """`two_time` of this package."""
    from ainerd_agent.scattering import two_time

    return partial(two_time, threads=threads, **options)


def _with_threads(correlate: Callable[..., NDArray[Any]]) -> Callable[[int], Correlate]:
    return lambda threads: partial(correlate, threads=threads)


AS_PACKAGES = {"normalise": "frame", "diagonal": "keep"}

METHODS = (
    Method(name="ours", prepare=ours, convention="static", quick=True, power=1),
    Method(
        name="ours, per frame",
        prepare=partial(ours, **AS_PACKAGES),
        convention="frame",
        quick=True,
        power=1,
        note="normalised as the packages do: what their times are divided by",
    ),
    Method(name="ours, GPU", prepare=partial(ours, device="cuda"), convention="static", power=1, needs_gpu=True),
    Method(
        name="full matrix, float32",
        prepare=_with_threads(full_matrix.whole_matrix),
        convention="static",
        quick=True,
        note="SYRK and sparse resize, one bin on each processor",
    ),
    Method(
        name="full matrix, float32 tiles",
        prepare=_with_threads(full_matrix.tiles),
        convention="static",
        note="never holds more than a tile of the matrix",
    ),
    Method(
        name="full matrix, 8-bit",
        prepare=_with_threads(full_matrix.byte_rows),
        convention="static",
        counts="below 128",
        note="counts below 128 only; torch's private _int_mm",
    ),
    Method(
        name="numpy float64 + scikit-image",
        prepare=lambda threads: full_matrix.definition,
        convention="static",
        quick=True,
        distribution="scikit-image",
        note="the definition",
    ),
    Method(
        name="dynamix",
        prepare=packages.dynamix,
        convention="frame",
        result="g2",
        distribution="dynamix",
        note="computes the T x T matrix, but gives g2 only: no map",
    ),
    Method(name="pyCHX", prepare=packages.pychx, convention="frame", quick=True, distribution="pyCHX"),
    Method(name="boost-corr", prepare=packages.boost_corr, convention="frame", distribution="boost-corr"),
    Method(
        name="boost-corr, GPU",
        prepare=partial(packages.boost_corr, device="cuda"),
        convention="frame",
        distribution="boost-corr",
        needs_gpu=True,
    ),
    Method(
        name="xpcs-correlator", prepare=packages.xpcs_correlator, convention="frame", distribution="xpcs-correlator"
    ),
    Method(name="scikit-beam", prepare=packages.scikit_beam, convention="frame", distribution="scikit-beam"),
    Method(
        name="boost-corr, averaged",
        prepare=partial(packages.boost_corr, average=True),
        convention="frame",
        quick=True,
        result="averaged",
        distribution="boost-corr",
        power=1,
        note="frames are averaged before they are correlated",
    ),
    Method(
        name="xpcs-correlator, binned",
        prepare=partial(packages.xpcs_correlator, binned=True),
        convention="frame",
        result="averaged",
        distribution="xpcs-correlator",
        note="its T x T map is binned, not resized",
    ),
)

MISSING = {
    "boost-corr": (
        "not installed: asks for Python 3.12 or later; its code runs here too after "
        "`pip install --no-deps --ignore-requires-python boost-corr==0.1.7`"
        if sys.version_info < (3, 12)
        else "not installed: see the extra `bench`"
    )
}
