"""The Python blocks of the pages of the documentation, and how they are run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page.

    Attributes
    ----------
    page : Path
    language : str
        What stands behind the fence.
    line : int
        Of the page, where the text begins; the first one is 1.
    """

    page: Path
    language: str
    line: int
    text: str


def blocks_of(page: Path, language: str = "python") -> list[Block]:
    """The blocks of a page in one language, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, found[1], text[: found.start(2)].count("\n") + 1, found[2])
        for found in FENCED.finditer(text)
        if found[1] == language
    ]


def pages_with_blocks() -> dict[str, Path]:
    """Every page with Python on it, by its name: that of the file, without its folder."""
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return {page.name: page for page in pages if blocks_of(page)}


def run_block(block: Block, names: dict[str, Any], text: str | None = None) -> list[tuple[str, Any]]:
    """Run a block as somebody who types it, in the names that the blocks before it left.

    Parameters
    ----------
    names : dict
        What the block finds, and to which it adds.
    text : str, optional
        What to run in the place of the block's own text, with as many lines.

    Returns
    -------
    list of (str, object)
        Each line that is an expression, and its value, which a notebook would show.
    """
    source = block.text if text is None else text
    # Moved down, so that an error names the line of the page.
    tree = ast.parse("\n" * (block.line - 1) + source, str(block.page))
    answers = []
    for statement in tree.body:
        if isinstance(statement, ast.Expr):
            code = compile(ast.Expression(statement.value), str(block.page), "eval")
            answers.append((ast.unparse(statement), eval(code, names)))  # noqa: S307 (our own page)
        else:
            module = ast.Module([statement], type_ignores=[])
            exec(compile(module, str(block.page), "exec"), names)  # noqa: S102 (our own page)
    return answers
