"""Judging: a profile, a baseline and settings to verdicts."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_flopbudget.baseline.record import Baseline
from pytest_flopbudget.errors import BaselineError, MeasureError
from pytest_flopbudget.metrics import GFLOPS, METRICS
from pytest_flopbudget.profile.model_profile import ModelProfile
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.verdict.judge_model import judge, judge_ceilings
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import FAILING, Judgement, MetricVerdict, Verdict
from tests.strategies import (
    ENVIRONMENT,
    EXACT,
    NET,
    Costs,
    baseline,
    budget_settings,
    counts,
    entry,
    profile,
    shares,
    timed,
    tolerating,
    uncounted,
    with_entry,
    with_memory,
)

TIMED, WITH_MEMORY = budget_settings("latency"), budget_settings("memory")


def one(key: str, value: int) -> ModelProfile:
    """Profile a model of one layer that has these params or FLOPs."""
    return profile({"fc": ("Linear", *((value, 0) if key == "params" else (0, value)))})


def stored(key: str, value: int) -> Baseline:
    return baseline({"fc": ("Linear", *((value, 0) if key == "params" else (0, value)))})


def words(judgement: Judgement) -> dict[str, str]:
    return {verdict.metric: verdict.verdict.value for verdict in judgement.metrics}


def word(measured: ModelProfile, known: Baseline | None, agreed: BudgetSettings) -> Verdict:
    (verdict,) = judge(measured, known, agreed).metrics
    return verdict.verdict


def failing(judgement: Judgement) -> list[tuple[str | None, str]]:
    return [(verdict.path, verdict.metric) for verdict in judgement.failing]


# ------------------------------------------------------------------- boundaries: exact metrics


@pytest.mark.parametrize("key", EXACT)
@pytest.mark.parametrize(
    ("before", "share", "measured", "expected"),
    [
        (100, "0", 99, "improved"),
        (100, "0", 100, "within"),
        (100, "0", 101, "exceeded"),
        (100, "13/100", 99, "improved"),  # exact metrics improve below the baseline itself
        (100, "13/100", 100, "within"),
        (100, "13/100", 112, "within"),
        (100, "13/100", 113, "within"),  # not so in floats
        (100, "13/100", 114, "exceeded"),
        (7, "1/2", 10, "within"),  # a budget of 10.5
        (7, "1/2", 11, "exceeded"),
        (0, "0", 0, "within"),
        (0, "0", 1, "exceeded"),
        (0, "1/2", 1, "exceeded"),
        (7_033_114, "0", 7_033_113, "improved"),
        (7_033_114, "0", 7_033_115, "exceeded"),
        (15_788_441_600, "0", 15_788_441_599, "improved"),  # one FLOP
        (15_788_441_600, "0", 15_788_441_600, "within"),
        (15_788_441_600, "0", 15_788_441_601, "exceeded"),
        (10**24, "0", 10**24 - 1, "improved"),
        (10**24, "0", 10**24, "within"),
        (10**24, "0", 10**24 + 1, "exceeded"),
        (10**24, "1/1000", 1_001 * 10**21, "within"),
        (10**24, "1/1000", 1_001 * 10**21 + 1, "exceeded"),
    ],
)
def test_exact_metrics_are_judged_to_the_last_digit(
    key: str, before: int, share: str, measured: int, expected: str
) -> None:
    agreed = tolerating(**{key: share})
    assert words(judge(one(key, measured), stored(key, before), agreed)) == {key: expected}


def test_a_verdict_has_its_figures() -> None:
    (verdict,) = judge(
        one("gflops", 114), stored("gflops", 100), tolerating(gflops="13/100")
    ).metrics
    assert verdict == MetricVerdict(
        metric="gflops",
        path=None,
        measured=Fraction(114),
        baseline=Fraction(100),
        budget=Fraction(113),
        verdict=Verdict.EXCEEDED,
    )  # fmt: skip


@pytest.mark.parametrize("key", EXACT)
@pytest.mark.parametrize(
    ("before", "ceiling", "measured", "expected"),
    [
        (None, 50, 49, "unbudgeted"),  # a ceiling is no baseline
        (None, 50, 50, "unbudgeted"),
        (None, 50, 51, "exceeded"),
        (40, 50, 40, "within"),
        (40, 50, 41, "exceeded"),  # both bind: the baseline is the tighter one
        (60, 50, 50, "improved"),
        (60, 50, 51, "exceeded"),  # both bind: the ceiling is the tighter one
        (50, 50, 50, "within"),
        (50, 50, 51, "exceeded"),
    ],
)
def test_a_ceiling_binds_with_and_without_a_baseline(
    key: str, before: int | None, ceiling: int, measured: int, expected: str
) -> None:
    known = None if before is None else stored(key, before)
    agreed = budget_settings(key, ceilings={key: Fraction(ceiling)})
    assert words(judge(one(key, measured), known, agreed)) == {key: expected}


def test_a_ceiling_may_lie_between_two_counts() -> None:
    agreed = budget_settings("gflops", ceilings={"gflops": Fraction(21, 2)})
    assert word(one("gflops", 10), stored("gflops", 10), agreed) is Verdict.WITHIN
    assert word(one("gflops", 11), stored("gflops", 11), agreed) is Verdict.EXCEEDED


def test_a_ceiling_speaks_for_its_metric_alone() -> None:
    agreed = budget_settings(ceilings={"params": Fraction(10**6)})
    bare = baseline(total={}, own={})
    assert words(judge(profile(), bare, agreed)) == {"params": "within", "gflops": "unbudgeted"}


# ------------------------------------------------------------------------ boundaries: latency


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (74.99, "improved"),
        (75.0, "within"),
        (99.0, "within"),
        (100.0, "within"),
        (125.0, "within"),
        (125.01, "exceeded"),
    ],
)
def test_latency_is_judged_by_its_tolerance_on_both_sides(measured: float, expected: str) -> None:
    found = judge(timed(latency_ms=measured), with_entry(100.0), TIMED)
    assert words(found) == {"latency": expected}


@pytest.mark.parametrize(
    ("known", "measured", "expected"),
    [
        (baseline(), 50.0, "within"),
        (baseline(), 50.01, "exceeded"),
        (with_entry(100.0), 50.0, "improved"),
        (with_entry(100.0), 50.01, "exceeded"),
        (with_entry(10.0), 12.5, "within"),
        (with_entry(10.0), 12.51, "exceeded"),
        (with_entry(100.0, torch="2.12"), 50.0, "within"),
        (with_entry(100.0, torch="2.12"), 50.01, "exceeded"),
    ],
)
def test_a_latency_ceiling_binds_with_and_without_an_entry(
    known: Baseline, measured: float, expected: str
) -> None:
    agreed = budget_settings("latency", ceilings={"latency": Fraction(50)})
    assert words(judge(timed(latency_ms=measured), known, agreed)) == {"latency": expected}


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (949_999, "improved"),
        (950_000, "within"),
        (1_000_000, "within"),
        (1_050_000, "within"),
        (1_050_001, "exceeded"),
    ],
)
def test_memory_is_judged_by_its_tolerance_on_both_sides(measured: int, expected: str) -> None:
    known = with_entry(memory_bytes=1_000_000)
    assert words(judge(with_memory(measured), known, WITH_MEMORY)) == {"memory": expected}


@pytest.mark.parametrize(
    ("known", "measured", "expected"),
    [
        (baseline(), 500_000, "within"),
        (baseline(), 500_001, "exceeded"),
        (with_entry(memory_bytes=400_000), 420_001, "exceeded"),
        (with_entry(memory_bytes=400_000, torch="2.12"), 500_000, "within"),
    ],
)
def test_a_memory_ceiling_binds_with_and_without_an_entry(
    known: Baseline, measured: int, expected: str
) -> None:
    agreed = budget_settings("memory", ceilings={"memory": Fraction(500_000)})
    assert words(judge(with_memory(measured), known, agreed)) == {"memory": expected}


def test_stored_latency_is_the_decimal_that_the_file_has() -> None:
    (verdict,) = judge(timed(latency_ms=1.0), with_entry(0.1), TIMED).metrics
    assert (verdict.baseline, verdict.budget) == (Fraction(1, 10), Fraction(1, 8))


# ---------------------------------------------------------------------- the table of verdicts


NOT_ENTERED = "no entry for this environment"


@pytest.mark.parametrize(
    ("measured", "known", "reason"),
    [
        (timed(), baseline(), NOT_ENTERED),
        (timed(), baseline(environments={"cuda, H100": entry()}), NOT_ENTERED),
        (timed(), with_entry(torch="2.12"), "measured with torch 2.12, this is 2.13"),
        (timed(), with_entry(torch="2.130"), "measured with torch 2.130, this is 2.13"),
        (timed(), with_entry(python="3.12"), "measured with Python 3.12, this is 3.13"),
        (timed(), with_entry(python="3.1"), "measured with Python 3.1, this is 3.13"),
        (
            timed(),
            with_entry(torch="2.12", python="3.12"),
            "measured with torch 2.12 and Python 3.12, this is 2.13 and 3.13",
        ),
        (timed(), with_entry(flops=99_999_999), "measured before the last accepted change"),
        (
            profile(not_measured={"latency": "the weights are on meta"}),
            with_entry(),
            "the weights are on meta",
        ),
        (profile(), with_entry(), "it was not measured"),
    ],
)
def test_not_compared_has_a_reason_and_does_not_fail(
    measured: ModelProfile, known: Baseline, reason: str
) -> None:
    judgement = judge(measured, known, TIMED)
    assert [(v.verdict, v.reason) for v in judgement.metrics] == [(Verdict.NOT_COMPARED, reason)]
    assert not judgement.failing


NO_MEMORY = "no memory in the entry of this environment"
ADD, UPDATE = "--update-budgets --flop-budget-metrics memory", "--update-budgets"


@pytest.mark.parametrize(
    ("measured", "known", "reason", "remedy"),
    [
        (with_memory(), baseline(), NOT_ENTERED, ADD),
        (with_memory(), with_entry(), NO_MEMORY, UPDATE),
        (
            with_memory(),
            with_entry(memory_bytes=10**9, torch="2.12"),
            "measured with torch 2.12, this is 2.13",
            UPDATE,
        ),
        (
            with_memory(),
            with_entry(memory_bytes=1, flops=1),
            "measured before the last accepted change",
            UPDATE,
        ),
        (profile(not_measured={"memory": "no such device"}), with_entry(), "no such device", ""),
    ],
)
def test_memory_is_compared_as_latency_is(
    measured: ModelProfile, known: Baseline, reason: str, remedy: str
) -> None:
    judgement = judge(measured, known, WITH_MEMORY)
    assert [(v.verdict, v.reason, v.remedy) for v in judgement.metrics] == [
        (Verdict.NOT_COMPARED, reason, remedy)
    ]
    assert not judgement.failing


def test_an_entry_of_memory_alone_has_no_latency() -> None:
    alone = entry(None, memory_bytes=1)
    (verdict,) = judge(timed(), baseline(environments={ENVIRONMENT.key: alone}), TIMED).metrics
    assert verdict.reason == "no latency in the entry of this environment"


def test_an_entry_that_names_no_python_is_compared() -> None:
    known = with_entry(100.0, python=None)
    assert word(timed(latency_ms=126.0), known, TIMED) is Verdict.EXCEEDED


ABOVE = "measured with torch 2.12, this is 2.13, and above the budget of before"


@pytest.mark.parametrize(
    ("stored", "measured", "reason"),
    [
        ({"torch": "2.12"}, timed(latency_ms=125.0), "measured with torch 2.12, this is 2.13"),
        ({"torch": "2.12"}, timed(latency_ms=125.01), ABOVE),
        (
            {"python": "3.12"},
            timed(latency_ms=125.01),
            "measured with Python 3.12, this is 3.13, and above the budget of before",
        ),
        (
            {"torch": "2.12", "flops": 1},
            timed(latency_ms=125.01),
            "measured with torch 2.12, this is 2.13",
        ),
        (
            {"torch": "2.12"},
            timed(latency_ms=125.01, unreliable_reason="busy"),
            "measured with torch 2.12, this is 2.13",
        ),
    ],
)
def test_growth_that_came_with_another_version_is_told_and_fails_only_if_asked_for(
    stored: dict[str, Any], measured: ModelProfile, reason: str
) -> None:
    known = with_entry(100.0, **stored)
    judgement = judge(measured, known, TIMED)
    assert [(v.verdict, v.reason) for v in judgement.metrics] == [(Verdict.NOT_COMPARED, reason)]
    assert not judgement.failing
    asked = judge(measured, known, replace(TIMED, fail_on=("upgrade",)))
    assert bool(asked.failing) is reason.endswith("above the budget of before")


def test_memory_that_grew_with_another_version_fails_only_if_asked_for() -> None:
    asked = replace(WITH_MEMORY, fail_on=("upgrade",))
    for stored, failing in ((1_000_000, 0), (999_999, 1)):
        known = with_entry(memory_bytes=stored, python="3.12")
        assert len(judge(with_memory(1_050_000), known, asked).failing) == failing


def test_a_ceiling_does_not_hide_what_came_with_another_version() -> None:
    agreed = budget_settings("latency", ceilings={"latency": Fraction(200)}, fail_on=("upgrade",))
    known = with_entry(100.0, torch="2.12")
    for measured, expected in ((125.0, "within"), (125.01, "not_compared"), (200.01, "exceeded")):
        assert words(judge(timed(latency_ms=measured), known, agreed)) == {"latency": expected}


def test_an_entry_that_names_no_count_is_compared() -> None:
    known = with_entry(100.0, flops=None)
    assert word(timed(latency_ms=126.0), known, TIMED) is Verdict.EXCEEDED


def test_an_exact_metric_that_could_not_be_measured_is_not_compared() -> None:
    measured = profile(flops=None, not_measured={"gflops": "forward refuses meta"})
    (verdict,) = judge(measured, baseline(), budget_settings("gflops")).metrics
    assert (verdict.verdict, verdict.reason) == (Verdict.NOT_COMPARED, "forward refuses meta")


@pytest.mark.parametrize("key", EXACT)
def test_no_baseline_is_unbudgeted(key: str) -> None:
    judgement = judge(profile(), None, budget_settings(key))
    assert words(judgement) == {key: "unbudgeted"}
    assert judgement.failing


def test_no_baseline_is_unbudgeted_also_where_latency_alone_is_judged() -> None:
    assert judge(timed(), None, TIMED).failing


def test_an_exact_metric_that_the_file_lacks_is_unbudgeted() -> None:
    known = baseline(total={"params": 1000}, own={})
    assert words(judge(profile(), known, budget_settings())) == {
        "params": "within",
        "gflops": "unbudgeted",
    }


def test_an_uncounted_operator_leaves_flops_unknown() -> None:
    judgement = judge(profile(uncounted=(uncounted(),)), baseline(), budget_settings())
    assert words(judgement) == {"params": "within", "gflops": "uncounted"}
    assert failing(judgement) == [(None, "gflops")]
    assert [v.metric for v in judgement.layers if v.metric == "gflops"] == []


def test_an_uncounted_operator_is_graver_than_a_ceiling_kept() -> None:
    agreed = budget_settings("gflops", ceilings={"gflops": Fraction(10**12)})
    assert word(profile(uncounted=(uncounted(),)), None, agreed) is Verdict.UNCOUNTED


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        (("FLOPs",), {"gflops": "uncounted", "traffic": "within", "operators": "within"}),
        (("traffic",), {"gflops": "within", "traffic": "uncounted", "operators": "within"}),
        (
            ("FLOPs", "traffic", "operators"),
            dict.fromkeys(("gflops", "traffic", "operators"), "uncounted"),
        ),
    ],
)
def test_an_operator_hides_what_is_not_known_of_it(
    unknown: tuple[str, ...], expected: dict[str, str]
) -> None:
    known = replace(
        baseline(), total={"flops": 100_000_000, "traffic_bytes": 1000, "operators": 5}, own={}
    )
    measured = profile(
        uncounted=(replace(uncounted(), unknown=unknown),), traffic_bytes=1000, operators=5
    )
    assert words(judge(measured, known, budget_settings(*expected))) == expected


def test_an_uncounted_operator_does_not_matter_to_other_metrics() -> None:
    assert not judge(
        profile(uncounted=(uncounted(),)), baseline(), budget_settings("params")
    ).failing


def test_ignored_operators_are_agreed_upon_one_by_one() -> None:
    measured = profile(uncounted=(uncounted("a::a"), uncounted("b::b")))
    assert unaccepted_operators(measured, budget_settings(ignore_ops=("a::a",)), GFLOPS) == [
        measured.uncounted[1]
    ]
    some, all_ = (
        budget_settings("gflops", ignore_ops=ops) for ops in (("a::a",), ("a::a", "b::b"))
    )
    assert word(measured, baseline(), some) is Verdict.UNCOUNTED
    assert word(measured, baseline(), all_) is Verdict.WITHIN


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("engine `dispatch`, this run has `thop`", {"engine": "thop"}),
        ("mode `inference`, this run has `training`", {"mode": "training"}),
        (
            "inputs `float32[1, 3, 8, 8]`, this run has `float32[2, 3, 8, 8], int64[1]`",
            {"inputs": ("float32[2, 3, 8, 8]", "int64[1]")},
        ),
    ],
)
def test_a_baseline_of_something_else_is_an_error_that_names_both(
    what: str, changed: dict[str, Any]
) -> None:
    with pytest.raises(BaselineError) as error:
        judge(profile(**changed), baseline(), budget_settings())
    sentence = f"the baseline was made with {what}: they cannot be compared"
    assert error.value.sentence == sentence


@pytest.mark.parametrize(
    ("verdict", "fails"),
    [
        ("within", False),
        ("exceeded", True),
        ("uncounted", True),
        ("unbudgeted", True),
        ("improved", False),
        ("not_compared", False),
        ("inconclusive", False),
    ],
)
def test_which_verdicts_fail(verdict: str, fails: bool) -> None:
    assert (Verdict(verdict) in FAILING) is fails
    assert Verdict(verdict).text == verdict.replace("_", " ")


def judgement_of(*verdicts: str, fail_on: tuple[str, ...] = ()) -> Judgement:
    def made(verdict: str) -> MetricVerdict:
        return MetricVerdict(
            metric=verdict,
            path=None,
            measured=None,
            baseline=None,
            budget=None,
            verdict=Verdict(verdict),
        )

    return Judgement(metrics=tuple(made(verdict) for verdict in verdicts), fail_on=fail_on)


@pytest.mark.parametrize("verdict", ["improved", "not_compared", "inconclusive"])
def test_fail_on_makes_a_failure_of_a_verdict_by_its_name(verdict: str) -> None:
    others = ("improved", "not_compared", "inconclusive", "within")
    assert failing(judgement_of(*others, fail_on=(verdict,))) == [(None, verdict)]
    assert failing(judgement_of(*others)) == []


@pytest.mark.parametrize(
    ("verdicts", "gravest"),
    [
        (("within",), "within"),
        (("within", "improved"), "improved"),
        (("improved", "exceeded"), "exceeded"),
        (("exceeded", "uncounted"), "uncounted"),
        (("unbudgeted", "exceeded"), "exceeded"),
        (("not_compared", "within"), "within"),
        (("not_compared", "inconclusive"), "inconclusive"),
        (("not_compared",), "not_compared"),
    ],
)
def test_a_budget_has_the_gravest_of_its_verdicts(verdicts: tuple[str, ...], gravest: str) -> None:
    assert judgement_of(*verdicts).verdict.value == gravest
    assert judgement_of(*reversed(verdicts)).verdict.value == gravest


@pytest.mark.parametrize("metrics", [("params",), ("gflops",), EXACT, ("latency", "params")])
def test_only_the_metrics_asked_for_are_judged(metrics: tuple[str, ...]) -> None:
    judgement = judge(timed(), with_entry(), budget_settings(*metrics))
    assert tuple(v.metric for v in judgement.metrics) == metrics
    assert {v.metric for v in judgement.layers} == {key for key in metrics if key in EXACT}


# -------------------------------------------------------------------------------- the layers


def net(**changed: Costs) -> dict[str, Costs]:
    return {**NET, **changed}


def test_each_layer_is_judged_by_its_own_costs_beside_the_total() -> None:
    moved = net(stem=("Conv2d", 101, 10_000_000), head=("Linear", 699, 70_000_000))
    judgement = judge(profile(moved), baseline(), budget_settings())
    assert words(judgement) == {"params": "within", "gflops": "within"}
    assert failing(judgement) == [("stem", "params")]


@pytest.mark.parametrize(
    ("params", "expected"), [(109, "within"), (110, "within"), (111, "exceeded"), (99, "improved")]
)
def test_a_layer_has_the_tolerance_of_its_metric(params: int, expected: str) -> None:
    measured = profile(net(stem=("Conv2d", params, 10_000_000)))
    judgement = judge(measured, baseline(), tolerating(params="1/10"))
    assert {v.path: v.verdict.value for v in judgement.layers} == {
        "stem": expected,
        "body.0": "within",
        "head": "within",
    }


def test_a_new_layer_shows_in_the_total_alone() -> None:
    judgement = judge(profile(net(tail=("Linear", 1, 0))), baseline(), budget_settings())
    assert failing(judgement) == [(None, "params")]


def test_new_and_renamed_layers_never_fail_by_themselves() -> None:
    renamed = {"neck" if path == "head" else path: costs for path, costs in NET.items()}
    assert not judge(profile(renamed), baseline(), budget_settings()).failing


def test_layers_false_is_the_total_alone() -> None:
    moved = net(stem=("Conv2d", 101, 10_000_000), head=("Linear", 699, 70_000_000))
    judgement = judge(profile(moved), baseline(), budget_settings(each_layer=False))
    assert judgement.layers == ()
    assert not judgement.failing


@pytest.mark.parametrize(
    ("globs", "paths"),
    [
        (("body",), ["body"]),
        (("body*",), ["body", "body.0"]),  # body.1 costs nothing, the file does not know it
        (("*.0",), ["body.0"]),
        (("[bh]*",), ["body", "body.0", "head"]),
        (("head", "stem"), ["head", "stem"]),
        (("?ead",), ["head"]),
        (("",), [""]),
    ],
)
def test_globs_choose_layers_by_their_path(globs: tuple[str, ...], paths: list[str]) -> None:
    judgement = judge(profile(), baseline(), budget_settings("params", layer_globs=globs))
    assert [verdict.path for verdict in judgement.layers] == paths


def test_chosen_layers_are_judged_by_their_total() -> None:
    grown = net(**{"body.0": ("Conv2d", 200, 20_000_001), "head": ("Linear", 700, 69_999_999)})
    agreed = budget_settings("gflops", layer_globs=("body",))
    judgement = judge(profile(grown), baseline(), agreed)
    assert failing(judgement) == [("body", "gflops")]
    (verdict,) = judgement.layers
    assert (verdict.measured, verdict.baseline) == (20_000_001, 20_000_000)


def test_a_layer_chosen_twice_is_judged_once_and_the_same() -> None:
    judgement = judge(profile(), baseline(), budget_settings("params", layer_globs=("head", "h*")))
    assert {(v.path, v.verdict) for v in judgement.layers} == {("head", Verdict.WITHIN)}


@pytest.mark.parametrize("known", [baseline(), None])
@pytest.mark.parametrize("glob", ["backbone", "Head", "head.*", "ste"])
def test_a_glob_that_matches_nothing_is_an_error(known: Baseline | None, glob: str) -> None:
    with pytest.raises(MeasureError, match=rf"^`layers`: no layer of `Net` matches `{glob}`") as e:
        judge(profile(), known, budget_settings(layer_globs=("head", glob)))
    assert e.value.hint == (
        "layer paths are the names of `named_modules()`, such as `stem`, `body`, `body.0`"
    )


def test_a_glob_for_a_model_that_is_a_single_layer_says_so() -> None:
    one = {"": ("Linear", 20, 64)}
    with pytest.raises(MeasureError) as e:
        judge(profile(one), baseline(one), budget_settings(layer_globs=("head",)))
    assert e.value.hint == "`Linear` has no layers below it: leave `layers` out"


def test_data_dependent_flops_are_judged_by_the_total_alone() -> None:
    moved = net(stem=("Conv2d", 100, 10_000_001), head=("Linear", 700, 69_999_999))
    judgement = judge(profile(moved, data_dependent=True), baseline(), budget_settings())
    assert judgement.layers == ()
    assert not judgement.failing
    grown = profile(net(stem=("Conv2d", 100, 10_000_001)), data_dependent=True)
    assert failing(judge(grown, baseline(), budget_settings())) == [(None, "gflops")]


def test_data_dependent_flops_are_judged_by_the_total_also_with_globs() -> None:
    moved = net(stem=("Conv2d", 100, 10_000_001), head=("Linear", 700, 69_999_999))
    agreed = budget_settings("gflops", layer_globs=("stem",))
    assert not judge(profile(moved, data_dependent=True), baseline(), agreed).failing


def test_latency_is_never_judged_by_layers() -> None:
    layers = {"head": {"latency_ms": 10**6}}
    judgement = judge(timed(layers=layers), with_entry(layers={"head": 1.0}), TIMED)
    assert judgement.layers == ()


# --------------------------------------------------------------------------- under an update


@pytest.mark.parametrize(
    ("ceiling", "expected"), [(None, "within"), (999, "exceeded"), (1000, "within")]
)  # fmt: skip
def test_an_update_judges_ceilings(ceiling: int | None, expected: str) -> None:
    ceilings = {} if ceiling is None else {"params": Fraction(ceiling)}
    judgement = judge_ceilings(profile(), budget_settings("params", ceilings=ceilings))
    assert words(judgement) == {"params": expected}
    assert bool(judgement.failing) is (expected == "exceeded")


def test_an_update_judges_uncounted_operators() -> None:
    measured = profile(uncounted=(uncounted(),))
    assert words(judge_ceilings(measured, budget_settings())) == {
        "params": "within",
        "gflops": "uncounted",
    }
    assert not judge_ceilings(measured, budget_settings(ignore_ops=("shop::warp",))).failing


def test_an_update_judges_nothing_else() -> None:
    judgement = judge_ceilings(
        timed(), budget_settings(*METRICS, fail_on=("not_compared", "improved"))
    )
    others = dict.fromkeys(METRICS, "not_compared")  # not measured, or noisy
    assert words(judgement) == {**others, "params": "within", "gflops": "within"}
    assert not judgement.failing


def test_an_update_judges_a_ceiling_of_latency_that_is_kept() -> None:
    agreed = budget_settings("latency", ceilings={"latency": Fraction(100)})
    assert words(judge_ceilings(timed(latency_ms=101.0), agreed)) == {"latency": "exceeded"}
    assert words(judge_ceilings(timed(latency_ms=100.0), agreed)) == {"latency": "within"}


# -------------------------------------------------------------------------------------- laws

RANK = {Verdict.IMPROVED: 0, Verdict.WITHIN: 1, Verdict.EXCEEDED: 2}


@given(
    before=counts(),
    one_value=counts(),
    other=counts(),
    share=shares(),
    ceiling=st.none() | counts(),
    key=st.sampled_from(EXACT),
)
def test_a_higher_count_never_gets_a_better_verdict(
    before: int, one_value: int, other: int, share: Fraction, ceiling: int | None, key: str
) -> None:
    agreed = budget_settings(key, ceilings={} if ceiling is None else {key: Fraction(ceiling)})
    agreed = agreed.with_tolerance({key: share})
    low, high = (
        RANK[word(one(key, value), stored(key, before), agreed)]
        for value in sorted((one_value, other))
    )
    assert low <= high


@given(
    before=st.floats(0.001, 1e6),
    values=st.tuples(st.floats(0, 1e7), st.floats(0, 1e7)),
    share=shares(),
)
def test_a_longer_time_never_gets_a_better_verdict(
    before: float, values: tuple[float, float], share: Fraction
) -> None:
    agreed = TIMED.with_tolerance({"latency": share})
    low, high = (
        RANK[word(timed(latency_ms=value), with_entry(before), agreed)] for value in sorted(values)
    )
    assert low <= high


@given(before=counts(), measured=counts(), shares=st.tuples(shares(), shares()))
def test_a_larger_tolerance_never_fails_what_passed(
    before: int, measured: int, shares: tuple[Fraction, Fraction]
) -> None:
    tight, loose = (
        word(one("gflops", measured), stored("gflops", before), tolerating(gflops=str(share)))
        for share in sorted(shares)
    )
    assert tight is Verdict.EXCEEDED or loose is not Verdict.EXCEEDED


@given(spec=st.fixed_dictionaries({p: st.tuples(counts(), counts()) for p in ("a", "b", "c")}))
def test_what_costs_no_more_passes(spec: dict[str, tuple[int, int]]) -> None:
    before = {path: ("Linear", *costs) for path, costs in spec.items()}
    less = {path: ("Linear", params // 2, flops // 3) for path, (params, flops) in spec.items()}
    assert not judge(profile(before), baseline(before), budget_settings()).failing
    assert not judge(profile(less), baseline(before), budget_settings()).failing


@given(
    measured=st.fixed_dictionaries({p: st.tuples(counts(), counts()) for p in ("a", "b")}),
    before=st.fixed_dictionaries({p: st.tuples(counts(), counts()) for p in ("a", "c")}),
    share=shares(),
)
def test_the_budget_passes_exactly_up_to_its_budget(
    measured: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]], share: Fraction
) -> None:
    spec, known = (
        {path: ("Linear", *costs) for path, costs in costs_of.items()}
        for costs_of in (measured, before)
    )
    agreed = tolerating(params=str(share), gflops=str(share))
    judgement = judge(profile(spec), baseline(known), agreed)
    assert judgement == judge(profile(spec), baseline(known), agreed)
    for verdict in both(judgement):
        assume(verdict.measured is not None)
        assert verdict.budget == verdict.baseline * (1 + share)
        assert (verdict.measured > verdict.budget) is (verdict.verdict is Verdict.EXCEEDED)
        assert (verdict.measured < verdict.baseline) is (verdict.verdict is Verdict.IMPROVED)


LAYERS = st.sampled_from(["a", "b", "b.c", "d"])
SPECS = st.dictionaries(LAYERS, st.tuples(counts(), counts()), min_size=1)


@given(
    measured=SPECS,
    before=SPECS,
    raised=st.dictionaries(LAYERS, st.tuples(counts(), counts()), min_size=1),
    latency=st.tuples(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.floats(0, 1e6)),
    share=shares(),
    ceiling=st.none() | counts(),
    globs=st.sampled_from([(), ("b*",), ("*",)]),
)
def test_to_raise_what_was_measured_turns_nothing_that_is_exceeded_into_within(
    measured: dict[str, tuple[int, int]],
    before: dict[str, tuple[int, int]],
    raised: dict[str, tuple[int, int]],
    latency: tuple[float, float, float],
    share: Fraction,
    ceiling: int | None,
    globs: tuple[str, ...],
) -> None:
    """Of the model and of each layer, in every metric."""

    def spec(costs: dict[str, tuple[int, int]]) -> dict[str, Costs]:
        return {path: ("Linear", *costs.get(path, (0, 0))) for path in ("a", "b", "b.c", "d")}

    def plus(path: str) -> tuple[int, int]:
        one, more = measured.get(path, (0, 0)), raised.get(path, (0, 0))
        return one[0] + more[0], one[1] + more[1]

    metrics = ("params", "gflops", "latency")
    ceilings = {} if ceiling is None else {key: Fraction(ceiling) for key in metrics}
    agreed = budget_settings(*metrics, ceilings=ceilings, layer_globs=globs)
    agreed = agreed.with_tolerance(dict.fromkeys(metrics, share))
    known = baseline(spec(before), environments={ENVIRONMENT.key: entry(latency[1], flops=None)})
    first, second = (
        {(v.path, v.metric): v.verdict for v in both(judge(timed(*costs), known, agreed))}
        for costs in (
            (spec(measured), latency[0]),
            (spec({path: plus(path) for path in measured | raised}), latency[0] + latency[2]),
        )
    )
    exceeded = [key for key, verdict in first.items() if verdict is Verdict.EXCEEDED]
    assert [second[key] for key in exceeded] == [Verdict.EXCEEDED] * len(exceeded)


def both(judgement: Judgement) -> Iterator[Any]:
    """Yield the verdicts on the model and on its layers."""
    yield from judgement.metrics
    yield from judgement.layers


def test_the_environment_of_an_entry_is_the_whole_key() -> None:
    assert ENVIRONMENT.key == "cpu, Intel Xeon 6960P, 2 cores, 1 thread"
