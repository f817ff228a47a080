"""Whatever is imported is named by a requirement, whose range holds the lock and begins with what was tested.

A package that only comes along with another one may leave with it.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"ainerd-agent"}
OURS = {"ainerd_agent", "callbacks", "tests", *(file.stem for file in (ROOT / "tests").rglob("*.py"))}

PEERS = {"pyxpcsviewer", "skbeam"}
"""Programs of others that tests compare with where they are installed."""

EXTRAS_OF_PROGRAMS = ("adaptive", "dask", "databroker", "profile", "queue", "simulator")
"""What code that is installed may import where it needs it; `dev` and `bench` are for those who work on the code."""


NOT_RUN_AT_THEIR_LOWEST = {"import-linter", "mypy", "pandas-stubs", "pre-commit", "ruff", "torch"}
"""Tools that no test runs; and torch, of which one version is installed everywhere."""


@dataclass(frozen=True, slots=True)
class Import:
    """Of a top-level module of somebody else's."""

    module: str
    line: int
    lazy: bool
    """Within a function, or for type checkers alone."""


def imports(source: str) -> Iterator[Import]:
    """What a module imports from outside of the standard library and of this project."""
    yield from _imports_of(ast.parse(source), lazy=False)


def _imports_of(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        for module in [] if relative else [name.partition(".")[0] for name in names]:
            if module not in sys.stdlib_module_names and module not in OURS:
                yield Import(module, node.lineno, lazy)
    lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _for_types(node)
    for child in ast.iter_child_nodes(node):
        yield from _imports_of(child, lazy=lazy)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def named(*extras: str) -> frozenset[str]:
    """Distributions that the project requires, with extras."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    found = {Requirement(each) for requirements in lists for each in requirements}
    own = [each for each in found if canonicalize_name(each.name) in OWN]
    names = {canonicalize_name(each.name) for each in found} - OWN
    return frozenset(names.union(*(named(*each.extras) for each in own)))


@cache
def distributions() -> dict[str, frozenset[str]]:
    return {module: frozenset(map(canonicalize_name, names)) for module, names in packages_distributions().items()}


def unnamed(source: str, at_once: frozenset[str], lazily: frozenset[str]) -> list[str]:
    """Imports that no requirement names; `at_once` are those that a module may need to be imported at all."""
    found = []
    for each in imports(source):
        offered_by = distributions().get(each.module, frozenset())
        if not offered_by & (lazily if each.lazy else at_once):
            found.append(f"line {each.line}: {each.module} ({' or '.join(sorted(offered_by)) or 'not installed'})")
    return found


def problems(folder: str, at_once: frozenset[str], lazily: frozenset[str]) -> list[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    return [
        f"{file.relative_to(ROOT)}, {each}" for file in files for each in unnamed(file.read_text(), at_once, lazily)
    ]


@pytest.mark.parametrize("folder", ["ainerd_agent", "callbacks"])
def test_what_is_installed_imports_what_is_required_with_it(folder: str) -> None:
    found = problems(folder, named(), named(*EXTRAS_OF_PROGRAMS))
    assert [each for each in found if not each.startswith("ainerd_agent/instrument/")] == []


def test_the_simulated_beamline_imports_what_its_extra_brings() -> None:
    everything = named("simulator")
    assert problems("ainerd_agent/instrument", everything, everything) == []


def test_the_profile_imports_what_is_required_with_it() -> None:
    everything = named("profile", "simulator")
    assert problems("profile", everything, everything) == []


def test_the_tests_import_what_developers_install() -> None:
    everything = named("dev")
    found = problems("tests", everything, everything)
    assert [each for each in found if not any(f": {module} (" in each for module in PEERS)] == []


def test_an_import_that_nobody_names_is_found() -> None:
    source = "import numpy, starlette.routing\nfrom . import near\ndef late():\n    from tqdm import tqdm\n"
    assert [each.partition(" (")[0] for each in unnamed(source, named(), named())] == [
        "line 1: starlette",
        "line 4: tqdm",
    ]
    # An extra is enough only for what is imported where it is needed.
    assert unnamed("def late():\n    import bluesky_adaptive", named(), named("adaptive")) == []
    assert len(unnamed("import bluesky_adaptive", named(), named("adaptive"))) == 1


def required() -> list[Requirement]:
    """Of the package and its extras, but of no benchmark."""
    extras = [extra for extra in PROJECT["optional-dependencies"] if extra != "bench"]
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    found = [Requirement(each) for requirements in lists for each in requirements]
    return [each for each in found if canonicalize_name(each.name) not in OWN]


def pinned(file: str) -> dict[str, Version]:
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


def test_the_lock_has_every_requirement_in_its_range() -> None:
    locked = pinned("requirements.lock")
    wrong = [
        f"{each} is locked as {locked.get(canonicalize_name(each.name))}"
        for each in required()
        if locked.get(canonicalize_name(each.name), Version("0")) not in each.specifier
    ]
    assert wrong == []


def test_every_range_begins_with_the_version_that_was_tested() -> None:
    lowest = pinned("requirements-lowest.txt")
    begins = {
        canonicalize_name(each.name): Version(bound.version)
        for each in required()
        for bound in each.specifier
        if bound.operator in (">=", "==")
    }
    tested = {name: version for name, version in begins.items() if name not in NOT_RUN_AT_THEIR_LOWEST}
    assert tested == {name: lowest.get(name) for name in tested}
