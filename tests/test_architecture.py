"""The page for developers: what it names exists, and its routes are those that calls take."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_flopbudget"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+(?:/|\.py)(?::[\w.]+)?)`", PAGE)))
MOST_FILES = 8  # from the dispatch of an operator to its booking


def names_in(file: Path) -> set[str]:
    """List functions, classes, methods and constants: `f`, `C`, `C.method`, `NAMES`."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            functions = (inner for inner in node.body if isinstance(inner, ast.FunctionDef))
            names |= {f"{node.name}.{function.name}" for function in functions}
        names |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return names


def is_there(named: str) -> bool:
    path, _, name = named.partition(":")
    home = ROOT if path.startswith(("tests/", "docs/")) else PACKAGE
    return (home / path).exists() and (not name or name in names_in(home / path))


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_exists(named: str) -> None:
    assert is_there(named)


@pytest.mark.parametrize(
    "named", ["measure/pipes.py", "pipeline/", "measure/pipeline.py:run", "api.py:Api.profile"]
)
def test_what_does_not_exist_is_noticed(named: str) -> None:
    assert not is_there(named)


def test_every_folder_is_on_the_page() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    top = {folder.relative_to(PACKAGE).parts[0] for folder in folders}
    inside = {f.relative_to(PACKAGE).parts[1] for f in folders if "measure" in f.parts[:-1]}
    wanted = {f"{name}/" for name in top} | {f"measure/{name}/" for name in inside}
    assert wanted <= set(NAMED)


def section(title: str) -> list[str]:
    """Return the files in a section, each once, in their order."""
    text = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return list(dict.fromkeys(re.findall(r"`([\w/]+\.py):[\w.]+`", text)))


def test_the_route_of_an_operator_is_the_one_it_takes() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.call_trace", "--paths"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    route = done.stdout.partition("aten::mm, first")[2].partition("aten::mm, again")[0]
    files = re.findall(r"^ +\d+ ([\w/]+\.py)$", route, re.MULTILINE)
    told = section("The route of one `aten::mm`")
    assert len(files) <= MOST_FILES
    assert set(files) == set(told) - {"measure/counting/module_tracker.py"}  # which runs no code
