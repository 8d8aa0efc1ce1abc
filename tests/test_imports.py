"""What may import what: the plugin starts without torch and yaml, and imports point one way."""

from __future__ import annotations

import ast
import importlib.util
import sys
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pytest_flopbudget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_flopbudget"
HEAVY = {"numpy", "thop", "torch", "transformers", "yaml"}

# The order of the house, the lowest first. A place imports what stands on a line before its own,
# and nothing else: not in a function body, and not for its types either.
PLACES = """
    escaping real_files
    errors metrics text_table serialization real_time
    profile
    settings
    measure baseline
    base_commit verdict api selftest
    report
    accept commands
    plugin
    __main__
"""
APART = {(judge, "measure") for judge in ("base_commit", "verdict", "report", "selftest")}
PLACES_OF_MEASURE = """
    torch_internals
    hardware
    isolation input_descriptions targets
    call layers operators
    profiled_call call_interception error_notes lazy_modules
    params
    counting timing memory
    device_run
    build_profile
    model_sources
    pipeline
"""
IN_A_BODY = {"torch": "*", "thop": "measure*", "yaml": "baseline.yaml_*", "pytest": "plugin*"}
AT_THE_TOP = {**IN_A_BODY, "torch": "measure*"}


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


def lines_of(places: str) -> dict[str, int]:
    """Number the places by the line on which they stand."""
    lines = places.split("\n")
    return {place: number for number, line in enumerate(lines) for place in line.split()}


def goes_up(importer: str, imported: str, places: str = PLACES) -> bool:
    """Tell an import of a place that is not below: on the same line, or on one after it."""
    here, _, inner = importer.partition(".")
    there, _, other = imported.partition(".")
    if here == there == "measure" and inner and other:
        return goes_up(inner, other, PLACES_OF_MEASURE)
    line = lines_of(places)
    return here != there and (line[here] <= line[there] or (here, there) in APART)


def own_imports(importer: str, source: str, modules: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the modules of the package that one imports, and whether as it loads."""
    for imported, at_the_top in imports(source):
        head, _, own = imported.partition(".")
        # `b` of `from a import b` is a module or a name in the module `a`
        found = next((name for name in (own, own.rpartition(".")[0]) if name in modules), "")
        if head == "pytest_flopbudget" and found and found != importer:
            yield found, at_the_top


def crossings(modules: dict[str, str]) -> list[str]:
    """Return every import that goes against the design, as `importer -> imported`."""
    found = []
    for importer, source in sorted(modules.items()):
        if importer:  # the package itself hands out the public names
            wrong = (name for name, _ in own_imports(importer, source, modules))
            found += [f"{importer} -> {name}" for name in wrong if goes_up(importer, name)]
        for imported, at_the_top in imports(source):
            head = imported.partition(".")[0]
            allowed = AT_THE_TOP if at_the_top else IN_A_BODY
            if head in allowed and not fnmatchcase(importer, allowed[head]):
                found.append(f"{importer} -> {imported}")
    return found


def test_imports_point_one_way() -> None:
    assert crossings(modules_of_the_package()) == []


def test_every_module_has_a_place() -> None:
    modules = modules_of_the_package().keys() - {""}
    assert {name.partition(".")[0] for name in modules} == lines_of(PLACES).keys()
    inside = {name.split(".")[1] for name in modules if name.startswith("measure.")}
    assert inside == lines_of(PLACES_OF_MEASURE).keys()


def cycle_in(modules: dict[str, str]) -> list[str]:
    """Return modules that import each other in a circle, also in function bodies, if any do."""
    graph = {
        importer: {name for name, _ in own_imports(importer, run_time(source), modules)}
        for importer, source in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def run_time(source: str) -> str:
    """Leave out what is imported for its types alone."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    return ast.unparse(tree)


def test_no_modules_import_each_other() -> None:
    assert cycle_in(modules_of_the_package()) == []


def test_a_circle_of_imports_is_seen() -> None:
    one, other = (
        "from pytest_flopbudget.b import x",
        "def f():\n    from pytest_flopbudget import a",
    )
    assert set(cycle_in({"": "", "a": one, "b": other})) == {"a", "b"}
    typed = f"if TYPE_CHECKING:\n    {one}"
    assert cycle_in({"": "", "a": typed, "b": other}) == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in PACKAGE.rglob("*.py")}))
def test_no_folder_has_more_files_than_a_reader_takes_in(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("verdict.verdict", "import torch"),
        ("verdict.verdict", "import torch.nn as nn"),
        ("verdict.verdict", "from torch import nn"),
        ("verdict.verdict", "class Judge:\n    import torch"),
        ("plugin.fixture", "def run():\n    import thop"),
        ("baseline.reader", "from yaml import nodes"),
        ("settings.run", "def read():\n    import yaml"),
        ("settings.run", "if TYPE_CHECKING:\n    import pytest"),
        ("report.json", "from pytest_flopbudget import plugin"),
        ("report.json", "def run():\n    from pytest_flopbudget.plugin.options import OPTIONS"),
        ("measure.pipeline", "from pytest_flopbudget.verdict.judge_model import judge"),
        ("measure.call", "from pytest_flopbudget.baseline.reader import read"),
        ("measure.call", "from pytest_flopbudget.measure.timing import clock"),
        ("measure.timing.clock", "from pytest_flopbudget.measure.memory.meter import Meter"),
        ("report.json", "if TYPE_CHECKING:\n    from pytest_flopbudget.measure.call import Call"),
        ("metrics", "import pytest_flopbudget.errors"),
    ],
)
def test_the_directions_can_be_broken(importer: str, line: str) -> None:
    names = [*modules_of_the_package(), importer]
    assert len(crossings({**dict.fromkeys(names, ""), importer: line})) == 1


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("measure.call", "import torch"),
        ("measure.counting.thop_engine", "def run():\n    import thop"),
        ("plugin.fixture", "def run():\n    import torch"),
        ("profile.layer_table", "if TYPE_CHECKING:\n    from torch import nn"),
        ("baseline.yaml_nodes", "import yaml"),
        ("plugin.evaluate", "from pytest_flopbudget.measure.pipeline import measure"),
        ("report.terminal", "from pytest_flopbudget.verdict.judge_model import judge"),
        ("measure.timing.latency", "from pytest_flopbudget.measure.timing.clock import Clock"),
        ("verdict.verdict", "import torchmetrics, pytest_flopbudget"),
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
        ("verdict/verdict.py", "import torch", True),
        ("plugin/hooks.py", "from torch import nn", True),
        ("report/json.py", "import yaml", True),
        ("baseline/reader.py", "import yaml", True),
        ("plugin/fixture.py", "import thop", True),
        ("plugin/fixture.py", "def run():\n    import torch", False),
        ("measure/call.py", "import torch", False),
        ("baseline/yaml_nodes.py", "import yaml", False),
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
