"""What the terminal shows beside failures: header, a line per budget, tables, the outcome."""

import pytest

from tests.plugin.golden import assert_golden
from tests.plugin.project import INI, Project, failure_of, line_with, sentence, text_of

NET = """
from tests.plugin.variants import net

def test_net(flop_budget):
    flop_budget(net({change!r}), torch.zeros(1, 8))
"""
NESTED = """
def test_nested(flop_budget):
    inner = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    flop_budget(nn.Sequential(nn.Sequential(inner, nn.Linear(3, 1))), torch.zeros(4, 2))
"""


def section(result: pytest.RunResult) -> list[str]:
    """Return what the plugin writes into pytest's summary."""
    lines = result.outlines
    start = lines.index(line_with(result, "= flop budgets ="))
    end = next(i for i in range(start + 1, len(lines)) if "===" in lines[i])
    return lines[start + 1 : end]


def budget_line(result: pytest.RunResult) -> list[str]:
    (line,) = [line for line in section(result) if line.endswith("  test_sized")]
    return line.split()


def test_the_header_shows_the_effective_settings(project: Project) -> None:
    project.sized(3)
    typed = ("--flop-budget-tolerance=params=5%", "--flop-budget-fail-on=improved,stale")
    result = project.judge(*typed, "--flop-budget-dir=costs")
    header = [line for line in result.outlines if line.startswith("flop-budget:")]
    assert header[0] == "flop-budget: judge params,gflops, engine dispatch, baselines in costs"
    assert header[1].startswith(
        "flop-budget: tolerance params=5%,gflops=0%,traffic=1%,operators=0%,weights=0%,latency=25%"
    )
    assert header[1].endswith(", fail on improved,stale")
    assert "flop-budget: update params,gflops" in text_of(project.update())


def test_there_is_no_header_and_no_section_while_the_budgets_are_off(project: Project) -> None:
    project.sized(3)
    text = text_of(project.run())
    assert "flop-budget: " not in text.replace(str(project.root), "")
    assert "= flop budgets =" not in text


def test_there_is_no_section_if_no_test_has_a_budget(project: Project) -> None:
    project.write("test_a.py", "def test_a():\n    pass\n")
    assert "= flop budgets =" not in text_of(project.judge())


@pytest.mark.parametrize(
    ("size", "cells"),
    [
        (100, ["within", "100", "0.000000200", "test_sized"]),
        (99, ["improved", "99", "-1.0", "%", "0.000000198", "-1.0", "%", "test_sized"]),
        (250, ["exceeded", "250", "+150.0", "%", "0.000000500", "+150.0", "%", "test_sized"]),
    ],
)
def test_each_budget_has_a_line(project: Project, size: int, cells: list[str]) -> None:
    project.sized(100)
    project.update()
    project.sized(size)
    assert budget_line(project.judge()) == cells


def test_budgets_are_listed_below_their_files(project: Project) -> None:
    project.write(
        "sub/test_b.py",
        """
        class TestB:
            def test_x(self, flop_budget):
                flop_budget(nn.Linear(1, 2, bias=False), torch.zeros(1, 1))
                flop_budget.named("head")(nn.Linear(1, 3, bias=False), torch.zeros(1, 1))
        """,
    )
    project.sized(1, file="test_a.py")
    lines = section(project.update())
    heading = next(i for i, line in enumerate(lines) if line.split()[:1] == ["verdict"])
    assert [line.split()[-1] if line[0] == " " else line for line in lines[heading + 1 :][:5]] == [
        "sub/test_b.py",
        "(head)",
        "TestB::test_x",
        "test_a.py",
        "test_sized",
    ]


def test_the_table_has_a_row_for_each_layer_and_one_for_the_model(project: Project) -> None:
    project.write("test_net.py", NET.format(change=""))
    project.update()
    lines = section(project.judge("--flop-budget-table=all"))
    start = lines.index("test_net.py::test_net")
    assert lines[start + 1].split() == [
        "time", "(ms)", "GFLOPs", "params", "baseline", "GFLOPs", "change", "layer", "type",
        "calls", "share", "GFLOP/s", "input", "output",
    ]  # fmt: skip
    rows = [line.split() for line in lines[start + 2 : start + 6]]
    assert rows == [
        [
            "-",
            "0.000000128",
            "64",
            "0.000000128",
            "0",
            "%",
            "first",
            "Linear",
            "1",
            "40.0",
            "%",
            "-",
            "1x8",
            "1x8",
        ],
        [
            "-",
            "0.000000128",
            "64",
            "0.000000128",
            "0",
            "%",
            "second",
            "Linear",
            "1",
            "40.0",
            "%",
            "-",
            "1x8",
            "1x8",
        ],
        [
            "-",
            "0.000000064",
            "32",
            "0.000000064",
            "0",
            "%",
            "third",
            "Linear",
            "1",
            "20.0",
            "%",
            "-",
            "1x8",
            "1x4",
        ],
        [
            "-",
            "0.000000320",
            "160",
            "0.000000320",
            "0",
            "%",
            "(model)",
            "Net",
            "1",
            "100.0",
            "%",
            "-",
            "1x8",
            "1x4",
        ],
    ]
    assert lines[start + 6] == "Net: 4 layers, 160 params, 160 trainable, 0.000000320 GFLOPs"


@pytest.mark.parametrize(
    ("option", "change", "shown"),
    [
        ("all", "", True),
        ("failed", "", False),
        ("none", "", False),
        ("all", "added", True),
        ("failed", "added", True),
        ("none", "added", False),
        (None, "added", True),
        (None, "", False),
    ],
)
def test_which_tables_are_shown(
    project: Project, option: str | None, change: str, shown: bool
) -> None:
    project.write("test_net.py", NET.format(change=""))
    project.update()
    project.write("test_net.py", NET.format(change=change))
    result = project.judge(*([f"--flop-budget-table={option}"] if option else []))
    assert any(line.startswith("time (ms)") for line in section(result)) == shown


@pytest.mark.parametrize(
    ("depth", "layers"),
    [
        (0, []),
        (1, ["0"]),
        (2, ["0", "0.0", "0.1"]),
        (3, ["0", "0.0", "0.0.0", "0.0.1", "0.1"]),
        (9, ["0", "0.0", "0.0.0", "0.0.1", "0.1"]),
    ],
)
@pytest.mark.parametrize("source", ["option", "ini"])
def test_the_depth_of_the_layers_shown(
    project: Project, depth: int, layers: list[str], source: str
) -> None:
    project.write("test_nested.py", NESTED)
    typed = ["--flop-budget-table=all", f"--flop-budget-depth={depth}"]
    if source == "ini":
        typed = []
        project.write("pytest.ini", f"{INI}flop_budget_table=all\nflop_budget_depth={depth}\n")
    lines = section(project.update(*typed))
    start = next(i for i, line in enumerate(lines) if line.startswith("time (ms)"))
    end = next(i for i, line in enumerate(lines) if " (model) " in line)
    assert [line.split()[3] for line in lines[start + 1 : end]] == layers


def test_the_rows_of_nested_layers_are_totals(project: Project) -> None:
    project.write("test_nested.py", NESTED)
    lines = section(project.update("--flop-budget-table=all", "--flop-budget-depth=3"))
    figures = {
        cells[3]: (cells[1], cells[2])
        for cells in (line.split() for line in lines)
        if len(cells) > 9 and cells[0] == "-"
    }
    first, second = 2 * 4 * 2 * 3, 2 * 4 * 3
    assert figures == {
        "0": (f"{(first + second) / 1e9:.9f}", "13"),
        "0.0": (f"{first / 1e9:.9f}", "9"),
        "0.0.0": (f"{first / 1e9:.9f}", "9"),
        "0.0.1": (f"{0:.9f}", "0"),
        "0.1": (f"{second / 1e9:.9f}", "4"),
        "(model)": (f"{(first + second) / 1e9:.9f}", "13"),
    }


def test_the_times_of_a_timed_model_are_shown(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nflop_budget_time_limit = 0.05\n")
    project.write("test_net.py", NET.format(change=""))
    lines = section(project.update("--flop-budget-table=all"))
    row = next(line.split() for line in lines if " (model) " in line)
    assert float(row[0]) >= 0
    assert float(row[9]) >= 0  # GFLOP/s
    assert any(line.startswith("timed on cpu, ") for line in lines)
    assert line_with(project.judge(), "flop-budget: judge").startswith(
        "flop-budget: judge params,gflops,traffic,latency, "
    )


def test_the_outcome_counts_the_verdicts_the_gravest_first(project: Project) -> None:
    for name in "abcd":
        project.sized(10, file=f"test_{name}.py")
    project.update()
    project.sized(11, file="test_a.py")
    project.sized(9, file="test_b.py")
    project.sized(5, file="test_e.py")
    assert line_with(project.judge(), "5 budgets:") == (
        "5 budgets: 1 exceeded, 1 unbudgeted, 1 improved, 2 within"
    )


def test_an_improvement_passes_and_says_how_to_keep_it(project: Project) -> None:
    project.sized(10)
    project.update()
    project.sized(9)
    result = project.judge()
    result.assert_outcomes(passed=1)
    assert "to keep what improved: pytest --update-budgets" in text_of(result)


def test_an_improvement_fails_if_asked_for(project: Project) -> None:
    project.sized(10)
    project.update()
    project.sized(9)
    result = project.judge("--flop-budget-fail-on=improved")
    result.assert_outcomes(failed=1)
    said = failure_of(result, "test_sized")
    assert "improved" in sentence(said)
    assert said[-2:] == [
        "hint: keep the improvement:",
        "        pytest --update-budgets test_sized.py::test_sized",
    ]
    project.sized(10)
    project.judge("--flop-budget-fail-on=improved").assert_outcomes(passed=1)


def test_fail_on_in_the_ini(project: Project) -> None:
    project.write("pytest.ini", f"{INI}flop_budget_fail_on =\n  improved\n  not_compared\n")
    project.sized(10)
    project.update()
    project.sized(9)
    project.judge().assert_outcomes(failed=1)


def test_quiet_output_has_the_section_as_well(project: Project) -> None:
    project.sized(10)
    project.update()
    assert "1 budget: 1 within" in text_of(project.judge("-q"))


@pytest.fixture
def mixed(project: Project) -> Project:
    """One budget exceeded, one improved, one within, one without a baseline."""
    project.write("test_net.py", NET.format(change=""))
    for name, size in {"a": 1000, "b": 2000}.items():
        project.sized(size, file=f"tests/test_{name}.py")
    project.update()
    project.write("test_net.py", NET.format(change="added"))
    project.sized(900, file="tests/test_a.py")
    project.sized(7, file="tests/test_c.py")
    return project


def test_golden_summary(mixed: Project) -> None:
    assert_golden("summary", section(mixed.judge("--flop-budget-table=none")))


def test_golden_summary_of_an_update(mixed: Project) -> None:
    assert_golden("summary_of_an_update", section(mixed.update()))


def test_the_section_is_not_wider_than_80_columns(mixed: Project) -> None:
    assert [line for line in section(mixed.judge()) if len(line) > 80] == []


@pytest.mark.parametrize("args", [(), ("--flop-budget-propose=out",)], ids=["judge", "propose"])
def test_a_failure_is_at_the_line_of_the_call(project: Project, args: tuple[str, ...]) -> None:
    project.sized(3)
    result = project.judge("--tb=line", *args)
    source = (project.root / "test_sized.py").read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(source, 1) if "flop_budget(nn" in line)
    line = line_with(result, ": Failed: `Linear` has no baseline")
    assert line.startswith(f"{project.root / 'test_sized.py'}:{number}: ")


def test_a_debugger_opens_at_the_call(project: Project) -> None:
    project.write(
        "pdb_class.py",
        """
        class Shows:
            def __init__(self, **_): pass
            def reset(self): pass
            def interaction(self, frame, traceback):
                while traceback.tb_next is not None:
                    traceback = traceback.tb_next
                print("stands in", traceback.tb_frame.f_code.co_name)
        """,
    )
    project.sized(3)
    result = project.judge("--pdb", "--pdbcls=pdb_class:Shows", "-s")
    assert "stands in test_sized" in text_of(result)
