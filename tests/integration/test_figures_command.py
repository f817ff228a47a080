"""`ainerd figures`, of simulated maps and of the latents of the paper."""

import math
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from ainerd_agent.catalog.opening import open_catalog
from ainerd_agent.cli.app import app
from ainerd_agent.errors import CatalogError, MapError
from ainerd_agent.latent import Encoder
from ainerd_agent.records import Run
from ainerd_agent.workflows.figure_data import data_of_catalog
from tests.integration.conftest import ainerd
from tests.integration.derived_runs import MODEL, START, measurement


def test_simulated_maps_give_all_figures_that_they_can(tmp_path):
    of_maps = {"reconstructions", "neighbours"}
    asked = [word for name in sorted({*of_maps, "directions", "times"}) for word in ("--which", name)]
    done = ainerd("figures", "--simulated", "50", "--out", str(tmp_path), *asked)
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.glob("*.png")} == of_maps
    assert "the azimuth of the maps is not known" in done.stdout.replace("\n", " ")


def test_latents_give_the_figures_that_need_no_maps(tmp_path):
    rng = np.random.default_rng(0)
    time, number = np.meshgrid(np.arange(6) * 50.0, np.arange(1, 19))
    latents = rng.normal(size=(108, 64)) + (time.ravel() > 100)[:, None]
    np.savez(tmp_path / "latents.npz", latents=latents, start_time_s=time.ravel(), azimuthal_bin=number.ravel())
    done = ainerd("figures", str(tmp_path / "latents.npz"), "--out", str(tmp_path), "--which", "times", "--which",
                  "directions", "--which", "embedding")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.glob("*.png")} == {"times", "directions", "embedding"}


def test_points_of_a_catalog_are_drawn_with_their_maps(tmp_path):
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 32
    c2 = np.stack([1 + 0.3 * np.exp(-lag / tau) for tau in np.geomspace(0.05, 3, 12)])
    np.savez(tmp_path / "maps.npz", c2=c2, azimuth=np.arange(12) * 30.0, time=np.arange(12) * 10.0)
    folder = str(tmp_path / "session")
    for arguments in (
        ["ingest", str(tmp_path / "maps.npz"), "--out", folder, "--baseline", "1", "--contrast", "0.3"],
        ["figures", "--catalog", folder, "--out", str(tmp_path / "figures"), "--which", "reconstructions"],
    ):
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert "12 points of ages-v1" in done.output
    assert (tmp_path / "figures" / "reconstructions.png").stat().st_size > 5000
    with open_catalog(folder) as catalog:
        encoder, data = data_of_catalog(catalog)
        assert len(data_of_catalog(catalog, most=5)[1]) == 5
    np.testing.assert_allclose(data.latents, encoder.encode(c2, baseline=1.0, contrast=0.3), atol=1e-3)
    np.testing.assert_allclose(data.maps, encoder.scale(c2, baseline=1.0, contrast=0.3).maps, atol=1e-3)
    np.testing.assert_array_equal(data.azimuth, np.arange(12) * 30.0)
    np.testing.assert_array_equal(data.time, np.arange(12) * 10.0)


@pytest.mark.parametrize("options", [["--simulated", "50"], ["--catalog", "nowhere"]])
def test_what_only_a_file_needs_is_refused_elsewhere(options):
    with pytest.raises(MapError, match="--baseline and --contrast are for maps of a file"):
        CliRunner().invoke(app, ["figures", *options, "--contrast", "0.3"], catch_exceptions=False)


def test_one_source_is_needed():
    with pytest.raises(MapError, match="--simulated"):
        CliRunner().invoke(app, ["figures"], catch_exceptions=False)


def test_the_number_of_clusters_of_latents_is_tried(tmp_path):
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.normal(level, 0.3, (40, 64)) for level in (0, 2, 4)])
    np.savez(tmp_path / "latents.npz", latents=latents)
    done = ainerd("clusters", str(tmp_path / "latents.npz"), "--largest", "5", "--seeds", "3", "--compare")
    assert done.returncode == 0, done.stderr
    assert "chosen: 3" in done.stdout
    assert "hdbscan" in done.stdout
    refit = ["clusters", str(tmp_path / "latents.npz"), "--refit", str(tmp_path / "new.safetensors")]
    with pytest.raises(MapError, match="--refit needs a catalog"):
        CliRunner().invoke(app, refit, catch_exceptions=False)


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A session of two runs: one on motors `theta`, `z` and `oven` with x at rest, the other along z alone."""
    folder = str(tmp_path_factory.mktemp("session"))
    places = {
        "grid": [{"x": 2.0, "theta": 15.0 * k, "z": 0.2 * (k % 2), "oven": 20.0 + k} for k in range(4)],
        "line": [{"z": 0.5 * k} for k in range(3)],
    }
    with open_catalog(folder, create=True) as catalog:
        writer = catalog.writer(replace(MODEL, name=Encoder.load().name))
        for run, positions in places.items():
            writer.open_run(Run(uid=run, time=START, sample="silica"))
            for number, position in enumerate(positions, start=1):
                fingerprints, analysis = measurement(run, number, novelty=math.nan if number == 1 else float(number))
                origin = replace(analysis.origin, position=position, units={"theta": "deg", "oven": "degC"})
                latents = np.zeros((len(analysis.cluster), 64), np.float32)
                writer.append(
                    run,
                    [replace(fingerprints, origin=origin)],
                    [replace(analysis, origin=origin, latents=latents)],
                )
            writer.close_run(run, "success")
    return folder


def sample_map_of(folder, out, *options):
    arguments = ["figures", "--catalog", folder, "--out", str(out), "--which", "sample-map", *options]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.replace("\n", " ")


@pytest.mark.situation("a run on motors other than x and y", "its figures and tables are on its own axes")
def test_a_map_of_a_run_is_on_its_own_axes(turned, tmp_path):
    with open_catalog(turned) as catalog:
        places = data_of_catalog(catalog, run="grid")[1].places
        assert catalog.axes(raw_uid="line") == {"z": "mm"}
        assert catalog.axes() == {"x": "mm", "theta": "deg", "z": "mm", "oven": "degC"}
    assert places.shown() == ("theta", "z")
    assert places.positions["theta"].tolist() == [0.0, 15.0, 30.0, 45.0]
    assert places.cluster.tolist() == [1, 1, 1, 1]
    # Root mean square over the bins whose novelty is known.
    np.testing.assert_allclose(places.novelty, [np.nan, *(number * math.sqrt(1.25 / 2) for number in (2, 3, 4))])
    for options, labels in (
        (("--run", "grid"), ("theta (deg)", "z (mm)", "at x 2 mm, oven 20 to 23 degC")),
        (("--run", "grid", "--axes", "oven, z"), ("oven (degC)", "z (mm)", "at x 2 mm, theta 0 to 45 deg")),
        (("--run", "line"), ("z (mm)", "Measurement")),
    ):
        sample_map_of(turned, tmp_path, *options)
        drawn = (tmp_path / "sample-map.svg").read_text()
        assert all(f"<!-- {label} -->" in drawn for label in labels)


def test_a_map_that_cannot_be_drawn_is_left_out_with_the_reason(turned, tmp_path):
    assert "sample-map: left out, it shows where one run" in sample_map_of(turned, tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(MapError, match="no axis phi in this run; its axes: x, theta, z, oven"):
        sample_map_of(turned, tmp_path, "--run", "grid", "--axes", "phi,z")
    with pytest.raises(MapError, match="--run, --measurement, --stream, --bin and --axes are for a catalog"):
        CliRunner().invoke(app, ["figures", "--simulated", "50", "--axes", "z"], catch_exceptions=False)


def test_a_measurement_is_drawn_over_age_and_lag_from_its_stored_maps(turned, tmp_path):
    with open_catalog(turned) as catalog:
        chosen = data_of_catalog(catalog, run="grid", measurement=2)[1].fingerprints
        latest = data_of_catalog(catalog, run="grid")[1].fingerprints
        assert data_of_catalog(catalog)[1].fingerprints is None
        with pytest.raises(CatalogError, match="no complete measurement 9; it has primary/1, primary/2"):
            data_of_catalog(catalog, run="grid", measurement=9)
        with pytest.raises(MapError, match="2 runs"):
            data_of_catalog(catalog, measurement=2)
        with pytest.raises(CatalogError, match="no complete measurement flow/2"):
            data_of_catalog(catalog, run="grid", measurement=2, stream="flow")
    assert (chosen.origin.seq_num, latest.origin.seq_num) == (2, 4)
    np.testing.assert_array_equal(chosen.c2[:, 0, 0], [201, 202, 203])
    arguments = ["figures", "--catalog", turned, "--out", str(tmp_path), "--which", "age-lag"]
    done = CliRunner().invoke(app, [*arguments, "--run", "grid", "--measurement", "2"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    drawn = (tmp_path / "age-lag.svg").read_text()
    assert "<!-- Run grid, measurement 2, x 2 mm, theta 15 deg, z 0.2 mm, oven 21 degC," in drawn
    assert "a lag too short for the stored map" in drawn
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "age-lag: left out, it shows one measurement of a catalog" in done.output.replace("\n", " ")


def test_tables_have_the_axes_of_their_runs(turned):
    for command in (["points"], ["novel", "--by", "measurement"]):
        done = CliRunner().invoke(app, ["find", *command, "--catalog", turned], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        names, units = done.output.splitlines()[:2]
        assert {"theta", "z", "oven"} <= set(names.split())
        assert {"(deg)", "(mm)", "(degC)"} <= set(units.split())
    lines = CliRunner().invoke(
        app, ["follow", "--catalog", turned, "--beginning", "--measurements", "7"], catch_exceptions=False
    )
    assert "grid/2  x 2.00 mm, theta 15.00 deg, z 0.20 mm, oven 21.00 degC  2 of cluster 1" in lines.output
    assert "line/3  z 1.00 mm  2 of cluster 1" in lines.output
