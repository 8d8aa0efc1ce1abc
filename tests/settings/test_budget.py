"""The settings of one budget: what a marker may say, and what wins."""

from fractions import Fraction
from typing import Any

import pytest

from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.settings.budget import (
    BudgetSettings,
    argument_parsers,
    parse_arguments,
    with_arguments,
)

NAMES = ", ".join(f"`{name}`" for name in argument_parsers())
WHERE = "marker `flop_budget`"


def parsed(**arguments: Any) -> dict[str, Any]:
    return parse_arguments(WHERE, (), arguments)


def error_of(*args: Any, **arguments: Any) -> SettingsError:
    with pytest.raises(SettingsError) as error:
        parse_arguments(WHERE, args, arguments)
    return error.value


def test_the_defaults() -> None:
    budget_settings = BudgetSettings()
    assert budget_settings.metrics == ("params", "gflops", "traffic", "latency")
    assert budget_settings.tolerance == {
        "params": 0,
        "gflops": 0,
        "traffic": Fraction(1, 100),
        "operators": 0,
        "weights": 0,
        "latency": Fraction(1, 4),
        "memory": Fraction(1, 20),
    }
    assert (
        budget_settings.engine,
        budget_settings.mode,
        budget_settings.device,
        budget_settings.threads,
    ) == (*("dispatch", "inference", None, 1),)
    assert (
        budget_settings.time_limit,
        budget_settings.each_layer,
        budget_settings.layer_globs,
    ) == (10.0, True, ())
    assert (
        budget_settings.ceilings,
        budget_settings.ignore_ops,
        budget_settings.fail_on,
        budget_settings.name,
    ) == ({}, (), (), None)


def test_two_budgets_share_no_default() -> None:
    assert BudgetSettings().tolerance is not BudgetSettings().tolerance
    assert BudgetSettings().ceilings is not BudgetSettings().ceilings


def test_the_arguments_of_a_marker() -> None:
    documented = (
        *("name", "metrics", "max_params", "max_gflops", "max_latency_ms", "max_memory_mb"),
        *("tolerance", "layers", "mode", "engine", "device", "threads"),
    )
    assert {*documented} <= {*argument_parsers()}


def test_a_marker_may_limit_memory() -> None:
    assert parsed(max_memory_mb=1) == {"max_memory_mb": 10**6}


def test_arguments_are_parsed_by_name() -> None:
    assert parsed(
        name="yolo",
        metrics="gflops,params",
        max_params=5e6,
        max_gflops="4.8",
        max_latency_ms=2,
        tolerance={"latency": "25%"},
        layers=["backbone.*"],
        mode="training",
        engine="thop",
        device="cuda:1",
        threads="2",
    ) == {
        "name": "yolo",
        "metrics": ("params", "gflops"),
        "max_params": 5_000_000,
        "max_gflops": 4_800_000_000,
        "max_latency_ms": 2,
        "tolerance": {"latency": Fraction(1, 4)},
        "layers": ("backbone.*",),
        "mode": "training",
        "engine": "thop",
        "device": "cuda:1",
        "threads": 2,
    }


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("max_gflop", "; did you mean `max_gflops`?"),
        ("tolerances", "; did you mean `tolerance`?"),
        ("layer", "; did you mean `layers`?"),
        ("colour", ""),
    ],
)
def test_an_unknown_argument_is_told_the_nearest_and_all(name: str, end: str) -> None:
    error = error_of(**{name: 1})
    assert error.sentence == f"{WHERE}: unknown argument `{name}`{end}"
    assert error.hint == f"the names are {NAMES}"


def test_a_positional_argument_is_refused() -> None:
    error = error_of("yolo", 5)
    assert error.sentence == f"{WHERE}: arguments are keyword only, found `'yolo'`"
    assert error.hint == f"the names are {NAMES}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerance": 5}, '`tolerance`: expected a growth below 1 or in percent, found `5`: '
         'write `"5%"`'),
        ({"max_gflops": True}, "`max_gflops`: expected a number above 0, found `True`"),
        ({"max_params": 0}, "`max_params`: expected a number above 0, found `0`"),
        ({"mode": "train"}, "`mode`: expected `inference`, `training`, found `train`; did you mean "
         "`training`?"),
        ({"engine": "top"}, "`engine`: expected `dispatch`, `thop`, `yolov5`, found `top`; did you "
         "mean `thop`?"),
        ({"threads": 0}, "`threads`: expected a whole number of at least 1, found `0`"),
        ({"name": ""}, "`name`: expected a text that is not empty, found `''`"),
        ({"device": None}, "`device`: expected `auto`, `cpu`, `cuda`, `mps`, `xpu`, `hpu`, `mtia`, "
         "`npu`, `privateuseone`, found `None`"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_its_argument(arguments: dict[str, Any], message: str) -> None:
    assert str(error_of(**arguments)) == f"{WHERE}: {message}"


# --------------------------------------------------------------------------- what wins


def test_without_markers_nothing_changes() -> None:
    base = BudgetSettings(threads=3)
    assert with_arguments(base, []) == base
    assert with_arguments(base, [{}]) == base


def test_a_marker_wins_over_the_options() -> None:
    base = BudgetSettings(mode="inference", threads=3, device="cpu")
    budget_settings = with_arguments(base, [parsed(mode="training", device="cuda")])
    assert (budget_settings.mode, budget_settings.threads, budget_settings.device) == (
        "training",
        3,
        "cuda",
    )


def test_the_closest_marker_wins_key_by_key() -> None:
    module, cls, function = (
        parsed(threads=1, mode="training", name="far"),
        parsed(threads=2, name="near"),
        parsed(threads=3),
    )
    budget_settings = with_arguments(BudgetSettings(), [module, cls, function])
    assert (budget_settings.threads, budget_settings.mode, budget_settings.name) == (
        3,
        "training",
        "near",
    )


def test_ceilings_add_up_metric_by_metric() -> None:
    markers = [parsed(max_params=10, max_gflops=1), parsed(max_gflops=2, max_latency_ms=3)]
    assert with_arguments(BudgetSettings(), markers).ceilings == {
        "params": 10,
        "gflops": 2 * 10**9,
        "latency": 3,
    }


def test_tolerances_add_up_metric_by_metric() -> None:
    markers = [parsed(tolerance="5%"), parsed(tolerance={"latency": "50%"})]
    assert with_arguments(BudgetSettings(), markers).tolerance == {
        **dict.fromkeys(("params", "gflops", "traffic", "operators", "weights"), Fraction(1, 20)),
        "latency": Fraction(1, 2),
        "memory": Fraction(1, 20),
    }
    assert with_arguments(BudgetSettings(), [parsed(tolerance={"gflops": "1%"})]).tolerance == {
        **BudgetSettings().tolerance,
        "gflops": Fraction(1, 100),
        "latency": Fraction(1, 4),
        "memory": Fraction(1, 20),
    }


@pytest.mark.parametrize(
    ("layers", "each_layer", "globs"),
    [(True, True, ()), (False, False, ()), (["a.*"], False, ("a.*",)), ("a", False, ("a",))],
)
def test_layers_are_all_none_or_some(
    layers: object, each_layer: bool, globs: tuple[str, ...]
) -> None:
    budget_settings = with_arguments(BudgetSettings(), [parsed(layers=layers)])
    assert (budget_settings.each_layer, budget_settings.layer_globs) == (each_layer, globs)


@pytest.mark.parametrize("last", [True, False])
def test_a_closer_marker_takes_globs_back(last: bool) -> None:
    budget_settings = with_arguments(
        BudgetSettings(), [parsed(layers=["a.*"]), parsed(layers=last)]
    )
    assert (budget_settings.each_layer, budget_settings.layer_globs) == (last, ())


@pytest.mark.parametrize("name", ["metrics", "engine"])
def test_what_the_command_line_pins_wins_over_a_marker(name: str) -> None:
    base = BudgetSettings(metrics=("params",), engine="dispatch")
    marker = parsed(metrics="latency", engine="thop", threads=2)
    budget_settings = with_arguments(base, [marker, marker], [name])
    assert getattr(budget_settings, name) == getattr(base, name)
    assert budget_settings.threads == 2
    other = {"metrics": "engine", "engine": "metrics"}[name]
    assert getattr(budget_settings, other) == marker[other]


def test_a_marker_is_not_used_up() -> None:
    marker = parsed(max_params=1, layers=["a"], tolerance="5%", mode="training")
    before = dict(marker)
    base = BudgetSettings()
    assert with_arguments(base, [marker]) == with_arguments(base, [marker])
    assert marker == before
    assert base == BudgetSettings()
