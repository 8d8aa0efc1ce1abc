"""The text of a failing test: one sentence, the metrics, the layers that changed, one hint."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.report.attribution import (
    SHOWN_LAYERS,
    attribution_sections,
    more_than_shown,
)
from pytest_flopbudget.report.scaling.growth import scaling_sections
from pytest_flopbudget.report.sentences import hint, sentence
from pytest_flopbudget.text_table import WIDTH, aligned, counted
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import CHANGED, Verdict

if TYPE_CHECKING:
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict


def failure_lines(result: Result) -> list[str]:
    """Return the explanation of a failed budget, and what to do."""
    todo = [f"hint: {line}" if not i else f"      {line}" for i, line in enumerate(hint(result))]
    return [visible(line) for line in (*explanation(result), "", *todo)]


def explanation(result: Result) -> list[str]:
    """Return why a budget failed: the sentence, the metrics, the layers."""
    changed = {v.metric for v in result.judgement.failing if v.verdict in CHANGED}
    sections = [
        wrap(visible(sentence(result)), WIDTH, break_long_words=False, break_on_hyphens=False),
        _metrics_table(result),
        *scaling_sections(result),
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
        line = result.line_in(result.baseline)
        lines.append(f"  baseline: {result.file}" + (f":{line}" if line else ""))
    return lines


def _metric_row(verdict: MetricVerdict) -> tuple[str, ...]:
    metric = METRICS[verdict.metric]
    label = metric.heading
    if verdict.path is not None:
        label = f"{shown_path(verdict.path)}: {label}"
    measured, budget = metric.format_pair(verdict.measured, verdict.budget)
    baseline, _ = metric.format_pair(verdict.baseline, verdict.measured)
    change = change_text(verdict.measured, verdict.baseline)
    return label, measured, budget, baseline, change, verdict.verdict.text


def _uncounted(result: Result) -> list[str]:
    hidden = [v for v in result.judgement.metrics if v.verdict is Verdict.UNCOUNTED]
    if not hidden:
        return []
    metric = METRICS[hidden[0].metric]
    operators = unaccepted_operators(result.profile, result.budget_settings, metric)
    rows = [
        (u.operator, shown_path(u.path), counted(u.calls, "call"), _shapes(u.shapes))
        for u in operators[:SHOWN_LAYERS]
    ]
    return ["uncounted:", *aligned(rows, "llrl", indent="  "), *more_than_shown(operators)]


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join(map(shape_text, shapes))
