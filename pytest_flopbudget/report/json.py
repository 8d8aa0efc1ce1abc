"""The machine-readable report, `format: 1`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_flopbudget import serialization
from pytest_flopbudget.metrics import METRICS

if TYPE_CHECKING:
    from fractions import Fraction

    from pytest_flopbudget.base_commit.comparison import BaseComparison
    from pytest_flopbudget.report.run import Run
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

FORMAT = 1


def json_text(run: Run) -> str:
    """Return the report of a whole run as JSON."""
    report = {
        "format": FORMAT,
        "settings": _settings(run.settings),
        "environment": environment(),
        "budgets": [_budget(result) for result in run.results],
        "errors": [serialization.encode(one) for one in run.unjudged],
        "not_judged": [serialization.encode(one) for one in run.not_judged],
        "stale": list(run.stale.stale),
        "fails_run": run.fails,
        "base": None if run.base is None else _base(run.base),
    }
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def environment() -> dict[str, str]:
    """Return the versions that ran; where a latency was measured, its profile says."""
    packages = {name: version(name) for name in ("pytest-flopbudget", "pytest", "torch")}
    return {"python": platform.python_version(), "platform": platform.platform(), **packages}


def _settings(settings: RunSettings) -> dict[str, Any]:
    budget_settings = settings.budget_settings
    return {
        "judge": settings.judge,
        "update": settings.update,
        "report_only": settings.report_only,
        "directory": settings.shown_directory,
        "metrics": list(budget_settings.metrics),
        "engine": budget_settings.engine,
        "device": budget_settings.device,
        "threads": budget_settings.threads,
        "time_limit": budget_settings.time_limit,
        "tolerance": {key: float(value) for key, value in budget_settings.tolerance.items()},
        "fail_on": list(budget_settings.fail_on),
        "ignore_ops": list(budget_settings.ignore_ops),
    }


def _base(base: BaseComparison) -> dict[str, Any]:
    increases = [
        {
            **serialization.encode(increase),
            "before": _number(increase.metric, increase.before),
            "after": _number(increase.metric, increase.after),
        }
        for increase in base.increases
    ]
    return {
        "ref": base.ref,
        "commit": base.commit,
        "raises": increases,
        "errors": list(base.errors),
    }


def _budget(result: Result) -> dict[str, Any]:
    layers: dict[str, dict[str, Any]] = {}
    for verdict in result.judgement.layers:
        layers.setdefault(verdict.path or "", {})[verdict.metric] = _verdict(verdict)
    profile = result.profile.to_dict()
    for layer in profile["layers"]:
        layer["verdicts"] = layers.get(layer["path"], {})
    return {
        "test": result.test,
        "name": result.name,
        "file": result.file,
        "verdict": result.judgement.verdict.value,
        "failed": result.judgement.fails,
        "state_change": result.judgement.state_change or None,
        "metrics": {v.metric: _verdict(v) for v in result.judgement.metrics},
        "scaling": None if result.scaling is None else serialization.encode(result.scaling),
        "ignored": [u.operator for u in result.profile.uncounted if u.operator in result.ignored],
        **profile,
    }


def _verdict(verdict: MetricVerdict) -> dict[str, Any]:
    """Return a verdict as JSON; its values are in shown units, as ceilings are."""
    return {
        "measured": _number(verdict.metric, verdict.measured),
        "baseline": _number(verdict.metric, verdict.baseline),
        "budget": _number(verdict.metric, verdict.budget),
        "verdict": serialization.encode(verdict.verdict),
        "reason": verdict.reason,
    }


def _number(metric: str | None, value: Fraction | None) -> int | float | None:
    """Return a value in the unit in which it is shown."""
    if metric is None or value is None:
        return None
    shown = value / METRICS[metric].scale
    return int(shown) if shown.denominator == 1 else float(shown)
