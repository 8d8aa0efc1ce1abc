"""What a failing test says: one sentence, the metrics, the layers to blame, one hint."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.report.attribution import (
    SHOWN_LAYERS,
    attribution_sections,
    more_than_shown,
)
from pytest_flopbudget.report.sentences import format_pair, hint, sentence
from pytest_flopbudget.text_table import WIDTH, aligned, counted
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from fractions import Fraction

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

CHANGED = (Verdict.EXCEEDED, Verdict.IMPROVED)  # verdicts that layers account for


def failure_lines(result: Result) -> list[str]:
    """Explain why a budget failed, and say what to do."""
    todo = [f"hint: {line}" if not i else f"      {line}" for i, line in enumerate(hint(result))]
    return [*explanation(result), "", *todo]


def explanation(result: Result) -> list[str]:
    """Explain why a budget failed: the sentence, the metrics, the layers."""
    changed = {v.metric for v in result.judgement.failing if v.verdict in CHANGED}
    sections = [
        wrap(sentence(result), WIDTH, break_long_words=False, break_on_hyphens=False),
        _metrics_table(result),
        *attribution_sections(result, changed),
        _uncounted(result),
    ]
    return [line for section in sections if section for line in (*section, "")][:-1]


def _metrics_table(result: Result) -> list[str]:
    headers = ("metric", "measured", "budget", "baseline", "change", "verdict")
    rows = [_metric_row(verdict) for verdict in result.judgement.metrics]
    judged = {v.metric for v in result.judgement.failing if v.path is None}
    layers = [v for v in result.judgement.failing if v.path is not None and v.metric not in judged]
    rows += [_metric_row(verdict) for verdict in layers[:SHOWN_LAYERS]]
    lines = [
        *aligned([headers, *rows], "lrrrrl", indent="  "),
        *more_than_shown(layers, " layers"),
        *(
            f"  {METRICS[v.metric].label}: {v.reason}"
            for v in result.judgement.metrics
            if v.verdict in (Verdict.NOT_COMPARED, Verdict.INCONCLUSIVE)
        ),
    ]
    if result.baseline is not None:
        line = baseline_line(result, result.baseline)
        lines.append(f"  baseline: {result.file}" + (f":{line}" if line else ""))
    return lines


def _metric_row(verdict: MetricVerdict) -> tuple[str, ...]:
    metric = METRICS[verdict.metric]
    label = metric.heading
    if verdict.path is not None:
        label = f"{shown_path(verdict.path)}: {label}"
    measured, budget = format_pair(metric, verdict.measured, verdict.budget)
    change = ""
    if verdict.measured is not None and verdict.baseline is not None:
        change = change_text(verdict.measured, verdict.baseline)
    baseline = "-" if verdict.baseline is None else _like(metric, verdict.baseline, verdict)
    return label, measured, budget, baseline, change, verdict.verdict.text


def _like(metric: Metric, value: Fraction, verdict: MetricVerdict) -> str:
    """Format the baseline so that it does not look like a measured value that it is not."""
    return format_pair(metric, value, verdict.measured)[0]


def baseline_line(result: Result, baseline: Baseline) -> int | None:
    """Find the line of the baseline file that the gravest verdict rests on."""
    verdict = result.judgement.failing[0]
    metric = METRICS[verdict.metric]
    if verdict.path is not None:
        return baseline.line("own", verdict.path)
    if not metric.exact and result.profile.environment is not None:
        return baseline.line("latency", result.profile.environment.key, metric.stored)
    return baseline.line("total", metric.stored)


def _uncounted(result: Result) -> list[str]:
    operators = unaccepted_operators(result.profile, result.budget_settings)
    if not operators or "gflops" not in result.budget_settings.metrics:
        return []
    rows = [
        (u.operator, shown_path(u.path), counted(u.calls, "call"), _shapes(u.shapes))
        for u in operators[:SHOWN_LAYERS]
    ]
    return ["uncounted:", *aligned(rows, "llrl", indent="  "), *more_than_shown(operators)]


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join(map(shape_text, shapes))
