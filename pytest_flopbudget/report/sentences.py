"""Sentences: what is wrong with a budget, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.report.attribution import changed_layers, growth_to_explain
from pytest_flopbudget.verdict.layer_changes import ChangeKind
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict


def sentence(result: Result) -> str:
    """Say in one sentence what is wrong, the gravest first."""
    verdict = result.judgement.failing[0]
    subject = f"`{result.profile.model}`"
    if verdict.verdict is Verdict.UNCOUNTED:
        operator = unaccepted_operators(result.profile, result.budget_settings)[0]
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
    layers = changed_layers(result, metric)
    if not layers or layers[0].growth <= 0:
        return ""
    if not metric.exact and 2 * layers[0].growth < growth_to_explain(result, metric, layers):
        return ""
    new = "the new " if layers[0].kind is ChangeKind.NEW else ""
    return f", mostly {new}`{shown_path(layers[0].path)}` ({layers[0].type})"


def _excess(result: Result, verdict: MetricVerdict) -> str:
    """Say by how much a value grew, or over a ceiling, what it is and what is allowed."""
    if verdict.measured is not None and verdict.baseline and not _over_ceiling(result, verdict):
        return change_text(verdict.measured, verdict.baseline)
    metric = METRICS[verdict.metric]
    unit = "" if metric.unit in ("", metric.label) else f" {metric.unit}"
    measured, budget = format_pair(metric, verdict.measured, verdict.budget)
    return f"{measured}{unit}, allowed {budget}{unit}"


def format_pair(metric: Metric, one: Fraction | None, other: Fraction | None) -> tuple[str, str]:
    """Format two values alike; if rounding would make them look equal, exactly."""
    values = [value for value in (one, other) if value]
    decimals = metric.decimals_for((max if metric.exact else min)(values, default=0))
    texts = metric.text(one, decimals), metric.text(other, decimals)
    if one is None or other is None or one == other or texts[0] != texts[1]:
        return texts
    return metric.exactly(one), metric.exactly(other)


def hint(result: Result) -> Iterator[str]:
    """Say what to type: the command that accepts the change, where accepting is right.

    A command is indented.
    """
    verdicts = {v.verdict for v in result.judgement.failing}
    if Verdict.UNCOUNTED in verdicts:
        operator = unaccepted_operators(result.profile, result.budget_settings)[0].operator
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
        more = f"--flop-budget-time-limit={3 * result.budget_settings.time_limit:g}"
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
    ceiling = result.budget_settings.ceilings.get(verdict.metric)
    return (
        verdict.path is None
        and ceiling is not None
        and verdict.measured is not None
        and verdict.measured > ceiling
    )
