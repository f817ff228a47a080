"""The figures of the paper: they show what they are given."""

import numpy as np
import pytest

from ainerd_agent.figures.galleries import generated, nearest_maps, reconstructions
from ainerd_agent.figures.latents import (
    direction_share,
    embedding_at_times,
    embedding_with_examples,
    error_against_dimension,
    latent_against_raw,
    number_of_clusters,
)
from ainerd_agent.latent.stability import Trial


@pytest.fixture(scope="module")
def maps():
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 32
    return np.stack([np.exp(-lag / tau) for tau in np.geomspace(0.03, 3, 12)])


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(90, 2)), np.arange(90) % 3, np.repeat(np.arange(5) * 100.0, 18)


def images(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_reconstructions_stand_below_their_maps_the_worst_last(maps):
    figure = reconstructions(maps[:3], 0.9 * maps[:3], [0.3, 0.1, 0.2])
    shown = images(figure)
    np.testing.assert_array_equal(shown[0], maps[1])
    np.testing.assert_allclose(shown[3], 0.9 * maps[1])
    assert [axes.get_title() for axes in figure.axes[:3]] == ["0.1", "0.2", "0.3"]


def test_all_generated_maps_are_shown(maps):
    assert len(images(generated(maps))) == len(maps)


def test_neighbours_stand_below_their_targets(maps):
    figure = nearest_maps(maps[:2], [("latent", maps[[[2, 3], [4, 5]]]), ("raw", maps[[[6], [7]]])])
    shown = images(figure)
    np.testing.assert_array_equal(np.stack(shown), maps[[0, 1, 2, 4, 3, 5, 6, 7]])
    assert [axes.get_ylabel() for axes in figure.axes[:8:2]] == ["target", "latent 1", "latent 2", "raw 1"]


def test_the_chosen_number_of_clusters_is_marked():
    trials = [
        Trial(n_clusters=k, inertia=10.0 / k, silhouette=0.5 - k / 100, stability=0.9, worst=0.8) for k in (2, 3, 4)
    ]
    figure = number_of_clusters(trials, 3)
    for axes in figure.axes:
        assert axes.lines[-1].get_xdata()[0] == 3
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [1, 2 / 3, 1 / 2])


def test_examples_are_tied_to_their_points(maps, points):
    coordinates, cluster, _ = points
    figure = embedding_with_examples(coordinates, cluster, maps[:3], [5, 6, 7], n_clusters=3)
    boxes = figure.axes[0].artists
    assert [tuple(box.xy) for box in boxes] == [tuple(each) for each in coordinates[[5, 6, 7]]]


def test_a_moment_shows_the_measurement_nearest_to_it(points):
    coordinates, cluster, time = points
    figure = embedding_at_times(coordinates, time, cluster, [0, 160, 1e9], n_clusters=3)
    assert [axes.get_title() for axes in figure.axes] == ["0 s", "200 s", "400 s"]
    assert len(figure.axes[1].collections[1].get_offsets()) == 18


def test_the_expected_share_is_in_the_middle_of_the_colours(points):
    coordinates, _, _ = points
    figure = direction_share(coordinates, np.linspace(0, 1, 90), 0.6)
    assert figure.axes[0].collections[0].norm(0.6) == pytest.approx(0.5)


def test_curves_have_their_names():
    figure = latent_against_raw([1, 5], {"latent distance": [0.9, 0.8], "raw maps": [0.5, 0.4]})
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["latent distance", "raw maps"]
    figure = error_against_dimension({"PCA": ([2, 4], [0.1, 0.05])})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [2, 4])


def names_of_rows(figure):
    return [axes.yaxis.label for axes in figure.axes if axes.get_ylabel() and axes.images]


def test_names_of_rows_are_not_cut():
    maps = np.random.default_rng(0).random((12, 16, 16))
    figure = nearest_maps(maps[:4], [("latent", maps[np.arange(16).reshape(4, 4) % 12]), ("raw", maps[:4, None])])
    figure.draw_without_rendering()
    names = names_of_rows(figure)
    assert [name.get_text() for name in names] == ["target", "latent 1", "latent 2", "latent 3", "latent 4", "raw 1"]
    for name in names:
        assert name.get_window_extent().x0 >= 0


def test_maps_have_seconds_where_they_are_known():
    maps = np.random.default_rng(0).random((3, 16, 16))
    same = reconstructions(maps, maps, [3.0, 1.0, 2.0], duration=4.0)
    assert [axes.get_xlabel() for axes in same.axes if axes.images] == ["", "", "", "$t_1$, $t_2$ (s)", "", ""]
    assert same.axes[3].images[0].get_extent() == [0, 4.0, 0, 4.0]
    different = reconstructions(maps, maps, [3.0, 1.0, 2.0], duration=[1.0, 20.0, 300.0])
    assert [axes.get_xlabel() for axes in different.axes if axes.images] == ["20 s", "300 s", "1 s"] * 2
    unknown = reconstructions(maps, maps, [3.0, 1.0, 2.0], duration=[1.0, 2.0, np.nan])
    assert not any(axes.get_xlabel() for axes in unknown.axes)
    found = nearest_maps(maps, [("raw", maps[:, None])], duration=[1, 1, 2], durations=[[[2], [1], [1]]])
    assert [axes.get_xlabel() for axes in found.axes if axes.images] == ["1 s", "1 s", "2 s", "2 s", "1 s", "1 s"]
