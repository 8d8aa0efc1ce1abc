"""Under xdist a run measures, judges and writes what it does without."""

import json
import subprocess
import sys

import pytest

from tests.plugin.project import INI, REPORT, Project, line_with, text_of
from tests.thorough import thorough

TESTS = """
from tests.plugin.variants import net

@pytest.mark.parametrize("change", ["", "added", "removed", "twice"])
def test_net(flop_budget, change):
    flop_budget(net(change), torch.zeros(1, 8))

@pytest.mark.xdist_group("gpu")
class TestGroup:
    @pytest.mark.xdist_group("large")
    @pytest.mark.parametrize("n", [1, 2])
    def test_n(self, flop_budget, n):
        flop_budget(nn.Linear(1, n), torch.zeros(1, 1))
        flop_budget.named("again")(nn.Linear(1, n), torch.zeros(1, 1))

@pytest.mark.xdist_group(name="late")
def test_fails(flop_budget):
    flop_budget(nn.Linear(1, 3), torch.zeros(1, 1))
    assert False

def test_teardown(flop_budget, request):
    request.addfinalizer(lambda: 1 / 0)
    flop_budget(nn.Linear(1, 3), torch.zeros(1, 1))

@pytest.mark.flop_budget(max_params=1)
def test_ceiling(flop_budget):
    flop_budget(nn.Linear(1, 3), torch.zeros(1, 1))
"""
OUTCOMES = {"passed": 7, "failed": 2, "errors": 1}


@pytest.fixture(autouse=True)
def _marker(project: Project) -> None:
    """Let a run without xdist know the marker of xdist."""
    project.write("pytest.ini", f"{INI}markers =\n  xdist_group: tests for one worker\n")


def lines_after(result: pytest.RunResult, text: str) -> list[str]:
    """Return the section of the plugin in pytest's summary."""
    start = result.outlines.index(next(line for line in result.outlines if text in line))
    end = next(i for i in range(start + 1, len(result.outlines)) if "===" in result.outlines[i])
    return result.outlines[start + 1 : end]


def test_an_update_writes_the_same_bytes_as_without(project: Project) -> None:
    """Also with groups, which xdist adds to node ids."""
    project.write("test_a.py", TESTS)
    project.update("--flop-budget-dir=serial").assert_outcomes(**OUTCOMES)
    project.update("-n2", "--dist=loadgroup").assert_outcomes(**OUTCOMES)
    written = project.budgets()
    assert len(written) == 8
    assert "@" not in "".join([*written, *written.values()])
    assert project.budgets("serial") == written


def test_the_reports_are_whole(project: Project) -> None:
    project.write("test_a.py", TESTS)
    project.sized(1, file="test_gone.py")
    project.update()
    (project.root / "test_gone.py").unlink()
    typed = f"--flop-budget-json={REPORT}"
    serial = project.judge(typed)
    report = json.loads((project.root / REPORT).read_text())
    parallel = project.judge(typed, "-n2")
    assert json.loads((project.root / REPORT).read_text()) == report
    assert report["stale"] == ["test_gone/test_sized.yaml"]
    assert len(report["budgets"]) == 11
    assert lines_after(parallel, "= flop budgets =") == lines_after(serial, "= flop budgets =")
    assert parallel.ret == serial.ret == pytest.ExitCode.TESTS_FAILED
    assert "flop-budget: judge params,gflops" in text_of(parallel)


MODES = {
    "each": ["--dist=each", "--tx=2*popen"],
    "loadscope": ["--dist=loadscope", "--tx=2*popen"],
    "loadfile": ["--dist=loadfile", "-n2"],
    "worksteal": ["--dist=worksteal", "-n2"],
}


@pytest.mark.parametrize(
    "mode",
    [
        "each",
        "loadscope",
        pytest.param("loadfile", marks=thorough),
        pytest.param("worksteal", marks=thorough),
    ],
)
def test_in_every_mode_all_is_as_without(project: Project, mode: str) -> None:
    project.write("test_a.py", TESTS)
    typed = f"--flop-budget-json={REPORT}"
    serial = project.update("--flop-budget-dir=serial", typed)
    report = json.loads((project.root / REPORT).read_text())
    (project.root / "serial").rename(project.root / "expected")
    parallel = project.update("--flop-budget-dir=serial", typed, *MODES[mode])
    assert json.loads((project.root / REPORT).read_text()) == report
    assert lines_after(parallel, "= flop budgets =") == lines_after(serial, "= flop budgets =")
    assert parallel.ret == serial.ret == pytest.ExitCode.TESTS_FAILED
    assert project.budgets("serial") == project.budgets("expected")


CRASH = """
import os

@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_n(flop_budget, n):
    flop_budget(nn.Linear(1, n + {grown}, bias=False), torch.zeros(1, 1))
    if n == {crashes}:
        os._exit(1)
"""


def test_a_crashed_worker_loses_its_own_test_and_nothing_else(project: Project) -> None:
    project.write("test_a.py", CRASH.format(grown=0, crashes=0))
    project.update()
    before = project.budgets()
    project.write("test_a.py", CRASH.format(grown=10, crashes=3))
    result = project.update("-n2", "--flop-budget-trim")
    result.assert_outcomes(passed=3, failed=1)
    assert "stale" not in text_of(result)
    after = project.budgets()
    assert {file for file in before if after[file] == before[file]} == {"test_a/test_n[3].yaml"}
    assert line_with(result, "baselines:") == "baselines: 3 raised"


MANY = """
@pytest.mark.parametrize("n", range(1, {tests} + 1))
def test_n(flop_budget, n):
    model = nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 2))
    flop_budget(model, torch.zeros(1, 4))
"""


@pytest.mark.parametrize(("tests", "workers"), [(60, 2), pytest.param(400, 4, marks=thorough)])
def test_no_budget_of_many_is_lost(project: Project, tests: int, workers: int) -> None:
    project.write("test_a.py", MANY.format(tests=tests))
    project.update("--flop-budget-dir=expected").assert_outcomes(passed=tests)
    project.update(f"-n{workers}").assert_outcomes(passed=tests)
    assert len(project.budgets()) == tests
    assert project.budgets() == project.budgets("expected")


def test_runs_at_the_same_time_lose_nothing_of_each_other(project: Project) -> None:
    """One stores the params, one the FLOPs, of the same budgets."""
    project.write("test_a.py", MANY.format(tests=20))
    project.update("--flop-budget-dir=expected")
    command = [sys.executable, "-m", "pytest", "-q", "--update-budgets"]
    runs = [
        subprocess.Popen([*command, f"--flop-budget-metrics={metric}"])
        for metric in ("params", "gflops")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    assert project.budgets() == project.budgets("expected")


def test_a_name_claimed_on_two_workers_is_an_error(project: Project) -> None:
    for name in ("a", "b"):
        project.write(
            f"test_{name}.py",
            f"""
            @pytest.mark.xdist_group("{name}")
            def test_{name}(flop_budget):
                flop_budget.named("x", name="one")(nn.Linear(1, 1), torch.zeros(1, 1))
            """,
        )
    result = project.update("-n2", "--dist=loadgroup")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "`test_a.py::test_a (x)` and `test_b.py::test_b (x)`" in text_of(result)
    assert project.budgets() == {}
