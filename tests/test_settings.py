import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from ainerd_agent.settings import AgentSettings, BinSettings, ServerSettings, Settings


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


@pytest.mark.parametrize("text", ["n_bin = 3\n", "[bins]\nn_bin = 3\n", "[keys]\nframe = 'x'\n"])
def test_unknown_settings_are_refused(tmp_path, text):
    (tmp_path / "ainerd.toml").write_text(text)
    with pytest.raises(ValidationError, match=r"n_bin|frame"):
        Settings()


def test_a_geometry_is_a_poni_file_or_parameters(tmp_path, monkeypatch):
    monkeypatch.setenv("AINERD_GEOMETRY__PONI", "here.poni")
    assert Settings().geometry.poni == Path("here.poni")
    (tmp_path / "ainerd.toml").write_text("[geometry]\ncentre_row = 3.0\nwavelength = 0.1\n")
    with pytest.raises(ValidationError, match="poni already tells centre_row, wavelength"):
        Settings()
    monkeypatch.delenv("AINERD_GEOMETRY__PONI")
    with pytest.raises(ValidationError, match="without poni, centre_column, distance must be given"):
        Settings()
    monkeypatch.setenv("AINERD_GEOMETRY__CENTRE_COLUMN", "4")
    monkeypatch.setenv("AINERD_GEOMETRY__DISTANCE", "8")
    geometry = Settings().geometry
    assert (geometry.centre_row, geometry.centre_column, geometry.distance, geometry.wavelength) == (3, 4, 8, 0.1)


def test_bins_are_rings_or_a_partition():
    rings = BinSettings(n_q=3, first_azimuth=-10, mask="mask.npy", mask_marks="good")
    assert (rings.n_q, rings.first_azimuth, rings.empty) == (3, -10, "raise")
    assert BinSettings(partition="qmap.h5", mask="mask.npy", empty="drop").partition == "qmap.h5"
    with pytest.raises(ValidationError, match="leave out q_min, n_bins"):
        BinSettings(partition="qmap.h5", n_bins=18, q_min=0.01)
    with pytest.raises(ValidationError, match=r"q_min 0.03 must be below q_max 0.029"):
        BinSettings(q_min=0.03)
    with pytest.raises(ValidationError, match="n_q"):
        BinSettings(n_q=0)
    with pytest.raises(ValidationError, match="mask_marks says how to read a mask: give mask too"):
        BinSettings(mask_marks="good")


def test_a_plan_needs_a_queue():
    room = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    assert AgentSettings(**room, queue="tcp://here:60615", plan="expose").plan == "expose"
    with pytest.raises(ValidationError, match="the plan 'expose' is run by a queue server: give queue too"):
        AgentSettings(**room, plan="expose")


def test_the_key_stays_out_of_what_is_printed():
    settings = Settings(tiled_uri="http://here", tiled_api_key="hush")
    assert "hush" not in repr(settings)
    assert settings.tiled_address == "http://here?api_key=hush"
    odd = Settings(tiled_uri="http://here/api/v1?page=1", tiled_api_key="a&b")
    assert odd.tiled_address == "http://here/api/v1?page=1&api_key=a%26b"


def test_they_are_read_where_a_program_starts_and_nowhere_else():
    """The library takes values: a query must not depend on the file of the folder it is made in."""
    root = Path(__file__).parents[1]
    files = [file for room in ("ainerd_agent", "callbacks") for file in (root / room).rglob("*.py")]
    programs = root / "ainerd_agent" / "cli"
    read = [
        str(file.relative_to(root))
        for file in files
        if not file.is_relative_to(programs)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Settings"
    ]
    assert len(files) > 100
    assert read == []


def test_prefetch_keeps_its_old_name():
    assert not Settings(files={"follow": False}).files.prefetch
    assert not Settings(files={"prefetch": False}).files.prefetch


def test_people_of_a_server_have_a_key_each():
    key = "ab" * 32
    given = ServerSettings(people={"Ann": {"key_sha256": key, "roles": ["approve"]}})
    assert given.people["Ann"].roles == ("approve",)
    with pytest.raises(ValidationError, match="Ann, Bo have one key"):
        ServerSettings(people={"Ann": {"key_sha256": key}, "Bo": {"key_sha256": key}})
    for person in ({"key_sha256": "her key"}, {"key_sha256": key, "roles": ["everything"]}):
        with pytest.raises(ValidationError):
            ServerSettings(people={"Ann": person})
