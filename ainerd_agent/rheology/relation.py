"""How the dynamics of one relaxation go with its shear stress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import MapError, RheologyError
from ainerd_agent.records import FloatArray, RheometerSamples
from ainerd_agent.records.arrays import IntArray
from ainerd_agent.rheology.readings import cessation_time, flowing_readings, stress_minima

if TYPE_CHECKING:
    import pandas as pd


def _check_points(latents: NDArray[Any], start_time: NDArray[Any], azimuthal_bin: NDArray[Any]) -> None:
    n = len(latents) if latents.ndim == 2 else 0
    if not latents.size or not n or start_time.shape != (n,) or azimuthal_bin.shape != (n,):
        raise MapError(
            "latents of shape (n, n_latents) need start times and azimuthal bins of shape (n,); the shapes are "
            f"{latents.shape}, {start_time.shape} and {azimuthal_bin.shape}."
        )


def order_slow_to_fast(centres: FloatArray, cluster: IntArray, start_time: FloatArray) -> IntArray:
    """Order clusters from slow to fast where only their latents are known, no maps.

    The dynamics after the cessation of flow form one nearly continuous family from fast to slow [1]_, so the first
    principal component of the centres is the rate of the dynamics, up to its sign. The sample slows down as it
    ages: slow is the end that late times fill. On the measurement of the paper this component holds 89 % of the
    variance of five centres, and the order is the same as by the mean time of each cluster; the component says
    more where a cluster is small or comes back, since it uses how the dynamics look and time only for its sign.

    Parameters
    ----------
    centres : ndarray, shape (n_clusters, n_latents)
    cluster : ndarray of int, shape (n,)
        The cluster of each point.
    start_time : ndarray, shape (n,)
        Seconds.

    Returns
    -------
    ndarray of int, shape (n_clusters,)
        Numbers of the clusters, the slowest first.

    References
    ----------
    .. [1] J. P. Horwath et al., Nat. Commun. 15, 5945 (2024), Figs 2 and 3.
    """
    spread = centres - centres.mean(axis=0)
    component = spread @ np.linalg.svd(spread, full_matrices=False)[2][0]
    lateness = np.mean((component[cluster] - component[cluster].mean()) * (start_time - start_time.mean()))
    return np.argsort(-component if lateness > 0 else component, kind="stable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The dynamics of one relaxation beside its shear stress; times in seconds of the XPCS measurement.

    Attributes
    ----------
    start_time, azimuthal_bin, cluster, shear_stress : ndarray, shape (n,)
        One entry a C2 map. Cluster 0 is the slowest; the stress (Pa) is NaN outside of the rheometer's range.
    minima : ndarray, shape (n_minima,)
        Times of the significant minima of the stress after the cessation of flow.
    samples : RheometerSamples
        All readings.
    time_offset : float
        The rheometer's time at XPCS time 0.
    n_clusters : int
    """

    start_time: FloatArray
    azimuthal_bin: IntArray
    cluster: IntArray
    shear_stress: FloatArray
    minima: FloatArray
    samples: RheometerSamples
    time_offset: float
    n_clusters: int

    def to_frame(self) -> pd.DataFrame:
        """One row a C2 map: start_time_s, azimuthal_bin, cluster, shear_stress (Pa)."""
        import pandas as pd

        return pd.DataFrame(
            {
                "start_time_s": self.start_time,
                "azimuthal_bin": self.azimuthal_bin,
                "cluster": self.cluster,
                "shear_stress": self.shear_stress,
            }
        )


def relate(
    latents: ArrayLike,
    start_time: ArrayLike,
    azimuthal_bin: ArrayLike,
    samples: RheometerSamples,
    *,
    n_clusters: int = 5,
    time_offset: float | None = None,
    seed: int = 0,
) -> Relation:
    """Set the clusters of a relaxation beside its shear stress.

    Parameters
    ----------
    latents : array_like, shape (n, n_latents)
    start_time : array_like, shape (n,)
        Seconds of the XPCS measurement.
    azimuthal_bin : array_like of int, shape (n,)
    samples : RheometerSamples
        On the rheometer's clock.
    n_clusters : int
        Of k-means on the latents, ordered by `order_slow_to_fast`.
    time_offset : float or None
        The rheometer's time at XPCS time 0; None for the cessation of flow.
    seed : int
        Of k-means.
    """
    from sklearn.cluster import KMeans

    points = np.asarray(latents, dtype=np.float64)
    times = np.asarray(start_time, dtype=np.float64)
    bins = np.asarray(azimuthal_bin, dtype=np.int64)
    _check_points(points, times, bins)
    n_distinct = len(np.unique(points, axis=0))
    if not 1 <= n_clusters <= n_distinct:
        raise MapError(f"{n_distinct} different latents cannot form {n_clusters} clusters.")

    offset = cessation_time(samples) if time_offset is None else float(time_offset)
    known = np.isfinite(samples.shear_stress)
    if not known.any():
        raise RheologyError("The rheometer gave no shear stress.")
    nowhere = float("nan")
    stress = np.interp(times + offset, samples.time[known], samples.shear_stress[known], nowhere, nowhere)
    if np.isnan(stress).all():
        raise RheologyError(
            f"No XPCS time lies within the rheometer's: {times.min() + offset:g} to {times.max() + offset:g} s of the "
            f"rheometer are needed (XPCS time 0 at {offset:g} s), and it has {samples.time.min():g} to "
            f"{samples.time.max():g} s. Give the rheometer's time at XPCS time 0."
        )
    flowing = flowing_readings(samples)
    stopped = float(samples.time[flowing][-1]) if flowing.any() else offset

    model = KMeans(n_clusters, n_init=10, random_state=seed).fit(points)
    found = model.labels_.astype(np.int64)
    rank = np.argsort(order_slow_to_fast(model.cluster_centers_, found, times))
    return Relation(
        start_time=times,
        azimuthal_bin=bins,
        cluster=rank[found],
        shear_stress=stress,
        minima=stress_minima(samples, after=stopped) - offset,
        samples=RheometerSamples(samples.time - offset, samples.shear_stress, samples.shear_rate, samples.viscosity),
        time_offset=offset,
        n_clusters=n_clusters,
    )
