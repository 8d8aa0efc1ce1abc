"""Memory is measured only if it is asked for, and stands in the entry of the environment."""

import re

import pytest

from tests.plugin.project import Project, failure_of, line_with, sentence, text_of

FILE = "test_sized/test_sized.yaml"
MEMORY = "--flop-budget-metrics=memory"


@pytest.fixture
def with_memory(project: Project) -> Project:
    """A project that measures memory alone, with a baseline of 4,000 bytes."""
    project.write("pytest.ini", "[pytest]\nflop_budget_metrics = memory\n")
    project.sized(1000)
    project.update().assert_outcomes(passed=1)
    return project


def entry(project: Project) -> list[str]:
    return project.budgets()[FILE].partition("latency:\n")[2].splitlines()


def test_a_baseline_of_memory_alone(with_memory: Project) -> None:
    head, torch, python, gflops, memory = entry(with_memory)
    assert head.strip().startswith("cpu, ")
    assert re.fullmatch(r"    torch: '\d+\.\d+'", torch)
    assert re.fullmatch(r"    python: '\d+\.\d+'", python)
    assert (gflops, memory) == ("    gflops: 0.000002", "    memory_mb: 0.004")
    assert "\ntotal: {}\nown: {}\n" in with_memory.budgets()[FILE]


@pytest.mark.parametrize(
    ("size", "verdict"),
    [(949, "improved"), (950, "within"), (1050, "within"), (1051, "exceeded")],
)
def test_it_is_judged_by_its_tolerance(with_memory: Project, size: int, verdict: str) -> None:
    with_memory.sized(size)
    result = with_memory.judge()
    assert line_with(result, "1 budget:") == f"1 budget: 1 {verdict}"
    result.assert_outcomes(**{"failed" if verdict == "exceeded" else "passed": 1})


def test_a_failure_says_how_much_and_where_it_is_stored(with_memory: Project) -> None:
    with_memory.sized(2000)
    said = failure_of(with_memory.judge(), "test_sized")
    assert sentence(said) == "`Linear` exceeds its budget: memory +100.0 %"
    assert [line.split() for line in said if line.startswith("  memory")] == [
        ["memory", "(MB)", "0.00800", "0.00420", "0.00400", "+100.0", "%", "exceeded"]
    ]
    assert f"  baseline: budgets/{FILE}:17" in said
    assert with_memory.budgets()[FILE].splitlines()[16] == "    memory_mb: 0.004"


def test_accepting_it_is_one_line_of_the_file(with_memory: Project) -> None:
    before = with_memory.budgets()[FILE]
    with_memory.sized(2000)
    with_memory.update().assert_outcomes(passed=1)
    after = with_memory.budgets()[FILE]
    assert after == before.replace("0.000002", "0.000004").replace("0.004", "0.008")
    with_memory.judge().assert_outcomes(passed=1)


@pytest.mark.parametrize(("ceiling", "name"), [("0.004", "passed"), ("0.003999", "failed")])
def test_a_ceiling_binds(with_memory: Project, ceiling: str, name: str) -> None:
    with_memory.sized(1000, marker=f"@pytest.mark.flop_budget(max_memory_mb={ceiling})")
    with_memory.judge().assert_outcomes(**{name: 1})


def test_a_tolerance_must_name_memory(with_memory: Project) -> None:
    with_memory.sized(1100, marker="@pytest.mark.flop_budget(tolerance='50%')")
    with_memory.judge().assert_outcomes(failed=1)
    with_memory.sized(1100, marker="@pytest.mark.flop_budget(tolerance={'memory': '10%'})")
    with_memory.judge().assert_outcomes(passed=1)
    with_memory.judge("--flop-budget-tolerance=memory=9%").assert_outcomes(passed=1)
    with_memory.sized(1100)
    with_memory.judge("--flop-budget-tolerance=memory=9%").assert_outcomes(failed=1)


def test_by_default_it_is_not_measured(project: Project) -> None:
    project.sized(1000)
    result = project.update()
    assert "memory" not in text_of(result).partition("= flop budgets =")[2]
    assert "memory" not in project.budgets()[FILE]


def test_without_an_entry_the_command_names_memory(project: Project) -> None:
    project.sized(1000)
    project.update()
    result = project.judge("--flop-budget-metrics=params,memory")
    result.assert_outcomes(passed=1)
    lines = result.outlines
    said = lines.index("memory: 0 of 1 compared (no entry for this environment)")
    command = lines[said + 1].partition("pytest ")[2]
    assert command == "--update-budgets --flop-budget-metrics memory"
    project.run(*command.split()).assert_outcomes(passed=1)
    assert "    memory_mb: 0.004" in project.budgets()[FILE]
    assert "compared" not in text_of(project.judge(MEMORY)).partition("= flop budgets =")[2]


def test_latency_and_memory_share_an_entry(with_memory: Project) -> None:
    with_memory.update("--flop-budget-metrics=latency", "--flop-budget-time-limit=0.05")
    keys = [line.split(":")[0].strip() for line in entry(with_memory)[1:]]
    assert keys[:5] == ["torch", "python", "gflops", "total_ms", "memory_mb"]


def test_layers_have_theirs_in_the_table_and_in_the_report(with_memory: Project) -> None:
    source = """
    def test_sized(flop_budget):
        profile = flop_budget(nn.Sequential(nn.Linear(1, 1000), nn.ReLU()), torch.zeros(1, 1))
        assert profile["1"].memory_bytes == 4000
    """
    with_memory.write("test_sized.py", source)
    with_memory.update().assert_outcomes(passed=1)
    result = with_memory.judge("--flop-budget-table=all")
    assert line_with(result, "time (ms)").split()[2:5] == ["memory", "(MB)", "GFLOPs"]
    assert line_with(result, "(model)").split()[:2] == ["-", "0.00800"]
    (budget,) = with_memory.report()["budgets"]
    assert budget["memory_bytes"] == 8000
    assert [layer["memory_bytes"] for layer in budget["layers"]] == [8000, 4000, 4000]
    assert budget["metrics"]["memory"]["measured"] == 0.008
