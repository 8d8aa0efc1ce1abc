"""Latency is compared only with an entry of this environment, and never looks greener than it is.

Calls take as long as a fake machine says.
"""

import re
import sys

import pytest
import torch

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_sized/test_sized.yaml"
INI = "[pytest]\n"
WITHOUT_ENTRY = [
    "latency: 0 of 1 compared (no entry for this environment)",
    "  to add one: pytest --update-budgets --flop-budget-metrics latency",
    "  on a CI machine: the same run with --flop-budget-propose DIR",
]


@pytest.fixture
def timed(project: Project) -> Project:
    """A project that times as well, with a baseline of 10 params."""
    project.write("pytest.ini", INI)
    project.sized(10)
    project.update().assert_outcomes(passed=1)
    return project


def entry(project: Project) -> str:
    """Return the text of the latency entries of the baseline."""
    return project.budgets()[FILE].partition("latency:\n")[2]


def set_time(project: Project, milliseconds: str) -> None:
    text = project.budgets()[FILE]
    (old,) = re.findall(r"total_ms: .*\n", text)
    project.edit(FILE, old, f"total_ms: {milliseconds}\n")


def remove_entry(project: Project) -> str:
    text = project.budgets()[FILE].partition("latency:\n")[0]
    (project.root / "budgets" / FILE).write_text(text)
    return text


def outcome(result: pytest.RunResult) -> list[str]:
    """Return the lines on what was compared."""
    start = result.outlines.index(line_with(result, "1 budget:"))
    end = next(i for i in range(start, len(result.outlines)) if "===" in result.outlines[i])
    return result.outlines[start:end]


def test_creating_a_file_adds_an_entry_of_this_environment(timed: Project) -> None:
    lines = entry(timed).splitlines()
    torch_minor = ".".join(torch.__version__.split(".")[:2])
    assert re.fullmatch(r"  '?cpu, .+, \d+ cores?, 1 thread'?:", lines[0])
    python_minor = "{}.{}".format(*sys.version_info)
    assert lines[1:4] == [
        f"    torch: '{torch_minor}'",
        f"    python: '{python_minor}'",
        "    gflops: 0.00000002",
    ]
    assert re.fullmatch(r"    total_ms: \d+(\.\d+)?", lines[4])


TIMES = [("100000", "improved", 0), ("0.000001", "exceeded", 1)]


@pytest.mark.parametrize(("stored", "verdict", "failed"), TIMES)
def test_it_is_compared_with_the_entry(
    timed: Project, stored: str, verdict: str, failed: int
) -> None:
    set_time(timed, stored)
    result = timed.judge()
    result.assert_outcomes(**{"failed" if failed else "passed": 1})
    assert outcome(result)[0] == f"1 budget: 1 {verdict}"
    assert "compared" not in text_of(result).partition("= flop budgets")[2].replace(
        "not compared", ""
    )


def test_within_its_tolerance_it_passes(timed: Project) -> None:
    set_time(timed, "0.001")
    result = timed.judge("--flop-budget-tolerance=latency=99999999999%")
    result.assert_outcomes(passed=1)
    assert outcome(result)[0] == "1 budget: 1 within"


BOUNDARIES = [("1.6", "within", 0), ("1.599", "exceeded", 1), ("2.666", "within", 0)]


@pytest.mark.parametrize(("stored", "verdict", "failed"), [*BOUNDARIES, ("2.667", "improved", 0)])
def test_its_budget_is_a_quarter_more_than_the_entry(
    timed: Project, stored: str, verdict: str, failed: int
) -> None:
    """A call takes 2 ms: 1.6 ms and a quarter of it."""
    set_time(timed, stored)
    result = timed.judge()
    result.assert_outcomes(**{"failed" if failed else "passed": 1})
    assert outcome(result)[0] == f"1 budget: 1 {verdict}"


def test_a_failure_says_when_it_was_measured_and_where(timed: Project) -> None:
    set_time(timed, "0.000001")
    said = failure_of(timed.judge(), "test_sized")
    assert sentence(said).startswith("`Linear` exceeds its budget: latency +")
    row = next(line for line in said if line.startswith("  latency (ms)"))
    assert row.endswith("exceeded")
    assert f"  baseline: budgets/{FILE}:19" in said
    assert timed.budgets()[FILE].splitlines()[18] == "    total_ms: 0.000001"


@pytest.mark.parametrize(("ceiling", "name"), [("100000", "passed"), ("0.000001", "failed")])
def test_a_ceiling_binds_without_any_entry(timed: Project, ceiling: str, name: str) -> None:
    remove_entry(timed)
    timed.sized(10, marker=f"@pytest.mark.flop_budget(max_latency_ms={ceiling})")
    timed.judge().assert_outcomes(**{name: 1})


def test_without_an_entry_the_summary_says_so_with_the_command(timed: Project) -> None:
    remove_entry(timed)
    result = timed.judge()
    result.assert_outcomes(passed=1)
    assert outcome(result) == ["1 budget: 1 within", *WITHOUT_ENTRY]


def test_what_was_compared_is_counted(timed: Project) -> None:
    timed.sized(10, file="test_other.py")
    timed.update()
    set_time(timed, "100000")
    remove_entry(timed)
    result = timed.judge("--flop-budget-tolerance=latency=99999999999%")
    assert "latency: 1 of 2 compared (no entry for this environment)" in text_of(result)


def test_not_compared_fails_only_if_asked_for(timed: Project) -> None:
    remove_entry(timed)
    result = timed.judge("--flop-budget-fail-on=not_compared")
    result.assert_outcomes(failed=1)
    assert sentence(failure_of(result, "test_sized")) == (
        "latency of `Linear` is not compared: no entry for this environment"
    )


def test_the_hint_of_that_failure_is_the_command_that_helps(timed: Project) -> None:
    remove_entry(timed)
    said = failure_of(timed.judge("--flop-budget-fail-on=not_compared"), "test_sized")
    assert "--flop-budget-metrics" in "\n".join(said[-2:])


def test_a_plain_update_adds_no_entry_to_an_existing_file(timed: Project) -> None:
    without = remove_entry(timed)
    timed.update().assert_outcomes(passed=1)
    assert timed.budgets()[FILE] == without


@pytest.mark.parametrize("metrics", ["latency", "params,gflops,latency"])
def test_an_update_that_names_latency_adds_one(timed: Project, metrics: str) -> None:
    without = remove_entry(timed)
    timed.update(f"--flop-budget-metrics={metrics}").assert_outcomes(passed=1)
    assert timed.budgets()[FILE].startswith(f"{without}latency:\n  ")


def test_latency_named_in_the_ini_adds_none(timed: Project) -> None:
    timed.write("pytest.ini", f"{INI}flop_budget_metrics = params,gflops,latency\n")
    without = remove_entry(timed)
    timed.update().assert_outcomes(passed=1)
    assert timed.budgets()[FILE] == without


def test_an_update_of_latency_alone_keeps_the_exact_figures(timed: Project) -> None:
    before = timed.budgets()[FILE].partition("latency:\n")[0]
    timed.sized(11)
    timed.update("--flop-budget-metrics=latency").assert_outcomes(passed=1)
    assert timed.budgets()[FILE].partition("latency:\n")[0] == before


def test_an_update_without_latency_keeps_the_entry(timed: Project) -> None:
    set_time(timed, "123")
    before = entry(timed)
    timed.sized(11)
    timed.update("--flop-budget-metrics=params,gflops").assert_outcomes(passed=1)
    assert entry(timed) == before


@pytest.mark.parametrize(("stored", "refreshed"), [("100000", True), ("0.000001", True)])
def test_an_update_refreshes_an_entry_that_is_far_away(
    timed: Project, stored: str, refreshed: bool
) -> None:
    set_time(timed, stored)
    timed.update().assert_outcomes(passed=1)
    assert (f"total_ms: {stored}\n" not in entry(timed)) == refreshed


def test_an_update_leaves_an_entry_that_moved_by_less_than_a_third_of_its_tolerance(
    timed: Project,
) -> None:
    timed.sized(10, marker="@pytest.mark.flop_budget(tolerance={'latency': '9999999999999%'})")
    set_time(timed, "0.001")
    before = timed.budgets()
    timed.update().assert_outcomes(passed=1)
    assert timed.budgets() == before


def test_an_update_refreshes_an_entry_of_another_torch(timed: Project) -> None:
    timed.sized(10, marker="@pytest.mark.flop_budget(tolerance={'latency': '9999999999999%'})")
    set_time(timed, "0.001")
    line = next(line for line in entry(timed).splitlines() if "torch:" in line)
    timed.edit(FILE, line, "    torch: '1.0'")
    timed.update().assert_outcomes(passed=1)
    assert line in entry(timed)


NOT_COMPARABLE = {
    "torch": (r"    torch: .*", "    torch: '1.0'", "measured with torch 1.0"),
    "python": (r"    python: .*", "    python: '3.0'", "measured with Python 3.0"),
    "gflops": (
        r"    gflops: .*",
        "    gflops: 0.00000003",
        "measured before the last accepted change",
    ),
    "environment": (r"  '?cpu, .*", "  cpu, another:", "no entry for this environment"),
}


@pytest.mark.parametrize("case", NOT_COMPARABLE)
def test_an_entry_of_something_else_is_not_compared(timed: Project, case: str) -> None:
    pattern, new, reason = NOT_COMPARABLE[case]
    set_time(timed, "0.000001")
    (old,) = re.findall(pattern, timed.budgets()[FILE])
    timed.edit(FILE, old, new)
    result = timed.judge()
    result.assert_outcomes(passed=1)
    assert outcome(result)[1].startswith(f"latency: 0 of 1 compared ({reason}")


@pytest.mark.parametrize("case", ["torch", "python", "gflops"])
def test_a_stale_entry_gets_the_command_as_well(timed: Project, case: str) -> None:
    pattern, new, _ = NOT_COMPARABLE[case]
    (old,) = re.findall(pattern, timed.budgets()[FILE])
    timed.edit(FILE, old, new)
    assert any("pytest --update-budgets" in line for line in outcome(timed.judge()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
def test_a_device_that_is_not_there_leaves_params_and_flops(timed: Project) -> None:
    timed.sized(11, marker="@pytest.mark.flop_budget(device='cuda')")
    result = timed.judge()
    result.assert_outcomes(failed=1)
    assert sentence(failure_of(result, "test_sized")).startswith(
        "`Linear` exceeds its budget: params +10.0 %, GFLOPs +10.0 %"
    )
    assert "latency: 0 of 1 compared (there is no device `cuda` here)" in text_of(result)
    timed.sized(10, marker="@pytest.mark.flop_budget(device='cuda')")
    timed.judge().assert_outcomes(passed=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
def test_the_same_with_the_device_on_the_command_line(timed: Project) -> None:
    before = timed.budgets()
    result = timed.update("--flop-budget-device=cuda:1")
    result.assert_outcomes(passed=1)
    assert timed.budgets() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without CUDA")
def test_an_update_says_what_it_could_not_measure(timed: Project) -> None:
    assert "there is no device `cuda` here" in text_of(timed.update("--flop-budget-device=cuda"))


def test_weights_on_meta_are_not_timed(timed: Project) -> None:
    timed.write(
        "test_sized.py",
        """
        def test_sized(flop_budget):
            with torch.device("meta"):
                flop_budget(nn.Linear(1, 10, bias=False), torch.zeros(1, 1))
        """,
    )
    result = timed.judge()
    result.assert_outcomes(passed=1)
    assert "latency: 0 of 1 compared (the weights are on meta)" in text_of(result)


FAKES = {
    "around the call": """
        with FakeTensorMode():
            flop_budget(nn.Linear(1, 10, bias=False), torch.zeros(1, 1))
    """,
    "around real weights": """
        model, x = nn.Linear(1, 10, bias=False), torch.zeros(1, 1)
        with FakeTensorMode(allow_non_fake_inputs=True):
            flop_budget(model, x)
    """,
    "around what is given": """
        with FakeTensorMode():
            model, x = nn.Linear(1, 10, bias=False), torch.zeros(1, 1)
        flop_budget(model, x)
    """,
    "around the input": """
        with FakeTensorMode():
            x = torch.zeros(1, 1)
        flop_budget(nn.Linear(1, 10, bias=False), x)
    """,
}


@pytest.mark.parametrize("case", FAKES)
def test_fake_tensors_are_not_timed(timed: Project, case: str) -> None:
    set_time(timed, "0.000001")
    timed.write(
        "test_sized.py",
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        f"def test_sized(flop_budget):\n{FAKES[case]}",
    )
    before = timed.budgets()
    result = timed.judge("--flop-budget-metrics=params,gflops,latency,memory")
    result.assert_outcomes(passed=1)
    for metric in ("latency", "memory"):
        assert f"{metric}: 0 of 1 compared (the tensors are fake)" in text_of(result)
    timed.update().assert_outcomes(passed=1)
    assert timed.budgets() == before


def test_without_latency_nothing_is_timed_or_said(timed: Project) -> None:
    result = timed.judge("--flop-budget-metrics=params,gflops")
    text = text_of(result).partition("= flop budgets =")[2]
    assert "latency" not in text
    assert " ms" not in text


@pytest.mark.parametrize("run", ["judge", "update"])
def test_latency_alone_without_a_baseline(project: Project, run: str) -> None:
    """The contract calls what has no baseline file unbudgeted, whatever the metric."""
    project.write("pytest.ini", f"{INI}flop_budget_metrics = latency\n")
    project.sized(10)
    result = getattr(project, run)()
    result.assert_outcomes(**{"passed" if run == "update" else "failed": 1})


# What cannot be told from noise.

BUSY = re.compile(
    r"latency: 1 of 1 inconclusive \(the machine was busy: 0 of \d+ rounds were uncontended\)"
)


@pytest.fixture
def busy(timed: Project) -> Project:
    """A project whose calls all wait for a core, and take twice what is allowed."""
    set_time(timed, "1")
    timed.machine.wait_ms = 1
    return timed


def test_a_busy_machine_makes_nothing_red(busy: Project) -> None:
    result = busy.judge()
    result.assert_outcomes(passed=1)
    lines = outcome(result)
    assert lines[0] == "1 budget: 1 inconclusive"
    assert BUSY.fullmatch(lines[1])


def test_a_busy_machine_can_make_something_green(busy: Project) -> None:
    """Noise only adds: what is within its budget is within it."""
    set_time(busy, "1.6")
    result = busy.judge()
    assert outcome(result) == ["1 budget: 1 within"]


def test_what_is_inconclusive_fails_only_if_asked_for(busy: Project) -> None:
    result = busy.judge("--flop-budget-fail-on=inconclusive")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_sized")
    assert sentence(said).startswith(
        "latency of `Linear` is inconclusive: the machine was busy: 0 of "
    )
    assert said[-2:] == [
        "hint: run it again where less is going on, or give it more time, in seconds:",
        "        pytest --flop-budget --flop-budget-time-limit=30 test_sized.py::test_sized",
    ]


def test_an_update_stores_nothing_that_is_inconclusive(busy: Project) -> None:
    before = busy.budgets()
    result = busy.update()
    result.assert_outcomes(passed=1)
    assert busy.budgets() == before
    assert "latency: 1 of 1 inconclusive, so not stored (the machine was busy" in text_of(result)


WATCHED = """
from torch.overrides import TorchFunctionMode

class Watching(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))

def test_sized(flop_budget):
    with Watching():
        flop_budget(nn.Linear(1, 10, bias=False), torch.zeros(1, 1))
"""
AT_WORK = "the mode `Watching` was at work, which slows a model down"


def test_what_a_tool_slows_down_is_inconclusive_and_not_stored(timed: Project) -> None:
    timed.write("test_sized.py", WATCHED)
    set_time(timed, "0.000001")
    result = timed.judge()
    result.assert_outcomes(passed=1)
    assert outcome(result)[0] == "1 budget: 1 inconclusive"
    assert f"latency: 1 of 1 inconclusive ({AT_WORK})" in " ".join(outcome(result))
    before = timed.budgets()
    timed.update().assert_outcomes(passed=1)
    assert timed.budgets() == before


def test_the_hint_is_to_run_it_without_the_tool(timed: Project) -> None:
    timed.write("test_sized.py", WATCHED)
    set_time(timed, "0.000001")
    said = failure_of(timed.judge("--flop-budget-fail-on=inconclusive"), "test_sized")
    assert sentence(said) == f"latency of `Linear` is inconclusive: {AT_WORK}"
    assert said[-2] == "hint: run it without that, or leave latency out:"
    assert said[-1].strip() == (
        "pytest --flop-budget --flop-budget-metrics=params,gflops,traffic test_sized.py::test_sized"
    )


def test_what_is_within_its_budget_under_a_tool_is_within_it(timed: Project) -> None:
    timed.write("test_sized.py", WATCHED)
    set_time(timed, "1.6")
    assert outcome(timed.judge()) == ["1 budget: 1 within"]


def test_a_tracer_that_measures_is_suspended_while_timing(timed: Project) -> None:
    timed.write(
        "test_sized.py",
        """
        import sys
        TRACERS = []

        class Noted(nn.Linear):
            def forward(self, rows):
                TRACERS.append(sys.getprofile())
                return super().forward(rows)

        def test_sized(flop_budget):
            def profile(*_): pass
            before = sys.getprofile()
            sys.setprofile(profile)
            try:
                flop_budget(Noted(1, 10, bias=False), torch.zeros(1, 1))
                assert sys.getprofile() is profile
            finally:
                sys.setprofile(before)
            assert TRACERS[0] is profile  # while it is counted
            assert set(TRACERS[1:]) == {None}
        """,
    )
    timed.judge().assert_outcomes(passed=1)


def test_a_call_that_is_longer_than_the_limit_is_inconclusive(timed: Project) -> None:
    timed.machine.mark_ms = 6000
    set_time(timed, "100000")
    result = timed.judge()
    result.assert_outcomes(passed=1)
    assert outcome(result) == [
        "1 budget: 1 inconclusive",
        "latency: 1 of 1 inconclusive (one call takes 12.0 s, longer than the time limit of 10 s)",
    ]


def test_a_ceiling_on_a_busy_machine(busy: Project) -> None:
    busy.sized(10, marker="@pytest.mark.flop_budget(max_latency_ms=0.1)")
    for run in (busy.judge, busy.update):
        result = run()
        result.assert_outcomes(passed=1)
        assert "inconclusive" in text_of(result)


def test_the_report_has_the_statistics(timed: Project) -> None:
    (budget,) = timed.report()["budgets"]
    assert budget["metrics"]["latency"]["measured"] == 2
    found = {
        key: budget[key]
        for key in ("latency_ms", "latency_median_ms", "rounds", "unreliable_reason")
    }
    assert found == {"latency_ms": 2, "latency_median_ms": 2, "rounds": 5, "unreliable_reason": ""}
    assert (budget["latency_spread_ms"], budget["uncontended_rounds"]) == (0, 5)


def test_what_is_proposed_is_measured_as_well_as_what_is_stored(timed: Project) -> None:
    (plain,) = timed.report()["budgets"]
    (proposed,) = timed.report("--flop-budget-propose=proposed")["budgets"]
    assert plain["rounds"] == 5
    assert proposed["rounds"] > 100
