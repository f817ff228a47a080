from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.catalog.read.measurements import distances, partners, per_measurement

BIN = np.dtype([("bin", "i2"), ("azimuth", "f4"), ("q", "f4")])


def bins(*rows: tuple[int, float, float]) -> np.ndarray:
    return np.array(list(rows), BIN)


def test_bins_are_the_same_by_azimuth_and_q_whatever_their_number() -> None:
    asked = bins((1, 0.0, 0.05), (2, 90.0, 0.05), (3, 0.0, 0.1))
    others = bins((3, 358.0, 0.0505), (1, 91.0, 0.05), (2, 1.0, 0.099), (4, 45.0, 0.05), (5, 0.0, 0.07))
    assert partners(asked, others).tolist() == [0, 1, 2, -1, -1]


def test_bins_of_unknown_place_are_the_same_by_number() -> None:
    asked = bins((1, math.nan, math.nan), (2, math.nan, math.nan))
    others = bins((2, math.nan, math.nan), (3, math.nan, math.nan), (1, 0.0, 0.05))
    assert partners(asked, others).tolist() == [1, -1, -1]
    assert partners(bins((1, 0.0, math.nan)), bins((9, 2.0, math.nan), (1, 2.0, 0.05))).tolist() == [0, -1]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.randoms(use_true_random=False))
def test_distance_is_the_root_mean_square_over_the_bins(n_bins: int, n: int, n_latents: int, random: object) -> None:
    rng = np.random.default_rng(random.randint(0, 2**32 - 1))  # type: ignore[attr-defined]
    latents = rng.normal(size=(n, n_bins, n_latents)).astype(np.float32)
    order = rng.permutation(n * n_bins)
    partner, measurement = np.tile(np.arange(n_bins), n)[order], np.repeat(np.arange(n), n_bins)[order]
    found, compared = distances(latents[0], latents.reshape(-1, n_latents)[order], partner, measurement)
    apart = np.linalg.norm(latents.astype(float) - latents[0], axis=2)
    np.testing.assert_allclose(found, np.sqrt(np.mean(apart**2, axis=1)), atol=1e-6)
    assert (compared == n_bins).all()
    # The agent's: one vector of all bins.
    vectors = latents.reshape(n, -1).astype(float) / math.sqrt(n_bins)
    np.testing.assert_allclose(found, np.linalg.norm(vectors - vectors[0], axis=1), atol=1e-6)


def test_what_shares_less_than_half_of_the_bins_cannot_be_compared() -> None:
    asked = np.zeros((4, 2), np.float32)
    found, compared = distances(asked, np.full((3, 2), 3.0, np.float32), np.array([0, 1, 2]), np.array([0, 0, 1]))
    assert compared.tolist() == [2, 1]
    assert found[0] == pytest.approx(math.sqrt(18))
    assert math.isnan(found[1])


def test_several_bins_within_one_count_once() -> None:
    found, compared = distances(
        np.zeros((2, 1), np.float32), np.array([[1.0], [3.0], [1.0]], np.float32), np.array([0, 0, 1]), np.zeros(3, int)
    )
    assert compared.tolist() == [2]
    assert found[0] == pytest.approx(math.sqrt((5 + 1) / 2))


def table(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    fixed = {"raw_uid": ["a"] * n, "stream": ["primary"] * n, "last_seq_num": columns.get("seq_num", [1] * n)}
    return pd.DataFrame({**fixed, "bin": list(range(1, n + 1)), **columns})


def test_a_row_for_each_measurement() -> None:
    found = per_measurement(
        table(
            seq_num=[2, 2, 2, 1, 1], cluster=[3, 1, 3, 2, 0], novelty=[3.0, math.nan, 4.0, math.nan, math.nan],
            x=[math.nan, math.nan, math.nan, 7.0, 7.0], tau=[1.0, 2.0, 3.0, 4.0, 5.0], z0=[0.0] * 5,
        )
    )  # fmt: skip
    assert found.seq_num.tolist() == [2, 1]
    assert found.bins.tolist() == [3, 2]
    assert found.cluster.tolist() == [3, 0]
    assert found.novelty[0] == pytest.approx(math.sqrt(12.5))
    assert math.isnan(found.novelty[1])
    assert math.isnan(found.x[0])
    assert found.x[1] == 7.0
    assert not {"bin", "tau", "z0"} & set(found)
    assert per_measurement(table(seq_num=[], cluster=[], novelty=[])).empty
