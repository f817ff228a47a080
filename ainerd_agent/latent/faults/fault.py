"""A reason not to trust a map."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason not to trust a map.

    Attributes
    ----------
    said : str
        In words, such as "not symmetric"; of frames, what follows their numbers, such as "stripe".
    pixels : tuple of (int, int)
        First and last row of the map, from 0, of each run of frames that it concerns; empty where it concerns all.
    """

    said: str
    pixels: tuple[tuple[int, int], ...] = ()

    def words(self, size: int, n_frames: int | None = None) -> str:
        """The reason for people: frames are numbered from 1.

        Parameters
        ----------
        size : int
            Side of the map.
        n_frames : int, optional
            Of the movie. Where it is not known, rows of the map are numbered.
        """
        if not self.pixels:
            return self.said
        total = n_frames or size
        runs = [(first * total // size + 1, -(-(last + 1) * total // size)) for first, last in self.pixels]
        told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
        single = len(runs) == 1 and runs[0][0] == runs[0][1]
        of = f"of {total}" if n_frames else f"of the map's {size}"
        return f"frame{'' if single else 's'} {told} {of}: {self.said}"


def runs_of(rows: list[int]) -> tuple[tuple[int, int], ...]:
    """Sorted numbers as runs, each its first and last."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and row <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return tuple(runs)
