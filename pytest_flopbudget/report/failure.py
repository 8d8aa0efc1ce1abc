"""What a failing test says: one sentence, the metrics, the layers to blame, one hint."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from pytest_flopbudget.comparison import hidden
from pytest_flopbudget.explain import Kind
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile import shape_text, shown_path
from pytest_flopbudget.report.causes import (
    SHOWN_LAYERS,
    blamed,
    causes,
    growth_to_explain,
    more_than_shown,
)
from pytest_flopbudget.report.columns import WIDTH, aligned, counted
from pytest_flopbudget.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.result import Result
    from pytest_flopbudget.verdict import MetricVerdict

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
        *causes(result, changed),
        _uncounted(result),
    ]
    return [line for section in sections if section for line in (*section, "")][:-1]


def sentence(result: Result) -> str:
    """Say in one sentence what is wrong, the gravest first."""
    verdict = result.judgement.failing[0]
    subject = f"`{result.profile.model}`"
    if verdict.verdict is Verdict.UNCOUNTED:
        operator = hidden(result.profile, result.terms)[0]
        where = f"`{shown_path(operator.path)}`"
        return f"the FLOPs of {subject} are unknown: `{operator.operator}` in {where} is uncounted"
    if verdict.verdict is Verdict.UNBUDGETED:
        if result.baseline is None:
            return f"{subject} has no baseline: `{result.file}` does not exist"
        return f"the baseline of {subject} has no {METRICS[verdict.metric].label}: `{result.file}`"
    if verdict.verdict is Verdict.EXCEEDED:
        return _exceeded_sentence(result, verdict)
    if verdict.verdict is Verdict.IMPROVED:
        return f"{subject} improved: {_figures(result, _alike(result, verdict))}"
    return f"{METRICS[verdict.metric].label} of {subject} is {verdict.verdict.text}" + (
        f": {verdict.reason}" if verdict.reason else ""
    )


def _exceeded_sentence(result: Result, first: MetricVerdict) -> str:
    """Name what is over, by how much, and the layer that has the largest part in it."""
    over = _alike(result, first)
    subject, mostly = f"`{result.profile.model}`", ""
    if first.path is None:
        mostly = _mostly(result, METRICS[first.metric])
    else:
        subject = f"`{shown_path(first.path)}` ({result.profile[first.path].type}) of {subject}"
    return f"{subject} exceeds its budget: {_figures(result, over)}{mostly}"


def _alike(result: Result, first: MetricVerdict) -> list[MetricVerdict]:
    """List what fails of the same layer, or of the model, by the same verdict."""
    alike = (first.verdict, first.path)
    return [v for v in result.judgement.failing if (v.verdict, v.path) == alike]


def _figures(result: Result, verdicts: list[MetricVerdict]) -> str:
    return ", ".join(f"{METRICS[v.metric].label} {_excess(result, v)}" for v in verdicts)


def _mostly(result: Result, metric: Metric) -> str:
    """Name the layer with the largest part in a growth; a noisy metric needs half of it."""
    layers = blamed(result, metric)
    if not layers or layers[0].growth <= 0:
        return ""
    if not metric.exact and 2 * layers[0].growth < growth_to_explain(result, metric, layers):
        return ""
    new = "the new " if layers[0].kind is Kind.NEW else ""
    return f", mostly {new}`{shown_path(layers[0].path)}` ({layers[0].type})"


def _excess(result: Result, verdict: MetricVerdict) -> str:
    """Say by how much a value grew, or over a ceiling, what it is and what is allowed."""
    if verdict.measured is not None and verdict.baseline and not _over_ceiling(result, verdict):
        return change_text(verdict.measured, verdict.baseline)
    metric = METRICS[verdict.metric]
    unit = "" if metric.unit in ("", metric.label) else f" {metric.unit}"
    measured, budget = pair(metric, verdict.measured, verdict.budget)
    return f"{measured}{unit}, allowed {budget}{unit}"


def pair(metric: Metric, one: Fraction | None, other: Fraction | None) -> tuple[str, str]:
    """Format two values alike; if rounding would make them look equal, exactly."""
    values = [value for value in (one, other) if value]
    decimals = metric.decimals_for((max if metric.exact else min)(values, default=0))
    texts = metric.text(one, decimals), metric.text(other, decimals)
    if one is None or other is None or one == other or texts[0] != texts[1]:
        return texts
    return metric.exactly(one), metric.exactly(other)


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
    measured, budget = pair(metric, verdict.measured, verdict.budget)
    change = ""
    if verdict.measured is not None and verdict.baseline is not None:
        change = change_text(verdict.measured, verdict.baseline)
    baseline = "-" if verdict.baseline is None else _like(metric, verdict.baseline, verdict)
    return label, measured, budget, baseline, change, verdict.verdict.text


def _like(metric: Metric, value: Fraction, verdict: MetricVerdict) -> str:
    """Format the baseline so that it does not look like a measured value that it is not."""
    return pair(metric, value, verdict.measured)[0]


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
    operators = hidden(result.profile, result.terms)
    if not operators or "gflops" not in result.terms.metrics:
        return []
    rows = [
        (u.operator, shown_path(u.path), counted(u.calls, "call"), _shapes(u.shapes))
        for u in operators[:SHOWN_LAYERS]
    ]
    return ["uncounted:", *aligned(rows, "llrl", indent="  "), *more_than_shown(operators)]


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join(map(shape_text, shapes))


def hint(result: Result) -> Iterator[str]:
    """Say what to type: the command that accepts the change, where accepting is right.

    A command is indented.
    """
    verdicts = {v.verdict for v in result.judgement.failing}
    if Verdict.UNCOUNTED in verdicts:
        operator = hidden(result.profile, result.terms)[0].operator
        if operator.startswith("outside::"):
            yield "compute it with operators of PyTorch"
        elif not operator.startswith("layer:"):
            yield f'register a formula: @register_flop_formula("{operator}")'
        else:
            yield 'count it with engine="dispatch"'
        yield f"or agree not to count it: add `{operator}` to `flop_budget_ignore_ops`"
        return
    gravest = result.judgement.failing[0]
    if gravest.verdict is Verdict.INCONCLUSIVE:
        yield "run it again where less is going on, or give it more time, in seconds:"
        more = f"--flop-budget-time-limit={3 * result.terms.time_limit:g}"
        yield f"  {result.update.command(f'--flop-budget {more}')}"
        return
    over = [v for v in result.judgement.failing if _over_ceiling(result, v)]
    if over:
        names = ", ".join(f"`{METRICS[v.metric].ceiling}`" for v in over)
        yield f"an update cannot accept this: raise {names} of the marker if the growth is meant"
        return
    if not gravest.remedy:
        yield "run it where that can be measured, or do not fail on `not_compared`"
        return
    yield {
        Verdict.UNBUDGETED: "create the baseline and commit it:",
        Verdict.IMPROVED: "keep the improvement:",
        Verdict.NOT_COMPARED: "measure it here and commit it:",
    }.get(gravest.verdict, "if the change is meant, accept it and commit:")
    yield f"  {result.update.command(gravest.remedy)}"


def _over_ceiling(result: Result, verdict: MetricVerdict) -> bool:
    ceiling = result.terms.ceilings.get(verdict.metric)
    return (
        verdict.path is None
        and ceiling is not None
        and verdict.measured is not None
        and verdict.measured > ceiling
    )
