"""What is drawn of given data."""

import numpy as np
import pytest

from ainerd_agent.cli.figures import Which
from ainerd_agent.figures import paper
from ainerd_agent.figures.data import FigureData, MissingError
from ainerd_agent.latent import Embedding, Encoder


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load()


@pytest.fixture(scope="module")
def data(encoder):
    """Points with all that can be known of them: 3 groups of 20, at 20 times and 18 azimuths."""
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(256), np.arange(256))) / 256
    label = np.arange(60) % 3
    scaled = np.stack([np.exp(-lag / (0.05 * 5.0**group)) for group in label]) + rng.normal(0, 0.02, (60, 256, 256))
    latents = encoder.encode_scaled(scaled.astype(np.float32))
    return FigureData(
        latents=latents,
        cluster=encoder.clusters.predict(latents)[0],
        n_clusters=len(encoder.clusters),
        maps=scaled.astype(np.float32),
        azimuth=(np.arange(60) % 18) * 20.0,
        time=np.repeat(np.arange(20), 3) * 10.0,
        label=label,
        fitted=Embedding(latents, latents[:, :2].astype(np.float64)),
    )


@pytest.fixture(scope="module")
def latents_only(data):
    return FigureData(latents=data.latents, cluster=data.cluster, n_clusters=data.n_clusters)


def test_the_command_offers_all_figures():
    assert [each.value for each in Which] == list(paper.FIGURES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reconstructions", "needs maps"),
        ("generated", "needs maps"),
        ("neighbours", "needs maps"),
        ("comparison", "needs maps"),
        ("dimensions", "needs maps"),
        ("directions", "azimuth of the maps is not known"),
        ("times", "times of the maps are not known"),
    ],
)
def test_a_figure_says_what_it_lacks(name, message, encoder, latents_only):
    with pytest.raises(MissingError, match=message):
        paper.draw(name, encoder, latents_only)


def shown(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_neighbours_in_the_latent_space_are_of_the_same_group(data):
    (alike, raw), numbers = paper.comparison(data).axes[0].lines[:2], (1, 2, 5, 10, 20, 50)
    np.testing.assert_array_equal(alike.get_xdata(), numbers)
    assert alike.get_ydata()[0] == 1  # groups lie far apart
    assert alike.get_ydata()[-1] < 0.5  # a group has 19 others
    assert raw.get_label() == "raw maps"


def test_what_is_drawn_at_random_depends_on_the_seed_alone(data):
    first, again, other = (paper.neighbours(data, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(np.stack(shown(first)), np.stack(shown(again)))
    assert not np.array_equal(np.stack(shown(first)), np.stack(shown(other)))


def test_generated_maps_are_shown(data, encoder):
    assert len(shown(paper.generated(encoder, data, seed=3))) == paper.GENERATED_MAPS


def test_reconstructions_reach_from_the_most_to_the_least_faithful(data, encoder):
    figure = paper.reconstructions(encoder, data)
    errors = [float(axes.get_title()) for axes in figure.axes if axes.get_title()]
    assert len(errors) == 8
    decoded = encoder.decode(data.latents)
    all_errors = np.mean((decoded - data.maps.clip(-1, 2)) ** 2, axis=(1, 2))
    assert errors[0] == pytest.approx(all_errors.min(), rel=0.05)
    assert errors[-1] == pytest.approx(all_errors.max(), rel=0.05)


def test_trained_models_stand_beside_principal_components(data):
    axes = paper.dimensions(data, trained={"mine": ([2, 4], [0.1, 0.05])}).axes[0]
    components, mine = axes.lines[:2]
    np.testing.assert_array_equal(components.get_xdata(), [2, 4, 8, 16])  # up to half of the 30 maps of one half
    assert np.all(np.diff(components.get_ydata()) <= 0)
    np.testing.assert_array_equal(mine.get_ydata(), [0.1, 0.05])


def test_three_moments_are_shown_unless_others_are_asked_for(data):
    assert len(paper.times(data).axes) == 3
    assert [axes.get_title() for axes in paper.times(data, moments=[40.0]).axes] == ["40 s"]


def test_a_flow_across_the_other_axis_exchanges_the_shares(data):
    along, across = (paper.directions(data, flow_azimuth=azimuth).axes[0].collections[0] for azimuth in (90.0, 0.0))
    share, other = (np.ma.filled(np.ma.asarray(each.get_array(), dtype=float), np.nan) for each in (along, across))
    known = np.isfinite(share) & np.isfinite(other)
    assert known.any()
    assert not np.allclose(share[known], other[known])
