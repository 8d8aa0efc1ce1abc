"""Beside other plugins, options and ways to start pytest, a budget is measured and judged as ever.

A plugin that is not installed is skipped; `pip install -e '.[test,others]'` installs all.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import pytest

from pytest_flopbudget.measure.hardware.environment import cpu_model, usable_cores
from tests.plugin.project import INI, Project, line_with, text_of

BUDGET = "flop_budget(nn.Linear(1, {size}, bias=False), torch.zeros(1, 1))"
TEST = f"def test_a(flop_budget): {BUDGET}\n"
FILE = "test_a/test_a.yaml"


def start(project: Project, *args: str, python: tuple[str, ...] = ()) -> pytest.RunResult:
    """Run pytest in a process of its own, with every plugin that is installed."""
    quiet = ["-pno:asyncio"] if "error" in python else []  # it warns of its own settings
    command = [sys.executable, *python, "-m", "pytest", "-pno:cacheprovider", *quiet, *args]
    return project.pytester.run(*command)


@pytest.mark.parametrize(
    "args",
    [
        ("--import-mode=prepend",),
        ("--import-mode=append",),
        ("--import-mode=importlib",),
        ("-pno:cacheprovider",),
        ("--strict-markers", "--strict-config", "-Werror", "-pno:asyncio"),  # which itself warns
        ("-pno:terminal",),
        ("-pno:logging", "-pno:capture"),
        ("--capture=no",),
        ("--tb=native", "--showlocals"),
        ("--noconftest",),
        ("--assert=plain",),
    ],
    ids=" ".join,
)
def test_options_of_pytest(project: Project, args: tuple[str, ...]) -> None:
    project.write("test_a.py", TEST.format(size=4))
    assert project.update(*args).ret == 0
    assert "total: {params: 4," in project.budgets()[FILE]
    assert project.judge(*args).ret == 0
    project.write("test_a.py", TEST.format(size=5))
    assert project.judge(*args).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("python", [("-O",), ("-W", "error")], ids=" ".join)
def test_options_of_python(project: Project, python: tuple[str, ...]) -> None:
    project.write("test_a.py", TEST.format(size=4))
    assert start(project, "--update-budgets", python=python).ret == 0
    assert "total: {params: 4," in project.budgets()[FILE]
    project.write("test_a.py", TEST.format(size=5))
    result = start(project, "--flop-budget", python=python)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "`Linear` exceeds its budget" in text_of(result)


def test_twice_in_one_process(project: Project) -> None:
    project.write("test_a.py", TEST.format(size=4))
    project.write(
        "twice.py",
        """
        arguments = ([], ["--update-budgets"], ["--flop-budget"], ["--flop-budget"], [])
        print([int(pytest.main(["-q", *some])) for some in arguments])
        """,
    )
    result = project.pytester.runpython(project.root / "twice.py")
    assert result.outlines[-1] == "[0, 0, 0, 0, 0]"
    assert sum("1 skipped" in line for line in result.outlines) == 2
    assert sum(line == "1 budget: 1 within" for line in result.outlines) == 3


def test_without_the_plugin_its_fixture_is_missing_and_nothing_else(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\n")
    project.write("test_a.py", TEST.format(size=4) + "def test_b(): pass\n")
    result = start(project, "-pno:flopbudget")
    result.assert_outcomes(passed=1, errors=1)
    assert "fixture 'flop_budget' not found" in text_of(result)


# ------------------------------------------------------------------- where things are


@pytest.fixture
def installed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose tests come with a package that is installed outside of its rootdir."""
    project.write("lib/shop/__init__.py", "")
    project.write("lib/shop/tests/__init__.py", "")
    project.write("lib/shop/tests/test_a.py", (TEST + TEST.replace("_a(", "_b(")).format(size=4))
    project.write("home/pytest.ini", INI)
    (project.root / "pytest.ini").unlink()
    monkeypatch.syspath_prepend(project.root / "lib")
    monkeypatch.chdir(project.root / "home")
    return project


def stored(project: Project) -> set[str]:
    return {file.name for file in (project.root / "home" / "budgets").rglob("*.yaml")}


def test_tests_of_an_installed_package(installed: Project) -> None:
    installed.update("--pyargs", "shop.tests").assert_outcomes(passed=2)
    assert stored(installed) == {"test_a.yaml", "test_b.yaml"}
    installed.judge("--pyargs", "shop.tests").assert_outcomes(passed=2)


@pytest.mark.parametrize("which", ["shop", "shop.tests", "shop.tests.test_a::test_a"])
def test_what_lies_outside_of_the_rootdir_is_never_stale(installed: Project, which: str) -> None:
    """Node ids of tests outside of it depend on what pytest was asked for."""
    installed.update("--pyargs", "shop.tests")
    installed.write("lib/shop/tests/test_a.py", TEST.format(size=4))
    result = installed.update("--flop-budget-trim", "--pyargs", which)
    assert "stale baseline" not in text_of(result)
    assert {"test_a.yaml", "test_b.yaml"} <= stored(installed)


def test_a_rootdir_elsewhere_is_refused(project: Project) -> None:
    project.write("test_a.py", TEST.format(size=4))
    (project.root / "elsewhere").mkdir()
    result = project.update("--rootdir=elsewhere", "-c", "pytest.ini", "test_a.py")
    result.assert_outcomes(failed=1)
    assert "hint: name a `--rootdir` above both" in result.outlines
    project.update("--rootdir=.", "test_a.py").assert_outcomes(passed=1)


@pytest.fixture
def monorepo(project: Project) -> Project:
    """Two packages, each with an ini file, and none above them."""
    (project.root / "pytest.ini").unlink()
    for package in "ab":
        project.write(f"{package}/pytest.ini", INI)
        project.write(f"{package}/tests/test_{package}.py", TEST.format(size=3))
    return project


def test_a_test_outside_of_the_rootdir_is_an_error_of_its_own(monorepo: Project) -> None:
    result = monorepo.update("a/tests", "b/tests")
    result.assert_outcomes(passed=1, failed=1)
    said = text_of(result)
    assert "`b/tests/test_b.py` lies outside of rootdir `a`, so its baseline has no name" in said
    hint = "hint: run `pytest a/tests` and `pytest b/tests`, or put an ini file above both"
    assert hint in result.outlines
    assert list(monorepo.budgets("a/budgets")) == ["tests/test_a/test_a.yaml"]
    assert monorepo.budgets("b/budgets") == {}
    monorepo.update("b/tests").assert_outcomes(passed=1)
    result = monorepo.update("a/tests", "--flop-budget-trim")
    assert "stale" not in text_of(result)
    assert len(monorepo.budgets("b/budgets")) == 1


def test_a_report_that_moves_the_rootdir_is_refused(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pytest takes an existing file for an argument, and looks for the rootdir around it."""
    project.sized(3)
    file = str(tmp_path_factory.mktemp("elsewhere") / "r.json")
    project.update("--flop-budget-json", file).assert_outcomes(passed=1)
    result = project.judge("--flop-budget-json", file)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"hint: write it with `=`: --flop-budget-json={file}" in result.stderr.str()
    project.judge(f"--flop-budget-json={file}").assert_outcomes(passed=1)


def test_a_report_of_an_earlier_run_nearby_moves_nothing(project: Project) -> None:
    project.sized(3)
    for _ in range(2):
        project.update("--flop-budget-json", "out/r.json").assert_outcomes(passed=1)
        project.update("test_sized.py", "--flop-budget-json", "r.json").assert_outcomes(passed=1)


# ------------------------------------------------------------------- other plugins

ALONE = "def test_a(flop_budget): {budget}\n"
PLUGINS = {
    "pytest_benchmark": "def test_a(flop_budget, benchmark):\n    benchmark(int)\n    {budget}\n",
    "pytest_cov": ALONE,
    "pytest_randomly": ALONE,
    "pytest_timeout": f"@pytest.mark.timeout(100)\n{ALONE}",
    "pytest_asyncio": f"@pytest.mark.asyncio\nasync {ALONE}",
    "hypothesis": ALONE,
}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_another_plugin(project: Project, plugin: str) -> None:
    if find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    project.write("test_a.py", PLUGINS[plugin].format(budget=BUDGET.format(size=4)))
    options = ["--cov=."] if plugin == "pytest_cov" else []
    start(project, "--update-budgets", *options).assert_outcomes(passed=1)
    assert "total: {params: 4," in project.budgets()[FILE]
    start(project, "--flop-budget", *options).assert_outcomes(passed=1)


def test_a_rerun_measures_again_and_the_last_one_counts(project: Project) -> None:
    pytest.importorskip("pytest_rerunfailures")
    project.write(
        "test_a.py",
        """
        sizes = iter([6, 5, 4])

        def test_a(flop_budget):
            size = next(sizes)
            flop_budget(nn.Linear(1, size, bias=False), torch.zeros(1, 1))
            assert size == 4
        """,
    )
    result = start(project, "--update-budgets", "--reruns=5")
    result.assert_outcomes(passed=1)
    assert "total: {params: 4," in project.budgets()[FILE]
    assert line_with(result, "baselines:") == "baselines: 1 created"
    assert line_with(result, "1 budget:") == "1 budget: 1 within"
    result = start(project, "--flop-budget", "--reruns=5")
    result.assert_outcomes(passed=1)
    assert line_with(result, "1 budget:") == "1 budget: 1 within"


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_time_limit_in_a_model_loses_nothing(project: Project, method: str) -> None:
    pytest.importorskip("pytest_timeout")
    loop = "class Loop(nn.Linear):\n    def forward(self, x):\n        while {loop}: pass\n"
    loop += "        return super().forward(x)\n\n"
    loop += "def test_a(flop_budget): flop_budget(Loop(1, 4), torch.zeros(1, 1))\n"
    project.write("test_a.py", loop.format(loop=False))
    start(project, "--update-budgets").assert_outcomes(passed=1)
    before = project.budgets()
    project.write("test_a.py", loop.format(loop=True))
    result = start(project, "--update-budgets", "--timeout=1", f"--timeout-method={method}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.budgets() == before
    if method == "signal":
        assert "in layer `(model)` (Loop), on inputs 1x1" in text_of(result)


COLLECTS_YAML = """
    class File(pytest.File):
        def collect(self):
            raise AssertionError(f"{self.path} is a baseline")

    def pytest_collect_file(file_path, parent):
        if file_path.suffix == ".yaml":
            return File.from_parent(parent, path=file_path)
"""


@pytest.mark.parametrize("folder", ["budgets", "tests/budgets"])
@pytest.mark.parametrize("args", [(), ("--flop-budget",)])
def test_a_plugin_that_collects_yaml(project: Project, folder: str, args: tuple[str, ...]) -> None:
    project.write("pytest.ini", f"{INI}flop_budget_dir = {folder}\n")
    project.sized(4)
    project.update().assert_outcomes(passed=1)
    project.write("conftest.py", COLLECTS_YAML)
    project.write(f"{folder}/test_inside.py", "def test_inside(): pass\n")
    passed = 2 if args else 1
    project.run(*args).assert_outcomes(passed=passed, skipped=2 - passed)
    project.write("other.yaml", "")
    assert "other.yaml is a baseline" in text_of(project.run(*args))


FAKED = """
from pathlib import Path

class Stored(nn.Linear):
    def forward(self, x):
        assert Path("/stored.txt").read_text() == "10"
        return super().forward(x)

def test_a({fixtures}):
    fs.create_file("/stored.txt", contents="10")
    flop_budget(Stored(1, {size}, bias=False), torch.zeros(1, 1))
"""


@pytest.mark.skipif(find_spec("pyfakefs") is None, reason="pyfakefs is not installed")
@pytest.mark.parametrize("fixtures", ["fs, flop_budget", "flop_budget, fs"])
def test_the_baseline_is_read_beside_a_fake_file_system(project: Project, fixtures: str) -> None:
    project.write("pytest.ini", "[pytest]\n")
    project.write("test_a.py", FAKED.format(fixtures=fixtures, size=10))
    assert start(project, "--update-budgets").ret == 0
    (environment,) = re.findall(r"^  (cpu, .*):$", project.budgets()[FILE], re.MULTILINE)
    assert environment.startswith(f"cpu, {cpu_model()}, {usable_cores()} core")
    result = start(project, "--flop-budget", "--flop-budget-tolerance=latency=10000%")
    assert result.ret == 0, text_of(result)
    assert "compared" not in text_of(result)
    project.write("test_a.py", FAKED.format(fixtures=fixtures, size=11))
    assert "params +10.0 %" in text_of(start(project, "--flop-budget"))


PATCHED = """
import io, os, pathlib

def test_a(flop_budget, monkeypatch):
    def refuse(*_, **__):
        raise FileNotFoundError(2, "not there", "any")

    with monkeypatch.context() as patch:
        for name in ("stat", "lstat", "exists", "open", "read_text", "read_bytes", "is_symlink"):
            patch.setattr(pathlib.Path, name, refuse)
        patch.setattr(io, "open", refuse)
        flop_budget(nn.Linear(1, 4, bias=False), torch.zeros(1, 1))
"""


def test_the_baseline_is_read_where_a_test_patches_functions_of_files(project: Project) -> None:
    project.write("test_a.py", PATCHED)
    project.update().assert_outcomes(passed=1)
    project.judge().assert_outcomes(passed=1)


FREEZER = """
import sys, time
import pytest

@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    names = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
    for name in names:
        real, still = getattr(time, name), 5 if name.endswith("_ns") else 5.0
        for module in list(sys.modules.values()):
            for key in [key for key, value in vars(module).items() if value is real]:
                monkeypatch.setattr(module, key, lambda: still)
"""


def test_a_test_whose_time_is_frozen_is_timed_all_the_same(project: Project) -> None:
    """As freezegun freezes it: before anything that measures is imported."""
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.5\n")
    project.write("conftest.py", FREEZER)
    project.write("test_a.py", TEST.format(size=4))
    result = start(project, "--update-budgets")
    assert result.ret == 0
    assert "    total_ms: " in project.budgets()[FILE]
    assert "total_ms: 0\n" not in project.budgets()[FILE]
