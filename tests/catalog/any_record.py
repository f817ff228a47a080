"""Any record, with values that no measurement would give: for properties that hold for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ainerd_agent.records import (
    Ageing,
    AgeLagMap,
    Analysis,
    BadPixels,
    Bins,
    Exposure,
    Fingerprints,
    MapNoise,
    Origin,
    Quality,
    Relaxations,
    Run,
    Scattering,
    ShearStress,
    Suggestion,
)
from ainerd_agent.records.analysis import ModelIdentity

words = st.text(max_size=6)
numbers = st.integers(0, 2**40)
values = st.floats()
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | values | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2) | st.tuples(inner, inner),
    max_leaves=4,
)
mappings = st.dictionaries(words, plain, max_size=2)
positions = st.dictionaries(st.sampled_from(["x", "y", "theta"]), values, max_size=3)
problems = st.lists(words, max_size=3).map(tuple)


def arrays(dtype: Any, n_dims: int = 1) -> st.SearchStrategy[Any]:
    return hnp.arrays(dtype, hnp.array_shapes(min_dims=n_dims, max_dims=n_dims, min_side=0, max_side=3))


vectors, maps = arrays(np.float64), arrays(np.float32, 3)
runs = st.builds(
    Run,
    uid=words, time=values, source=words, scan_id=st.none() | numbers, plan_name=words, sample=words,
    access=mappings, metadata=mappings,
)  # fmt: skip
exposures = st.builds(
    Exposure,
    frames=st.none() | numbers, frame_time=st.none() | values, counted=st.none() | values, planned=st.none() | values,
    ended=words,
    look=st.none() | numbers,
)  # fmt: skip
origins = st.builds(
    Origin,
    raw_uid=words, seq_num=numbers, start=values, stop=values, stream=words, elapsed=values, position=positions,
    extra=mappings, last_seq_num=numbers, units=st.dictionaries(words, words, max_size=2), exposure=exposures,
)  # fmt: skip
age_lags = st.builds(AgeLagMap, values=arrays(np.float32, 3), errors=arrays(np.float32, 3), ages=vectors, lags=vectors)
ageings = st.builds(Ageing, rate=vectors, rate_error=vectors, one_tau=vectors)
scatterings = st.builds(
    Scattering,
    mean_image=arrays(np.float32, 2), ring_q=vectors, intensity_q=arrays(np.float32), intensity_t=arrays(np.float32, 2),
)  # fmt: skip
bins = st.builds(Bins, q=vectors, azimuth=vectors, n_pixels=arrays(np.int64))
bad_pixels = st.builds(
    BadPixels, rows=arrays(np.int64), columns=arrays(np.int64), bins=arrays(np.int64), kinds=arrays(np.dtype("U10")),
    in_part=arrays(np.bool_),
)  # fmt: skip
qualities = st.builds(Quality, snr=vectors, bad_share=values, drift=values, problems=problems)
relaxations = st.builds(
    Relaxations,
    **{each.name: vectors for each in dataclasses.fields(Relaxations) if each.name != "problems"},
    problems=problems,
)  # fmt: skip
stresses = st.builds(ShearStress, mean=values, std=values, shear_rate=values, viscosity=values, n_samples=numbers)
fingerprints = st.builds(
    Fingerprints,
    origin=origins, c2=maps, bins=bins, duration=values, mean_counts=vectors, contrast=vectors, tau=vectors,
    quality=qualities, g2=arrays(np.float32, 2), lags=vectors, relaxations=st.none() | relaxations,
    age_lag=st.none() | age_lags, ageing=st.none() | ageings, scattering=st.none() | scatterings,
    bad_pixels=st.none() | bad_pixels,
)  # fmt: skip
noises = st.builds(MapNoise, **{each.name: vectors for each in dataclasses.fields(MapNoise)})
analyses = st.builds(
    Analysis,
    origin=origins, latents=arrays(np.float32, 2), cluster=arrays(np.int64), centre_distance=vectors, novelty=vectors,
    reconstruction_error=vectors, stress=stresses, unlike=st.none() | arrays(np.bool_),
    cluster_probability=st.none() | vectors, kind=st.none() | problems, kind_probability=st.none() | vectors,
    reasons=st.none() | st.tuples(words, words), repeat_probability=st.none() | vectors, noise=st.none() | noises,
    recognised_as=words, p_new=values,
)  # fmt: skip
suggestions = st.builds(
    Suggestion,
    id=words, position=positions, reason=words, expected_novelty=values, uncertainty=values, cost=values, score=values,
    inputs=problems, model=words, seed=numbers, agent=words, counting=values, wait=values,
    predicted=st.none() | arrays(np.float32, 2), predicted_std=values, terms=positions,
    alternatives=st.lists(positions, max_size=2).map(tuple), settings=mappings,
    units=st.dictionaries(words, words, max_size=2), sample=words, well=words,
)  # fmt: skip
identities = st.builds(
    ModelIdentity,
    name=st.from_regex(r"[\w.+-]+", fullmatch=True), weights_sha256=words, n_clusters=numbers, parameters=mappings,
    geometry=mappings,
)  # fmt: skip

ANY = {
    Ageing: ageings,
    AgeLagMap: age_lags,
    Analysis: analyses,
    BadPixels: bad_pixels,
    Bins: bins,
    Exposure: exposures,
    Fingerprints: fingerprints,
    MapNoise: noises,
    ModelIdentity: identities,
    Origin: origins,
    Quality: qualities,
    Relaxations: relaxations,
    Run: runs,
    Scattering: scatterings,
    ShearStress: stresses,
    Suggestion: suggestions,
}


def assert_same(one: Any, other: Any) -> None:
    """Equal in type and value, through all fields; NaN equals NaN."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif dataclasses.is_dataclass(one):
        for each in dataclasses.fields(one):
            assert_same(getattr(one, each.name), getattr(other, each.name))
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        np.testing.assert_equal(one, other)
