"""`ainerd figures`, of simulated maps and of the latents of the paper."""

import numpy as np
import pytest
from typer.testing import CliRunner

from ainerd_agent.cli.app import app
from ainerd_agent.errors import MapError
from tests.integration.conftest import ainerd


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
