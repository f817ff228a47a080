"""Names of the files of a sequence, from templates of every generation."""

from __future__ import annotations

from pathlib import Path

import pytest
from bluesky_tiled_plugins.utils import compile_template
from hypothesis import given
from hypothesis import strategies as st

from ainerd_agent.errors import FrameError
from ainerd_agent.scattering.frames.file_names import FileNames


@pytest.mark.parametrize(
    ("beginning", "template", "filename", "name"),
    [
        ("/data/", "%s%s_%6.6d.tiff", "run", "/data/run_000012.tiff"),
        ("/data/", "/%s_%d.tiff", "run", "/data/run_12.tiff"),
        ("/data", "/x_{:06d}.tif", "", "/data/x_000012.tif"),
        ("/data/x", "_{:d}.tif", "", "/data/x_12.tif"),
        ("/data/x", "_{}.tif", "", "/data/x_12.tif"),
        ("/data/x", "_{index:03}.tif", "", "/data/x_012.tif"),
        ("/data/", "{filename}_{0:04d}%%.tif", "5%d{}", "/data/5%d{}_0012%.tif"),
        ("/data/all.tif", "", "", "/data/all.tif"),
        ("/data", "/{filename}.tif", "all", "/data/all.tif"),
    ],
)
def test_a_template_gives_the_name_of_a_file(beginning, template, filename, name):
    names = FileNames(beginning, template, filename)
    assert names.path(12) == Path(name)
    assert names.several == ("12" in name)


@given(
    template=st.tuples(
        st.sampled_from(["", "%s", "%s%s", "%s_%s"]),
        st.sampled_from(["%d", "%3d", "%06d", "%6.6d", "%3.5d"]),
        st.sampled_from(["", ".tif", "_x.h5"]),
    ).map("".join),
    filename=st.text("abc_- é"),
    number=st.integers(0, 10**7),
)
def test_old_templates_give_the_names_that_tiled_gives_them(template, filename, number):
    assert FileNames("/data/", template, filename).tail(number) == compile_template(template, filename).format(number)


@given(st.text("%{}sd0123456789.:_x!["))
def test_any_template_gives_a_name_or_is_refused(template):
    try:
        names = FileNames("/data/", template)
    except FrameError as error:
        assert repr(template) in str(error)  # noqa: PT017 (either way is right)
    else:
        assert isinstance(names.path(3), Path)


@pytest.mark.parametrize(
    "template", ["{0.__class__}", "%d_%d", "{:999999999d}", "%999999999d", "{:d", "%x", "{name}", "%"]
)
def test_what_is_no_template_is_refused(template):
    with pytest.raises(FrameError, match="is no template for the names of files"):
        FileNames("/data/", template)


def test_a_file_in_a_folder_without_a_slash_is_found(tmp_path):
    names = FileNames(str(tmp_path / "run"), "x_%d.tif")
    assert names.path(1) == tmp_path / "runx_1.tif"
    (tmp_path / "run").mkdir()
    assert names.path(1) == tmp_path / "run" / "x_1.tif"
    (tmp_path / "runx_1.tif").touch()
    assert names.path(1) == tmp_path / "runx_1.tif"
