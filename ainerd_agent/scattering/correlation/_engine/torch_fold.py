"""The two-time fold on a GPU, or on any other device of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ainerd_agent.errors import FrameError
from ainerd_agent.records import FloatArray, PhotonEvents
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.scattering.correlation._engine import kernels
from ainerd_agent.scattering.correlation._engine.age_lag_cells import AgeLagCells
from ainerd_agent.scattering.correlation._engine.age_lag_sums import AgeLagSums
from ainerd_agent.scattering.correlation._engine.corrections import Corrections
from ainerd_agent.scattering.correlation._engine.layout import Addresses, PixelLayout
from ainerd_agent.scattering.correlation._engine.numba_fold import FrameSums
from ainerd_agent.scattering.correlation._engine.pixel_watch import UNWATCHED, PixelWatch
from ainerd_agent.scattering.correlation._engine.torch_age_lag import TorchAgeLag
from ainerd_agent.scattering.correlation.resampling import Band

AT_ONCE = 256
"""Frames that are moved to the device together."""


class TorchFold:
    """Sums of frames, weighted by the resize matrix, of shape (size, N), on a device.

    It does what `NumbaFold` does, by matrix products; sums of single frames are taken in double precision.

    Parameters
    ----------
    layout : PixelLayout
    size : int
        Rows of the map.
    corrections : Corrections
    dtype : numpy.dtype
        float32 or float64.
    device : str
        "cuda", "cuda:1", "cpu" and so on.
    watch : PixelWatch
        As for `NumbaFold`.
    cells : AgeLagCells, optional
        Where frames are correlated over age and lag as well.
    n_frames : int
        Of the movie.

    Raises
    ------
    FrameError
        A device that torch does not find.
    """

    def __init__(
        self,
        layout: PixelLayout,
        size: int,
        corrections: Corrections,
        *,
        dtype: np.dtype[Any],
        device: str,
        watch: PixelWatch = UNWATCHED,
        cells: AgeLagCells | None = None,
        n_frames: int = 0,
    ) -> None:
        self.dtype = dtype
        self._type = torch.float64 if dtype == np.float64 else torch.float32
        self._normalisation = corrections.normalisation
        try:
            self._device = torch.device(device)
            self._folded = torch.zeros((size, len(layout)), dtype=self._type, device=self._device)
        except (RuntimeError, AssertionError) as error:
            raise FrameError(
                f"torch cannot compute on {device!r} here: leave the device out to use the processor ({error})"
            ) from error
        self._layout = layout
        self._cell = self._tensor(np.repeat(np.arange(len(layout.cell_bin)), layout.cell_size))
        self._bin = self._tensor(np.repeat(layout.cell_bin, layout.cell_size))
        self._factor = self._tensor(corrections.factor, self._type)
        self._last = torch.zeros(len(layout), dtype=self._type, device=self._device)
        self._pixels: dict[int, torch.Tensor] = {}
        self._silent = self._tensor(watch.silent)
        self._ages = (
            TorchAgeLag(n_frames, self._tensor(cells.of_pixel), len(cells), len(layout.cell_bin), self._type)
            if cells is not None
            else None
        )
        n_watched = len(layout) if watch.watched else 0
        self._moments = torch.zeros((2, n_watched), dtype=torch.float64, device=self._device)

    def add_frames(
        self, frames: NDArray[Any], addresses: Addresses, band: Band, scale: FloatArray, numbers: IntArray
    ) -> FrameSums:
        """Fold frames (n, n_frame) in; see `NumbaFold.add_frames`."""
        told = [
            self._add(
                self._read(frames[start : start + AT_ONCE], addresses),
                self._normalisation.ceiling(frames.dtype),
                band[start : start + AT_ONCE],
                scale[start : start + AT_ONCE],
                numbers[start : start + AT_ONCE],
            )
            for start in range(0, len(frames), AT_ONCE)
        ]
        return FrameSums(*(np.concatenate(each) for each in zip(*told, strict=True)))

    def add_events(
        self, events: PhotonEvents, begin: int, keep: NDArray[np.int64], band: Band, scale: FloatArray
    ) -> FrameSums:
        """Fold photon events in, made into dense frames on the device; see `NumbaFold.add_events`."""
        n_pixels = self._layout.shape[0] * self._layout.shape[1]
        frame, pixel, count = (np.asarray(each) for each in (events.frame, events.pixel, events.count))
        place = np.full(n_pixels, -1)
        place[self._layout.pixels] = np.arange(len(self._layout))
        at = place[pixel]
        used = (at >= 0) & (keep[frame - begin] != -2)
        sums = np.zeros((len(keep), 3, len(self._layout.cell_bin)))
        kept = np.flatnonzero(keep != -2)
        row_of = np.full(len(keep), -1)
        row_of[kept] = np.arange(len(kept))
        rows, at, count = row_of[frame[used] - begin], at[used], count[used]
        for start in range(0, len(kept), AT_ONCE):
            first, stop = np.searchsorted(rows, [start, start + AT_ONCE])
            n = min(AT_ONCE, len(kept) - start)
            dense = torch.zeros((n, len(self._layout)), dtype=self._type, device=self._device)
            index = self._tensor(rows[first:stop] - start), self._tensor(at[first:stop])
            dense.index_put_(index, self._tensor(count[first:stop], self._type), accumulate=True)
            part = kept[start : start + n]
            its_scale = scale[part] if scale.size else scale
            sums[part] = self._add(dense, np.inf, band[part], its_scale, begin + part)[0]
        none = np.zeros(len(keep), dtype=np.int64)
        return FrameSums(sums, none, none)

    def age_lag(self) -> AgeLagSums:
        """The sums of an age-lag map; see `NumbaFold.age_lag`."""
        if self._ages is None:
            raise ValueError("frames were not correlated over age and lag")
        return self._ages.completed()

    def moments(self) -> FloatArray:
        """Sums of the raw counts of each pixel and of their squares; see `NumbaFold.moments`."""
        return np.asarray(self._moments.cpu().numpy())

    def silence(self, positions: NDArray[np.int64]) -> FloatArray:
        """Take what was folded of some pixels out; see `NumbaFold.silence`."""
        at = self._tensor(positions)
        taken = self._folded[:, at].double().sum(dim=0)
        self._folded[:, at] = 0
        return np.asarray(taken.cpu().numpy())

    def gram(self, pixels: slice, rows: NDArray[np.int64], weight: FloatArray, mean: FloatArray) -> FloatArray:
        """<D D> over the pixels of a bin; see `NumbaFold.gram`."""
        part = self._folded[self._tensor(rows), pixels].double()
        fluctuation = part / self._tensor(weight)[:, None] / self._tensor(mean) - 1
        return np.asarray((fluctuation @ fluctuation.T / fluctuation.shape[1]).cpu().numpy())

    def _read(self, frames: NDArray[Any], addresses: Addresses) -> torch.Tensor:
        key = id(addresses)
        if key not in self._pixels:
            self._pixels[key] = self._tensor(addresses.pixels.astype(np.int64))
        kind = frames.dtype
        frames = np.require(frames, requirements=["C", "W"])
        # torch has few operations for unsigned integers: their bits travel as signed ones.
        if kind in (np.uint16, np.uint32):
            wide, signed = (torch.int32, np.int16) if kind == np.uint16 else (torch.int64, np.int32)
            moved = torch.from_numpy(frames.view(signed)).to(self._device)
            picked = moved[:, self._pixels[key]].to(wide) & int(np.iinfo(kind).max)
        else:
            picked = torch.from_numpy(frames).to(self._device)[:, self._pixels[key]]
        return picked.to(self._type)

    def _add(
        self, counts: torch.Tensor, ceiling: float, band: Band, scale: FloatArray, numbers: IntArray
    ) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
        if self._silent.numel():
            counts[:, self._silent] = 0
        if self._moments.numel():
            raw = counts.double()
            self._moments += torch.stack([raw.sum(dim=0), (raw * raw).sum(dim=0)])
        invalid = ~(torch.isfinite(counts) & (counts >= 0))
        saturated = counts >= ceiling
        dead = self._normalisation.dead_time
        if dead > 0:
            invalid |= counts * dead >= 1
            counts = counts / (1 - dead * counts)
        if self._factor.numel():
            counts = counts * self._factor
        if scale.size:
            counts = counts * self._tensor(scale, self._type)[:, self._bin]
        exact = counts.double()
        before = torch.cat([self._last[None].double(), exact[:-1]])
        sums = torch.zeros((len(counts), 3, len(self._layout.cell_bin)), dtype=torch.float64, device=self._device)
        for kind, values in (
            (kernels.SUM, exact),
            (kernels.SQUARE, exact * exact),
            (kernels.PRODUCT, exact * before),
        ):
            sums[:, kind].index_add_(1, self._cell, values)
        self._last = counts[-1]
        first, width = int(band.first_row[0]), band.weights.shape[1]
        weights = np.zeros((int(band.first_row[-1]) + width - first, len(counts)))
        rows = band.first_row - first
        for offset in range(width):
            weights[rows + offset, np.arange(len(counts))] = band.weights[:, offset]
        self._folded[first : first + len(weights)] += self._tensor(weights, self._type) @ counts
        of_cells = sums.cpu().numpy()
        if self._ages is not None:
            self._ages.add(counts, numbers, of_cells[:, kernels.SUM])
        return of_cells, invalid.sum(dim=1).cpu().numpy(), saturated.sum(dim=1).cpu().numpy()

    def _tensor(self, array: NDArray[Any], dtype: torch.dtype | None = None) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device, dtype)
