"""Which experiments nothing may be learnt from."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

HELD_OUT_SHARE = 0.25
"""Of the experiments, about."""

BY_HASH = "hash of series"
"""What a model's card says as `held_out` when its training left out the experiments of `held_out`."""


def held_out(series: ArrayLike, share: float = HELD_OUT_SHARE) -> NDArray[np.bool_]:
    """Which maps are of experiments that are held out, shape (n,).

    The name of an experiment alone decides, by its hash: the same experiments are held out by any seed, on any machine,
    and when experiments are added.

    Parameters
    ----------
    series : array_like, shape (n,)
        Name or number of each map's experiment.
    share : float
        Of the experiments, about. Those of a smaller share are among those of a larger one.
    """
    names, which = np.unique(np.asarray(series), return_inverse=True)
    place = [int.from_bytes(blake2b(str(name).encode(), digest_size=8).digest()) / 2**64 for name in names]
    return np.asarray((np.array(place) < share)[which.ravel()])
