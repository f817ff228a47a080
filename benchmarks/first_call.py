"""What the first maps of a process cost; nothing of this package is imported before it is timed."""

from __future__ import annotations

import time

import numpy as np
from measuring import timed
from movies import SMALL, bins


def run(threads: int) -> dict[str, float]:
    """Seconds of the import, of the first call for a short movie, and of the second."""
    frames, labels = np.random.default_rng(0).poisson(1.0, (300, *SMALL)).astype(np.uint16), bins(SMALL)
    start = time.perf_counter()
    from ainerd_agent.scattering import two_time

    imported = time.perf_counter() - start
    first, second = (timed(lambda: two_time(frames, labels, threads=threads)) for _ in range(2))
    return {"import": imported, "first": first, "second": second}
