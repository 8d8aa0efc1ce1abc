"""The section of the terminal summary."""

from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_flopbudget.baseline.record import Baseline
from pytest_flopbudget.baseline.stale import StaleBaselines
from pytest_flopbudget.report.run_summary import outcome_lines, stale_lines
from pytest_flopbudget.report.terminal import budget_lines, table_lines
from pytest_flopbudget.report.update_summary import change_lines
from pytest_flopbudget.verdict.result import Result
from tests.report.invariants import assert_is_table
from tests.strategies import (
    FILE,
    NET,
    baseline,
    budget_settings,
    profile,
    result,
    settings,
    timed,
    uncounted,
    update_of,
    with_entry,
    with_memory,
)

ALL = budget_settings("params", "gflops", "latency")
PASSED = result(profile(), baseline(), test="tests/test_net.py::test_small")
GROWN = result(
    profile({**NET, "head": ("Linear", 900, 90_000_000)}),
    baseline(),
    test="tests/test_net.py::test_large[a-1]",
)
LIGHTER = result(profile({**NET, "head": ("Linear", 600, 60_000_000)}), baseline())
NEW = result(profile(), None, test="tests/test_other.py::TestNet::test_net", name="decoder")


def test_budgets_stand_below_their_test_file() -> None:
    assert budget_lines([PASSED, GROWN, NEW]) == [
        "  verdict     params           GFLOPs           budget",
        "tests/test_net.py",
        "  within       1,000           0.1000           test_small",
        "  exceeded     1,200  +20.0 %  0.1200  +20.0 %  test_large[a-1]",
        "tests/test_other.py",
        "  unbudgeted   1,000           0.1000           TestNet::test_net (decoder)",
    ]


def test_latency_has_its_unit() -> None:
    assert budget_lines([result(timed(latency_ms=110.0), with_entry(), ALL)]) == [
        "  verdict  params  GFLOPs  latency (ms)           budget",
        "tests/test_net.py",
        "  within    1,000  0.1000        110.00  +10.0 %  test_net",
    ]


def test_memory_has_its_unit() -> None:
    known = with_entry(memory_bytes=1_000_000)
    assert budget_lines([result(with_memory(1_040_000), known, MEMORY)]) == [
        "  verdict  memory (MB)          budget",
        "tests/test_net.py",
        "  within          1.04  +4.0 %  test_net",
    ]


def test_no_budgets_are_no_lines() -> None:
    assert budget_lines([]) == []


def large(name: str) -> Result:
    """Judge a model of usual size, slower and larger than it was."""
    spec = {"fc": ("Linear", 8_030_261_248, 1_715_788_441_600)}
    before = {"fc": ("Linear", 7_030_261_248, 1_515_788_441_600)}
    known = replace(baseline(before), environments=with_entry(81_240.0, flops=None).environments)
    return result(timed(spec, 123_456.0), known, ALL, test=f"tests/test_net.py::{name}")


@pytest.mark.parametrize("name", ["test_net", "test_" + "x" * 300])
def test_the_figures_fit_80_columns_whatever_the_name(name: str) -> None:
    _, _, line = budget_lines([large(name)])
    assert line.endswith(f"  {name}")
    assert len(line.removesuffix(name)) <= 80


def test_the_table_of_budgets_is_aligned() -> None:
    lines = budget_lines([GROWN, replace(GROWN, test="tests/test_net.py::test_" + "x" * 90)])
    assert_is_table([lines[0], *lines[2:]][1:], "lrlrll")


# ---------------------------------------------------------------------------- what it did


def test_outcomes_are_counted_the_gravest_first() -> None:
    assert list(outcome_lines(settings(), [PASSED, GROWN, GROWN, NEW])) == [
        "4 budgets: 2 exceeded, 1 unbudgeted, 1 within"
    ]
    assert list(outcome_lines(settings(), [PASSED])) == ["1 budget: 1 within"]


def test_a_gate_that_did_not_compare_does_not_look_green() -> None:
    missing = [result(timed(), baseline(), ALL) for _ in range(6)]
    assert list(outcome_lines(settings(), missing)) == [
        "6 budgets: 6 within",
        "latency: 0 of 6 compared (no entry for this environment)",
        "  to add one: pytest --update-budgets --flop-budget-metrics latency",
        "  on a CI machine: the same run with --flop-budget-propose DIR",
    ]


def test_each_reason_is_said_once() -> None:
    results = [
        result(timed(), with_entry(), ALL),
        result(timed(), with_entry(torch="2.12"), ALL),
        result(timed(), with_entry(torch="2.12"), ALL),
        result(timed(), with_entry(flops=1), ALL),
    ]
    lines = list(outcome_lines(settings(), results))
    assert lines[1].startswith(
        "latency: 1 of 4 compared (measured with torch 2.12, this is 2.13; measured before the "
        "last accepted change)"
    )


MEMORY = budget_settings("memory")


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        (
            baseline(),
            [
                "memory: 0 of 1 compared (no entry for this environment)",
                "  to add one: pytest --update-budgets --flop-budget-metrics memory",
                "  on a CI machine: the same run with --flop-budget-propose DIR",
            ],
        ),
        (
            with_entry(),
            [
                "memory: 0 of 1 compared (no memory in the entry of this environment)",
                "  to measure it again: pytest --update-budgets",
            ],
        ),
        (with_entry(memory_bytes=1_000_000), []),
    ],
)
def test_memory_that_was_not_compared_does_not_look_green(
    known: Baseline, lines: list[str]
) -> None:
    assert list(outcome_lines(settings(), [result(with_memory(), known, MEMORY)]))[1:] == lines


@pytest.mark.parametrize("known", [with_entry(torch="2.12"), with_entry(flops=1)])
def test_an_entry_that_is_out_of_date_comes_with_the_command(known: object) -> None:
    lines = outcome_lines(settings(), [result(timed(), known, ALL)])  # type: ignore[arg-type]
    assert any("pytest --update-budgets" in line for line in lines)


def test_ignored_operators_stay_visible() -> None:
    ran = profile(uncounted=(uncounted("b::b"), uncounted("a::a"), uncounted("a::a", "stem")))
    agreed = result(ran, baseline(), budget_settings(ignore_ops=("a::a", "b::b", "c::c")))
    for update in (True, False):
        lines = list(outcome_lines(settings(update=update), [agreed]))
        assert "ignored by agreement in test_net: a::a, b::b" in lines


def test_a_count_that_depends_on_data_is_named_in_every_run() -> None:
    results = [result(profile(data_dependent=depends), baseline()) for depends in (True, False)]
    line = "data dependent: test_net (the values of tensors decided what ran or what it costs)"
    for update in (True, False):
        assert line in list(outcome_lines(settings(update=update), results))
        assert not any("data" in one for one in outcome_lines(settings(update=update), results[1:]))


def test_an_update_does_not_complain_of_what_it_did_not_compare() -> None:
    lines = list(outcome_lines(settings(update=True), [result(timed(), baseline(), ALL)]))
    assert lines == ["1 budget: 1 within"]


@pytest.mark.parametrize(
    ("done", "lines"),
    [
        ([], ["baselines: none"]),
        ([PASSED, PASSED], ["baselines: 2 unchanged"]),
        ([NEW], ["baselines: 1 created", f"  created {FILE}"]),
        ([LIGHTER], ["baselines: 1 tightened", f"  tightened {FILE}"]),
        (
            [GROWN, PASSED, NEW],
            [
                "baselines: 1 created, 1 raised, 1 unchanged",
                f"  raised {FILE}: params +20.0 %, GFLOPs +20.0 %",
                f"  created {FILE}",
            ],
        ),
    ],
)
def test_an_update_says_what_it_did(done: list[Result], lines: list[str]) -> None:
    assert list(change_lines([update_of(one) for one in done])) == lines


def test_layers_that_grew_at_the_same_total_are_named() -> None:
    moved = {**NET, "stem": ("Conv2d", 101, 10_000_000), "head": ("Linear", 699, 70_000_000)}
    (_, line) = change_lines([update_of(result(profile(moved), baseline()))])
    assert line == f"  raised {FILE}: `stem` params +1"


def test_what_was_kept_is_named() -> None:
    assert list(change_lines([], kept=["tests/test_net.py::test_net"])) == [
        "baselines: 1 kept",
        "  kept that of tests/test_net.py::test_net, which did not pass",
    ]


@pytest.mark.parametrize(
    ("removed", "lines"),
    [
        (
            [],
            [
                "2 stale baselines, of tests that are gone:",
                "  a.yaml",
                "  b.yaml",
                "  to remove: pytest --update-budgets --flop-budget-trim",
                "  (which updates the others as well), or delete the files",
            ],
        ),
        (["a.yaml", "b.yaml"], ["removed 2 stale baselines: a.yaml, b.yaml"]),
    ],
)
def test_stale_baselines_are_named(removed: list[str], lines: list[str]) -> None:
    assert (
        list(stale_lines(settings(), StaleBaselines(gone=("a.yaml", "b.yaml")), removed)) == lines
    )
    assert list(stale_lines(settings(), StaleBaselines())) == []


@pytest.mark.parametrize(
    ("table", "titles"),
    [
        ("none", []),
        ("failed", [GROWN.title, NEW.title]),
        ("all", [PASSED.title, GROWN.title, NEW.title]),
    ],
)
def test_tables_that_were_asked_for(table: str, titles: list[str]) -> None:
    lines = list(table_lines(settings(table=table), [PASSED, GROWN, NEW], 80))
    assert [lines[i + 1] for i, line in enumerate(lines) if not line] == titles


def test_a_table_has_the_depth_of_the_settings() -> None:
    lines = list(table_lines(settings(table="all", depth=1), [PASSED], 80))
    assert not any("body.0" in line for line in lines)


def test_an_environment_is_no_green_light_under_a_ceiling() -> None:
    agreed = replace(ALL, ceilings={"latency": Fraction(200)})
    lines = list(outcome_lines(settings(), [result(timed(), baseline(), agreed)]))
    assert lines == ["1 budget: 1 within"]
