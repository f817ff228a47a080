import json

import pandas as pd

from tests.integration.conftest import ainerd


def test_the_papers_relaxation(real_data, tmp_path):
    latents, rheology = real_data("ainerd_rheo_latents.npz"), real_data("ainerd_rheology.csv")
    done = ainerd("relate", str(latents), str(rheology), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "relation.csv")
    assert len(table) == 900
    assert set(table["cluster"]) == set(range(5))
    # Dynamics slow down after cessation (paper, Fig. 3): from fast clusters to slow ones.
    assert table[table["start_time_s"] < 200]["cluster"].mean() > table[table["start_time_s"] > 2000]["cluster"].mean()
    assert "Stress minima" in done.stdout
    # The paper's flow and vorticity directions differ; four minima are too few for the other tests to find anything.
    found = json.loads((tmp_path / "links.json").read_text())
    assert found["anisotropy"]["p_any"] < 0.01
    assert found["events"]["n_events"] == 4
    assert "The directions differ" in done.stdout
    assert (tmp_path / "links.png").stat().st_size > 20_000
    assert (tmp_path / "relation.png").stat().st_size > 20_000
    assert (tmp_path / "relation.svg").exists()
