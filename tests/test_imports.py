"""What may import what: the plugin starts without torch and yaml, and imports point one way."""

from __future__ import annotations

import ast
import importlib.util
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_flopbudget

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_flopbudget"
HEAVY = {"numpy", "thop", "torch", "transformers", "yaml"}

# Module by module, what it never imports: not in a function body, and not for its types either.
NEVER = [
    ("*", "plugin"),
    ("errors", "*"),
    ("metrics", "*"),
    ("measure*", "baseline*"),
    ("measure*", "report*"),
    ("measure*", "comparison"),
    ("measure*", "judge*"),
    ("measure*", "verdict"),
    ("profile", "baseline*"),
    ("profile", "measure*"),
    ("profile", "judge*"),
    ("profile", "verdict"),
    ("baseline*", "measure*"),
    ("baseline*", "report*"),
    ("baseline*", "comparison"),
    ("baseline*", "judge*"),
    ("baseline*", "verdict"),
    ("comparison", "judge*"),
    ("comparison", "measure*"),
    ("comparison", "report*"),
    ("judge*", "measure*"),
    ("judge*", "report*"),
    ("verdict", "baseline*"),
    ("verdict", "comparison"),
    ("verdict", "judge*"),
    ("verdict", "measure*"),
    ("verdict", "report*"),
    ("report*", "measure*"),
]
AT_THE_TOP = {"torch": "measure*", "thop": "measure*", "yaml": "baseline.nodes"}
IN_A_BODY = {"torch": "*", "thop": "measure*", "yaml": "baseline.nodes"}


# --- the start ---


def heavy_after(pytester: pytest.Pytester, statement: str) -> set[str]:
    """Run `statement` in a new interpreter; return the heavy modules that it leaves loaded."""
    code = f"{statement}\nimport sys\nprint('loaded:', *({HEAVY!r} & set(sys.modules)))"
    result = pytester.run(sys.executable, "-c", code)
    loaded = [line for line in result.outlines if line.startswith("loaded:")]
    assert (result.ret, len(loaded)) == (0, 1), result.stderr.str()
    return set(loaded[0].split()[1:])


def pytest_with(plugin: str, *options: str) -> str:
    """Write the statement that runs pytest with one plugin and no other that is installed."""
    alone = "import os, pytest; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'"
    return f"{alone}; assert pytest.main({['-p', plugin, *options]!r}) == 0"


def test_importing_the_plugin_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    assert heavy_after(pytester, "import pytest_flopbudget.plugin") == set()


def test_listing_the_public_names_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    assert heavy_after(pytester, "import pytest_flopbudget; dir(pytest_flopbudget)") == set()


@pytest.mark.parametrize("options", [["--collect-only"], []])
def test_a_run_without_a_budget_loads_nothing_heavy(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makeini("[pytest]\nflop_budget_metrics = params, gflops")
    pytester.makepyfile("def test_plain(): pass\ndef test_budget(flop_budget): pass")
    assert heavy_after(pytester, pytest_with("pytest_flopbudget.plugin", *options)) == set()


@pytest.mark.parametrize("heavy", ["torch", "yaml"])
def test_the_guard_sees_a_plugin_that_loads(pytester: pytest.Pytester, heavy: str) -> None:
    pytester.makepyfile(loader=f"import {heavy}", test_plain="def test_plain(): pass")
    assert heavy in heavy_after(pytester, "import loader")
    assert heavy in heavy_after(pytester, pytest_with("loader", "--collect-only"))


# --- the directions ---


def modules_of_the_package() -> dict[str, str]:
    paths = {path: path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")}
    return {
        ".".join(part for part in name.parts if part != "__init__"): path.read_text("utf-8")
        for path, name in paths.items()
    }


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Yield each import, `from a import b` as `a.b`, and whether it happens as the module loads."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        or (isinstance(outer, ast.If) and "TYPE_CHECKING" in ast.unparse(outer.test))
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"a relative import: {ast.unparse(node)}"
            yield from ((f"{node.module}.{a.name}", id(node) not in inside) for a in node.names)


def crossings(modules: dict[str, str]) -> list[str]:
    """Return every import that goes against the design, as `importer -> imported`."""
    found = []
    for importer, source in sorted(modules.items()):
        for imported, at_the_top in imports(source):
            head, _, own = imported.partition(".")
            if head == "pytest_flopbudget":
                # `b` of `from a import b` is a module or a name in the module `a`
                names = {own, own.rpartition(".")[0]} & modules.keys() - {""}
                wrong = any(
                    fnmatchcase(importer, here) and fnmatchcase(name, there)
                    for here, there in NEVER
                    for name in names
                )
            elif head in IN_A_BODY:
                allowed = AT_THE_TOP if at_the_top else IN_A_BODY
                wrong = not fnmatchcase(importer, allowed[head])
            else:
                continue
            if wrong:
                found.append(f"{importer} -> {imported}")
    return found


def test_imports_point_one_way() -> None:
    assert crossings(modules_of_the_package()) == []


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("verdict", "import torch"),
        ("verdict", "import torch.nn as nn"),
        ("verdict", "from torch import nn"),
        ("verdict", "class Judge:\n    import torch"),
        ("fixture", "def run():\n    import thop"),
        ("baseline.reader", "from yaml import nodes"),
        ("settings", "def read():\n    import yaml"),
        ("fixture", "from pytest_flopbudget import plugin"),
        ("fixture", "def run():\n    from pytest_flopbudget.plugin import SETTINGS"),
        ("measure", "from pytest_flopbudget.judge import judge"),
        ("measure.count", "from pytest_flopbudget.baseline.reader import read"),
        ("report.json", "if TYPE_CHECKING:\n    from pytest_flopbudget.measure import Call"),
        ("metrics", "import pytest_flopbudget.errors"),
    ],
)
def test_the_directions_can_be_broken(importer: str, line: str) -> None:
    names = [*modules_of_the_package(), importer]
    assert len(crossings({**dict.fromkeys(names, ""), importer: line})) == 1


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("measure.count", "import torch"),
        ("measure.thop_engine", "def run():\n    import thop"),
        ("fixture", "def run():\n    import torch"),
        ("report.layers", "if TYPE_CHECKING:\n    from torch import nn"),
        ("baseline.nodes", "import yaml"),
        ("fixture", "from pytest_flopbudget.measure import measure"),
        ("report.terminal", "from pytest_flopbudget.judge import judge"),
        ("verdict", "import torchmetrics, pytest_flopbudget"),
    ],
)
def test_what_may_be_imported(importer: str, line: str) -> None:
    names = [*modules_of_the_package(), importer]
    assert crossings({**dict.fromkeys(names, ""), importer: line}) == []


# --- the linter says so first ---


@pytest.mark.skipif(not importlib.util.find_spec("ruff"), reason="ruff is not installed here")
@pytest.mark.parametrize(
    ("path", "line", "banned"),
    [
        ("verdict.py", "import torch", True),
        ("plugin.py", "from torch import nn", True),
        ("report/json.py", "import yaml", True),
        ("baseline/reader.py", "import yaml", True),
        ("fixture.py", "import thop", True),
        ("fixture.py", "def run():\n    import torch", False),
        ("measure/count.py", "import torch", False),
        ("baseline/nodes.py", "import yaml", False),
    ],
)
def test_ruff_bans_heavy_imports(
    pytester: pytest.Pytester, path: str, line: str, *, banned: bool
) -> None:
    snippet = pytester.makepyfile(snippet=line)
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"]
    with snippet.open("rb") as source:
        result = pytester.run(*command, f"--stdin-filename={PACKAGE / path}", "-", stdin=source)
    assert ("TID253" in result.stdout.str()) == banned
    assert result.ret in (0, 1), result.stderr.str()


# --- the public names ---


def test_public_names_are_listed_and_resolve() -> None:
    public = pytest_flopbudget.__all__
    assert set(public) <= set(dir(pytest_flopbudget))
    assert public == sorted(public)
    for name in public:
        assert getattr(pytest_flopbudget, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="`pytest_flopbudget` has no attribute `profil`"):
        _ = pytest_flopbudget.profil
