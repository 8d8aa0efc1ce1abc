"""The data of the HTML page: every text as it is shown, every layer as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.baseline.location import title_of
from pytest_flopbudget.metrics import METRICS, TRAFFIC, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.layer_table import DATA_DEPENDENT
from pytest_flopbudget.report.html.layer_data import NumberedTexts, layer_columns, shapes_text
from pytest_flopbudget.report.json import environment
from pytest_flopbudget.report.run_summary import header_lines
from pytest_flopbudget.report.sentences import hint, sentence
from pytest_flopbudget.text_table import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.report.run import Run
    from pytest_flopbudget.verdict.result import Result, Unjudged
    from pytest_flopbudget.verdict.verdict import MetricVerdict

ALL_OF_THEM = 50  # unused parameters that are named


def page_data(run: Run) -> dict[str, Any]:
    """Return the data that the page shows of a whole run.

    Texts that come back in many layers stand once in `texts`, and layers refer to them by number.
    """
    texts = NumberedTexts()
    budgets = [_budget(result, texts) for result in run.results]
    return {
        "settings": [line.removeprefix("flop-budget: ") for line in header_lines(run.settings)],
        "environment": environment(),
        "metrics": [_metric(key) for key in METRICS],
        "budgets": budgets,
        "errors": [_error(one) for one in run.unjudged],
        "notJudged": [f"{one.test}: {one.reason}" for one in run.not_judged],
        "stale": list(run.stale.stale),
        "texts": list(texts),
    }


def _metric(key: str) -> dict[str, Any]:
    metric = METRICS[key]
    return {
        "key": key,
        "label": metric.label,
        "unit": "" if metric.unit == metric.label else metric.unit,
        "heading": metric.heading,
        "scale": metric.scale,
        "exact": metric.exact,
    }


def _error(one: Unjudged) -> dict[str, str]:
    file, _, title = title_of(one.test, one.name).partition("::")
    return {"title": title or file, "testFile": file, "error": one.error}


def _budget(result: Result, texts: NumberedTexts) -> dict[str, Any]:
    judgement = result.judgement
    failed = judgement.fails
    return {
        "title": result.short_name or result.title,
        "test": result.test,
        "testFile": result.test_file,
        "file": result.file,
        "model": result.profile.model,
        "verdict": judgement.verdict.text,
        "failed": failed,
        "sentence": sentence(result) if failed else "",
        "hint": list(hint(result)) if failed else [],
        "hasBaseline": result.baseline is not None,
        "metrics": {v.metric: _verdict(v, result) for v in judgement.metrics},
        "facts": list(_facts(result)),
        "uncounted": [
            {
                "operator": u.operator,
                "layer": shown_path(u.path),
                "calls": u.calls,
                "shapes": shapes_text(u.shapes),
                "ignored": u.operator in result.ignored,
            }
            for u in result.profile.uncounted
        ],
        "layers": layer_columns(result, texts),
    }


def _verdict(verdict: MetricVerdict, result: Result) -> dict[str, Any]:
    """Return the figures of one metric, formatted as in the terminal."""
    metric = METRICS[verdict.metric]
    measured, budget = metric.format_pair(verdict.measured, verdict.budget)
    return {
        "verdict": verdict.verdict.text,
        "failed": result.judgement.fails_by(verdict),
        "reason": verdict.reason,
        "measured": measured,
        "budget": budget,
        "baseline": metric.format_pair(verdict.baseline, verdict.measured)[0],
        "change": change_text(verdict.measured, verdict.baseline) or None,
        "used": float(verdict.measured / verdict.budget)
        if verdict.measured is not None and verdict.budget
        else None,
        "decimals": metric.decimals_for(verdict.measured),
        "tolerance": float(result.budget_settings.tolerance.get(verdict.metric, 0)),
    }


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """Yield what was measured and how, as pairs of a name and a text."""
    profile = result.profile
    trainable = profile.trainable_params
    yield "model", f"{profile.model}, {counted(len(profile.layers), 'layer')}"
    yield "trainable params", f"{trainable:,} of {profile.params:,}"
    if profile.inputs:
        yield "inputs", ", ".join(profile.inputs)
    yield "mode", profile.mode
    yield "engine", profile.engine + (f" ({profile.counter})" if profile.counter else "")
    if profile.counted_on:
        yield "counted on", f"{profile.counted_on} tensors"
    yield from _phases(profile)
    if profile.state:
        yield "state", result.judgement.state_change or ", ".join(profile.state)
    if profile.fused_traffic_bytes is not None:
        yield (
            f"{TRAFFIC.label} if fused ({TRAFFIC.unit})",
            TRAFFIC.text(
                profile.fused_traffic_bytes, TRAFFIC.decimals_for(profile.fused_traffic_bytes)
            ),
        )
    if profile.data_dependent:
        yield "data dependent", DATA_DEPENDENT
    if profile.environment:
        rounds = counted(profile.rounds or 0, "round")
        yield "timed on", f"{profile.environment.text}, {rounds}"
    for key, reason in profile.not_measured.items():
        yield f"{key} not measured", reason
    if result.ignored:
        yield "ignored by agreement", ", ".join(result.ignored)
    if profile.unused:
        more = len(profile.unused) - ALL_OF_THEM
        named = ", ".join(profile.unused[:ALL_OF_THEM])
        yield "unused params", named + (f" and {more:,} more" if more > 0 else "")
    yield "baseline", result.file if result.baseline is not None else f"none: {result.file}"


def _phases(profile: ModelProfile) -> Iterator[tuple[str, str]]:
    """Yield what forward and backward cost, of each metric that tells them apart."""
    for metric in METRICS.values():
        values = [phase.of(profile) for phase in metric.phases]
        known = [value for value in values if value is not None]
        if known and known == values:
            texts = (metric.text(value, metric.decimals_for(max(known))) for value in known)
            parts = zip(texts, metric.phases, strict=True)
            yield metric.heading, ", ".join(f"{text} {phase.label}" for text, phase in parts)
