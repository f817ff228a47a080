"""Count what makes code hard to move into: long functions, many parameters, full rooms, untyped clients.

    python benchmarks/structure.py [FOLDER]

counts the package in this checkout, or in another one beside it, to compare two states of the project. A function's
length is that of its code, without its docstring and decorators. Kernels, which numba compiles as they are written,
stay apart.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

LINES, PARAMETERS, MODULE_LINES = 40, 7, 400
CLIENTS = {"root", "parent", "container", "node", "table", "analysis", "run", "catalog", "array", "item", "client"}
"""Names of parameters that hold a Tiled client or container where they are typed `Any`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Found:
    """A function, and where it is."""

    place: str
    lines: int
    parameters: int
    kernel: bool
    untyped_clients: int


def functions(path: Path, root: Path) -> Iterator[Found]:
    """All functions of a module, methods and inner ones too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield Found(
                f"{path.relative_to(root)}:{node.name}",
                _length(node),
                len([each for each in _arguments(node) if each.arg not in ("self", "cls")]),
                "kernel" in path.name or any("njit" in ast.unparse(each) for each in node.decorator_list),
                sum(each.arg in CLIENTS and _is_any(each) for each in _arguments(node)),
            )


def _arguments(node: Function) -> list[ast.arg]:
    given = node.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def _is_any(argument: ast.arg) -> bool:
    return argument.annotation is not None and ast.unparse(argument.annotation) in ("Any", "Any | None")


def _length(node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return 0 if not body else (node.end_lineno or 0) - body[0].lineno + 2


def main(
    folder: Annotated[Path, typer.Argument(help="A checkout of the project.")] = Path(__file__).parents[1],
) -> None:
    """Print the counts, and the functions that are too long or take too much."""
    modules = {
        path.resolve(): path for name in ("callbacks", "ainerd_agent") for path in sorted((folder / name).rglob("*.py"))
    }
    found = [each for path in modules.values() for each in functions(path, folder)]
    plain = [each for each in found if not each.kernel]
    long = sorted((each for each in plain if each.lines > LINES), key=lambda each: -each.lines)
    wide = sorted((each for each in plain if each.parameters > PARAMETERS), key=lambda each: -each.parameters)
    full = Counter(str(path.parent.relative_to(folder)) for path in modules.values() if path.name != "__init__.py")
    large = [path for path in modules.values() if len(path.read_text().splitlines()) > MODULE_LINES]
    print(f"{len(modules)} modules, {len(found)} functions, {len(found) - len(plain)} of them kernels")
    print(f"modules past {MODULE_LINES} lines: {len(large)}")
    print(f"functions over {LINES} lines: {len(long)}")
    print(f"functions over {PARAMETERS} parameters: {len(wide)}")
    print(f"parameters that take a Tiled client as Any: {sum(each.untyped_clients for each in found)}")
    print(f"most modules in one folder: {', '.join(f'{n} in {name}' for name, n in full.most_common(3))}")
    for each in long:
        print(f"  {each.lines:4} lines       {each.place}")
    for each in wide:
        print(f"  {each.parameters:4} parameters  {each.place}")


if __name__ == "__main__":
    typer.run(main)
