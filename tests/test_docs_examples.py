"""The Python examples of pages that need no server, run page by page; no page is forgotten."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from ainerd_agent.settings import Settings
from tests.pages import DOCS, ROOT, blocks_of, pages_with_blocks, run_block


def settings_of_a_detector():
    """What a page on bins takes for granted: settings beside the notebook."""
    Path("ainerd.toml").write_text("[geometry]\ncentre_row = 255.5\ncentre_column = 767.5\ndistance = 8.0\n")


def files_of_aps():
    """What a page on frames takes for granted: a Rigaku file and an IMM file."""
    movie = np.random.default_rng(2).poisson(0.02, size=(500, 64 * 96))
    frame, pixel = np.nonzero(movie)
    count = movie[frame, pixel]
    (frame.astype("<u8") << 40 | pixel.astype("<u8") << 16 | count.astype("<u8")).tofile("run.bin")
    with open("run.imm", "wb") as file:
        for number in range(500):
            here = frame == number
            header = bytearray(1024)
            struct.pack_into("<2i", header, 0, 2, 6)
            struct.pack_into("<3i", header, 108, 64, 96, 2)
            struct.pack_into("<i", header, 152, here.sum())
            file.write(header + pixel[here].astype("<i4").tobytes() + count[here].astype("<u2").tobytes())


def maps_of_two_experiments():
    """What a page on figures takes for granted: a file of maps."""
    lag = np.abs(np.subtract.outer(np.arange(32), np.arange(32))) / 32
    c2 = np.stack([1 + 0.3 * np.exp(-lag / tau) for tau in np.geomspace(0.05, 3, 12)])
    np.savez("my-maps.npz", c2=c2, series=np.arange(12) % 2)


PAGES = {
    "correlate-frames.md": None,
    "define-bins.md": settings_of_a_detector,
    "draw-the-papers-figures.md": maps_of_two_experiments,
    "fit-relaxation.md": None,
    "read-frames.md": files_of_aps,
    "two-time.md": None,
}

ELSEWHERE = {
    "README.md": "integration/test_how_to_lines.py",
    "choose-clusters.md": "integration/test_how_to_lines.py",
    "end-exposures-early.md": "integration/test_counting.py",
    "first-session.md": "integration/test_how_to_lines.py",
    "ingest-your-own-maps.md": "integration/test_how_to_lines.py",
    "let-an-agent-measure.md": "integration/test_agent_page.py",
    "questions-to-ask-your-catalog.md": "integration/test_questions.py",
    "reanalyse-past-runs.md": "integration/test_how_to_lines.py",
    "relate-dynamics-to-stress.md": "integration/test_how_to_lines.py",
    "serve-and-query.md": "integration/test_how_to_lines.py",
    "train-a-model.md": "integration/test_how_to_lines.py",
    "use-at-a-beamline.md": "integration/test_how_to_lines.py",
}
"""The test that runs the Python of a page with a server."""


@pytest.mark.parametrize("page", PAGES)
def test_examples_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    prepare = PAGES[page]
    if prepare is not None:
        prepare()
    names = {}
    for block in blocks_of(pages_with_blocks()[page]):
        run_block(block, names)


def test_every_page_with_python_is_run_by_a_test():
    assert not PAGES.keys() & ELSEWHERE.keys()
    assert sorted(pages_with_blocks()) == sorted([*PAGES, *ELSEWHERE])
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / "tests" / test).read_text(), f"{test} does not run {page}"


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.rglob("*.md") if blocks_of(page, "toml")))
def test_settings_on_pages_are_settings(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = DOCS.rglob(page)
    for block in blocks_of(path, "toml"):
        Path("ainerd.toml").write_text(block.text)
        assert Settings().model_fields_set, f"{page}, line {block.line}"


def test_nobody_imports_four_levels_deep():
    pages = [ROOT / "README.md", *DOCS.rglob("how-to/*.md"), *DOCS.rglob("tutorial/*.md")]
    imports = re.compile(r"^ *from (ainerd_agent[\w.]*) import", re.MULTILINE)
    found = {module for page in pages for module in imports.findall(page.read_text())}
    assert {module for module in found if module.count(".") > 2} == set()
