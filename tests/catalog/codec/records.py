"""Records of any content, for tests of what they are encoded to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ainerd_agent.catalog.codec.point_columns import UNLIKE
from ainerd_agent.records import (
    Ageing,
    AgentRequest,
    Analysis,
    Annotation,
    Bins,
    Events,
    Exposure,
    Fingerprints,
    MapNoise,
    Origin,
    Quality,
    Relaxations,
    ShearStress,
    StressVersion,
    Suggestion,
    SuggestionEvent,
)

TEXTS = st.sampled_from(["", "a", "primary", "nan", "None", "True", "1", " ; ", "ä\u2028'\"", "few counts", UNLIKE])
FINITE = st.sampled_from([0.0, -0.0, 1 / 3, -1e300, 5e-324, 1e15, 12345.678]) | st.floats(-1e9, 1e9)
NUMBERS = FINITE | st.just(math.nan)
NAMES = st.sampled_from(["x", "y", "theta", "stage-x", "time", "z1", "Temperature", "temperature", "2nd", "", "a b"])
MODEL_NAMES = st.sampled_from(["lag-v1", "paper-v1"])


def arrays(n_bins: int, values: st.SearchStrategy[Any] = NUMBERS, kind: Any = np.float64) -> st.SearchStrategy[Any]:
    return st.tuples(*[values] * n_bins).map(lambda found: np.array(found, kind))


def known(n_bins: int) -> st.SearchStrategy[Any]:
    """None, or numbers not all of which are unknown."""
    return st.none() | arrays(n_bins).filter(lambda found: not np.isnan(found).all())


def words(n_bins: int, texts: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(*[texts] * n_bins)


STRESSES = st.builds(
    ShearStress, mean=NUMBERS, std=NUMBERS, shear_rate=NUMBERS, viscosity=NUMBERS, n_samples=st.integers(0, 99)
)

EXPOSURES = st.builds(
    Exposure,
    frames=st.none() | st.integers(1, 10**9),
    frame_time=st.none() | FINITE,
    counted=st.none() | FINITE,
    planned=st.none() | FINITE,
    ended=st.sampled_from(["", "planned", "converged", "recognised"]),
    look=st.none() | st.integers(1, 9),
)


@st.composite
def origins(draw: Any, axes: list[str], extras: dict[str, Any], units: dict[str, str]) -> Origin:
    first = draw(st.integers(1, 10**6))
    return Origin(
        raw_uid=draw(TEXTS),
        stream=draw(TEXTS),
        seq_num=first,
        last_seq_num=first + draw(st.integers(0, 9)),
        start=draw(FINITE),
        stop=draw(NUMBERS),
        elapsed=draw(FINITE),
        position={name: draw(FINITE) for name in axes},
        extra={name: draw(values) for name, values in extras.items()},
        units=units,
        exposure=draw(EXPOSURES),
    )  # fmt: skip


def relaxations(n_bins: int) -> st.SearchStrategy[Relaxations | None]:
    numbers = {name: arrays(n_bins) for name in Relaxations.__dataclass_fields__ if name != "problems"}
    return st.none() | st.builds(Relaxations, **numbers, problems=words(n_bins))


def ageings(n_bins: int) -> st.SearchStrategy[Ageing | None]:
    """None, or something known in one bin at least."""
    some = st.builds(Ageing, **{name: arrays(n_bins) for name in Ageing.__dataclass_fields__})
    return st.none() | some.filter(
        lambda found: not all(np.isnan(getattr(found, name)).all() for name in Ageing.__dataclass_fields__)
    )


def noises(n_bins: int) -> st.SearchStrategy[MapNoise | None]:
    """None, or something known in one bin at least."""
    names = MapNoise.__dataclass_fields__
    some = st.builds(MapNoise, **{name: arrays(n_bins) for name in names})
    return st.none() | some.filter(lambda found: not all(np.isnan(getattr(found, name)).all() for name in names))


SCALARS = {bool: st.booleans(), int: st.integers(-(2**50), 2**50), float: NUMBERS, str: TEXTS}


@st.composite
def reasons(draw: Any, unlike: Any) -> tuple[str, ...]:
    """Why maps are unlike the training: of those alone that are."""
    return tuple(draw(st.sampled_from(["gap: frames 3-9", "not symmetric"])) if each else "" for each in unlike)


@st.composite
def pairs(
    draw: Any, n_bins: int, axes: list[str], extras: dict[str, Any], units: dict[str, str]
) -> tuple[Fingerprints, Analysis]:
    origin = draw(origins(axes, extras, units))
    fingerprints = Fingerprints(
        origin=origin,
        c2=np.empty((n_bins, 0, 0), np.float32),
        g2=np.empty((n_bins, 0), np.float32),
        bins=Bins(
            q=draw(arrays(n_bins)),
            azimuth=draw(arrays(n_bins)),
            n_pixels=draw(arrays(n_bins, st.integers(1, 10**6), np.int64)),
        ),
        duration=draw(NUMBERS),
        mean_counts=draw(arrays(n_bins)),
        contrast=draw(arrays(n_bins)),
        tau=draw(arrays(n_bins)),
        quality=Quality(
            snr=draw(arrays(n_bins)), bad_share=draw(NUMBERS), drift=draw(NUMBERS), problems=draw(words(n_bins))
        ),
        lags=draw(arrays(3)),
        relaxations=draw(relaxations(n_bins)),
        ageing=draw(ageings(n_bins)),
    )
    unlike = draw(st.none() | arrays(n_bins, st.booleans(), np.bool_))
    analysis = Analysis(
        origin=origin,
        latents=draw(arrays(2 * n_bins, st.floats(allow_infinity=False, width=32), np.float32)).reshape(n_bins, 2),
        cluster=draw(arrays(n_bins, st.integers(0, 9), np.int64)),
        centre_distance=draw(arrays(n_bins)),
        novelty=draw(arrays(n_bins)),
        reconstruction_error=draw(arrays(n_bins)),
        stress=draw(STRESSES),
        unlike=unlike,
        reasons=None if unlike is None or not unlike.any() else draw(st.none() | reasons(unlike)),
        cluster_probability=draw(known(n_bins)),
        kind=draw(st.none() | words(n_bins, st.sampled_from(["ageing", "unknown"]))),
        kind_probability=draw(known(n_bins)),
        repeat_probability=draw(known(n_bins)),
        noise=draw(noises(n_bins)),
        recognised_as=draw(TEXTS),
        p_new=draw(NUMBERS),
    )
    return fingerprints, analysis


@st.composite
def tables(draw: Any) -> list[tuple[Fingerprints, Analysis]]:
    """Measurements of one table: of one shape, with the same axes and extra scalars."""
    axes = draw(st.lists(NAMES, max_size=3, unique=True))
    others = [f"own {name}" for name in draw(st.lists(NAMES, max_size=3, unique=True))]
    extras = {name: SCALARS[draw(st.sampled_from([bool, int, float, str]))] for name in others}
    names = [*axes, *extras]
    units = dict.fromkeys(draw(st.sets(st.sampled_from(names))), "mbar") if names else {}
    return draw(st.lists(pairs(draw(st.integers(1, 2)), axes, extras, units), min_size=1, max_size=2))


MAPPINGS = st.dictionaries(NAMES, NUMBERS, max_size=3)

LATENTS = arrays(4, st.floats(allow_infinity=False, width=32), np.float32).map(lambda found: found.reshape(2, 2))

SUGGESTIONS = st.builds(
    Suggestion,
    id=TEXTS.filter(bool),
    position=st.dictionaries(NAMES, FINITE, max_size=3),
    reason=TEXTS,
    expected_novelty=NUMBERS,
    uncertainty=NUMBERS,
    cost=FINITE,
    score=NUMBERS,
    inputs=st.lists(TEXTS.map(lambda text: f"{text}/primary/3"), max_size=3).map(tuple),
    model=TEXTS,
    seed=st.integers(0, 2**40),
    agent=TEXTS,
    counting=NUMBERS,
    wait=FINITE,
    predicted=st.none() | LATENTS,
    predicted_std=NUMBERS,
    terms=MAPPINGS,
    alternatives=st.lists(MAPPINGS, max_size=2).map(tuple),
    settings=st.just({"agent": "NoveltyAgent"}) | st.just({"agent": "Other", "limits": {"x": [0.0, None]}}),
    units=st.dictionaries(NAMES, st.just("degC"), max_size=2),
    sample=TEXTS,
    well=TEXTS,
)  # fmt: skip

EVENTS = st.builds(
    SuggestionEvent,
    time=FINITE,
    suggestion_id=TEXTS,
    event=st.sampled_from(["approved", "edited", "measured", "failed"]),
    position=st.dictionaries(NAMES, FINITE, max_size=3),
    raw_uid=TEXTS,
    stream=TEXTS,
    seq_num=st.integers(0, 99),
    novelty=NUMBERS,
    note=TEXTS,
    by=TEXTS,
    verified=st.none() | st.booleans(),
)

REQUESTS = st.builds(
    AgentRequest,
    time=FINITE,
    agent=TEXTS,
    what=st.sampled_from(["pause", "stop", "ask"]),
    note=TEXTS,
    by=TEXTS,
    verified=st.none() | st.booleans(),
)


EVENT_NUMBERS = st.builds(Events, TEXTS, st.integers(1, 99), st.integers(1, 99))

ANNOTATIONS = st.builds(
    Annotation,
    id=TEXTS,
    time=FINITE,
    raw_uid=TEXTS,
    events=st.none() | EVENT_NUMBERS,
    bin=st.none() | st.integers(1, 99),
    kind=st.sampled_from(["label", "note", "bad", "sample", "undo"]),
    text=TEXTS,
    by=TEXTS,
    verified=st.none() | st.booleans(),
)

STRESS_VERSIONS = st.builds(
    StressVersion,
    version=st.integers(1, 9),
    events=EVENT_NUMBERS,
    stress=STRESSES,
    source=TEXTS,
    offset=NUMBERS,
    time=FINITE,
    by=TEXTS,
)


def same(one: Any, other: Any) -> bool:
    """Whether two records hold the same: NaN is NaN, and arrays have one type."""
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__
        )
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and bool(one == other)
