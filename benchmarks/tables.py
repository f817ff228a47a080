"""Tables for people, on the screen and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rich.table
from rich.console import Console

MARK = "<!-- figures -->"


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row, and whether they stand out."""

    cells: list[str]
    strong: bool = False


@dataclass(slots=True)
class Table:
    """A table that is filled row by row."""

    title: str
    columns: list[str]
    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Append a row."""
        self.rows.append(row)

    def with_failures(self, results: Iterable[dict[str, Any]]) -> Table:
        """Tell below the table what failed; give the table."""
        self.failures += [found["failed"] for found in results if "failed" in found]
        return self

    def show(self) -> None:
        """Print it."""
        table = rich.table.Table(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row.cells, style="bold" if row.strong else None)
        console = Console()
        console.print(table)
        for failure in self.failures:
            console.print(f"failed: {failure}", style="red", highlight=False)

    def markdown(self) -> str:
        """The table in Markdown, below its title."""
        lines = [f"### {self.title}", "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line([f"**{cell}**" if row.strong and cell else cell for cell in row.cells]) for row in self.rows]
        return "\n".join([*lines, *(f"\nFailed: {failure}" for failure in self.failures)])


def write_figures(path: Path, paragraphs: list[str]) -> None:
    """Write paragraphs to a file; where it is a page with `MARK`, in place of all that follows the mark."""
    before, mark, _ = path.read_text().partition(MARK) if path.exists() else ("", "", "")
    path.write_text("\n\n".join([*([before + MARK] if mark else []), *paragraphs]) + "\n")


def duration(seconds: float) -> str:
    """Seconds with three digits, in the unit that suits them."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def size(n_bytes: float) -> str:
    """Bytes in MB or GB."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
