"""The page docs/reference/situations.md, made from tests that are marked with `situation`.

    python -m tests.situations

writes it. A test that is marked `@pytest.mark.situation("what a run is like", "what happens")` is a row.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "situations.md"

HEAD = """# What happens in which situation

Whatever a run's documents contain, it is analysed rightly, or refused or marked in one sentence. Each row is shown by
the test that it names; the table is made from the tests (`python -m tests.situations`).

| situation | what happens | test |
|---|---|---|
"""


def rows() -> Iterator[tuple[str, str, str]]:
    """Situation, what happens, and the test that shows it, in the order of the tests."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.situation":
                    what, happens = (ast.literal_eval(each) for each in mark.args)
                    yield what, happens, f"`{path.relative_to(TESTS).with_suffix('')}`: {node.name}"


def page() -> str:
    """The page as it has to be."""
    return HEAD + "".join(f"| {what} | {happens} | {test} |\n" for what, happens, test in rows())


if __name__ == "__main__":
    PAGE.write_text(page())
