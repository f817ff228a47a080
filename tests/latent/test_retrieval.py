"""Retrieval across noise."""

import numpy as np
import pytest

from ainerd_agent.errors import MapError
from ainerd_agent.latent.retrieval import r_precision


def test_all_is_found_where_groups_lie_apart():
    group = np.repeat([0, 1], 5)
    vectors = np.where(group == 0, 0.0, 10.0)[:, None] + np.arange(10)[:, None] / 100
    is_query = np.isin(np.arange(10), [0, 5])
    np.testing.assert_array_equal(r_precision(vectors, group, is_query), [1, 1])


def test_share_of_the_nearest_is_counted():
    vectors = np.array([[0.0], [1], [2], [3], [1.5], [9]])
    group = np.array([0, 0, 0, 0, 1, 1])
    found = r_precision(vectors, group, np.arange(6) == 0)
    np.testing.assert_allclose(found, [2 / 3])  # of the three nearest, at 1, 1.5 and 2, two are of its group


def test_chance_finds_the_share_of_a_group():
    rng = np.random.default_rng(0)
    group = np.arange(600) % 6
    found = r_precision(rng.standard_normal((600, 4)), group, np.arange(600) < 60)
    assert found.mean() == pytest.approx(1 / 6, abs=0.03)


def test_queries_with_too_few_maps_are_left_out():
    with pytest.raises(MapError, match="no query"):
        r_precision(np.zeros((3, 2)), [0, 0, 1], [True, False, False])
