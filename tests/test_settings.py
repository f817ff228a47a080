import pytest
from pydantic import ValidationError

from ainerd_agent.settings import Settings


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_arguments_win_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "ainerd.toml").write_text('tiled_uri = "http://file"\n[bins]\nn_bins = 9\nq_min = 0.01\n')
    assert Settings().bins.n_bins == 9
    monkeypatch.setenv("AINERD_BINS__N_BINS", "36")
    assert Settings().bins.n_bins == 36
    assert Settings().bins.q_min == 0.01
    assert Settings(tiled_uri="http://argument").tiled_uri == "http://argument"


def test_the_defaults_are_the_papers():
    bins = Settings().bins
    assert (bins.n_bins, bins.q_min, bins.q_max) == (18, 0.019, 0.029)


def test_unknown_settings_are_refused(tmp_path):
    (tmp_path / "ainerd.toml").write_text("n_bin = 3\n")
    with pytest.raises(ValidationError, match="n_bin"):
        Settings()


def test_the_key_stays_out_of_what_is_printed():
    settings = Settings(tiled_uri="http://here", tiled_api_key="hush")
    assert "hush" not in repr(settings)
    assert settings.tiled_address == "http://here?api_key=hush"
    odd = Settings(tiled_uri="http://here/api/v1?page=1", tiled_api_key="a&b")
    assert odd.tiled_address == "http://here/api/v1?page=1&api_key=a%26b"
