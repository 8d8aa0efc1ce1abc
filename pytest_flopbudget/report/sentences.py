"""Sentences about a failed budget: what is wrong, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text, exact_metrics
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.report.attribution import changed_layers, growth_to_explain
from pytest_flopbudget.report.scaling.growth import exceeded_degree, growth_sentence
from pytest_flopbudget.settings.measuring import AT_WORK
from pytest_flopbudget.verdict.layer_changes import ChangeKind
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

ACCEPTING = {  # what the command that accepts a value does, by the verdict on it
    Verdict.EXCEEDED: "if the change is meant, accept it and commit:",
    Verdict.UNBUDGETED: "create the baseline and commit it:",
    Verdict.IMPROVED: "keep the improvement:",
    Verdict.NOT_COMPARED: "measure it here and commit it:",
}


def sentence(result: Result) -> str:
    """Return what is wrong with a budget, the gravest first, and before it a changed state."""
    change = result.judgement.state_change
    if not result.judgement.failing:
        return f"state: {change}; `{result.profile.model}` exceeds no budget"
    state = [f"state: {change}"] if change else []
    return "; ".join([*state, *_other_torch(result), _gravest_sentence(result)])


def _other_torch(result: Result) -> list[str]:
    """Return with which versions of torch was counted what fails, if that depends on them."""
    judgement = result.judgement
    depends = any(METRICS[verdict.metric].of_torch for verdict in judgement.failing)
    return [judgement.torch_change] if depends and judgement.torch_change else []


def _gravest_sentence(result: Result) -> str:
    gravest = result.judgement.failing[0]
    metric, subject = METRICS[gravest.metric], f"`{result.profile.model}`"
    if gravest.verdict is Verdict.UNCOUNTED:
        return _uncounted_sentence(result, metric)
    if gravest.verdict is Verdict.UNBUDGETED:
        if result.baseline is None:
            return f"{subject} has no baseline: `{result.file}` does not exist"
        return f"the baseline of {subject} has no {metric.label}: `{result.file}`"
    if gravest.verdict is Verdict.EXCEEDED:
        return _exceeded_sentence(result, gravest)
    if gravest.verdict is Verdict.IMPROVED:
        return f"{subject} improved: {_changes(result, gravest)}"
    reason = f": {gravest.reason}" if gravest.reason else ""
    return f"{metric.label} of {subject} is {gravest.verdict.text}{reason}"


def dependence(counted: ModelProfile | Baseline) -> str:
    """Return what is added to a change of a count that the values of tensors decided about."""
    return " (data dependent)" if counted.data_dependent else ""


def _uncounted_sentence(result: Result, metric: Metric) -> str:
    first = unaccepted_operators(result.profile, result.budget_settings, metric)[0]
    subject = f"the {metric.counted} of `{result.profile.model}`"
    operator = f"`{first.operator}` in `{shown_path(first.path)}`"
    verb = "are" if metric.counted.endswith("s") else "is"
    return f"{subject} {verb} unknown: {operator} is uncounted"


def _exceeded_sentence(result: Result, gravest: MetricVerdict) -> str:
    """Name what exceeds its budget, by how much, and the layer that grew most."""
    if result.scaling is not None:
        return growth_sentence(result, result.scaling)
    subject, mostly = f"`{result.profile.model}`", ""
    if gravest.path is None:
        mostly = _mostly(result, METRICS[gravest.metric])
    else:
        layer = result.profile[gravest.path]
        subject = f"`{layer.name}` ({layer.type}) of {subject}"
    return f"{subject} exceeds its budget: {_changes(result, gravest)}{mostly}"


def _changes(result: Result, gravest: MetricVerdict) -> str:
    """List the changes of what fails by the same verdict, of the same layer or the model."""
    changes = (
        f"{METRICS[verdict.metric].label} {_change(result, verdict)}"
        for verdict in result.judgement.failing
        if (verdict.verdict, verdict.path) == (gravest.verdict, gravest.path)
    )
    return f"{', '.join(changes)}{dependence(result.profile)}"


def _change(result: Result, verdict: MetricVerdict) -> str:
    """Return by how much a value changed, or of one over a ceiling what it is and may be."""
    if verdict.measured is not None and verdict.baseline and not _over_ceiling(result, verdict):
        return change_text(verdict.measured, verdict.baseline)
    metric = METRICS[verdict.metric]
    unit = "" if metric.unit in ("", metric.label) else f" {metric.unit}"
    measured, budget = metric.format_pair(verdict.measured, verdict.budget)
    return f"{measured}{unit}, allowed {budget}{unit}"


def _mostly(result: Result, metric: Metric) -> str:
    """Name the layer that grew most; of a noisy metric, only if it grew by half of it all."""
    layers = changed_layers(result, metric)
    if not layers or layers[0].growth <= 0:
        return ""
    if not metric.exact and 2 * layers[0].growth < growth_to_explain(result, metric, layers):
        return ""
    new = "the new " if layers[0].kind is ChangeKind.NEW else ""
    return f", mostly {new}`{shown_path(layers[0].path)}` ({layers[0].type})"


def hint(result: Result) -> Iterator[str]:
    """Yield what to do: the command that accepts the change, where accepting is right.

    A command is indented.
    """
    failing = result.judgement.failing
    if not failing:
        yield ACCEPTING[Verdict.EXCEEDED]
        yield f"  {result.update.command()}"
        return
    gravest = failing[0]
    ceilings = [METRICS[v.metric].ceiling for v in failing if _over_ceiling(result, v)]
    if gravest.verdict is Verdict.UNCOUNTED:
        yield from _uncounted_hint(result, METRICS[gravest.metric])
    elif gravest.verdict is Verdict.INCONCLUSIVE and AT_WORK in gravest.reason:
        yield from _tool_hint(result, METRICS[gravest.metric])
    elif gravest.verdict is Verdict.INCONCLUSIVE:
        yield "run it again where less is going on, or give it more time, in seconds:"
        more = f"--flop-budget-time-limit={3 * result.budget_settings.time_limit:g}"
        yield f"  {result.update.command(f'--flop-budget {more}')}"
    elif result.scaling is not None and any(exceeded_degree(result.scaling, v) for v in failing):
        yield "an update cannot accept this: raise `max_degree` if the growth is meant"
    elif ceilings:
        names = ", ".join(f"`{name}`" for name in ceilings)
        yield f"an update cannot accept this: raise {names} if the growth is meant"
    elif not gravest.remedy:
        yield "run it where that can be measured, or do not fail on `not_compared`"
    else:
        if result.renaming is not None:
            yield "renamed? A baseline whose test is gone has this model and these figures:"
            yield f"  {result.renaming}"
            yield "or else"
        yield ACCEPTING[gravest.verdict]
        yield f"  {result.update.command(gravest.remedy)}"


def _tool_hint(result: Result, metric: Metric) -> Iterator[str]:
    """Yield what to do about a tool that slows the model down: more time would not help."""
    others = [key for key in result.budget_settings.metrics if key != metric.key]
    others = others or [exact.key for exact in exact_metrics()]
    options = f"--flop-budget --flop-budget-metrics={','.join(others)}"
    yield f"run it without that, or leave {metric.label} out:"
    yield f"  {result.update.command(options)}"


def _uncounted_hint(result: Result, metric: Metric) -> Iterator[str]:
    operators = unaccepted_operators(result.profile, result.budget_settings, metric)
    operator, kind = operators[0].operator, metric.counted.lower().removesuffix("s")
    if operator.startswith("outside::"):
        yield "compute it with operators of PyTorch"
    elif operator.startswith("layer:"):
        yield 'count it with engine="dispatch"'
    else:
        yield f'register a formula: @register_{kind}_formula("{operator}")'
    yield f"or agree not to count it: add `{operator}` to `flop_budget_ignore_ops`"


def _over_ceiling(result: Result, verdict: MetricVerdict) -> bool:
    ceiling = result.budget_settings.ceilings.get(verdict.metric)
    if ceiling is None or verdict.measured is None or verdict.path is not None:
        return False
    return verdict.measured > ceiling
