"""The Python examples of how-to pages, run page by page."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs" / "how-to"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
}


@pytest.mark.parametrize("page", PAGES)
def test_examples_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    prepare = PAGES[page]
    if prepare is not None:
        prepare()
    text = (DOCS / page).read_text()
    blocks = list(BLOCK.finditer(text))
    assert blocks
    names = {}
    for block in blocks:
        # Padded, so that an error names the line of the page.
        source = "\n" * text[: block.start(1)].count("\n") + block.group(1)
        exec(compile(source, DOCS / page, "exec"), names)  # noqa: S102


def test_nobody_imports_four_levels_deep():
    root = DOCS.parents[1]
    pages = [root / "README.md", *(root / "docs").rglob("how-to/*.md"), *(root / "docs").rglob("tutorial/*.md")]
    imports = re.compile(r"^ *from (ainerd_agent[\w.]*) import", re.MULTILINE)
    found = {module for page in pages for module in imports.findall(page.read_text())}
    assert {module for module in found if module.count(".") > 2} == set()
