"""What people ask for, as queries that the Tiled server answers, and as a choice among rows of points.

A condition is either a range of one of `RANGES`, `cluster`, `kind`, `ended`, `share`, or a value that a key of the
metadata must equal. Runs are found by what their metadata say of all their rows together, so that a run is found where
it may hold a row that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ainerd_agent.catalog.schema import ANALYSIS_SPEC
from ainerd_agent.catalog.tiled_types import Container, Query
from ainerd_agent.errors import CatalogError
from ainerd_agent.records.analysis import KINDS, UNKNOWN
from ainerd_agent.records.exposure_events import WAYS_TO_END

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LARGEST = 1.7976931348623157e308
"""Instead of infinity, which JSON has not."""

RANGES = {
    "stress": ("shear_stress", "shear_stress_min", "shear_stress_max"),
    "time": ("time", "time_min", "time_max"),
    "x": ("x", "x_min", "x_max"),
    "y": ("y", "y_min", "y_max"),
    "novelty": ("novelty", None, "novelty_max"),
    "repeat_probability": ("repeat_probability", "repeat_probability_min", None),
    "tau": ("tau", "tau_median", "tau_median"),
    "counted": ("seconds_counted", "seconds_counted_min", "seconds_counted_max"),
}
"""By condition: the column of points, and the keys with the least and the largest of them in a run.

Any other condition that is a range is one on an axis of that column.
"""

_TO_SORT = 99
"""Items that are fetched at a time to be sorted: with one more, a page of Tiled's."""

_TINY = 1e-3

_CLUSTER_SHARE, _KIND_SHARE, _ENDED_SHARE = "cluster_fraction_{}", "kind_fraction_{}", "ended_fraction_{}"

Interval = tuple[float, float]

AnyContainer = TypeVar("AnyContainer", bound=Container)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions on runs and on the rows of their points.

    Attributes
    ----------
    cluster : int or None
        Of most maps of a run, or with `share` of so many of them; of a row.
    kind : str or None
        Kind of dynamics, in the same way.
    ended : str or None
        Why exposures ended: of a run that has some, and of a row.
    share : tuple of float or None
        Of the maps of a run that are in `cluster`, or of `kind`, from 0 to 1.
    ranges : mapping of str to tuple of float
        Of the quantities in `RANGES` and of axes, ends included.
    equal : mapping
        Values of keys of the metadata of a run.
    """

    cluster: int | None = None
    kind: str | None = None
    ended: str | None = None
    share: Interval | None = None
    ranges: Mapping[str, Interval] = field(default_factory=dict)
    equal: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, conditions: Mapping[str, Any]) -> Conditions:
        """Understand what people write.

        Parameters
        ----------
        conditions : mapping
            A range is (from, to), with None for an end that is open, or the least value alone. Times are seconds since
            the epoch, datetimes, or text as "2026-11-25 15:00" or "2026-11-25 15:00+01:00"; those that name no zone are
            in that of this machine, as tables show them.

        Raises
        ------
        CatalogError
            What cannot be understood.
        """
        given = dict(conditions)
        cluster, kind, ended, share = (given.pop(name, None) for name in ("cluster", "kind", "ended", "share"))
        if share is not None and (cluster is None) == (kind is None):
            raise CatalogError("share is the share of the maps in a cluster, or of a kind: say which cluster or kind.")
        if kind is not None and kind not in (*KINDS, UNKNOWN):
            raise CatalogError(f"kind is one of {', '.join((*KINDS, UNKNOWN))}, not {kind!r}.")
        if ended is not None and ended not in WAYS_TO_END:
            raise CatalogError(f"ended is one of {', '.join(WAYS_TO_END)}, not {ended!r}.")
        if cluster is not None and (isinstance(cluster, bool) or int(cluster) != cluster or cluster < 0):
            raise CatalogError(f"cluster is a number from 0, not {cluster!r}.")
        is_range = {name for name, value in given.items() if name in RANGES or isinstance(value, tuple | list)}
        ranges = {name: _interval(name, given.pop(name)) for name in sorted(is_range) if given.get(name) is not None}
        return cls(
            cluster=None if cluster is None else int(cluster),
            kind=kind,
            ended=ended,
            share=None if share is None else _interval("share", share),
            ranges=ranges,
            equal={key: value for key, value in given.items() if value is not None},
        )

    def runs(self) -> list[Query]:
        """Queries for the runs that these conditions describe."""
        from tiled.queries import Key

        found = self._in_common()
        if self.cluster is not None and self._shared != _CLUSTER_SHARE.format(self.cluster):
            found.append(Key("dominant_cluster") == self.cluster)
        if self.kind is not None and self._shared != _KIND_SHARE.format(self.kind):
            found.append(Key("dominant_kind") == self.kind)
        return found

    def runs_with_rows(self) -> list[Query]:
        """Queries for the runs that may hold rows that these conditions describe."""
        from tiled.queries import Key

        found = self._in_common(but=("tau",))  # the median says nothing of single rows
        for key in self._fractions:
            if key != self._shared:
                found.append(Key(key) > 0.0)
        return found

    def rows(self, points: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows of points, of runs that fit, these conditions describe."""
        import numpy as np

        chosen = np.ones(len(points), dtype=np.bool_)
        if self.cluster is not None:
            chosen &= (points["cluster"] == self.cluster).to_numpy()
        if self.kind is not None:
            chosen &= (points["kind"] == self.kind).to_numpy() if "kind" in points else False
        if self.ended is not None:
            chosen &= (points["ended"] == self.ended).to_numpy() if "ended" in points else False
        for name, (least, largest) in self.ranges.items():
            column = _keys(name)[0]
            chosen &= points[column].between(least, largest).to_numpy() if column in points else False
        return chosen

    def columns(self) -> list[str]:
        """Columns of points that `rows` looks at."""
        own = [name for name in ("cluster", "kind", "ended") if getattr(self, name) is not None]
        return [*own, *(_keys(name)[0] for name in self.ranges)]

    @property
    def _fractions(self) -> list[str]:
        """Keys with the shares of the cluster and of the kind that are asked for."""
        asked = [(_CLUSTER_SHARE, self.cluster), (_KIND_SHARE, self.kind)]
        return [key.format(value) for key, value in asked if value is not None]

    @property
    def _shared(self) -> str | None:
        """The key whose value `share` is about; with a share, there is one of them only."""
        return None if self.share is None else self._fractions[0]

    def _in_common(self, but: Sequence[str] = ()) -> list[Query]:
        from tiled.queries import Key, SpecsQuery

        found: list[Query] = [SpecsQuery(include=[ANALYSIS_SPEC[0]])]
        found += [Key(key) == value for key, value in self.equal.items()]
        if self.share is not None:
            found += between(self._fractions[0], self.share)
        if self.ended is not None:
            found.append(Key(_ENDED_SHARE.format(self.ended)) > 0.0)
        for name, (least, largest) in self.ranges.items():
            if name not in but:
                _, low, high = _keys(name)
                # Both ranges overlap.
                found += between(high, (least, math.inf)) if high else []
                found += between(low, (-math.inf, largest)) if low and largest < math.inf else []
        return found


def _keys(name: str) -> tuple[str, str | None, str | None]:
    return RANGES.get(name, (name, f"{name}_min", f"{name}_max"))


def between(key: str, interval: Interval) -> list[Query]:
    """Queries for numbers of a key within an interval, ends included.

    Values that are not known never lie within one. Two things need care for that: PostgreSQL takes null for less than
    any number, so that there is always a lower end; and SQLite compares with integers as integers, so that ends are
    floats.
    """
    from tiled.queries import Key

    least, largest = (float(end) for end in interval)
    found = [Key(key) >= max(least, -LARGEST)]
    return [*found, Key(key) <= largest] if largest < math.inf else found


def narrowed(container: AnyContainer, queries: Iterable[Query]) -> AnyContainer:
    """A container of what fits all the queries, of the same kind. Nothing is asked of the server yet."""
    for query in queries:
        container = cast("AnyContainer", container.search(query))
    return container


def highest_first(container: Container, key: str) -> Iterator[Container]:
    """What is in a container, in falling order of a number that is not negative; items without it are left out.

    Not by Tiled's `sort`: on SQLite, it sorts numbers as text. So, range by range, each small enough to be sorted here.
    """
    top = 1.0
    while container.search(_at_least(key, top)).keys()[:1]:
        top *= 4
    while top > _TINY:
        yield from _falling(container, key, top / 4, top)
        top /= 4
    yield from _falling(container, key, 0.0, top)


def _falling(container: Container, key: str, least: float, below: float) -> Iterator[Container]:
    from tiled.queries import Key

    found = narrowed(container, [_at_least(key, least), Key(key) < below])
    some = found.values()[: _TO_SORT + 1]
    middle = (least + below) / 2
    if len(some) > _TO_SORT and least < middle < below:
        yield from _falling(container, key, middle, below)
        yield from _falling(container, key, least, middle)
        return
    if len(some) > _TO_SORT:
        some = list(found.values())  # all alike
    yield from sorted(some, key=lambda item: float(item.metadata[key]), reverse=True)


def _at_least(key: str, least: float) -> Query:
    from tiled.queries import Key

    found: Query = Key(key) >= least
    return found


def _interval(name: str, value: Any) -> Interval:
    ends = tuple(value) if isinstance(value, tuple | list) else (value, None)
    try:
        low, high = ends
        least = -math.inf if low is None else _number(name, low)
        largest = math.inf if high is None else _number(name, high)
    except (TypeError, ValueError) as error:
        raise CatalogError(
            f"{name} is a range (from, to) of numbers, with None for an open end, not {value!r}."
        ) from error
    if not least <= largest:  # NaN as well
        raise CatalogError(f"{name} begins with {least:g} and ends with {largest:g}: nothing lies between them.")
    return least, largest


def _number(name: str, value: Any) -> float:
    if name == "time" and isinstance(value, str | datetime):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.timestamp()
    if isinstance(value, str | bool):
        raise ValueError(value)
    return float(value)
