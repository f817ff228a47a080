from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from ainerd_agent.errors import MapError, SessionError
from ainerd_agent.figures import (
    Places,
    azimuth_time,
    c2_examples,
    cluster_colours,
    clusters_and_stress,
    embedding,
    kinds_over_time,
    relation_figure,
    sample_map,
    save,
)
from ainerd_agent.figures.data import MissingError
from ainerd_agent.figures.suggestion import suggestion_figure
from ainerd_agent.records import RheometerSamples
from ainerd_agent.rheology import Relation

N_CLUSTERS = 4
TIMES = np.array([0.0, 4.0, 8.0, 30.0, 34.0])  # a pause after the third
AZIMUTHS = np.array([10.0, 30.0, 50.0])
TIME, AZIMUTH = np.repeat(TIMES, 3), np.tile(AZIMUTHS, 5)
CLUSTER = np.array([3, 3, 3, 3, 3, 2, 3, 2, 1, 1, 0, 0, 0, 0, 0])


def hexes(colours) -> list[str]:
    return [to_hex(colour) for colour in colours]


def legend_colours(figure: Figure) -> list[str]:
    """Colours of the legend of clusters, the slowest first."""
    (legend,) = [legend for legend in figure.legends if legend.get_title().get_text() == "Cluster"]
    return hexes(patch.get_facecolor() for patch in legend.get_patches())[::-1]


def bars(axes) -> list[tuple[float, float, float, float, str]]:
    """(left, right, bottom, top, colour) of the bars that have a height."""
    return [
        (p.get_x(), p.get_x() + p.get_width(), p.get_y(), p.get_y() + p.get_height(), to_hex(p.get_facecolor()))
        for p in axes.patches
        if p.get_height() > 0
    ]


class TestClusterColours:
    def test_become_lighter_from_slow_to_fast(self):
        for n_clusters in range(1, 13):
            colours = cluster_colours(n_clusters)
            assert len(set(colours)) == n_clusters
            lightness = [np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour in colours]
            assert lightness == sorted(lightness)

    def test_has_a_limit(self):
        with pytest.raises(ValueError, match="1 to 12 clusters, not for 13"):
            cluster_colours(13)


class TestClustersAndStress:
    def draw(self, stress_time, stress, **options) -> Figure:
        return clusters_and_stress(TIME, CLUSTER, stress_time, stress, n_clusters=N_CLUSTERS, **options)

    def test_stacks_the_shares_slow_below_fast(self):
        figure = self.draw([0, 40], [1, 2])
        _, shares = figure.axes
        colours = cluster_colours(N_CLUSTERS)
        assert legend_colours(figure) == colours
        drawn = bars(shares)
        at_four = sorted((bottom, top, colour) for left, _, bottom, top, colour in drawn if left == 4.0)
        assert [colour for *_, colour in at_four] == [colours[2], colours[3]]
        np.testing.assert_allclose([top for _, top, _ in at_four], [1 / 3, 1])
        assert {left for left, *_ in drawn} == set(TIMES)

    def test_leaves_a_pause_empty(self):
        _, shares = self.draw([0, 40], [1, 2]).axes
        assert {(left, right) for left, right, *_ in bars(shares)} == {(0, 4), (4, 8), (8, 12), (30, 34), (34, 38)}
        _, shares = self.draw([0, 40], [1, 2], duration=1.5).axes
        assert {right - left for left, right, *_ in bars(shares)} == {1.5}

    def test_shares_the_time_axis_and_labels_with_units(self):
        stress, shares = self.draw([0, 40], [1, 2]).axes
        assert stress.get_xlim() == shares.get_xlim()
        assert stress.get_xlim()[0] < 0 < 38 < stress.get_xlim()[1]
        assert (stress.get_ylabel(), shares.get_ylabel()) == ("Shear stress (Pa)", "Share of C2 maps")
        assert shares.get_xlabel() == "Time (s)"

    def test_draws_the_readings_and_the_minima_in_range(self):
        time = np.arange(0.0, 40.0)
        figure = self.draw(time, 100 + time, minima=[12.0, 33.0, 500.0])
        stress, shares = figure.axes
        np.testing.assert_array_equal(stress.lines[0].get_ydata(), 100 + time)
        for axes, first in ((stress, 1), (shares, 0)):
            assert [line.get_xdata()[0] for line in axes.lines[first:]] == [12.0, 33.0]
        assert "minima" in stress.get_title(loc="left")

    def test_shows_all_of_a_modest_range(self):
        time = np.arange(0.0, 40.0)
        stress, _ = self.draw(time, 100 + time).axes
        assert stress.get_yscale() == "linear"
        assert stress.get_ylim()[0] < 100 < 138 < stress.get_ylim()[1]

    def test_turns_logarithmic_over_decades(self):
        time = np.arange(0.0, 40.0)
        stress, _ = self.draw(time, 1e5 * np.exp(-time / 6)).axes
        assert stress.get_yscale() == "log"

    def test_cuts_a_spike_and_says_so(self):
        time = np.arange(0.0, 40.0)
        stress, _ = self.draw(time, np.where(time == 0, 29000.0, 85 + np.sin(time))).axes
        assert stress.get_ylim()[1] < 100
        assert "29,000 Pa at 0.0 s" in stress.get_title(loc="right")

    def test_says_where_there_is_no_rheometer(self):
        stress, shares = self.draw([], []).axes
        assert [text.get_text() for text in stress.texts] == ["no rheometer readings"]
        assert len(bars(shares)) > 0


class TestAzimuthTime:
    def test_colours_each_cell_by_its_cluster(self):
        figure = azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS)
        (axes,) = figure.axes
        (mesh,) = axes.collections
        cells = mesh.get_array()
        assert cells.shape == (3, 6)
        filled = [0, 1, 2, 4, 5]
        np.testing.assert_array_equal(cells[:, filled], CLUSTER.reshape(5, 3).T)
        assert cells.mask[:, 3].all()
        colours = mesh.cmap(mesh.norm(np.arange(N_CLUSTERS)))
        assert hexes(colours) == cluster_colours(N_CLUSTERS) == legend_colours(figure)

    def test_draws_columns_as_wide_as_the_measurements(self):
        (axes,) = azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS).axes
        edges = axes.collections[0].get_coordinates()
        np.testing.assert_allclose(edges[0, :, 0], [0, 4, 8, 12, 30, 34, 38])
        np.testing.assert_allclose(edges[:, 0, 1], [0, 20, 40, 60])

    def test_labels_degrees_or_bins(self):
        assert azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS).axes[0].get_ylabel() == "Azimuth (°)"
        assert azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS, bins=True).axes[0].get_ylabel() == "Azimuthal bin"

    def rings(self):
        """Three rings of three azimuths at five times, in the order of `azimuthal_bins`; q differs a little within."""
        time, ring, azimuth = (each.ravel() for each in np.meshgrid(TIMES, [0, 1, 2], AZIMUTHS, indexing="ij"))
        q = 0.02 + 0.004 * ring + 1e-5 * azimuth
        cluster = (ring + (azimuth > 20)).astype(int)
        return time, azimuth, cluster, q

    def cells(self, figure):
        return [axes.collections[0].get_array() for axes in figure.axes]

    def test_draws_a_panel_for_each_ring_of_q(self):
        time, azimuth, cluster, q = self.rings()
        figure = azimuth_time(time, azimuth, cluster, N_CLUSTERS, q=q)
        assert [axes.get_title(loc="right") for axes in figure.axes] == [
            f"q = {value} nm$^{{-1}}$" for value in ("0.0283", "0.0243", "0.0203")
        ]
        for cells, ring in zip(self.cells(figure), (2, 1, 0), strict=True):
            assert cells.shape == (3, 6)
            np.testing.assert_array_equal(cells[:, 0], [ring, ring + 1, ring + 1])
        assert len({axes.get_xlim() for axes in figure.axes}) == 1
        assert len({axes.get_ylim() for axes in figure.axes}) == 1
        assert figure.get_supylabel() == "Azimuth (°)"
        assert figure.axes[-1].get_xlabel() == "Time (s)"
        figure.draw_without_rendering()

    def test_tells_rings_apart_where_bins_were_dropped(self):
        time, azimuth, cluster, q = self.rings()
        kept = ~((azimuth == 30) & (cluster == 1))  # the lowest ring lacks a bin
        figure = azimuth_time(time[kept], azimuth[kept], cluster[kept], N_CLUSTERS, q=q[kept])
        assert [len(cells) for cells in self.cells(figure)] == [3, 3, 2]
        assert len({axes.get_ylim() for axes in figure.axes}) == 1

    def test_bins_of_unknown_q_have_a_panel_of_their_own(self):
        time, azimuth, cluster, q = self.rings()
        q[q > 0.028] = np.nan
        figure = azimuth_time(time, azimuth, cluster, N_CLUSTERS, q=q)
        assert figure.axes[0].get_title(loc="right") == "q unknown"
        np.testing.assert_array_equal(self.cells(figure)[0][:, 0], [2, 3, 3])

    def test_one_ring_is_drawn_as_without_q(self):
        q = 0.024 + 1e-4 * np.tile(np.arange(3), 5)
        for known in (q, np.full(15, np.nan)):
            figure = azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS, q=known)
            (axes,) = figure.axes
            assert axes.get_ylabel() == "Azimuth (°)"
            assert axes.get_title(loc="right") == ""

    def test_rings_without_a_direction_span_the_whole_turn(self):
        q = np.tile([0.02, 0.024, 0.028], 5)
        figure = azimuth_time(TIME, np.full(15, np.nan), CLUSTER, N_CLUSTERS, q=q)
        assert [cells.shape for cells in self.cells(figure)] == [(1, 6)] * 3
        assert [axes.get_ylim() for axes in figure.axes] == [(0, 360)] * 3
        figure.draw_without_rendering()

    def test_draws_a_single_map(self):
        figure = azimuth_time([5.0], [90.0], [0], 1, duration=2.0)
        assert figure.axes[0].collections[0].get_array().shape == (1, 1)
        figure.draw_without_rendering()


class TestC2Examples:
    maps = np.random.default_rng(0).normal(0, 0.01, (6, 8, 8)) + np.arange(6)[:, None, None]
    cluster = np.array([0, 0, 0, 2, 2, 0])
    distance = np.array([3.0, 1.0, 2.0, 5.0, 4.0, 9.0])

    def draw(self, **options) -> Figure:
        return c2_examples(
            self.maps, self.cluster, n_clusters=3, centre_distance=self.distance, per_cluster=2, **options
        )

    def shown(self, figure: Figure) -> dict[tuple[int, int], int]:
        """Number of the map at each (row, column)."""
        grid = np.array(figure.axes[:6]).reshape(2, 3)
        return {
            (row, column): round(float(np.mean(axes.images[0].get_array())))
            for (row, column), axes in np.ndenumerate(grid)
            if axes.images
        }

    def test_draws_the_nearest_of_each_cluster_in_its_column(self):
        assert self.shown(self.draw()) == {(0, 0): 1, (1, 0): 2, (0, 2): 4, (1, 2): 3}

    def test_frames_and_heads_the_columns(self):
        figure = self.draw()
        assert [axes.get_title().replace("\n", ", ") for axes in figure.axes[:3]] == [
            "Cluster 0 (slow), 4 maps",
            "Cluster 1, 0 maps",
            "Cluster 2 (fast), 2 maps",
        ]
        slow, empty, fast = figure.axes[:3]
        assert [text.get_text() for text in empty.texts] == ["no map"]
        edges = [to_hex(axes.spines["top"].get_edgecolor()) for axes in (slow, fast)]
        assert edges == [cluster_colours(3)[0], cluster_colours(3)[2]]

    def test_has_one_colour_scale_labelled_c2(self):
        figure = self.draw()
        limits = {axes.images[0].get_clim() for axes in figure.axes[:6] if axes.images}
        assert len(limits) == 1
        assert figure.axes[-1].get_ylabel() == "C2"

    def test_a_few_noisy_maps_do_not_rule_the_scale(self):
        maps = np.full((8, 8, 8), 0.2)
        maps[:, range(8), range(8)] = 0.4
        maps[7] = np.random.default_rng(1).normal(0, 50, (8, 8))
        figure = c2_examples(maps, np.arange(8), n_clusters=8)
        low, high = figure.axes[0].images[0].get_clim()
        assert -1 < low < high < 1

    def test_measures_time_in_seconds_where_it_is_known(self):
        figure = self.draw(duration=5.0)
        assert (figure.get_supxlabel(), figure.get_supylabel()) == ("$t_1$ (s)", "$t_2$ (s)")
        assert figure.axes[0].images[0].get_extent() == [0, 5, 0, 5]
        figure = self.draw()
        assert figure.get_supxlabel() == "$t_1$ (map pixels)"
        assert figure.axes[0].images[0].get_extent() == [0, 8, 0, 8]


class TestEmbedding:
    points = np.random.default_rng(0).normal(size=(30, 2))
    cluster = np.arange(30) % 3

    def test_colours_each_point_by_its_cluster(self):
        figure = embedding(self.points, self.cluster, n_clusters=3)
        (cloud,) = figure.axes[0].collections
        colour_of = {tuple(xy): to_hex(c) for xy, c in zip(cloud.get_offsets(), cloud.get_facecolor(), strict=True)}
        expected = cluster_colours(3)
        assert colour_of == {tuple(xy): expected[i] for xy, i in zip(self.points, self.cluster, strict=True)}
        assert legend_colours(figure) == expected
        assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("UMAP 1 (no unit)", "UMAP 2 (no unit)")

    def test_numbers_the_centres(self):
        centres = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, 1.0]])
        (axes,) = embedding(self.points, self.cluster, n_clusters=3, centres=centres).axes
        assert {text.get_text(): text.get_position() for text in axes.texts} == {
            str(i): tuple(centre) for i, centre in enumerate(centres)
        }


class TestSampleMap:
    x = np.array([0.5, 1.5, 2.5, 1.0])
    y = np.array([0.5, 0.2, 0.8, 0.5])
    novelty = np.array([np.nan, 1.0, 4.0, 0.0])
    cluster = np.array([3, 2, 0, 1])

    def draw(self, **options) -> Figure:
        return sample_map(self.places(), N_CLUSTERS, limits={"x": (0.0, 3.0), "y": (0.0, 1.0)}, n_initial=2, **options)

    def places(self, **others) -> Places:
        positions = {"x": np.array(self.x), "y": np.array(self.y), **others}
        return Places(positions=positions, cluster=np.array(self.cluster), novelty=np.array(self.novelty))

    def marks(self, figure: Figure) -> dict[tuple[float, float], object]:
        return {tuple(mark.get_offsets()[0]): mark for mark in figure.axes[0].collections}

    def test_colours_by_cluster_and_sizes_by_novelty(self):
        marks = self.marks(self.draw())
        ordered = [marks[place] for place in zip(self.x, self.y, strict=True)]
        colours = cluster_colours(N_CLUSTERS)
        assert [to_hex(mark.get_facecolor()[0]) for mark in ordered] == [colours[i] for i in self.cluster]
        unknown, little, much, none = (mark.get_sizes()[0] for mark in ordered)
        assert unknown == none < little < much
        assert (little - none) == pytest.approx((much - none) / 4)

    def test_tells_the_start_and_the_unknown_novelty_apart(self):
        marks = self.marks(self.draw())
        ordered = [marks[place] for place in zip(self.x, self.y, strict=True)]
        corners = [len(mark.get_paths()[0].vertices) for mark in ordered]
        assert corners[0] == corners[1] < corners[2] == corners[3]
        dashed = [mark.get_linestyle()[0][1] is not None for mark in ordered]
        assert dashed == [True, False, False, False]

    def test_numbers_and_joins_in_order(self):
        (axes, _) = self.draw().axes
        assert {text.get_text(): text.xy for text in axes.texts} == {
            str(i + 1): pytest.approx(place) for i, place in enumerate(zip(self.x, self.y, strict=True))
        }
        np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([self.x, self.y]))

    def test_puts_repeated_visits_in_one_label(self):
        here = np.array([0.0, 1.0, 0.0])
        places = Places(positions={"x": here, "y": here}, cluster=np.zeros(3, int), novelty=np.ones(3))
        figure = sample_map(places, 1)
        assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1, 3", "2"]

    def test_is_to_scale_and_in_millimetres(self):
        figure = self.draw()
        axes = figure.axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x (mm)", "y (mm)")
        assert axes.get_aspect() == 1
        assert axes.get_xlim()[0] < 0 < 3 < axes.get_xlim()[1]
        assert legend_colours(figure) == cluster_colours(N_CLUSTERS)

    def test_keeps_its_legends_apart_from_each_other_and_the_map(self):
        for n_clusters, limits in ((2, ((0, 3), (0, 1))), (12, ((0, 3), (0, 1))), (12, ((0, 3), (0, 9)))):
            places = replace(self.places(), cluster=np.array([0, 1, 0, 1]))
            figure = sample_map(places, n_clusters, limits=dict(zip("xy", limits, strict=True)), n_initial=2)
            figure.canvas.draw()
            boxes = [legend.get_window_extent() for legend in figure.legends]
            assert len(boxes) == 3
            for above, below in pairwise(boxes):
                assert above.y0 > below.y1
            frame = figure.bbox
            for box in boxes:
                assert frame.y0 <= box.y0
                assert box.y1 <= frame.y1
                assert figure.axes[0].get_window_extent().x1 < box.x0
                assert box.x1 <= frame.x1

    def test_draws_a_session_that_has_just_begun(self):
        here = np.array([0.5])
        places = Places(positions={"x": here, "y": here}, cluster=np.zeros(1, int), novelty=np.array([np.nan]))
        figure = sample_map(places, 5, axes=("x", "y"), limits={"x": (0, 1), "y": (0, 1)}, n_initial=4)
        figure.draw_without_rendering()
        assert [text.get_text() for text in figure.axes[0].texts] == ["1"]

    def test_takes_the_axes_that_moved_and_says_where_the_others_were(self):
        places = Places(
            positions={
                "x": np.full(4, 1.5) + 1e-5 * np.arange(4),  # as a motor at rest reads back
                "theta": np.array([0.0, 30.0, 60.0, 90.0]),
                "z": np.array([0.0, 0.2, 0.1, 0.3]),
                "load": np.array([1.0, 1.0, 1.0, 2.0]),
            },
            units={"theta": "deg", "load": ""},
            cluster=np.array(self.cluster),
            novelty=np.array(self.novelty),
        )
        axes = sample_map(places, N_CLUSTERS).axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("theta (deg)", "z (mm)")
        assert axes.get_aspect() == "auto"  # degrees have no length
        assert axes.get_title(loc="left") == "at x 1.5 mm, load 1 to 2"
        chosen = sample_map(places, N_CLUSTERS, axes=("z", "load")).axes[0]
        assert (chosen.get_xlabel(), chosen.get_ylabel()) == ("z (mm)", "load")
        assert chosen.get_title(loc="left") == "at x 1.5 mm, theta 0 to 90 deg"

    def test_of_one_axis_is_a_strip_in_order(self):
        z = np.array([0.0, 2.0, np.nan, 1.0])
        places = replace(self.places(), positions={"x": np.full(4, 1.0), "z": z})
        axes = sample_map(places, N_CLUSTERS, limits={"z": (-1.0, 3.0)}).axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("z (mm)", "Measurement")
        assert axes.get_title(loc="left").splitlines() == [
            "at x 1 mm", "1 of 4 measurements left out: position not known"
        ]  # fmt: skip
        assert set(self.marks(axes.figure)) == {(0.0, 1.0), (2.0, 2.0), (1.0, 4.0)}
        assert axes.get_xlim()[0] < -1 < 3 < axes.get_xlim()[1]

    def test_lengths_that_differ_too_much_are_not_to_scale(self):
        places = replace(self.places(), positions={"x": np.array([0, 1, 2, 3.0]), "y": np.array([0, 0.1, 0, 0.1])})
        axes = sample_map(places, N_CLUSTERS).axes[0]
        assert axes.get_aspect() == "auto"
        assert axes.get_title(loc="left") == "not to scale"

    def test_shows_what_lies_beyond_the_limits(self):
        axes = sample_map(self.places(), N_CLUSTERS, limits={"x": (0.0, 1.0), "y": (0.0, 1.0)}).axes[0]
        assert axes.get_xlim()[1] > max(self.x) > 1

    @pytest.mark.parametrize(
        ("asked", "kind", "said"),
        [
            ((), MissingError, "no axis moved: x 1 mm"),
            (("z",), MapError, "no axis z in this run; its axes: x, lost"),
            (("x", "x"), MapError, "one or two different axes, not x, x"),
            (("lost",), MissingError, "no position on lost is known"),
        ],
    )
    def test_axes_that_cannot_be_drawn_are_named(self, asked, kind, said):
        places = replace(self.places(), positions={"x": np.ones(4), "lost": np.full(4, np.nan)})
        with pytest.raises(MapError, match=said) as refused:
            sample_map(places, N_CLUSTERS, axes=asked)
        assert refused.type is kind


def test_relation_figure_lays_three_panels_over_one_time():
    clock = np.arange(-20.0, 60.0)
    relation = Relation(
        start_time=TIME,
        azimuthal_bin=np.tile([1, 2, 3], 5),
        cluster=CLUSTER,
        shear_stress=np.full(15, 100.0),
        minima=np.array([10.0]),
        samples=RheometerSamples(clock, 100 + np.sin(clock), np.zeros(80), np.ones(80)),
        time_offset=20.0,
        n_clusters=N_CLUSTERS,
    )
    figure = relation_figure(relation)
    stress, shares, azimuth = figure.axes
    assert stress.get_xlim() == shares.get_xlim() == azimuth.get_xlim()
    assert [axes.get_ylabel() for axes in figure.axes] == ["Shear stress (Pa)", "Share of C2 maps", "Azimuthal bin"]
    assert azimuth.get_xlabel() == "XPCS time (s)"
    assert all(axes.lines[-1].get_xdata()[0] == 10.0 for axes in figure.axes)
    assert legend_colours(figure) == cluster_colours(N_CLUSTERS)


class TestSave:
    def test_writes_png_and_svg_and_nothing_else(self, tmp_path):
        figure = clusters_and_stress(TIME, CLUSTER, [0, 40], [1, 2], n_clusters=N_CLUSTERS)
        png, svg = save(figure, tmp_path / "figures", "fig3")
        assert sorted((tmp_path / "figures").iterdir()) == [png, svg]
        assert png.read_bytes().startswith(b"\x89PNG")
        assert int.from_bytes(png.read_bytes()[16:20], "big") == 7.2 * 150
        assert "</svg>" in svg.read_text()

    def test_writes_the_same_file_again(self, tmp_path):
        contents = []
        for name in ("one", "two"):
            figure = azimuth_time(TIME, AZIMUTH, CLUSTER, N_CLUSTERS)
            contents.append([path.read_bytes() for path in save(figure, tmp_path / name, "map")])
        assert contents[0] == contents[1]

    def test_says_where_it_cannot_write(self, tmp_path):
        (tmp_path / "taken").write_text("")
        with pytest.raises(SessionError, match=r"taken/map\.png cannot be written"):
            save(Figure(), tmp_path / "taken", "map")


class TestSuggestionFigure:
    LIMITS: ClassVar = {"x (mm)": (0.0, 4.0), "y (mm)": (-1.0, 2.0)}

    def drawn(self, **maps):
        return suggestion_figure(
            self.LIMITS, [[0.5, 0.5], [3.0, 1.0]], (2.0, 0.0), [[1.0, 1.5], [3.9, -0.9]], [0.2, 0.19, 0.1], **maps
        )

    def test_shows_what_was_known_chosen_and_not_taken(self):
        axes = self.drawn().axes[0]
        assert [text.get_text() for text in axes.texts] == ["95%", "50%"]
        assert (axes.get_xlim(), axes.get_ylim()) == tuple(self.LIMITS.values())
        assert (axes.get_xlabel(), axes.get_ylabel()) == tuple(self.LIMITS)
        assert axes.get_aspect() == 1
        assert [len(each.get_offsets()) for each in axes.collections] == [2, 2, 1]

    def test_the_star_is_where_it_was_decided(self):
        axes = self.drawn(suggested=(1.5, 1.5)).axes[0]
        decided, suggested = axes.collections[-2:]
        assert (decided.get_label(), suggested.get_label()) == ("decided", "suggested")
        assert decided.get_offsets().tolist() == [[2.0, 0.0]]
        assert suggested.get_offsets().tolist() == [[1.5, 1.5]]
        assert decided.get_facecolor().size
        assert not suggested.get_facecolor().size

    def test_one_axis_is_drawn_over_the_order(self):
        limits = {"theta (deg)": (0.0, 90.0)}
        axes = suggestion_figure(limits, [[10.0], [20.0]], [45.0], [[80.0]], [0.2, 0.1], elsewhere="z 1.00 mm").axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == (
            "theta (deg)\nstars at z 1.00 mm, others at any",
            "Measurement",
        )
        before, others, chosen = (each.get_offsets().tolist() for each in axes.collections)
        assert before == [[10.0, 1.0], [20.0, 2.0]]
        assert (others, chosen) == ([[80.0, 3.0]], [[45.0, 3.0]])

    def test_maps_have_seconds(self):
        maps = np.random.default_rng(0).random((2, 8, 8))
        figure = self.drawn(expected=maps, found=maps, duration=2.5)
        images = [each for axes in figure.axes for each in axes.images]
        assert {tuple(each.get_extent()) for each in images} == {(0, 2.5, 0, 2.5)}
        assert [axes.get_xlabel() for axes in figure.axes].count("$t_1$, $t_2$ (s)") == 1

    def test_shows_expected_above_found_on_one_scale(self):
        rng = np.random.default_rng(0)
        figure = self.drawn(expected=rng.random((3, 8, 8)), found=rng.random((3, 8, 8)), azimuth=[0.0, 120.0, 240.0])
        images = [each for axes in figure.axes for each in axes.images]
        assert len(images) == 6
        assert len({each.get_clim() for each in images}) == 1
        assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel() in ("expected", "found")] == [
            "expected",
            "found",
        ]
        assert "120°" in [axes.get_title() for axes in figure.axes]


def test_kinds_are_drawn_as_shares_and_over_azimuth():
    time, azimuth = np.repeat([0.0, 10.0, 20.0], 4), np.tile([0.0, 90.0, 180.0, 270.0], 3)
    kind = ["ageing"] * 4 + ["ageing", "intermittent", "unknown", ""] + ["flowing"] * 4
    figure = kinds_over_time(time, azimuth, kind)
    shares, over_azimuth = figure.axes
    heights = np.array([bar.get_height() for bar in shares.patches]).reshape(6, 3)
    np.testing.assert_allclose(heights[:, 1], [0, 0.25, 0.25, 0, 0, 0.5])
    assert over_azimuth.collections[0].get_array().size == 12
    assert figure.legends[0].get_texts()[0].get_text() == "unknown"
