"""All tests of a relaxation at once: whether its dynamics go with its stress, and depend on the direction."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ainerd_agent.errors import RheologyError
from ainerd_agent.records import FloatArray
from ainerd_agent.rheology.anisotropy import Anisotropy, anisotropy
from ainerd_agent.rheology.event_average import EventAverage, event_average
from ainerd_agent.rheology.lagged_correlation import LaggedCorrelation, lagged_correlation
from ainerd_agent.rheology.readings import flowing_readings
from ainerd_agent.rheology.relation import Relation
from ainerd_agent.rheology.surrogates import detrend

TREND = 0.2
"""Share of the measurement that counts as slow: such trends are taken off, because two trends always go together."""

LIKELY = 0.05
"""p-value below which a link counts as found."""

WINDOW = 0.1
"""Share of the measurement that is looked at on either side of an event, and the largest lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What the tests say; a test that the data do not allow is None, and `missing` tells why.

    Attributes
    ----------
    time : ndarray, shape (n_times,)
        Evenly spaced, s.
    shares : ndarray, shape (n_clusters, n_times)
        Of the clusters, without their trends.
    stress : ndarray, shape (n_times,)
        Logarithm of the shear stress, without its trend.
    events : EventAverage or None
        The shares around the minima of the stress.
    lagged : LaggedCorrelation or None
        Of the shares with the stress.
    anisotropy : Anisotropy or None
    missing : dict of str
    """

    time: FloatArray
    shares: FloatArray
    stress: FloatArray
    events: EventAverage | None
    lagged: LaggedCorrelation | None
    anisotropy: Anisotropy | None
    missing: dict[str, str]

    def verdicts(self) -> list[str]:
        """A sentence on each test, with its p-value."""
        told = list(self.missing.values())
        if (events := self.events) is not None:
            which = int(events.p.argmin())
            told.append(
                f"Around {events.n_events} stress minima, the shares of the clusters {_verdict(events.p_any)} "
                f"(p = {events.p_any:.2g}; the strongest, cluster {which}, by itself {events.p[which]:.2g})."
            )
        if (lagged := self.lagged) is not None:
            which = int(lagged.p.argmin())
            told.append(
                f"With the stress, at lags of up to {lagged.lag[-1]:.0f} s, they {_verdict(lagged.p_any)} (p = "
                f"{lagged.p_any:.2g}; the strongest, cluster {which}: correlation {lagged.best[which]:.2f} at "
                f"{lagged.best_lag[which]:.0f} s)."
            )
        if (directions := self.anisotropy) is not None:
            many = int(np.count_nonzero(directions.p < LIKELY))
            told.append(
                f"The directions {_verdict(directions.p_any, 'differ', 'do not differ')} by more than opposite bins (p "
                f"= {directions.p_any:.2g}; median ratio {np.median(directions.ratio):.2g}; at {many} of "
                f"{len(directions.p)} times by itself)."
            )
        return told

    def summary(self) -> dict[str, Any]:
        """All figures of the tests, as JSON takes them."""
        found: dict[str, Any] = {"missing": self.missing}
        for name in ("events", "lagged", "anisotropy"):
            if (test := getattr(self, name)) is not None:
                values = {field.name: getattr(test, field.name) for field in fields(test)}
                found[name] = {
                    key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()
                }
        return found


def find_links(
    relation: Relation,
    latents: ArrayLike,
    *,
    trend: float | None = None,
    window: float | None = None,
    n_surrogates: int = 2000,
    seed: int = 0,
) -> Links:
    """Test whether the dynamics of a relaxation go with its shear stress, and whether they depend on the direction.

    Parameters
    ----------
    relation : Relation
    latents : array_like, shape (n, n_latents)
        In the order of `relation`.
    trend : float, optional
        Standard deviation (s) of the weights of the trend that is taken off; a fifth of the measurement by default.
    window : float, optional
        s on either side of an event, and largest lag; a tenth of the measurement by default.
    n_surrogates, seed : int
    """
    time, shares, stress = _even_series(relation)
    span = float(time[-1] - time[0])
    width, reach = trend or TREND * span, window or WINDOW * span
    shares, stress = detrend(time, shares, width), detrend(time, stress, width)
    missing: dict[str, str] = {}
    events: EventAverage | None = None
    lagged: LaggedCorrelation | None = None
    directions: Anisotropy | None = None
    try:
        events = event_average(time, shares, relation.minima, window=reach, n_surrogates=n_surrogates, seed=seed)
    except RheologyError as error:
        missing["events"] = str(error)
    try:
        step = float(time[1] - time[0])
        lagged = lagged_correlation(shares, stress, step=step, max_lag=reach, n_surrogates=n_surrogates, seed=seed)
    except RheologyError as error:
        missing["lagged"] = str(error)
    try:
        directions = anisotropy(
            latents, relation.start_time, relation.azimuthal_bin, n_surrogates=n_surrogates, seed=seed
        )
    except RheologyError as error:
        missing["anisotropy"] = str(error)
    return Links(
        time=time, shares=shares, stress=stress, events=events, lagged=lagged, anisotropy=directions, missing=missing
    )


def _verdict(p: float, link: str = "change", none: str = "change no more than by chance") -> str:
    return link if p < LIKELY else none


def _even_series(relation: Relation) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Times of even spacing after the flow, the shares of the clusters then, and the logarithm of the stress.

    The end of the flow changes both at once, by far the most of all, and would be all that is found.
    """
    flowing = flowing_readings(relation.samples)
    stopped = relation.samples.time[flowing][-1] if flowing.any() else -np.inf
    known = np.isfinite(relation.shear_stress) & (relation.start_time > stopped)
    moments, when = np.unique(relation.start_time[known], return_inverse=True)
    if len(moments) < 4:
        raise RheologyError(
            f"{len(moments)} times of measurement with a stress after the flow are too few to test a link: give 4."
        )
    time = np.linspace(moments[0], moments[-1], len(moments))
    count = np.zeros((relation.n_clusters, len(moments)))
    np.add.at(count, (relation.cluster[known], when), 1)
    shares = np.stack([np.interp(time, moments, row) for row in count / count.sum(axis=0)])
    samples = relation.samples
    usable: NDArray[np.bool_] = np.isfinite(samples.shear_stress) & (samples.shear_stress > 0)
    if not usable.any():
        raise RheologyError("The shear stress is never above zero: there is nothing to compare with.")
    return time, shares, np.interp(time, samples.time[usable], np.log(samples.shear_stress[usable]))
