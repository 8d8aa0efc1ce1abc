"""A new metric is an entry of the table and fields of a profile: everything else follows."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.base_commit.increases import find_increases
from pytest_flopbudget.baseline.reader import parse
from pytest_flopbudget.baseline.update import UpdateKind, update_kind, updated
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.metrics import METRICS, Metric
from pytest_flopbudget.profile.layer_table import layer_table
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
from pytest_flopbudget.report.base_diff import increase_text
from pytest_flopbudget.report.failure import failure_lines
from pytest_flopbudget.report.html.page_data import page_data
from pytest_flopbudget.report.json import json_text
from pytest_flopbudget.report.markdown.report import markdown_text
from pytest_flopbudget.report.run_summary import outcome_lines
from pytest_flopbudget.report.terminal import budget_lines
from pytest_flopbudget.report.update_summary import change_lines
from pytest_flopbudget.settings import parsers
from pytest_flopbudget.settings.budget import BudgetSettings, parse_arguments, with_arguments
from pytest_flopbudget.verdict.judge_model import judge, judge_ceilings
from tests.strategies import (
    ENVIRONMENT,
    NET,
    as_read,
    baseline,
    budget_settings,
    profile,
    result,
    run,
    settings,
    update_of,
)

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline

EXACT = Metric(
    key="cache",
    field="cache_bytes",
    yaml_key="cache_mb",
    ceiling="max_cache_mb",
    label="cache",
    unit="MB",
    scale=10**6,
    decimals=2,
    exact=True,
    tolerance=Decimal("0.01"),
    has_phases=True,
    by_layer=True,
)
NOISY = Metric(
    key="energy",
    field="energy_uj",
    yaml_key="energy_j",
    ceiling="max_energy_j",
    label="energy",
    unit="J",
    scale=10**6,
    decimals=2,
    exact=False,
    adds_up=False,
    tolerance=Decimal("0.1"),
)


@dataclass(frozen=True, kw_only=True)
class Layer(LayerProfile):
    cache_bytes: int | None = None
    own_cache_bytes: int | None = None
    forward_cache_bytes: int | None = None
    own_forward_cache_bytes: int | None = None
    backward_cache_bytes: int | None = None
    own_backward_cache_bytes: int | None = None
    energy_uj: int | None = None


@dataclass(frozen=True, kw_only=True)
class Model(ModelProfile):
    cache_bytes: int | None = None
    forward_cache_bytes: int | None = None
    backward_cache_bytes: int | None = None
    energy_uj: int | None = None


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in (EXACT, NOISY):
        monkeypatch.setitem(METRICS, metric.key, metric)


def measured(stem: int = 1_000_000, head: int = 3_000_000, energy: int = 2_000_000) -> Model:
    """Profile a model whose layers `stem` and `head` move these bytes, a quarter in forward."""
    own = {"stem": stem, "head": head}
    plain = profile(NET, environment=ENVIRONMENT)
    rows = [Layer(**given(row), **bytes_of(row.path, own)) for row in plain.layers]
    total = {name: value for name, value in bytes_of("", own).items() if "own" not in name}
    return Model(**{**given(plain), "layers": tuple(rows)}, **total, energy_uj=energy)


def given(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def bytes_of(path: str, own: dict[str, int]) -> dict[str, int]:
    mine = own.get(path, 0)
    total = mine if path else sum(own.values())
    return {
        "own_cache_bytes": mine,
        "cache_bytes": total,
        "own_forward_cache_bytes": mine // 4,
        "forward_cache_bytes": total // 4,
        "own_backward_cache_bytes": mine - mine // 4,
        "backward_cache_bytes": total - total // 4,
    }


BOTH = ("params", "cache", "energy")


def agreed(*metrics: str, **more: Any) -> BudgetSettings:
    return budget_settings(*(metrics or BOTH), **more)


def update(old: Baseline | None, now: ModelProfile, *metrics: str) -> Baseline:
    return as_read(updated(old, now, agreed(*metrics), "test_net.py::test_net", adds_entry=True))


def stored() -> Baseline:
    return update(None, measured())


GROWN = {"head": 3_100_000, "energy": 3_000_000}  # cache +2.5 %, energy +50 %


# ------------------------------------------------------------------------------- settings


def test_it_can_be_asked_for_and_is_given_its_tolerance_and_its_ceiling() -> None:
    assert parsers.metrics("energy,cache,params") == ("params", "cache", "energy")
    assert parsers.tolerance("5%")["cache"] == Fraction(1, 20)
    assert parsers.tolerance("energy=5%") == {"energy": Fraction(1, 20)}
    assert BudgetSettings().tolerance["cache"] == Fraction(1, 100)
    marker = parse_arguments("marker", (), {"max_cache_mb": 3.5, "max_energy_j": 1})
    assert with_arguments(BudgetSettings(), [marker]).ceilings == {
        "cache": 3_500_000,
        "energy": 10**6,
    }


# ------------------------------------------------------------------------------- verdicts


def words(*verdicts: Any) -> dict[str, str]:
    return {verdict.metric: verdict.verdict.value for verdict in verdicts}


@pytest.mark.parametrize(
    ("now", "cache", "energy"),
    [
        ({}, "within", "within"),
        ({"head": 3_040_000, "energy": 2_200_000}, "within", "within"),  # both at their limits
        ({"head": 3_040_001, "energy": 2_200_001}, "exceeded", "exceeded"),
        ({"head": 2_999_999, "energy": 1_800_000}, "improved", "within"),
        ({"energy": 1_799_999}, "within", "improved"),
    ],
)
def test_it_is_judged(now: dict[str, int], cache: str, energy: str) -> None:
    found = words(*judge(measured(**now), stored(), agreed(each_layer=False)).metrics)
    assert found == {"params": "within", "cache": cache, "energy": energy}


def test_layers_are_judged_by_what_is_exact() -> None:
    judgement = judge(measured(stem=1_020_000, head=2_980_000), stored(), agreed())
    assert [(v.path, v.metric) for v in judgement.failing] == [("stem", "cache")]


def test_a_ceiling_limits_it() -> None:
    limited = agreed(ceilings={"cache": Fraction(10**6), "energy": Fraction(10**6)})
    for judgement in (judge(measured(), stored(), limited), judge_ceilings(measured(), limited)):
        assert {v.metric for v in judgement.failing} == {"cache", "energy"}


def test_what_is_not_in_the_baseline_is_told() -> None:
    old = baseline()
    assert words(*judge(measured(), old, agreed("cache", "energy")).metrics) == {
        "cache": "unbudgeted",
        "energy": "not_compared",
    }
    lines = list(outcome_lines(settings(), [result(measured(), old, agreed("energy"))]))
    assert lines[1] == "energy: 0 of 1 compared (no entry for this environment)"
    assert "--flop-budget-metrics energy" in lines[2]


# ------------------------------------------------------------------------------ baselines


def test_it_is_stored_and_read_back() -> None:
    lines = text_of(stored()).splitlines()
    cache = "cache_mb: 3, forward_cache_mb: 0.75, backward_cache_mb: 2.25"
    assert f"  head: {{type: Linear, params: 700, {cache}}}" in lines
    assert lines[8] == (
        "total: {params: 1000, cache_mb: 4, forward_cache_mb: 1, backward_cache_mb: 3}"
    )
    assert lines[-1] == "    energy_j: 2"
    assert parse(text_of(stored()), "a.yaml") == stored()


def test_a_total_that_is_not_the_sum_is_refused() -> None:
    text = text_of(stored()).replace("{params: 1000, cache_mb: 4", "{params: 1000, cache_mb: 5")
    with pytest.raises(BaselineError, match="expected the sum of `own`, 4, found 5"):
        parse(text, "a.yaml")


def test_an_update_keeps_what_was_not_measured() -> None:
    new = update(stored(), measured(**GROWN), "params", "gflops")
    assert new.total == {**stored().total, "flops": 100_000_000}
    assert new.environments == stored().environments


def test_an_update_takes_what_was_measured() -> None:
    new = update(stored(), measured(**GROWN))
    assert (new.total["cache_bytes"], new.own["head"].costs["cache_bytes"]) == (
        4_100_000,
        3_100_000,
    )
    assert new.environments[ENVIRONMENT.key].figures == {"energy_uj": 3_000_000}
    assert update_kind(stored(), new) is UpdateKind.RAISED


@pytest.mark.parametrize(("energy", "expected"), [(2_060_000, 2_000_000), (2_100_000, 2_100_000)])
def test_noise_makes_no_diff(energy: int, expected: int) -> None:
    new = update(stored(), measured(energy=energy))
    assert new.environments[ENVIRONMENT.key].figures == {"energy_uj": expected}


def test_it_stands_beside_a_latency() -> None:
    timed = Model(**{**given(measured()), "latency_ms": 100.0})
    both = update(None, timed, "latency", "energy").environments[ENVIRONMENT.key]
    assert both.figures == {"latency_ms": 100.0, "energy_uj": 2_000_000}


def test_an_increase_against_another_commit_is_found() -> None:
    found = find_increases({"a.yaml": stored()}, {"a.yaml": update(stored(), measured(**GROWN))})
    assert [(one.metric, increase_text(one)) for one in found] == [
        ("cache", "+0.1000 MB cache (+2.5 %)"),
        ("energy", f"+1.00 J energy (+50.0 %) on {ENVIRONMENT.key}"),
    ]


# -------------------------------------------------------------------------------- reports


def failed() -> Any:
    return result(measured(**GROWN), stored(), agreed())


def test_a_failure_tells_it() -> None:
    lines = failure_lines(failed())
    changes = "cache +2.5 %, energy +50.0 %"
    assert (
        " ".join(lines[:2]).strip()
        == f"`Net` exceeds its budget: {changes}, mostly `head` (Linear)"
    )
    rows = [line.split("  ") for line in lines if "exceeded" in line]
    assert [row[1] for row in rows] == ["cache (MB)", "energy (J)"]
    at = lines.index("cache: 1 layer changed, by own cache:")
    assert lines[at + 1] == "  head  Linear  +0.100  100 %  3.000 -> 3.100"


def test_the_terminal_tells_it() -> None:
    heading, _, row = budget_lines([failed()])
    assert heading.split() == [
        *("verdict", "params", "cache", "(MB)", "energy", "(J)", "budget"),
    ]
    assert row.split() == [
        *("exceeded", "1,000", "4.100", "+2.5", "%", "3.00", "+50.0", "%", "test_net"),
    ]
    (_, line) = change_lines([update_of(failed())])
    assert line.endswith(": cache +2.5 %, energy +50.0 %")


def test_the_table_of_layers_has_a_column_of_it() -> None:
    heading, first, *_ = layer_table(measured())
    assert [name for name in heading.split("  ") if name][:5] == [
        *("time (ms)", "energy (J)", "cache (MB)", "GFLOPs", "params")
    ]
    assert first.split()[:5] == ["-", "-", "1.000", "0.0100", "100"]
    assert layer_table(measured())[-2].endswith(", 4.000 MB cache, 2.00 J energy")


def test_it_has_no_column_where_it_was_not_measured() -> None:
    plain = Model(
        **given(profile()) | {"layers": tuple(Layer(**given(r)) for r in profile().layers)}
    )
    assert "cache" not in layer_table(plain)[0]
    assert "energy" not in layer_table(plain)[0]


def test_markdown_tells_it() -> None:
    text = markdown_text(run(failed()))
    assert "| verdict | budget | params | cache (MB) | energy (J) |" in text
    assert "4.000 → 4.100<br>**+2.5 %**" in text


def test_json_tells_it() -> None:
    (budget,) = json.loads(json_text(run(failed())))["budgets"]
    assert budget["metrics"]["cache"] == {
        "measured": 4.1,
        "baseline": 4,
        "budget": 4.04,
        "verdict": "exceeded",
        "reason": "",
    }
    assert budget["metrics"]["energy"]["verdict"] == "exceeded"
    assert (budget["cache_bytes"], budget["energy_uj"]) == (4_100_000, 3_000_000)
    head = next(layer for layer in budget["layers"] if layer["path"] == "head")
    assert head["verdicts"]["cache"]["verdict"] == "exceeded"


def test_the_page_tells_it() -> None:
    data = page_data(run(failed()))
    assert [metric["key"] for metric in data["metrics"]][-2:] == ["cache", "energy"]
    (budget,) = data["budgets"]
    assert budget["layers"]["metrics"]["cache"] == {
        "own": [0, 1_000_000, 0, 0, 0, 3_100_000],
        "before": {5: 3_000_000},
    }
    assert dict(budget["facts"])["cache (MB)"] == "1.025 forward, 3.075 backward"
