"""C2 maps that another program computed, into the catalog."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from ainerd_agent.catalog import Catalog, points_schema
from ainerd_agent.errors import MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Fingerprints, FloatArray, Run, ShearStress
from ainerd_agent.scattering.files.aps_results import read_results
from ainerd_agent.scattering.files.map_files import ORIGIN_COLUMNS, StoredMaps, read_maps
from ainerd_agent.workflows.model_at_work import ModelAtWork

RESULT_ENDINGS = (".h5", ".hdf", ".hdf5", ".nxs")
"""Of results in the form of APS."""

BATCH = 128
"""Measurements that are encoded and written at a time."""


FEWEST = 5
"""Maps that show a contrast, of which that of a file is made."""

SHOWN = 0.5
"""Mean beside the diagonal, in units of the noise of single values at long lags, from which on a map shows its
contrast."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ForeignMaps:
    """C2 maps of a file, and what has to be known of them.

    Attributes
    ----------
    file : Path
    key : str or None
        Name of the maps in the file, where it had to be given.
    stored : StoredMaps
        The maps as they are in the file, with its columns; those whose names mean something else in the catalog begin
        with `file_`.
    stress : ndarray, shape (n,)
        Shear stress of each map, Pa; NaN where the file does not say.
    baseline : float
        Value of uncorrelated times.
    contrast : float or None
        Of the speckles, where it is known.
    duration : float
        Seconds that a side of the maps spans; NaN where it is not known.
    """

    file: Path
    key: str | None
    stored: StoredMaps
    stress: FloatArray
    baseline: float
    contrast: float | None
    duration: float

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def size(self) -> int:
        """Pixels along a side of the maps."""
        return int(self.stored.maps.shape[1])

    def as_run(self, sample: str) -> Run:
        """The file as a run. Its uid holds all that decides the result, so that another choice is another run."""
        content = hashlib.sha256(self.file.read_bytes()).hexdigest()
        choice = f"{content} {self.key} {self.baseline!r} {self.contrast!r} {self.duration!r} {sample}"
        return Run(
            uid=f"{self.file.stem}-{hashlib.sha256(choice.encode()).hexdigest()[:12]}",
            time=self.file.stat().st_mtime,
            source="ingest",
            sample=sample,
            metadata={"file": self.file.name, "file_sha256": content, "baseline": self.baseline},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What became of the maps of a file.

    Attributes
    ----------
    raw_uid : str
        Of the run that the file became.
    model : str
        Name of the latent model.
    n_maps, left_out : int
        Maps stored, and those that tell nothing.
    refused : mapping of int to str
        What is wrong with each map that was left out, by its number in the file, from 1.
    baseline : float
        Value that was subtracted.
    contrast : float or None
        Speckle contrast that all maps were scaled by; None where each was scaled by its own.
    maps_per_cluster : list of int
        From slow to fast.
    """

    raw_uid: str
    model: str
    n_maps: int
    left_out: int
    refused: Mapping[int, str]
    baseline: float
    contrast: float | None
    maps_per_cluster: list[int]


def read_foreign_maps(
    file: Path,
    *,
    key: str | None = None,
    baseline: float | None = None,
    contrast: float | None = None,
    duration: float | None = None,
) -> ForeignMaps:
    """Read maps that were computed elsewhere.

    Parameters
    ----------
    file : Path
        An .npy or .npz with maps (n, size, size), or .h5 with results in the form of APS.
    key : str, optional
        Name of the maps in an .npz with several.
    baseline : float, optional
        Value of uncorrelated times (1 for maps like g2). By default 1 for results of APS, else estimated.
    contrast : float, optional
        Speckle contrast of the maps (1 where they were divided by it), where known.
    duration : float, optional
        Seconds that a side of a map spans, where known.

    Raises
    ------
    MapError
        A file that cannot be read or holds no maps, or a baseline that is no number.
    """
    file = Path(file)
    if file.suffix.lower() in RESULT_ENDINGS:
        if key is not None:
            raise MapError(f"{file} holds results in the form of APS, whose maps have no names: leave out the key")
        results = read_results(file)
        stored, level = results.stored, 1.0 if baseline is None else baseline
        duration = results.duration if duration is None else duration
    else:
        stored = read_maps(file, key=key)
        level = stored.baseline() if baseline is None else baseline
    if not math.isfinite(level):
        raise MapError(f"the baseline must be a number, not {level}")
    return ForeignMaps(
        file=file,
        key=key,
        stored=stored.rename(set(points_schema().names) - set(ORIGIN_COLUMNS)),
        stress=stored.columns.get("shear_stress", np.full(len(stored), np.nan)),
        baseline=level,
        contrast=contrast,
        duration=math.nan if duration is None else duration,
    )


def ingest(
    catalog: Catalog,
    maps: ForeignMaps | Path,
    encoder: Encoder | None = None,
    *,
    sample: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Ingested:
    """Encode, label and store C2 maps that were computed elsewhere, exactly as live data.

    Giving the same file again in the same way changes nothing.

    Parameters
    ----------
    catalog : Catalog
    maps : ForeignMaps or Path
        From `read_foreign_maps`, or a file whose maps that reads without further choices.
    encoder : Encoder, optional
        By default the shipped one.
    sample : str
        Name to find them by.
    on_progress : callable, optional
        Told how many maps are written, of how many.

    Raises
    ------
    MapError
        As `read_foreign_maps`, and where no map tells anything: nothing is stored then.
    CatalogError
        The catalog holds results of other weights by the model's name, or its server does not answer.

    Examples
    --------
    >>> maps = read_foreign_maps(Path("my-maps.npz"), baseline=1.0)  # doctest: +SKIP
    >>> ingest(catalog, maps, sample="silica 60 %").maps_per_cluster  # doctest: +SKIP
    [0, 0, 12, 8, 0, 0]
    """
    given = maps if isinstance(maps, ForeignMaps) else read_foreign_maps(maps)
    encoder = Encoder.load() if encoder is None else encoder
    run, refused = given.as_run(sample), {index + 1: fault for index, fault in sorted(_faults(given).items())}
    if len(refused) == len(given):
        number, fault = next(iter(refused.items()))
        raise MapError(f"none of the {len(given)} maps in {given.file} tells anything: map {number}: {fault}")
    contrast = given.contrast if given.contrast is not None else contrast_of_file(given, refused)
    model = ModelAtWork.begin(catalog, encoder, parameters={"baseline": given.baseline, "contrast": contrast})
    writer = model.writer()
    writer.open_run(run)
    for number, fault in refused.items():
        writer.record_failure(run.uid, number, fault)
    clusters: list[int] = []
    for fingerprints, stresses in _batches(replace(given, contrast=contrast), run, refused):
        analyses = model.analyst.analyse(fingerprints, stresses)
        writer.append(run.uid, fingerprints, analyses)
        clusters += [int(label) for analysis in analyses for label in analysis.cluster]
        if on_progress is not None:
            on_progress(len(clusters), len(given) - len(refused))
    writer.close_run(run.uid, "success")
    return Ingested(
        raw_uid=run.uid,
        model=encoder.name,
        n_maps=len(clusters),
        left_out=len(given) - len(clusters),
        refused=refused,
        baseline=given.baseline,
        contrast=contrast,
        maps_per_cluster=[clusters.count(number) for number in range(len(encoder.clusters))],
    )


def contrast_of_file(given: ForeignMaps, refused: Collection[int] = ()) -> float | None:
    """One speckle contrast for all maps of a file: the median over the maps that show one.

    The contrast is a property of the set-up. Estimated from each map by itself it follows the noise, and dynamics that
    are faster than a pixel have none to estimate.

    Parameters
    ----------
    given : ForeignMaps
    refused : collection of int
        Numbers of maps, from 1, that are left out.

    Returns
    -------
    float or None
        None where fewer than `FEWEST` maps show a contrast: each is scaled by its own then.
    """
    quarter, found = max(1, given.size // 4), []
    for index in range(len(given)):
        if index + 1 in refused:
            continue
        above = np.asarray(given.stored.maps[index], dtype=np.float32) - np.float32(given.baseline)
        beside = float(np.diagonal(above, offset=1).mean(dtype=np.float64))
        if beside > SHOWN * float(above[:quarter, -quarter:].std(dtype=np.float64)):
            found.append(beside)
    return float(np.median(found)) if len(found) >= FEWEST else None


def _faults(given: ForeignMaps) -> dict[int, str]:
    """What is wrong with maps that would say nothing, by their index: they are left out, and the others stored."""
    faults = given.stored.faults
    if given.contrast is None:
        quarter = max(1, given.size // 4)
        for index in range(len(given)):
            if index in faults:
                continue
            above = np.asarray(given.stored.maps[index], dtype=np.float32) - np.float32(given.baseline)
            beside = np.diagonal(above, offset=1).mean(dtype=np.float64)
            if beside <= 0 and not above[:quarter, -quarter:].std() > 0:
                faults[index] = (
                    f"the map has neither contrast above the baseline {given.baseline:g} nor noise to scale it by: "
                    "give the contrast if you know it"
                )
    return faults


def _batches(
    given: ForeignMaps, run: Run, refused: Collection[int]
) -> Iterator[tuple[list[Fingerprints], list[ShearStress]]]:
    """Measurements of the usable maps, some at a time, each with its stress."""
    measurements = given.stored.fingerprints(
        run.uid, run.time, baseline=given.baseline, contrast=given.contrast, duration=given.duration
    )
    kept = (each for each in measurements if each.origin.seq_num not in refused)
    while batch := list(islice(kept, BATCH)):
        yield batch, [ShearStress(mean=float(given.stress[each.origin.seq_num - 1])) for each in batch]
