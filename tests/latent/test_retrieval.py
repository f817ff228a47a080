"""Leak-free retrieval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ainerd_agent.errors import MapError
from ainerd_agent.latent.retrieval import leak_free, retrieve

STEP, LENGTH = 25, 50


@st.composite
def archives(draw):
    """Windows of some groups, some missing, in any order."""
    windows = [
        (series, roi, number)
        for series in range(draw(st.integers(1, 5)))
        for roi in range(draw(st.integers(1, 3)))
        for number in sorted(draw(st.sets(st.integers(0, 12), max_size=9)))
    ]
    return draw(st.permutations(windows))


@settings(deadline=None)
@given(archives())
def test_no_query_shares_a_frame_with_what_it_asks_for(windows):
    columns = np.array(windows, dtype=np.int64).reshape(-1, 3).T
    try:
        task = leak_free(*columns)
    except MapError:
        return
    series, roi, number = columns
    for asked, sources in zip(task.asked, task.sources, strict=True):
        wanted = set(range(STEP * number[asked], STEP * number[asked] + LENGTH))
        assert len(sources)
        for source in sources:
            assert (series[source], roi[source]) == (series[asked], roi[asked])
            assert wanted.isdisjoint(range(STEP * number[source], STEP * number[source] + LENGTH))


def archive(n_groups=12, n_windows=6):
    series = np.repeat(np.arange(n_groups), n_windows)
    return leak_free(series, np.zeros_like(series), np.tile(np.arange(n_windows), n_groups))


def test_all_is_found_where_groups_lie_apart():
    task = archive()
    points = np.eye(12)[task.group] + 0.01 * np.random.default_rng(0).standard_normal((72, 12))
    for scaled in (False, True):
        found = retrieve(task, points, points[task.asked], archive=30, local_scaling=scaled)
        assert (found.mean, found.low, found.high) == (1, 1, 1)
        assert (found.n_groups, found.n_experiments, found.archive) == (12, 12, 30)


def test_random_vectors_find_the_share_of_a_group():
    task = archive(n_groups=60)
    rng = np.random.default_rng(0)
    points, queries = rng.standard_normal((360, 8)), rng.standard_normal((len(task.asked), 8))
    for size in (60, 120, 360):
        assert retrieve(task, points, queries, archive=size).mean == pytest.approx(6 / size, abs=0.03)


def test_a_smaller_archive_is_the_mean_over_drawn_ones():
    task = archive(n_groups=15)
    rng = np.random.default_rng(1)
    points = rng.standard_normal((90, 3)) + 0.8 * rng.standard_normal((15, 3))[task.group]
    queries = task.queries(points[:, :, None])[:, :, 0]
    expected = retrieve(task, points, queries, archive=40).mean
    found = []
    for _ in range(150):
        scores = np.zeros(len(task.asked))
        for number, (asked, query) in enumerate(zip(task.asked, queries, strict=True)):
            own = task.group == task.group[asked]
            chosen = np.concatenate([np.flatnonzero(own), rng.choice(np.flatnonzero(~own), 34, replace=False)])
            order = chosen[np.linalg.norm(points[chosen] - query, axis=1).argsort()]
            scores[number] = asked in order[: own.sum()]
        found.append(scores.mean())
    assert expected == pytest.approx(np.mean(found), abs=0.01)


def test_one_point_for_all_finds_nothing():
    task = archive()
    assert retrieve(task, np.zeros((72, 2)), np.zeros((len(task.asked), 2)), archive=72).mean == 0


def test_local_scaling_takes_hubs_out_of_the_way():
    rng = np.random.default_rng(0)
    task = archive()
    # The windows of group 0 lie close together in the middle, nearest to what the others ask for.
    points = np.where(task.group[:, None] == 0, 0.01, 1) * rng.standard_normal((72, 12))
    points += np.where(task.group[:, None] == 0, 0, 1.5) * np.eye(12)[task.group]
    queries = task.queries(points[:, :, None])[:, :, 0]
    plain, scaled = (retrieve(task, points, queries, archive=72, local_scaling=each) for each in (False, True))
    assert scaled.over(plain)[0] > 0.05


def test_what_cannot_be_asked_is_said():
    with pytest.raises(MapError, match="no series and roi has 3 windows"):
        leak_free([0, 0, 1], [0, 0, 0], [0, 1, 0])
    with pytest.raises(MapError, match="no series and roi has 3 windows"):
        leak_free([0, 0, 0], [0, 0, 0], [0, 1, 2], overlap=2)
    with pytest.raises(MapError, match="nothing to mistake them for"):
        leak_free([0, 0, 0], [0, 0, 0], [0, 1, 2])
    with pytest.raises(MapError, match="twice in one series"):
        leak_free([0, 0, 0], [0, 0, 0], [0, 1, 1])
