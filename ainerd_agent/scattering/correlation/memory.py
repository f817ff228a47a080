"""Memory, asked for before it is taken: a system that runs out of it ends whole programs, without a word."""

from __future__ import annotations

from pathlib import Path

from ainerd_agent.errors import BinError

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available() -> int | None:
    """Bytes that this process can still take; None where the system does not say (it is no Linux)."""
    found = [each for each in (_of_machine(), _of_group()) if each is not None]
    return min(found, default=None)


def check_maps(n_pixels: int, n_bins: int, size: int, itemsize: int) -> None:
    """Check that the maps of some bins fit into memory.

    Parameters
    ----------
    n_pixels : int
        Of all bins.
    n_bins : int
    size : int
        Of a map, in rows.
    itemsize : int
        Bytes of a number.

    Raises
    ------
    BinError
        They do not.
    """
    needed = (size * n_pixels + 2 * n_bins * size * size) * itemsize
    there = available()
    if there is not None and needed > there:
        raise BinError(
            f"maps of {size} x {size} of {n_bins} bins with {n_pixels} pixels take {needed / 1e9:.3g} GB of memory, "
            f"and {there / 1e9:.3g} GB are free: use fewer pixels, fewer bins, or smaller maps"
        )


def _of_machine() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _of_group() -> int | None:
    """What the limit of a container leaves."""
    try:
        limit, used = ((_GROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):  # "max" is no limit
        return None
