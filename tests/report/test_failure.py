"""What a failing test says."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_flopbudget.metrics import GFLOPS, LATENCY, PARAMS, Metric
from pytest_flopbudget.report.failure import failure_lines
from pytest_flopbudget.report.sentences import sentence
from pytest_flopbudget.verdict.result import Result
from tests.report.invariants import assert_is_table, assert_reads_well
from tests.strategies import (
    FILE,
    NET,
    Costs,
    baseline,
    budget_settings,
    counts,
    profile,
    result,
    timed,
    tolerating,
    uncounted,
    with_entry,
    with_memory,
)

ALL = budget_settings("params", "gflops", "latency")
ACCEPT = [
    "hint: if the change is meant, accept it and commit:",
    "        pytest --update-budgets tests/test_net.py::test_net",
]


def net(**changed: Costs) -> dict[str, Costs]:
    return {**NET, **changed}


def hint(failed: Result) -> str:
    lines = failure_lines(failed)
    return "\n".join(lines[next(i for i, x in enumerate(lines) if x.startswith("hint: ")) :])


def test_growth() -> None:
    grown = net(head=("Linear", 900, 90_000_000), tail=("Linear", 5, 500_000))
    assert failure_lines(result(profile(grown), baseline())) == [
        "`Net` exceeds its budget: params +20.5 %, GFLOPs +20.5 %, mostly `head` (Linear)",
        "",
        "  metric  measured  budget  baseline   change  verdict",
        "  params     1,205   1,000     1,000  +20.5 %  exceeded",
        "  GFLOPs    0.1205  0.1000    0.1000  +20.5 %  exceeded",
        f"  baseline: {FILE}:9",
        "",
        "params, GFLOPs: 2 layers changed, by their own costs:",
        "  layer  type    params             GFLOPs",
        "  head   Linear    +200  +28.6 %  +0.02000  +28.6 %",
        "  tail   Linear      +5      new  +0.00050      new",
        "",
        *ACCEPT,
    ]


def test_several_metrics_are_told_by_one_list_as_it_fits() -> None:
    deep = ".".join(["encoder"] * 6)
    before = {deep: ("Conv2d", 1000, 10_000_000), "a": ("Linear", 10, 0), "b": ("Linear", 0, 5)}
    after = {deep: ("Conv2d", 2000, 20_000_000), "a": ("Linear", 11, 0), "b": ("Linear", 0, 4)}
    lines = failure_lines(result(profile(after), baseline(before)))
    at = lines.index("params, GFLOPs: 3 layers changed, by their own costs:")
    assert lines[at + 1 : at + 5] == [
        "  layer                                            type    params        GFLOPs",
        f"  {deep}  Conv2d  +1,000      +0.01000",
        "  a                                                Linear      +1",
        "  b                                                Linear          -0.000000001",
    ]


def test_what_moved_into_a_layer_is_told() -> None:
    before = {**NET, "": ("Net", 0, 30_000_000)}
    after = {**before, "": ("Net", 0, 0), "head": ("Linear", 700, 110_000_000)}
    lines = failure_lines(result(profile(after), baseline(before), budget_settings("gflops")))
    at = lines.index("moved from a layer around or below:")
    assert lines[at + 1 : at + 3] == ["  head  0.03000  GFLOPs", ""]


def test_memory() -> None:
    known = with_entry(memory_bytes=1_000_000)
    failed = result(with_memory(1_050_001), known, budget_settings("params", "memory"))
    assert failure_lines(failed) == [
        "`Net` exceeds its budget: memory +5.0 %",
        "",
        "  metric       measured  budget  baseline  change  verdict",
        "  params          1,000   1,000     1,000     0 %  within",
        "  memory (MB)  1.050001    1.05      1.00  +5.0 %  exceeded",
        f"  baseline: {FILE}:20",
        "",
        *ACCEPT,
    ]


def test_latency() -> None:
    layers = {"stem": {"latency_ms": 40.0}, "head": {"latency_ms": 155.0}}
    known = with_entry(100.0, layers={"stem": 30.0, "head": 65.0})
    assert failure_lines(result(timed(latency_ms=200.0, layers=layers), known, ALL)) == [
        "`Net` exceeds its budget: latency +100.0 %, mostly `head` (Linear)",
        "",
        "  metric        measured  budget  baseline    change  verdict",
        "  params           1,000   1,000     1,000       0 %  within",
        "  GFLOPs          0.1000  0.1000    0.1000       0 %  within",
        "  latency (ms)    200.00  125.00    100.00  +100.0 %  exceeded",
        f"  baseline: {FILE}:19",
        "",
        "latency: 2 layers changed, by own time:",
        "  head  Linear  +90.00  90 %  65.00 -> 155.00",
        "  stem  Conv2d  +10.00  10 %  30.00 -> 40.00",
        "",
        *ACCEPT,
    ]


def test_one_layer_over_its_own_budget() -> None:
    moved = net(stem=("Conv2d", 101, 10_000_000), head=("Linear", 699, 70_000_000))
    assert failure_lines(result(profile(moved), baseline())) == [
        "`stem` (Conv2d) of `Net` exceeds its budget: params +1.0 %",
        "",
        "  metric        measured  budget  baseline  change  verdict",
        "  params           1,000   1,000     1,000     0 %  within",
        "  GFLOPs          0.1000  0.1000    0.1000     0 %  within",
        "  stem: params       101     100       100  +1.0 %  exceeded",
        f"  baseline: {FILE}:11",
        "",
        "params: 2 layers changed, by own params:",
        "  stem  Conv2d  +1  100 %  100 -> 101",
        "  head  Linear  -1         700 -> 699",
        "",
        *ACCEPT,
    ]


def test_no_baseline() -> None:
    assert failure_lines(result(profile(), None)) == [
        f"`Net` has no baseline: `{FILE}` does not exist",
        "",
        "  metric  measured  budget  baseline  change  verdict",
        "  params     1,000       -         -          unbudgeted",
        "  GFLOPs    0.1000       -         -          unbudgeted",
        "",
        "hint: create the baseline and commit it:",
        "        pytest --update-budgets tests/test_net.py::test_net",
    ]


def test_a_metric_that_the_baseline_lacks() -> None:
    known = baseline({}, total={"params": 1000}, own=without_flops())
    failed = result(profile(), known)
    assert sentence(failed) == f"the baseline of `Net` has no GFLOPs: `{FILE}`"
    assert hint(failed).startswith("hint: create the baseline and commit it:")


def without_flops() -> dict[str, Any]:
    own = baseline().own
    return {
        path: replace(cost, costs={"params": cost.costs["params"]}) for path, cost in own.items()
    }


def test_an_uncounted_operator() -> None:
    ran = uncounted("shop::warp", "", shapes=((1, 8), ()), calls=12)
    measured = profile(uncounted=(ran, uncounted("b::b", "head")))
    lines = failure_lines(result(measured, baseline()))
    assert lines[0] == "the FLOPs of `Net` are unknown: `shop::warp` in `(model)` is uncounted"
    assert lines[-6:] == [
        "uncounted:",
        "  shop::warp  (model)  12 calls  1x8 ()",
        "  b::b        head       1 call  1x8",
        "",
        'hint: register a formula: @register_flop_formula("shop::warp")',
        "      or agree not to count it: add `shop::warp` to `flop_budget_ignore_ops`",
    ]
    assert not any("--update-budgets" in line for line in lines)


def test_a_layer_without_a_rule_of_thop() -> None:
    measured = profile(uncounted=(uncounted("layer:Embedding", "head"),), engine="thop")
    failed = result(measured, baseline(engine="thop"), budget_settings("gflops"))
    assert hint(failed) == (
        'hint: count it with engine="dispatch"\n'
        "      or agree not to count it: add `layer:Embedding` to `flop_budget_ignore_ops`"
    )


def test_a_ceiling_cannot_be_accepted_by_an_update() -> None:
    agreed = budget_settings(ceilings={"params": Fraction(900), "gflops": Fraction(10**7)})
    failed = result(profile(net(head=("Linear", 701, 70_000_001))), baseline(), agreed)
    assert hint(failed) == (
        "hint: an update cannot accept this: raise `max_params`, `max_gflops` if the "
        "growth is meant"
    )


def test_a_ceiling_of_latency_is_called_as_in_the_marker() -> None:
    agreed = budget_settings("latency", ceilings={"latency": Fraction(50)})
    failed = result(timed(), with_entry(), agreed)
    assert "raise `max_latency_ms`" in hint(failed)


def test_a_ceiling_without_a_baseline_says_what_is_allowed() -> None:
    failed = result(profile(), None, budget_settings("params", ceilings={"params": Fraction(900)}))
    assert sentence(failed) == "`Net` exceeds its budget: params 1,000, allowed 900"


@pytest.mark.parametrize("params", [600, 700])
def test_over_a_ceiling_is_not_said_as_a_saving_against_the_baseline(params: int) -> None:
    measured = profile(net(head=("Linear", params, 70_000_000)))
    failed = result(measured, baseline(), budget_settings(ceilings={"params": Fraction(800)}))
    assert sentence(failed).startswith(
        f"`Net` exceeds its budget: params {300 + params:,}, allowed 800"
    )


def test_the_command_is_quoted_for_the_shell() -> None:
    failed = result(profile(), None, test="tests/test_net.py::test_net[a b-$HOME]")
    assert hint(failed).endswith("pytest --update-budgets 'tests/test_net.py::test_net[a b-$HOME]'")


def test_renamed_layers_are_named_when_something_else_grew() -> None:
    spec = {("neck" if path == "head" else path): costs for path, costs in NET.items()}
    failed = result(profile({**spec, "tail": ("Linear", 1, 0)}), baseline())
    lines = failure_lines(failed)
    assert lines[0] == "`Net` exceeds its budget: params +0.1 %, mostly the new `tail` (Linear)"
    at = lines.index("renamed, at the same cost:")
    assert lines[at + 1 : at + 3] == ["  head -> neck", ""]


def test_long_lists_are_cut() -> None:
    before = {f"{i:02}": ("Linear", 10, 0) for i in range(12)}
    after = {path: ("Linear", 11 + int(path), 0) for path in before}
    lines = failure_lines(result(profile(after), baseline(before), budget_settings("params")))
    at = lines.index("params: 12 layers changed, by own params:")
    assert lines[at + 1].split() == ["11", "Linear", "+12", "15", "%", "10", "->", "22"]
    assert lines[at + 9] == "  ... and 4 more"


# --------------------------------------------------------------------------- fail on


def test_improved_as_a_failure() -> None:
    less = net(head=("Linear", 600, 70_000_000))
    failed = result(
        profile(less),
        baseline(),
        budget_settings("params", each_layer=False, fail_on=("improved",)),
    )
    assert sentence(failed) == "`Net` improved: params -10.0 %"


def test_what_improved_is_named_without_what_fails_otherwise() -> None:
    less = net(head=("Linear", 600, 70_000_000))
    agreed = budget_settings(
        "params", "latency", each_layer=False, fail_on=("improved", "not_compared")
    )
    failed = result(timed(less), baseline(), agreed)
    assert [v.metric for v in failed.judgement.failing] == ["params", "latency"]
    assert sentence(failed) == "`Net` improved: params -10.0 %"
    assert hint(failed) == (
        "hint: keep the improvement:\n        pytest --update-budgets tests/test_net.py::test_net"
    )


def test_not_compared_as_a_failure_says_why() -> None:
    failed = result(timed(), with_entry(torch="2.12"), replace(ALL, fail_on=("not_compared",)))
    assert sentence(failed) == (
        "latency of `Net` is not compared: measured with torch 2.12, this is 2.13"
    )


NOT_ENTERED = result(timed(), baseline(), replace(ALL, fail_on=("not_compared",)))
WORSE_AND_BETTER = result(
    profile(net(head=("Linear", 600, 90_000_000))),
    baseline(),
    budget_settings(fail_on=("improved",)),
)
EXCEEDED_AND_UNCOUNTED = result(
    profile(net(head=("Linear", 701, 70_000_000)), uncounted=(uncounted(),)), baseline()
)


def test_the_line_of_the_baseline_is_a_number() -> None:
    assert not any(line.endswith(":None") for line in failure_lines(NOT_ENTERED))


def test_the_hint_adds_the_entry_that_is_missing() -> None:
    assert "--flop-budget-metrics latency" in hint(NOT_ENTERED)


def test_growth_is_graver_than_an_improvement() -> None:
    assert sentence(WORSE_AND_BETTER).startswith("`Net` exceeds its budget: GFLOPs +20.0 %")
    assert not hint(WORSE_AND_BETTER).startswith("hint: keep the improvement")


def test_an_unknown_is_graver_than_growth() -> None:
    assert sentence(EXCEEDED_AND_UNCOUNTED).startswith("the FLOPs of `Net` are unknown")
    assert hint(EXCEEDED_AND_UNCOUNTED).startswith("hint: register a formula")


# --------------------------------------------------------------------- rounding, exactly


@pytest.mark.parametrize(
    ("metric", "one", "other", "texts"),
    [
        (PARAMS, 1001, 1000, ("1,001", "1,000")),
        (PARAMS, 101, Fraction(201, 2), ("101", "100")),
        (PARAMS, 101, Fraction(1009, 10), ("101", "100.9")),
        (GFLOPS, 15_788_441_600, 15_000_000_000, ("15.79", "15.00")),
        (GFLOPS, 15_788_441_601, 15_788_441_600, ("15.788441601", "15.7884416")),
        (GFLOPS, 100_000_001, 100_000_000, ("0.100000001", "0.1")),
        (GFLOPS, 15_788_441_600, 15_788_441_600, ("15.79", "15.79")),
        (GFLOPS, 5, None, ("0.000000005", "-")),
        (GFLOPS, None, None, ("-", "-")),
        (GFLOPS, 9_999_000_000, 10_000_000_000, ("10.00", "10.00")),
        (LATENCY, Fraction("125.001"), 125, ("125.001", "125")),
        (LATENCY, Fraction("0.002"), Fraction("0.001"), ("0.00200", "0.00100")),
    ],
)
def test_two_values_are_told_apart(
    metric: Metric, one: Any, other: Any, texts: tuple[str, str]
) -> None:
    if texts == ("10.00", "10.00"):
        texts = ("9.999", "10")
    values = [None if value is None else Fraction(value) for value in (one, other)]
    assert metric.format_pair(values[0], values[1]) == texts


@given(one=counts(), other=counts(), metric=st.sampled_from([PARAMS, GFLOPS]))
def test_different_counts_never_look_alike(one: int, other: int, metric: Metric) -> None:
    assume(one != other)
    texts = metric.format_pair(Fraction(one), Fraction(other))
    assert texts[0] != texts[1]


def test_a_budget_between_two_counts_is_printed_exactly() -> None:
    measured, known = profile({"a": ("Linear", 0, 13)}), baseline({"a": ("Linear", 0, 12)})
    failed = result(measured, known, tolerating(gflops="1/20"))  # a budget of 12.6 FLOPs
    row = next(line for line in failure_lines(failed) if line.startswith("  GFLOPs")).split()
    assert (row[1], row[2]) == ("0.000000013", "0.0000000126")


def test_one_flop_more_is_printed_exactly() -> None:
    failed = result(profile(net(head=("Linear", 700, 70_000_001))), baseline())
    lines = failure_lines(failed)
    assert lines[0] == "`Net` exceeds its budget: GFLOPs +<0.1 %, mostly `head` (Linear)"
    assert lines[4] == "  GFLOPs  0.100000001     0.1       0.1  +<0.1 %  exceeded"


def test_the_cause_of_one_flop_more_is_told_apart() -> None:
    lines = failure_lines(result(profile(net(head=("Linear", 700, 70_000_001))), baseline()))
    cause = lines[lines.index("GFLOPs: 1 layer changed, by own GFLOPs:") + 1].split()
    assert cause[-3] != cause[-1]
    assert Fraction(cause[2]) > 0


# ------------------------------------------------------------------------------ every text

FAILED = [
    result(profile(net(head=("Linear", 900, 90_000_000), tail=("Linear", 5, 5))), baseline()),
    result(profile(), None),
    result(profile(uncounted=(uncounted(),)), baseline()),
    result(timed(latency_ms=200.0), with_entry(layers={"head": 30.0}), ALL),
    WORSE_AND_BETTER,
    EXCEEDED_AND_UNCOUNTED,
]


@pytest.mark.parametrize("failed", FAILED)
def test_every_failure_is_aligned_and_fits_80_columns(failed: Result) -> None:
    lines = failure_lines(failed)
    assert_reads_well(lines)
    start, end = 2, lines.index("", 2)
    table = [line for line in lines[start:end] if not line.startswith("  baseline:")]
    filled = [line for line in table if "%" in line]  # an empty cell is none to the eye
    assert_is_table([*table[:1], *filled], "lrrrrl")
    assert max(len(line) for line in lines) <= 80


def test_a_failure_beside_a_metric_not_compared_fits_80_columns() -> None:
    grown = profile(net(head=("Linear", 7_000_000, 15_788_441_600)))
    measured = replace(timed(), **{f: getattr(grown, f) for f in ("params", "flops", "layers")})
    lines = failure_lines(result(measured, baseline(), ALL))
    assert max(len(line) for line in lines) <= 80


LAYERS = st.tuples(st.just("Linear"), counts(), counts())


@given(
    before=st.dictionaries(st.sampled_from("abcd"), LAYERS),
    after=st.dictionaries(st.sampled_from("abce"), LAYERS),
)
def test_any_failure_can_be_told(before: dict[str, Costs], after: dict[str, Costs]) -> None:
    failed = result(profile(after), baseline(before))
    assume(failed.judgement.failing)
    lines = failure_lines(failed)
    assert_reads_well(lines)
    assert lines[-2:] == ACCEPT
