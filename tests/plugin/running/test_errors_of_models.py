"""A model that cannot run: its own traceback, the layer and its inputs, and all is as before."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.plugin.project import Project, failure_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "test_a/test_broken.yaml"
MODEL = """
import signal
from pathlib import Path

class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.kept = None

    def forward(self, x):
        self.kept = x
        return self.broken(self.linear(x))

    def broken(self, x):
        {line}

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.Sequential(nn.BatchNorm1d(4), Neck()))

def state(model):
    flags = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) for module in model.modules()]
    values = [(id(t), t.tolist()) for t in [*model.parameters(), *model.buffers()]]
    return flags, hooks, values, model[1][1].kept, torch.get_rng_state().tolist()

@pytest.mark.flop_budget({marker})
def test_broken(flop_budget):
    model, x = Net(), torch.zeros(3, 4)
    before = state(model)
    try:
        flop_budget(model, x)
    finally:
        Path("after.txt").write_text("the same" if state(model) == before else "another")
"""
FINE = "return x"
LINES = {
    "raises": ("raise ValueError('no')", "", "ValueError: no"),
    "raises another": (
        "try: x @ x\n        except RuntimeError as e: raise ValueError('no') from e",
        *("", "ValueError: no"),
    ),
    "shapes": ("return x @ x", "", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    "dtype": (  # kernels without values multiply what no device does
        "return x @ torch.zeros(4, 4).double()",
        "metrics='params,gflops,latency'",
        "RuntimeError: expected m1 and m2 to",
    ),
    "device": ("return x @ torch.eye(4, device='nowhere')", "", "RuntimeError: Expected one of"),
    "memory": (
        "return x + torch.empty(2**52)",  # no memory is needed to count it
        "metrics='params,gflops,latency'",
        "RuntimeError: [enforce fail at alloc_cpu.cpp",
    ),
    "in training": ("raise ValueError('no')", "mode='training'", "ValueError: no"),
    "under thop": ("raise ValueError('no')", "engine='thop'", "ValueError: no"),
}


def write(project: Project, line: str, marker: str = "") -> None:
    project.write("test_a.py", MODEL.format(line=line, marker=marker))


def untouched(project: Project) -> bool:
    return (project.root / "after.txt").read_text() == "the same"


@pytest.mark.parametrize(("line", "marker", "raised"), LINES.values(), ids=LINES.keys())
@pytest.mark.parametrize("run", ["judge", "update"])
def test_it_is_told_as_python_tells_it_with_the_layer_and_its_inputs(
    project: Project, line: str, marker: str, raised: str, run: str
) -> None:
    write(project, FINE, marker)
    project.update("--flop-budget-time-limit=0.05").assert_outcomes(passed=1)
    before = project.budgets()
    write(project, line, marker)
    result = getattr(project, run)()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_broken")
    errors = [line for line in said if line.startswith("E  ")]
    assert any(raised in error for error in errors)
    assert errors[-1].removeprefix("E").strip() == "in layer `1.1` (Neck), on inputs 3x4"
    assert any(line.startswith("test_a.py:") for line in said)
    assert untouched(project)
    assert project.budgets() == before


@pytest.mark.parametrize("line", [LINES["shapes"][0], LINES["raises another"][0]])
def test_the_lines_of_the_test_and_of_the_model_are_shown_alone(
    project: Project, line: str
) -> None:
    """Also of the error that the model handled when it raised another one."""
    write(project, line)
    said = failure_of(project.judge(), "test_broken")
    assert any("mat1 and mat2 shapes cannot be multiplied" in line for line in said)
    assert not any("pytest_flopbudget/" in line or "torch/_ops.py" in line for line in said)
    assert said[-1].startswith("test_a.py:")


def test_our_own_lines_are_shown_if_asked_for(project: Project) -> None:
    write(project, "return x @ x")
    full = failure_of(project.judge("--full-trace"), "test_broken")
    assert any("pytest_flopbudget/measure/counting/dispatch_engine.py" in line for line in full)


def test_not_a_number_is_a_number_to_a_budget(project: Project) -> None:
    write(project, FINE)
    project.update()
    write(project, "return x / 0 * float('nan')")
    project.judge().assert_outcomes(passed=1)
    assert untouched(project)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt here as well where a shell has a job in its background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


STOPS = {
    "Ctrl-C": "while True: signal.raise_signal(signal.SIGINT)",
    "Ctrl-C while it is timed": "x.is_meta or signal.raise_signal(signal.SIGINT)",
}


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("line", STOPS.values(), ids=STOPS.keys())
def test_ctrl_c_leaves_the_model_and_its_baseline_as_they_were(project: Project, line: str) -> None:
    marker = "metrics='params,gflops,latency'"
    project.sized(1)
    write(project, FINE, marker)
    project.update("--flop-budget-time-limit=0.05")
    before = project.budgets()
    write(project, f"{line}; return x", marker)
    project.sized(2, file="test_0.py")
    project.sized(2)
    arguments = ("--update-budgets", "--flop-budget-time-limit=0.05", "-pno:xdist")
    result = project.pytester.runpytest_inprocess(*arguments, no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert untouched(project)
    after = project.budgets()
    created = "test_0/test_sized.yaml"  # of a test that passed before
    assert {file: after[file] for file in after if file != created} == before
    assert f"created budgets/{created}" in text_of(result)


ALARM = """
import signal

@pytest.fixture(autouse=True)
def limit():
    def stop(*_):
        pytest.fail("Timeout >1.0s")  # as pytest-timeout does

    signal.signal(signal.SIGALRM, stop)
    yield
"""


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no such signal")
def test_a_time_limit_stops_a_loop_without_end(project: Project) -> None:
    project.write("conftest.py", ALARM)
    write(project, FINE)
    project.update()
    before = project.budgets()
    write(project, "while True: signal.raise_signal(signal.SIGALRM)")
    result = project.update()
    result.assert_outcomes(failed=1)
    assert "in layer `1.1` (Neck), on inputs 3x4" in text_of(result)
    assert untouched(project)
    assert project.budgets() == before


def test_an_error_in_parallel_is_told_the_same(project: Project) -> None:
    write(project, "raise ValueError('no')")
    assert "E       in layer `1.1` (Neck), on inputs 3x4" in project.judge("-n2").outlines


def test_one_that_the_test_swallows_fails_it_all_the_same(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        class Raises(nn.Module):
            def forward(self, x):
                raise ValueError("no")

        def test_a(flop_budget):
            with pytest.raises(ValueError, match="no"):
                flop_budget(Raises(), torch.zeros(1))
            flop_budget.named("other")(nn.Linear(1, 1), torch.zeros(1, 1))
        """,
    )
    result = project.update()
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_a")
    assert said[:3] == ["ValueError: no", "", "then the test went on, and passed"]
    assert project.budgets() == {}


@pytest.mark.parametrize(
    ("ends", "module"), [("pytest.exit('enough')", "pytest"), ("raise bdb.BdbQuit", "bdb")]
)
@pytest.mark.parametrize("engine", ["dispatch", "thop"])
def test_what_ends_the_run_is_raised_at_once(
    project: Project, ends: str, module: str, engine: str
) -> None:
    project.write(
        "test_a.py",
        f"""
        import {module}
        from pathlib import Path

        class Stops(nn.Module):
            def forward(self, x):
                with Path("calls").open("a") as file:
                    file.write("one call\\n")
                {ends}

        def test_a(flop_budget):
            flop_budget(Stops(), torch.zeros(1))
        """,
    )
    result = project.update(f"--flop-budget-engine={engine}")
    assert result.ret == pytest.ExitCode.INTERRUPTED if module == "pytest" else 1
    assert (project.root / "calls").read_text() == "one call\n"
    assert "error" not in text_of(result).partition("short test summary")[2]


def test_what_forward_prints_logs_and_warns_comes_once(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nfilterwarnings = always\n")
    project.write(
        "test_a.py",
        """
        import logging, sys, warnings

        class Talkative(nn.Linear):
            def forward(self, rows):
                print("printed")
                print("to stderr", file=sys.stderr)
                logging.getLogger("shop").warning("logged")
                warnings.warn("warned")
                return super().forward(rows)

        def test_a(flop_budget):
            flop_budget(Talkative(1, 1), torch.zeros(1, 1))
            assert False
        """,
    )
    result = project.update("--flop-budget-metrics=params,gflops,latency,memory")
    result.assert_outcomes(failed=1, warnings=1)
    for line in ("printed", "to stderr"):
        assert result.outlines.count(line) == 1
    assert len([line for line in result.outlines if line.endswith(": warned")]) == 1
    assert len([line for line in result.outlines if line.endswith(" logged")]) == 1
