"""What a session found, read back from its catalog: figures, a table, a summary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from ainerd_agent.errors import CatalogError
from ainerd_agent.records import RheometerSamples

if TYPE_CHECKING:
    import pandas as pd

    from ainerd_agent.catalog import Catalog


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

    def measurements(self) -> pd.DataFrame:
        """One row per measurement: position, dominant cluster, stress, novelty, and why it was chosen.

        The novelty is the agent's, of the measurement as a whole, so that it can be held against what was expected.
        """
        points = self.points.groupby("seq_num")
        table = points[["elapsed", "x", "y", "shear_stress"]].mean()
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

    A run all of whose measurements failed has none.
    """
    from ainerd_agent import figures
    from ainerd_agent.latent.atlas.embedding import MIN_POINTS, embed
    from ainerd_agent.rheology import stress_minima

    if findings.points.empty:
        return []
    points, n_clusters = findings.points, findings.n_clusters
    measured = findings.measurements()
    cluster = points["cluster"].to_numpy()
    elapsed = points["elapsed"].to_numpy()
    duration = float(catalog["xpcs"][findings.metadata["raw_uid"]].metadata["duration"])
    maps = np.stack([catalog.c2(findings.metadata["raw_uid"], seq_num) for seq_num in points["seq_num"].unique()])
    latents = points.filter(regex=r"^z\d+$").to_numpy(dtype=np.float32)
    drawn = {
        "c2-examples": figures.c2_examples(
            maps.reshape(-1, *maps.shape[-2:]),
            cluster,
            n_clusters=n_clusters,
            centre_distance=points["centre_distance"],
            duration=duration,
        ),
        "clusters-and-stress": figures.clusters_and_stress(
            elapsed,
            cluster,
            findings.rheometer.time,
            findings.rheometer.shear_stress,
            n_clusters=n_clusters,
            minima=stress_minima(findings.rheometer, after=0.0),
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
        "sample-map": figures.sample_map(
            measured["x"],
            measured["y"],
            measured["novelty"],
            measured["dominant_cluster"],
            (limits["x"], limits["y"]),
            n_clusters,
            n_initial=n_start,
        ),
    }
    return [figures.save(figure, folder, name)[0] for name, figure in drawn.items()]


def measurement_table(findings: Findings) -> Table:
    """The measurements, for the terminal."""
    table = Table(title="Measurements", title_justify="left", header_style="bold")
    for heading in ("#", "x (mm)", "y (mm)", "cluster", "stress (Pa)", "novelty"):
        table.add_column(heading, justify="right")
    table.add_column("why here")
    for row in findings.measurements().to_dict("records"):
        table.add_row(
            str(row["seq_num"]),
            f"{row['x']:.2f}",
            f"{row['y']:.2f}",
            str(row["dominant_cluster"]),
            _number(row["shear_stress"]),
            _number(row["novelty"]),
            str(row["reason"]),
        )
    return table


def summary(findings: Findings) -> dict[str, Any]:
    """The same for machines: JSON without NaN."""
    columns = ["seq_num", "x", "y", "dominant_cluster", "shear_stress", "novelty", "expected_novelty", "reason"]
    rows = findings.measurements()[columns].to_dict("records")
    return {
        "raw_uid": findings.metadata["raw_uid"],
        "model": findings.metadata["model"],
        "status": findings.metadata["status"],
        "n_measurements": findings.metadata["n_measurements"],
        "n_points": len(findings.points),
        "cluster_fractions": findings.metadata["cluster_fractions"],
        "failures": findings.metadata["failed"],
        "measurements": [{key: _plain(value) for key, value in row.items()} for row in rows],
    }


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
