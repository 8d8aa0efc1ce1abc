"""The cause of a change: which layers, of what kind, in the order of their share."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.metrics import GFLOPS, LATENCY, PARAMS
from pytest_flopbudget.verdict.layer_changes import ChangeKind, LayerChange, changes, renamed
from tests.strategies import ENVIRONMENT, NET, Costs, baseline, entry, profile, timed

A, B, C = ("Linear", 1, 10), ("Linear", 2, 20), ("Linear", 3, 30)


def told(before: Mapping[str, Costs], after: Mapping[str, Costs]) -> list[tuple[str, str, int]]:
    """Tell what happened to FLOPs, as (path, kind, growth)."""
    found = changes(GFLOPS, profile(after), baseline(before))
    return [(change.path, change.kind.value, int(change.growth)) for change in found]


def test_nothing_changed_is_nothing_to_tell() -> None:
    assert told(NET, NET) == []


def test_a_change_has_its_layer_and_both_values() -> None:
    measured = profile({**NET, "head": ("Linear", 900, 90_000_000)}, {"head": {"calls": 3}})
    assert changes(GFLOPS, measured, baseline()) == [
        LayerChange(
            kind=ChangeKind.GROWN,
            path="head",
            type="Linear",
            before=Fraction(70_000_000),
            after=Fraction(90_000_000),
            calls=3,
        )
    ]
    (change,) = changes(PARAMS, measured, baseline())
    assert (change.before, change.after, change.growth) == (700, 900, 200)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": A}, {"a": ("Linear", 1, 11)}, [("a", "grown", 1)]),
        ({"a": A}, {"a": ("Linear", 1, 9)}, [("a", "shrunk", -1)]),
        ({"a": A}, {"a": ("Linear", 0, 0)}, [("a", "shrunk", -10)]),
        ({"a": A}, {"a": ("Conv1d", 1, 10)}, []),  # another type at the same cost
        ({"a": A}, {"a": A, "b": B}, [("b", "new", 20)]),
        ({"a": A, "b": B}, {"a": A}, [("b", "missing", -20)]),
        ({"a": A, "b": B}, {"a": A, "c": C}, [("c", "new", 30), ("b", "missing", -20)]),
        ({"a": A}, {"a": A, "b": ("ReLU", 0, 0)}, []),  # what costs nothing explains nothing
        ({}, {"": ("Net", 0, 5)}, [("", "grown", 5)]),  # the model was there
        ({"a.b": A}, {"a": ("Net", 0, 5), "a.b": A}, [("a", "grown", 5)]),  # so was what holds `b`
        ({"": ("Net", 0, 5)}, {"": ("Net", 0, 6)}, [("", "grown", 1)]),
    ],
)
def test_what_happened_to_a_layer(
    before: Mapping[str, Costs],
    after: Mapping[str, Costs],
    expected: list[tuple[str, str, int]],
) -> None:
    assert told(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": A}, {"b": A}, {"b": "a"}),
        ({"a": A, "b": B, "c": C}, {"a": A, "x": B, "c": C}, {"x": "b"}),
        # below a new name, all of them
        ({"m.0": A, "m.1": B}, {"net.0": A, "net.1": B}, {"net.0": "m.0", "net.1": "m.1"}),
        # twins are paired in their order
        ({"m.0": A, "m.1": A}, {"n.0": A, "n.1": A}, {"n.0": "m.0", "n.1": "m.1"}),
        # another type, another cost
        ({"a": A}, {"b": ("Conv1d", 1, 10)}, {}),
        ({"a": A}, {"b": ("Linear", 1, 11)}, {}),
        ({"a": A}, {"b": ("Linear", 2, 10)}, {}),
        # moved past a neighbour that both have
        ({"x": B, "a": A}, {"a": A, "y": B}, {}),
        ({"a": A, "x": B}, {"y": B, "a": A}, {}),
        ({"a": A, "x": B, "c": C}, {"a": A, "c": C, "y": B}, {}),
        # one of two is gone
        ({"m.0": A, "m.1": A}, {"n.0": A}, {"n.0": "m.0"}),
        ({"m.0": A}, {"n.0": A, "n.1": A}, {"n.0": "m.0"}),
        # what costs nothing is not stored, and is no neighbour
        ({"a": A, "b": B}, {"a": A, "act": ("ReLU", 0, 0), "x": B}, {"x": "b"}),
        # a path that both have is not renamed, whatever its cost
        ({"a": A, "b": B}, {"a": B, "b": A}, {}),
    ],
)
def test_renamed_is_the_same_type_cost_and_position(
    before: Mapping[str, Costs], after: Mapping[str, Costs], expected: dict[str, str]
) -> None:
    assert renamed(profile(after), baseline(before)) == expected


def test_a_renamed_layer_is_no_change() -> None:
    before, after = {"a": A, "b": B}, {"a": A, "x": B, "c": C}
    assert told(before, after) == [("c", "new", 30)]


def test_a_layer_that_moved_is_new_and_missing() -> None:
    assert told({"x": B, "a": A}, {"a": A, "y": B}) == [("y", "new", 20), ("x", "missing", -20)]


@pytest.mark.parametrize("side", ["profile", "baseline"])
def test_a_layer_is_renamed_by_the_costs_that_both_sides_have(side: str) -> None:
    measured, stored = profile({"b": A}), baseline({"a": A})
    if side == "profile":  # as `--flop-budget-metrics params` measures
        measured = profile({"b": A}, {path: {"own_flops": None} for path in ("", "b")}, flops=None)
    else:
        stored.total.pop("flops")
        stored.own["a"].costs.pop("flops")
    assert renamed(measured, stored) == {"b": "a"}


def test_the_largest_growth_comes_first() -> None:
    before = dict.fromkeys("abc", ("Linear", 1, 100))
    after = {"a": ("Linear", 1, 110), "b": ("Linear", 1, 150), "c": ("Linear", 1, 120)}
    assert told(before, after) == [("b", "grown", 50), ("c", "grown", 20), ("a", "grown", 10)]


def test_equal_growth_keeps_the_order_of_the_layers() -> None:
    before = dict.fromkeys("zay", ("Linear", 1, 100))
    after = dict.fromkeys("zay", ("Linear", 1, 110))
    assert [path for path, _, _ in told(before, after)] == ["z", "a", "y"]


def test_after_growth_the_largest_saving_comes_first() -> None:
    before = dict.fromkeys("abc", ("Linear", 1, 100))
    after = {"a": ("Linear", 1, 99), "b": ("Linear", 1, 50), "c": ("Linear", 1, 110)}
    assert told(before, after) == [("c", "grown", 10), ("b", "shrunk", -50), ("a", "shrunk", -1)]


def test_a_path_that_is_still_there_was_not_renamed() -> None:
    before, after = {"conv": A}, {"conv": ("Identity", 0, 0), "a": A, "b": A}
    assert renamed(profile(after), baseline(before)) == {}
    assert sum(growth for _, _, growth in told(before, after)) == 20 - 10


COSTS = st.sampled_from([A, B, C, ("Linear", 0, 7), ("ReLU", 0, 0)])
SPECS = st.dictionaries(st.sampled_from(["a", "b", "m.0", "m.1", "n.0", "n.1"]), COSTS)


def costly(before: Mapping[str, Costs], after: Mapping[str, Costs]) -> dict[str, Costs]:
    """Leave out the layers that stay and now cost nothing."""
    return {path: costs for path, costs in after.items() if path not in before or any(costs[1:])}


@given(before=SPECS, after=SPECS)
def test_the_changes_add_up_to_the_change_of_the_total(
    before: Mapping[str, Costs], after: Mapping[str, Costs]
) -> None:
    measured, stored = profile(costly(before, after)), baseline(before)
    for metric, total in ((PARAMS, "params"), (GFLOPS, "flops")):
        growth = sum(change.growth for change in changes(metric, measured, stored))
        assert growth == getattr(measured, total) - stored.total[total]


@given(before=SPECS, after=SPECS)
def test_each_layer_is_renamed_once_at_the_most(
    before: Mapping[str, Costs], after: Mapping[str, Costs]
) -> None:
    stored = baseline(before).own
    pairs = renamed(profile(costly(before, after)), baseline(before))
    assert len(set(pairs.values())) == len(pairs)
    assert all(after[new] == before[old] for new, old in pairs.items())
    assert not pairs.keys() & stored.keys()
    assert pairs.keys() <= after.keys()
    assert set(pairs.values()) <= stored.keys()


# -------------------------------------------------------------------------------- latency


def slower(**latency_ms: float) -> list[tuple[str, str, Fraction]]:
    layers = {path.replace("__", "."): {"latency_ms": ms} for path, ms in latency_ms.items()}
    stored = {"stem": 30.0, "body": 25.0, "body.0": 20.5, "gone": 7.0}
    if "model" in layers:
        layers[""] = layers.pop("model")
    found = changes(
        LATENCY,
        timed(layers=layers),
        baseline(environments={ENVIRONMENT.key: entry(100.0, layers=stored)}),
    )
    return [(change.path, change.kind.value, change.growth) for change in found]


def test_latency_is_explained_by_the_stored_times_of_layers_without_those_below() -> None:
    assert slower(stem=40.0, body=80.0, body__0=70.5) == [
        ("body.0", "grown", Fraction(50)),
        ("stem", "grown", Fraction(10)),
        ("body", "grown", Fraction(5)),
    ]


def test_time_that_no_layer_below_spends_is_explained_by_the_layer_that_spends_it() -> None:
    assert slower(model=167.0, stem=30.0, body=75.0, body__0=20.5) == [
        ("body", "grown", Fraction(50)),
        ("", "grown", Fraction(24)),  # from 100 - 30 - 25 - 7 to 167 - 30 - 75
    ]


def test_a_rest_that_noise_has_made_smaller_explains_nothing() -> None:
    assert slower(model=88.0, stem=30.0, body=21.0, body__0=20.5) == []


def test_a_model_without_times_of_layers_explains_nothing() -> None:
    stored = baseline(environments={ENVIRONMENT.key: entry(100.0)})
    assert changes(LATENCY, timed(layers={"": {"latency_ms": 200.0}}), stored) == []


def test_stored_times_are_compared_as_they_are_written() -> None:
    assert slower(stem=30.0, body__0=20.5) == []


def test_another_environment_explains_nothing() -> None:
    stored = baseline(environments={"cuda, H100": entry(layers={"stem": 1.0})})
    assert changes(LATENCY, timed(), stored) == []
    assert changes(LATENCY, profile(), stored) == []
