"""What commands show as tables in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from ainerd_agent.workflows.report import Findings


def measurement_table(findings: Findings) -> Table:
    """The measurements of a session."""
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


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
