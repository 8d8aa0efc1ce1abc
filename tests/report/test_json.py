"""The machine-readable report."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given

from pytest_flopbudget.baseline.stale import StaleBaselines
from pytest_flopbudget.report.json import json_text
from pytest_flopbudget.verdict.result import Result
from tests.strategies import (
    FILE,
    NET,
    baseline,
    budget_settings,
    profile,
    result,
    results,
    run,
    timed,
    uncounted,
    with_entry,
    with_memory,
)

ALL = budget_settings("params", "gflops", "latency")


def report(*found: Result, **more: Any) -> Any:
    return json.loads(json_text(run(*found, stale=StaleBaselines(gone=("old.yaml",)), **more)))


def test_the_report_of_a_run() -> None:
    whole = report(result(profile(), baseline()))
    keys = ["format", "settings", "environment", "budgets", "errors", "not_judged", "stale"]
    keys += ["fails_run", "base"]
    assert list(whole) == keys
    assert (whole["format"], whole["stale"], len(whole["budgets"])) == (1, ["old.yaml"], 1)
    assert whole["base"] is None
    assert report()["budgets"] == []


def test_settings_are_plain_values() -> None:
    agreed = budget_settings(ignore_ops=("a::a",), fail_on=("stale",), device="cuda:1", threads=2)
    assert report(budget_settings=agreed)["settings"] == {
        "judge": True,
        "update": False,
        "report_only": False,
        "directory": "budgets",
        "metrics": ["params", "gflops"],
        "engine": "dispatch",
        "device": "cuda:1",
        "threads": 2,
        "time_limit": 10.0,
        "tolerance": {
            "params": 0.0,
            "gflops": 0.0,
            "traffic": 0.01,
            "operators": 0.0,
            "weights": 0.0,
            "latency": 0.25,
            "memory": 0.05,
        },
        "fail_on": ["stale"],
        "ignore_ops": ["a::a"],
    }


def test_a_budget_says_which_it_is_and_how_it_went() -> None:
    grown = profile({**NET, "head": ("Linear", 900, 90_000_000)})
    budget = report(result(grown, baseline(), name="decoder"))["budgets"][0]
    assert {key: budget[key] for key in ("test", "name", "file", "verdict", "failed")} == {
        "test": "tests/test_net.py::test_net",
        "name": "decoder",
        "file": FILE,
        "verdict": "exceeded",
        "failed": True,
    }


def test_memory_is_in_mb_and_that_of_layers_in_bytes() -> None:
    measured = with_memory(1_040_000, layers={"stem": {"memory_bytes": 8192}})
    known = with_entry(memory_bytes=1_000_000)
    budget = report(result(measured, known, budget_settings("memory")))["budgets"][0]
    assert budget["metrics"]["memory"] == {
        "measured": 1.04,
        "baseline": 1,
        "budget": 1.05,
        "verdict": "within",
        "reason": "",
    }
    assert budget["memory_bytes"] == 1_040_000
    assert [layer["memory_bytes"] for layer in budget["layers"]][:2] == [None, 8192]


def test_verdicts_are_in_the_units_of_budgets() -> None:
    agreed = replace(ALL, ceilings={"latency": Fraction(101)})
    metrics = report(result(timed(), with_entry(), agreed))["budgets"][0]["metrics"]
    assert metrics == {
        "params": {
            "measured": 1000,
            "baseline": 1000,
            "budget": 1000,
            "verdict": "within",
            "reason": "",
        },
        "gflops": {
            "measured": 0.1,
            "baseline": 0.1,
            "budget": 0.1,
            "verdict": "within",
            "reason": "",
        },
        "latency": {
            "measured": 100,
            "baseline": 100,
            "budget": 101,
            "verdict": "within",
            "reason": "",
        },
    }


def test_not_compared_is_null_with_its_reason() -> None:
    budget = report(result(timed(), baseline(), ALL))["budgets"][0]
    assert budget["metrics"]["latency"] == {
        "measured": 100,
        "baseline": None,
        "budget": None,
        "verdict": "not_compared",
        "reason": "no entry for this environment",
    }
    assert (budget["verdict"], budget["failed"]) == ("within", False)


def test_the_profile_stands_beside_the_verdicts() -> None:
    measured = timed()
    budget = report(result(measured, with_entry(), ALL))["budgets"][0]
    plain = json.loads(json.dumps(measured.to_dict()))
    for layer in budget["layers"]:
        layer.pop("verdicts")
    assert {key: budget[key] for key in plain} == plain
    assert (budget["flops"], budget["gflops"], budget["params"]) == (100_000_000, 0.1, 1000)
    assert budget["environment"]["hardware"] == "Intel Xeon 6960P"


def test_layers_have_their_verdicts() -> None:
    grown = profile({**NET, "head": ("Linear", 701, 70_000_000)})
    layers = report(result(grown, baseline()))["budgets"][0]["layers"]
    assert [layer["path"] for layer in layers] == [*NET]
    words = {
        layer["path"]: {key: found["verdict"] for key, found in layer["verdicts"].items()}
        for layer in layers
        if layer["verdicts"]
    }
    within = {"params": "within", "gflops": "within"}
    assert words == {
        "stem": within,
        "body.0": within,
        "head": {"params": "exceeded", "gflops": "within"},
    }
    head = next(layer for layer in layers if layer["path"] == "head")
    assert (head["verdicts"]["params"]["measured"], head["own_params"]) == (701, 701)


def test_ignored_and_uncounted_operators_are_told_apart() -> None:
    ran = profile(uncounted=(uncounted("a::a"), uncounted("b::b")))
    budget = report(result(ran, baseline(), budget_settings(ignore_ops=("a::a",))))["budgets"][0]
    assert budget["ignored"] == ["a::a"]
    assert [found["operator"] for found in budget["uncounted"]] == ["a::a", "b::b"]


def test_counts_are_exact() -> None:
    spec = {"fc": ("Linear", 10**24 + 1, 10**24 + 1)}
    budget = report(result(profile(spec), baseline(spec)))["budgets"][0]
    assert (budget["params"], budget["flops"]) == (10**24 + 1, 10**24 + 1)
    assert budget["metrics"]["params"]["budget"] == 10**24 + 1


def test_the_text_is_readable() -> None:
    text = json_text(run(result(profile(model="層"), baseline())))
    assert '"model": "層"' in text
    assert text.endswith("}\n")


@given(found=results().filter(lambda r: r.judgement.metrics or r.judgement.layers))
def test_any_result_is_valid_json(found: Result) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json_text(run(found))
    assert json.loads(text, parse_constant=refuse)["budgets"][0]["test"] == found.test
