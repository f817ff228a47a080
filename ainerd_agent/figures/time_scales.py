"""One map at several time scales: what its crops look like, by their age and duration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ainerd_agent.figures.data import MissingError
from ainerd_agent.figures.maps import colour_limits
from ainerd_agent.figures.style import (
    INK,
    NORMAL,
    SMALL,
    cluster_colours,
    cluster_names,
    dress,
    legend,
    new_figure,
)
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.clusters import Labels
from ainerd_agent.latent.time_scales import FEWEST_PIXELS, Crop, crops_of, encode_crops
from ainerd_agent.latent.time_scales.stationarity import Light, differs
from ainerd_agent.records import Fingerprints, MapStack

MARK = "#e8432e"
"""Of crops that differ: no colour of a cluster comes near it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaledMeasurement:
    """A bin of a measurement at several time scales, as it is drawn.

    Attributes
    ----------
    c2 : ndarray, shape (size, size)
    extent : float
        Of a side of the map, in `unit`.
    unit : str
        s, or map pixels where the exposure is not known.
    crops : tuple of Crop
        From the longest to the shortest, in order of age.
    cluster : ndarray of int, shape (n_crops,)
    differs : ndarray of bool, shape (n_crops,)
        Whether a stationary sample of the same g2 would hardly show such a crop.
    n_clusters : int
    title : str
    """

    c2: NDArray[np.float32]
    extent: float
    unit: str
    crops: tuple[Crop, ...]
    cluster: Labels
    differs: NDArray[np.bool_]
    n_clusters: int
    title: str = ""

    @classmethod
    def of(
        cls, encoder: Encoder, measured: Fingerprints, number: int | None = None, *, seed: int = 0
    ) -> ScaledMeasurement:
        """Encode the crops of a bin; by default the one with the least noise.

        Raises
        ------
        MissingError
            There is no such bin, its map is not finite, or it is too small.
        """
        row = _row_of(measured, number)
        c2, frames = measured.c2[row : row + 1], measured.origin.exposure.frames
        size, contrast = c2.shape[-1], float(measured.contrast[row])
        resolved = min(size, frames or size)
        crops = _drawn(crops_of(measured.duration, resolved))
        if not crops:
            raise MissingError(f"its map resolves {resolved} times, and a crop needs {FEWEST_PIXELS}")
        light = Light(
            counts=float(measured.mean_counts[row]) * (frames / size if frames else np.nan),
            contrast=contrast if contrast > 0 else np.nan,
        )
        found = encode_crops(encoder, c2, measured.duration, contrast=light.contrast, crops=crops)
        known = bool(np.isfinite(measured.duration))
        return cls(
            c2=c2[0],
            extent=measured.duration if known else float(size),
            unit="s" if known else "map pixels",
            crops=found.crops,
            cluster=encoder.clusters.predict(found.latents[0])[0],
            differs=differs(encoder, c2, found, light, seed=seed),
            n_clusters=len(encoder.clusters),
            title=_title(measured, row),
        )


def time_scales_figure(measured: ScaledMeasurement) -> Figure:
    """Draw the map of a bin, and beside it its crops: age to the right, duration upwards, in the colour of the cluster.

    The cluster of a crop is its rate in its own duration: the same dynamics are slow in a short crop and fast in a long
    one. Of a sample in equilibrium, each row has one colour. A mark is on crops that differ from what a
    stationary sample of the same g2 would show, which by chance one crop in a hundred does.
    """
    figure = new_figure(9.6, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _draw_map(figure, left, measured)
    _draw_crops(right, measured)
    if measured.title:
        figure.suptitle(measured.title, fontsize=NORMAL, color=INK)
    handles = _handles(measured)
    legend(figure, handles, loc="outside lower center", ncols=min(len(handles), 8))
    return figure


def _row_of(measured: Fingerprints, number: int | None) -> int:
    finite = np.asarray(np.isfinite(measured.c2).all(axis=(1, 2)))
    if number is None:
        if not finite.any():
            raise MissingError("no map of the measurement is finite")
        snr = np.nan_to_num(measured.quality.snr, nan=-1.0, posinf=1e9, neginf=-1.0)
        return int(np.where(finite, snr, -np.inf).argmax())
    if not 1 <= number <= len(finite):
        raise MissingError(f"the measurement has bins 1 to {len(finite)}, not {number}")
    if not finite[number - 1]:
        raise MissingError(f"the map of bin {number} holds NaN or infinite values")
    return number - 1


def _drawn(crops: list[Crop]) -> list[Crop]:
    """The whole, and the ladder in seconds; that in shapes where there are no seconds."""
    in_seconds = [crop for crop in crops if np.isfinite(crop.seconds)]
    if not in_seconds:
        return crops
    return [crop for crop in in_seconds if crop.scale == 1.0 or np.frexp(crop.seconds)[0] == 0.5]


def _draw_map(figure: Figure, axes: Axes, measured: ScaledMeasurement) -> None:
    maps: MapStack = measured.c2[None]
    low, high = colour_limits(maps)
    image = axes.imshow(
        measured.c2, origin="lower", extent=(0, measured.extent, 0, measured.extent), vmin=low, vmax=high,
        cmap="inferno", interpolation="nearest",
    )  # fmt: skip
    dress(axes, f"$t_1$ ({measured.unit})", f"$t_2$ ({measured.unit})")
    axes.spines[:].set(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    bar = figure.colorbar(image, ax=axes, extend="both", fraction=0.046, pad=0.03)
    bar.set_label("C2", fontsize=NORMAL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, color=INK, labelcolor=INK, width=0.7, length=3)
    bar.outline.set_visible(False)


def _draw_crops(axes: Axes, measured: ScaledMeasurement) -> None:
    """A row for each duration, the longest on top; crops that overlap share what they overlap by."""
    colours = cluster_colours(measured.n_clusters)
    scales = sorted({crop.scale for crop in measured.crops})
    for row, scale in enumerate(scales):
        chosen = [k for k, crop in enumerate(measured.crops) if crop.scale == scale]
        starts = np.array([measured.crops[k].start for k in chosen])
        inner = (starts[1:] + starts[:-1] + scale) / 2
        edges = np.concatenate([starts[:1], inner, [starts[-1] + scale]]) * measured.extent
        for k, left, right in zip(chosen, edges[:-1], edges[1:], strict=True):
            colour = colours[measured.cluster[k]]
            axes.add_patch(
                Rectangle((left, row - 0.46), right - left, 0.92, facecolor=colour, edgecolor="white", linewidth=0.8)
            )
            if measured.differs[k]:
                axes.plot(
                    (left + right) / 2, row, "D", markersize=5.5, color=MARK, markeredgecolor="white",
                    markeredgewidth=1.0, zorder=4,
                )  # fmt: skip
    dress(axes, f"Age ({measured.unit})", f"Duration of the crop ({measured.unit})")
    axes.set_xlim(0, measured.extent)
    axes.set_ylim(-0.6, len(scales) - 0.4)
    names = [f"{scale * measured.extent:.3g}" for scale in scales]
    names[-1] += "\n(all)" if scales[-1] == 1.0 else ""
    axes.set_yticks(range(len(scales)), names)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    marked = bool(measured.differs.any())
    told = "\N{BLACK DIAMOND} differs from" if marked else "nothing differs from"
    told += " a stationary sample of the same $g_2$" + " (by chance 1 in 100)" * marked
    axes.set_title(told, fontsize=SMALL, color=MARK if marked else INK)


def _handles(measured: ScaledMeasurement) -> list[Artist]:
    colours, names = cluster_colours(measured.n_clusters), cluster_names(measured.n_clusters)
    handles: list[Artist] = [Line2D([], [], linewidth=0, label="Rate in its own duration:")]
    handles += [Patch(facecolor=c, edgecolor="none", label=n) for c, n in zip(colours, names, strict=True)]
    return handles


def _title(measured: Fingerprints, row: int) -> str:
    origin = measured.origin
    number = f"{origin.stream}/{origin.seq_num}" if origin.stream != "primary" else str(origin.seq_num)
    told = [f"Run {origin.raw_uid[:8]}, measurement {number}, bin {row + 1}"]
    if np.isfinite(measured.bins.azimuth[row]):
        told.append(f"{measured.bins.azimuth[row]:.0f}°")
    if np.isfinite(measured.bins.q[row]):
        told.append(f"q = {measured.bins.q[row]:#.3g} nm$^{{-1}}$")
    return ", ".join(told)
