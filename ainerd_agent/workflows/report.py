"""What was found, as figures and tables: of a session in its catalog, and of latents beside a rheometer's table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ainerd_agent.catalog.codec.metadata import axes_of
from ainerd_agent.errors import CatalogError
from ainerd_agent.records import RheometerSamples
from ainerd_agent.records.analysis import KINDS, UNKNOWN
from ainerd_agent.workflows.one_measurement import read_measurement

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ainerd_agent.catalog import Catalog
    from ainerd_agent.figures import Places
    from ainerd_agent.records import MapStack
    from ainerd_agent.rheology import Links, Relation


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """A run as the catalog holds it.

    Attributes
    ----------
    metadata : mapping
        Of `/ainerd/<model>/<uid>`.
    points : DataFrame
        One row per measurement and bin.
    suggestions : DataFrame
        What was proposed and found, one row per event.
    rheometer : RheometerSamples
        All readings of the shear stress; times in seconds since the start of the run.
    """

    metadata: Mapping[str, Any]
    points: pd.DataFrame
    suggestions: pd.DataFrame
    rheometer: RheometerSamples

    @property
    def n_clusters(self) -> int:
        """Clusters of the model."""
        return len(self.metadata["cluster_fractions"])

    @property
    def axes(self) -> dict[str, str]:
        """Axes of the run: unit by column of the points."""
        return axes_of(self.metadata)

    def places(self) -> Places:
        """Where the measurements were made, and what was found."""
        from ainerd_agent.figures import Places

        measured = self.measurements()
        return Places(
            positions={axis: measured[axis].to_numpy(dtype=np.float64) for axis in self.axes},
            units=self.axes,
            cluster=measured["dominant_cluster"].to_numpy(dtype=np.int64),
            novelty=measured["novelty"].to_numpy(dtype=np.float64),
        )

    def measurements(self) -> pd.DataFrame:
        """One row per measurement: position, how long was counted, cluster, stress, novelty, and why it was chosen.

        The novelty is the agent's, of the measurement as a whole, so that it can be held against what was expected.
        """
        points = self.points.groupby("seq_num")
        table = points[["elapsed", *self.axes, "shear_stress"]].mean()
        table = table.join(points[["seconds_planned", "seconds_counted", "ended", "look"]].first())
        table["dominant_cluster"] = points["cluster"].agg(lambda labels: int(np.bincount(labels).argmax()))
        events = {event: rows.set_index("seq_num") for event, rows in self.suggestions.groupby("event")}
        if "measured" in events:
            table = table.join(events["measured"]["novelty"])
        else:
            table["novelty"] = math.nan
        return table.join(events["proposed"][["reason", "expected_novelty"]]).reset_index()


def read_findings(catalog: Catalog, model: str, raw_uid: str, stress_key: str) -> Findings:
    """Read a run back from its catalog."""
    if model not in catalog["ainerd"] or raw_uid not in catalog["ainerd"][model]:
        raise CatalogError(f"run {raw_uid} ended before a measurement was analysed: there is nothing to show")
    analysis = catalog["ainerd"][model][raw_uid]
    suggestions = catalog.model(model).suggestions()
    run = catalog["raw"][raw_uid]
    stream = f"{stress_key}_monitor"
    rheometer = RheometerSamples.empty()
    if stream in run:
        readings = run[stream].base["internal"].read()
        unknown = np.full(len(readings), np.nan)
        rheometer = RheometerSamples(
            time=readings[f"ts_{stress_key}"].to_numpy(dtype=np.float64) - run.metadata["start"]["time"],
            shear_stress=readings[stress_key].to_numpy(dtype=np.float64),
            shear_rate=unknown,
            viscosity=unknown,
        )
    return Findings(
        metadata=analysis.metadata,
        points=catalog.points(model, raw_uid=raw_uid),
        suggestions=suggestions[suggestions["raw_uid"] == raw_uid],
        rheometer=rheometer,
    )


def draw_figures(
    catalog: Catalog,
    findings: Findings,
    folder: Path,
    *,
    limits: Mapping[str, tuple[float, float]],
    n_start: int,
    seed: int,
) -> list[Path]:
    """Draw the figures of a run and save each as PNG and SVG; returns the paths of the PNGs.

    The measurement that is drawn over age and lag is the latest. A run all of whose measurements failed has none.
    """
    from ainerd_agent import figures

    if findings.points.empty:
        return []
    drawn = {
        **_figures_of_points(catalog, findings, seed),
        "sample-map": figures.sample_map(
            findings.places(), findings.n_clusters, axes=tuple(limits), limits=limits, n_initial=n_start
        ),
    }
    latest = read_measurement(catalog, findings.metadata["model"], findings.metadata["raw_uid"])
    if latest is not None:
        aged = figures.AgedMeasurement.of(latest[0], sigma=latest[1].get("sigma"))
        drawn["age-lag"] = figures.age_lag_figure(aged)
    return [figures.save(figure, folder, name)[0] for name, figure in drawn.items()]


def _figures_of_points(catalog: Catalog, findings: Findings, seed: int) -> dict[str, Figure]:
    """Figures in which each point, or each C2 map, has its place."""
    from ainerd_agent import figures
    from ainerd_agent.latent.atlas.embedding import MIN_POINTS, embed
    from ainerd_agent.rheology import stress_minima

    points, n_clusters, rheometer = findings.points, findings.n_clusters, findings.rheometer
    cluster, elapsed = points["cluster"].to_numpy(), points["elapsed"].to_numpy()
    latents = points.filter(regex=r"^z\d+$").to_numpy(dtype=np.float32)
    # Exposures of one run may differ in length.
    maps, duration = _maps_of(catalog, findings), points["duration"].to_numpy(dtype=np.float64)
    told = points["kind"].fillna("").to_numpy(dtype=str)
    kinds = (
        {} if not any(told) else {"kinds": figures.kinds_over_time(elapsed, points["azimuth"], told, duration=duration)}
    )
    return {
        **kinds,
        "c2-examples": figures.c2_examples(
            maps, cluster, n_clusters=n_clusters, centre_distance=points["centre_distance"], duration=duration
        ),
        "clusters-and-stress": figures.clusters_and_stress(
            elapsed,
            cluster,
            rheometer.time,
            rheometer.shear_stress,
            n_clusters=n_clusters,
            minima=stress_minima(rheometer, after=0.0),
            duration=duration,
        ),
        "azimuth-time": figures.azimuth_time(
            elapsed, points["azimuth"], cluster, n_clusters, q=points["q"], duration=duration
        ),
        "embedding": figures.embedding(
            embed(latents, seed=seed),
            cluster,
            n_clusters=n_clusters,
            method="UMAP" if len(points) >= MIN_POINTS else "Principal component",
        ),
    }


def _maps_of(catalog: Catalog, findings: Findings) -> MapStack:
    """C2 map of each point."""
    uid = findings.metadata["raw_uid"]
    return np.concatenate([catalog.c2(uid, seq_num) for seq_num in findings.points["seq_num"].unique()])


def summary(findings: Findings) -> dict[str, Any]:
    """The same for machines: JSON without NaN."""
    counted = ["seconds_planned", "seconds_counted", "ended", "look"]
    columns = [
        "seq_num",
        *findings.axes,
        *counted,
        "dominant_cluster",
        "shear_stress",
        "novelty",
        "expected_novelty",
        "reason",
    ]
    rows = findings.measurements()[columns].to_dict("records")
    return {
        "raw_uid": findings.metadata["raw_uid"],
        "model": findings.metadata["model"],
        "status": findings.metadata["status"],
        "n_measurements": findings.metadata["n_measurements"],
        "n_points": len(findings.points),
        "cluster_fractions": findings.metadata["cluster_fractions"],
        "kind_fractions": {kind: findings.metadata.get(f"kind_fraction_{kind}") for kind in (*KINDS, UNKNOWN)},
        "failures": findings.metadata["failed"],
        "measurements": [{key: _plain(value) for key, value in row.items()} for row in rows],
    }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationOptions:
    """How latents are joined with a rheometer's table, and tested.

    Attributes
    ----------
    n_clusters : int
        Clusters of the latents.
    time_offset : float or None
        The rheometer's time (s) at XPCS time 0; by default the cessation of shear.
    trend : float or None
        Width (s) of the trend that is taken off before the tests; by default a fifth of the measurement.
    window : float or None
        Longest time (s) from a stress minimum, and largest lag; by default a tenth of the measurement.
    n_surrogates : int
        How often chance is asked, for the p-values.
    seed : int
        Of k-means and of the surrogates.
    """

    n_clusters: int = 5
    time_offset: float | None = None
    trend: float | None = None
    window: float | None = None
    n_surrogates: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelationReport:
    """Dynamics beside shear stress.

    Attributes
    ----------
    relation : Relation
    links : Links
        What of it is more than chance.
    pictures : tuple of two Path
        relation.png and links.png; .svg and the tables (relation.csv, links.json) lie beside them.
    """

    relation: Relation
    links: Links
    pictures: tuple[Path, Path]


def report_relation(
    latents: Path | str, rheology: Path | str, folder: Path | str, options: RelationOptions | None = None
) -> RelationReport:
    """Join latents with a rheometer's table, test the links, and draw both (the AI-NERD paper's Fig. 3).

    Parameters
    ----------
    latents : Path or str
        See `ainerd_agent.latent.load_latents`.
    rheology : Path or str
        See `ainerd_agent.rheology.read_rheology`.
    folder : Path or str
        For the figures and tables; made where there is none.
    options : RelationOptions, optional

    Returns
    -------
    RelationReport

    Raises
    ------
    MapError, RheologyError
        A file that cannot be read, or clocks that cannot be put together.
    """
    from ainerd_agent import figures
    from ainerd_agent.latent import load_latents
    from ainerd_agent.rheology import find_links, read_rheology, relate

    options, folder = options or RelationOptions(), Path(folder)
    vectors, start_time, azimuthal_bin = load_latents(latents)
    relation = relate(
        vectors,
        start_time,
        azimuthal_bin,
        read_rheology(Path(rheology)),
        n_clusters=options.n_clusters,
        time_offset=options.time_offset,
        seed=options.seed,
    )
    links = find_links(
        relation,
        vectors,
        trend=options.trend,
        window=options.window,
        n_surrogates=options.n_surrogates,
        seed=options.seed,
    )
    folder.mkdir(parents=True, exist_ok=True)
    drawn = figures.save(figures.relation_figure(relation), folder, "relation")[0]
    relation.to_frame().to_csv(folder / "relation.csv", index=False)
    tested = figures.save(figures.links_figure(links), folder, "links")[0]
    (folder / "links.json").write_text(json.dumps(links.summary(), indent=1))
    return RelationReport(relation=relation, links=links, pictures=(drawn, tested))
