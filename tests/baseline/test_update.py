"""What `--update-budgets` makes of a baseline: a pure function of the old one and a profile."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry
from pytest_flopbudget.baseline.update import UpdateKind, update_kind, updated
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.profile.model_profile import ModelProfile
from pytest_flopbudget.settings.budget import BudgetSettings
from tests.strategies import (
    ENVIRONMENT,
    EXACT,
    NET,
    Costs,
    as_read,
    baseline,
    budget_settings,
    counts,
    entry,
    profile,
    timed,
    uncounted,
    with_entry,
    with_memory,
)

KEY = ENVIRONMENT.key
ALL = budget_settings("params", "gflops", "latency")
TEST = "tests/test_net.py::test_net"


def update(
    old: Baseline | None,
    measured: ModelProfile,
    agreed: BudgetSettings = ALL,
    *,
    adds: bool = False,
) -> Baseline:
    return updated(old, measured, agreed, TEST, adds_entry=adds)


def net(**changed: Costs) -> dict[str, Costs]:
    """Return the costs of the usual model, with those of some layers changed or added."""
    return {**NET, **changed}


# -------------------------------------------------------------- created, raised, tightened


def test_a_first_baseline_holds_what_was_measured() -> None:
    new = update(None, timed(layers={"body": {"latency_ms": 60.0}}))
    assert new == with_entry(100.0, layers={"body": 60.0})
    assert update_kind(None, new) is UpdateKind.CREATED


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (NET, UpdateKind.UNCHANGED),
        (net(head=("Linear", 700, 70_000_001)), UpdateKind.RAISED),
        (net(head=("Linear", 700, 69_999_999)), UpdateKind.TIGHTENED),
        (net(head=("Linear", 701, 70_000_000)), UpdateKind.RAISED),
        (net(head=("Linear", 699, 70_000_000)), UpdateKind.TIGHTENED),
        (net(head=("Linear", 699, 70_000_001)), UpdateKind.RAISED),  # any figure raised is raised
        (net(tail=("Linear", 1, 0)), UpdateKind.RAISED),
        (net(tail=("ReLU", 0, 0)), UpdateKind.UNCHANGED),  # what costs nothing is left out
        ({path: costs for path, costs in NET.items() if path != "head"}, UpdateKind.TIGHTENED),
        # the same totals, another split: one layer may cost more than before
        (
            net(stem=("Conv2d", 101, 10_000_000), head=("Linear", 699, 70_000_000)),
            UpdateKind.RAISED,
        ),
    ],
)
def test_an_update_says_what_it_did(spec: Mapping[str, Costs], expected: UpdateKind) -> None:
    assert update_kind(baseline(), update(baseline(), profile(spec))) is expected


@pytest.mark.parametrize(
    ("latency_ms", "expected"),
    [(100.0, UpdateKind.UNCHANGED), (110.0, UpdateKind.RAISED), (90.0, UpdateKind.TIGHTENED)],
)
def test_a_latency_that_moved_is_raised_or_tightened(
    latency_ms: float, expected: UpdateKind
) -> None:
    old = with_entry(100.0)
    assert update_kind(old, update(old, timed(latency_ms=latency_ms))) is expected


NEUTRAL = [
    pytest.param(timed(), ALL, True, id="an entry for a new environment"),
    pytest.param(
        profile(uncounted=(uncounted(),)),
        budget_settings(ignore_ops=("shop::warp",)),
        False,
        id="ignored",
    ),
    pytest.param(
        profile({"neck" if path == "head" else path: costs for path, costs in NET.items()}),
        budget_settings(),
        False,
        id="a layer renamed",
    ),
    pytest.param(
        profile(net(head=("Lazy", 700, 70_000_000))), budget_settings(), False, id="a type"
    ),
]


@pytest.mark.parametrize(("measured", "agreed", "adds"), NEUTRAL)
def test_a_change_of_no_figure_is_neither_raised_nor_tightened(
    measured: ModelProfile, agreed: BudgetSettings, adds: bool
) -> None:
    new = update(baseline(), measured, agreed, adds=adds)
    assert update_kind(baseline(), new) is UpdateKind.CHANGED


def test_a_figure_stored_for_the_first_time_is_not_raised() -> None:
    old = update(None, profile(flops=None), budget_settings("params"))
    assert update_kind(old, update(old, profile(), budget_settings())) is UpdateKind.CHANGED


def test_another_order_of_layers_is_a_change() -> None:
    new = update(baseline(), profile(dict(sorted(NET.items()))), budget_settings())
    assert text_of(new) != text_of(baseline())
    assert update_kind(baseline(), new) is UpdateKind.CHANGED


@given(data=st.data())
def test_a_second_update_changes_nothing(data: st.DataObject) -> None:
    costs = st.tuples(st.sampled_from(["Conv2d", "Linear"]), counts(), counts())
    before, after = (
        data.draw(st.dictionaries(st.sampled_from("abcd"), costs, max_size=4)) for _ in range(2)
    )
    old = baseline(before)
    once = update(old, timed(after), adds=data.draw(st.booleans()))
    assert update_kind(once, update(once, timed(after))) is UpdateKind.UNCHANGED
    assert text_of(update(once, timed(after))) == text_of(once)
    assert as_read(once) == once  # the total is the sum of what the layers cost


# ------------------------------------------------------------------- what is not measured


@pytest.mark.parametrize("metric", ["params", "gflops"])
def test_a_metric_that_was_not_asked_for_keeps_its_values(metric: str) -> None:
    grown = net(head=("Linear", 701, 70_000_001), tail=("Linear", 5, 50))
    new = as_read(update(baseline(), profile(grown), budget_settings(metric)))
    other = {"params": "flops", "gflops": "params"}[metric]
    assert new.total[other] == baseline().total[other]
    assert new.own["head"].costs[other] == baseline().own["head"].costs[other]
    assert new.own["tail"].costs == {"params": 5 * (metric == "params"), "flops": 50} | {other: 0}


def test_what_could_not_be_counted_keeps_its_values() -> None:
    measured = profile(net(head=("Linear", 701, 0)), flops=None)
    new = as_read(update(baseline(), measured))
    assert new.total == {"params": 1001, "flops": 100_000_000}
    assert new.own["head"].costs == {"params": 701, "flops": 70_000_000}


def test_a_layer_that_is_gone_keeps_what_was_not_measured() -> None:
    spec = {path: costs for path, costs in NET.items() if path != "stem"}
    new = as_read(update(baseline(), profile(spec), budget_settings("params")))
    assert new.own["stem"].costs == {"params": 0, "flops": 10_000_000}
    assert list(new.own) == ["body.0", "head", "stem"]  # after those that are there


def test_only_what_was_measured_is_stored() -> None:
    new = update(None, profile(flops=None), budget_settings("params"))
    assert new.total == {"params": 1000}
    assert {cost for own in new.own.values() for cost in own.costs} == {"params"}


@pytest.mark.parametrize(("metrics", "expected"), [(EXACT, 100.0), (("latency",), 200.0)])
def test_latency_is_updated_only_if_asked_for(metrics: tuple[str, ...], expected: float) -> None:
    new = update(with_entry(100.0), timed(latency_ms=200.0), budget_settings(*metrics))
    assert new.environments[KEY].figures == {"latency_ms": expected}


def test_an_update_of_latency_alone_keeps_the_costs() -> None:
    new = update(
        with_entry(100.0), timed(net(head=("Linear", 1, 1)), 200.0), budget_settings("latency")
    )
    assert (new.total, new.own) == (baseline().total, baseline().own)


def test_ignored_operators_are_kept_where_nothing_was_counted() -> None:
    old = baseline(ignored=("shop::warp",))
    measured = profile(flops=None)  # as `--flop-budget-metrics params` measures
    assert update(old, measured, budget_settings("params", ignore_ops=("shop::warp",))).ignored == (
        "shop::warp",
    )


def test_who_counted_is_kept_where_nothing_was_counted() -> None:
    old = baseline(engine="thop", counter="thop 0.1.1")
    measured = profile(flops=None, engine="thop", counter="ultralytics-thop 2.0")
    assert update(old, measured, budget_settings("params")).counter == "thop 0.1.1"


# ---------------------------------------------------------------------------- the layers


def test_layers_come_in_the_order_of_the_profile() -> None:
    spec = {"z": ("Linear", 1, 1), "10": ("Linear", 2, 2), "9": ("Linear", 3, 3)}
    assert list(update(None, profile(spec)).own) == ["z", "10", "9"]
    assert list(update(baseline(dict(reversed(spec.items()))), profile(spec)).own) == [*spec]


def test_layers_that_cost_nothing_are_left_out() -> None:
    assert list(update(None, profile()).own) == ["stem", "body.0", "head"]


def test_the_root_is_stored_with_what_ran_in_itself() -> None:
    new = update(None, profile(net(**{"": ("Net", 3, 5)})))
    assert new.own[""].costs == {"params": 3, "flops": 5}


def test_training_figures_are_stored_beside_the_total() -> None:
    own = {"own_forward_flops": 2, "own_backward_flops": 4}
    spec = {"fc": ("Linear", 1, 6)}
    zero = dict.fromkeys(own, 0)
    measured = profile(
        spec, {"": zero, "fc": own}, mode="training", forward_flops=2, backward_flops=4
    )
    new = as_read(update(None, measured))
    assert new.total == {"params": 1, "flops": 6, "forward_flops": 2, "backward_flops": 4}
    assert new.own["fc"].costs == new.total


@pytest.mark.parametrize(
    "changed",
    [{"engine": "thop"}, {"mode": "training"}, {"inputs": ("float32[2, 3, 8, 8]",)}],
)
def test_a_baseline_of_something_else_is_started_anew(changed: dict[str, Any]) -> None:
    old = with_entry(layers={"gone": 9.0})
    new = update(old, profile(flops=None, **changed), budget_settings("params"))
    assert new.total == {"params": 1000}
    assert new.environments == {}
    assert all(getattr(new, name) == value for name, value in changed.items())


def test_the_head_tells_what_was_profiled() -> None:
    new = update(baseline(), profile(model="Other", engine="dispatch", counter=None))
    assert (new.test, new.model, new.engine, new.counter) == (TEST, "Other", "dispatch", None)


@pytest.mark.parametrize("depends", [True, False])
def test_whether_a_count_depends_on_data_is_stored_with_it(depends: bool) -> None:
    old = baseline(data_dependent=not depends)
    assert update(old, profile(data_dependent=depends)).data_dependent is depends
    assert update_kind(old, update(old, profile(data_dependent=depends))) is UpdateKind.CHANGED
    uncounted = profile(flops=None)
    assert update(old, uncounted, budget_settings("params")).data_dependent is not depends


def test_ignored_operators_are_those_that_ran() -> None:
    measured = profile(uncounted=(uncounted("b::b"), uncounted("a::a"), uncounted("a::a", "stem")))
    agreed = budget_settings(ignore_ops=("c::c", "b::b", "a::a"))
    assert update(None, measured, agreed).ignored == ("a::a", "b::b")
    assert update(baseline(ignored=("c::c",)), profile(), agreed).ignored == ()


# --------------------------------------------------------------------------- latency entries


@pytest.mark.parametrize(
    ("old", "tolerance", "measured", "refreshed"),
    [
        (12.0, "25%", 12.99, False),
        (12.0, "25%", 13.0, False),  # by exactly a third of 25 %
        (12.0, "25%", 13.01, True),
        (12.0, "25%", 11.0, False),
        (12.0, "25%", 10.99, True),
        (12.0, "0%", 12.0, False),
        (12.0, "0%", 12.01, True),
        (12.0, "300%", 24.0, False),
        (12.0, "300%", 24.01, True),
        (1.2, "25%", 1.3, False),  # not so in floats
    ],
)
def test_an_entry_is_refreshed_if_it_moved_by_more_than_a_third_of_its_tolerance(
    old: float, tolerance: str, measured: float, refreshed: bool
) -> None:
    share = Fraction(tolerance.removesuffix("%")) / 100
    agreed = budget_settings("latency").with_tolerance({"latency": share})
    new = update(with_entry(old), timed(latency_ms=measured), agreed)
    assert new.environments[KEY].figures["latency_ms"] == (measured if refreshed else old)


@pytest.mark.parametrize(
    ("stored", "refreshed"),
    [
        (entry(100.0), False),
        (entry(100.0, torch="2.12"), True),
        (entry(100.0, torch="2.130"), True),
        (entry(100.0, python="3.12"), True),
        (entry(100.0, flops=99_999_999), True),
        (entry(100.0, flops=None), True),
    ],
)
def test_an_entry_of_another_torch_python_or_count_is_refreshed(
    stored: EnvironmentEntry, refreshed: bool
) -> None:
    new = update(baseline(environments={KEY: stored}), timed(latency_ms=101.0))
    assert new.environments[KEY] == (entry(101.0) if refreshed else stored)


def test_an_entry_without_a_python_takes_this_one_and_keeps_its_figures() -> None:
    old = baseline(environments={KEY: entry(100.0, python=None)})
    assert update(old, timed(latency_ms=101.0)).environments[KEY] == entry(100.0)


def test_an_entry_is_refreshed_with_its_layers() -> None:
    old = with_entry(100.0, layers={"stem": 30.0, "gone": 60.0})
    layers = {"stem": {"latency_ms": 50.0}, "head": {"latency_ms": 100.0}}
    assert update(old, timed(latency_ms=150.0, layers=layers)).environments[KEY] == entry(
        150.0, layers={"stem": 50.0, "head": 100.0}
    )


@pytest.mark.parametrize(
    ("latency_ms", "stored"), [(0.999, False), (1.0, True), (1.001, True), (None, False)]
)
def test_layers_of_one_percent_and_more_are_stored(latency_ms: float | None, stored: bool) -> None:
    layers = {"": {"latency_ms": 100.0}, "head": {"latency_ms": latency_ms}}
    new = update(None, timed(latency_ms=100.0, layers=layers))
    assert new.environments[KEY].layers == ({"head": latency_ms} if stored else {})


@pytest.mark.parametrize(
    ("old", "adds", "added"),
    [(None, False, True), (None, True, True), (baseline(), True, True), (baseline(), False, False)],
)
def test_a_new_environment_is_added_only_if_the_file_is_new_or_it_is_asked_for(
    old: Baseline | None, adds: bool, added: bool
) -> None:
    assert (KEY in update(old, timed(), adds=adds).environments) is added


def test_entries_of_other_environments_stay() -> None:
    old = baseline(
        environments={"cuda, H100": entry(1.0), KEY: entry(100.0), "mps, M4": entry(9.0)}
    )
    new = update(old, timed(latency_ms=200.0))
    assert new.environments == {**old.environments, KEY: entry(200.0)}
    assert list(new.environments) == list(old.environments)


def test_an_entry_that_is_added_has_its_place_by_its_name() -> None:
    old = baseline(
        environments={"cuda, H100": entry(1.0), "mps, M4": entry(9.0), "cpu, A": entry(1.0)}
    )
    new = update(old, timed(latency_ms=200.0), adds=True)
    assert list(new.environments) == ["cpu, A", KEY, "cuda, H100", "mps, M4"]


def test_an_entry_tells_the_count_that_is_stored() -> None:
    grown = net(head=("Linear", 700, 90_000_000))
    assert update(with_entry(), timed(grown)).environments[KEY].flops == 120_000_000
    alone = update(with_entry(), timed(grown, 200.0, flops=None), budget_settings("latency"))
    assert alone.environments[KEY].flops == 100_000_000


def test_times_are_rounded_as_the_file_rounds_them() -> None:
    new = update(None, timed(latency_ms=123.456, layers={"head": {"latency_ms": 9.87654}}))
    assert new.environments[KEY] == entry(123.5, layers={"head": 9.877})
    assert as_read(new) == new


def test_training_times_are_stored() -> None:
    new = update(None, timed(forward_latency_ms=30.0, backward_latency_ms=70.0, mode="training"))
    assert new.environments[KEY] == entry(100.0, forward_latency_ms=30.0, backward_latency_ms=70.0)


def test_what_was_not_timed_keeps_its_entry() -> None:
    measured = profile(not_measured={"latency": "the weights are on meta"})
    assert update(with_entry(), measured).environments == with_entry().environments


# ---------------------------------------------------------------------------- memory beside it


WITH_MEMORY = budget_settings("memory")
BOTH = budget_settings("latency", "memory")


def both(latency_ms: float, memory_bytes: int, **more: Any) -> ModelProfile:
    return timed(latency_ms=latency_ms, memory_bytes=memory_bytes, **more)


def test_memory_stands_beside_latency() -> None:
    new = update(None, both(100.0, 1_000_001), BOTH)
    assert new.environments[KEY] == entry(100.0, memory_bytes=1_000_001)
    assert as_read(new) == new


def test_memory_may_stand_alone() -> None:
    new = update(None, with_memory(1_000_001), WITH_MEMORY)
    assert new.environments[KEY] == entry(None, memory_bytes=1_000_001)
    assert as_read(new) == new


@pytest.mark.parametrize(
    ("old", "adds", "added"),
    [(None, False, True), (baseline(), True, True), (baseline(), False, False)],
)
def test_an_entry_is_added_for_memory_as_for_latency(
    old: Baseline | None, adds: bool, added: bool
) -> None:
    assert (KEY in update(old, with_memory(), WITH_MEMORY, adds=adds).environments) is added


def test_an_entry_that_is_there_gets_the_memory_that_it_lacks() -> None:
    new = update(with_entry(100.0, layers={"stem": 30.0}), with_memory(5), WITH_MEMORY)
    assert new.environments[KEY] == entry(100.0, layers={"stem": 30.0}, memory_bytes=5)


@pytest.mark.parametrize(
    ("measured", "stored"),
    [
        ((101.0, 610), (100.0, 600)),  # both by less than a third of 25 % and of 5 %
        ((101.0, 611), (100.0, 611)),
        ((110.0, 610), (110.0, 600)),
        ((110.0, 589), (110.0, 589)),
        ((110.0, 590), (110.0, 600)),
    ],
)
def test_latency_and_memory_are_refreshed_each_by_its_tolerance(
    measured: tuple[float, int], stored: tuple[float, int]
) -> None:
    new = update(with_entry(100.0, memory_bytes=600), both(*measured), BOTH)
    assert new.environments[KEY] == entry(stored[0], memory_bytes=stored[1])


def test_what_was_not_measured_keeps_its_figure() -> None:
    old = with_entry(100.0, memory_bytes=600, layers={"stem": 30.0})
    assert update(old, with_memory(900), WITH_MEMORY).environments[KEY] == entry(
        100.0, memory_bytes=900, layers={"stem": 30.0}
    )
    assert update(old, timed(latency_ms=200.0), budget_settings("latency")).environments[
        KEY
    ] == entry(200.0, memory_bytes=600)


@pytest.mark.parametrize("before", [{"torch": "2.12"}, {"flops": 99_999_999}])
def test_a_figure_of_another_torch_or_count_does_not_stand_beside_a_new_one(
    before: dict[str, Any],
) -> None:
    old = with_entry(100.0, memory_bytes=600, **before)
    alone = entry(None, memory_bytes=600)
    assert update(old, with_memory(600), WITH_MEMORY).environments[KEY] == alone


@pytest.mark.parametrize(
    ("after", "expected"),
    [(1100, UpdateKind.RAISED), (900, UpdateKind.TIGHTENED), (1000, UpdateKind.UNCHANGED)],
)
def test_memory_makes_a_change(after: int, expected: UpdateKind) -> None:
    old = as_read(with_entry(memory_bytes=1000))
    assert update_kind(old, as_read(update(old, with_memory(after), WITH_MEMORY))) is expected


def test_memory_is_stored_where_the_latency_is_unreliable() -> None:
    new = update(
        with_entry(100.0, memory_bytes=600), both(300.0, 900, unreliable_reason="busy"), BOTH
    )
    assert new.environments[KEY] == entry(100.0, memory_bytes=900)
