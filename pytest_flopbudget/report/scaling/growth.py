"""The text of a budget over sizes: how each metric grows, before and now, and which layers do."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.text_table import WIDTH, aligned
from pytest_flopbudget.verdict.verdict import CHANGED, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.scaling_profile import Curve
    from pytest_flopbudget.verdict.result import Result, ScalingResult
    from pytest_flopbudget.verdict.verdict import MetricVerdict

BAR = 24  # characters of the longest bar
SHOWN_TERMS = 8
SHOWN_SIZES = 12


def growth_text(metric: Metric, curve: Curve) -> str:
    """Return how a metric grows: its polynomial with its unit, or that there is none."""
    if curve.polynomial is None:
        return "no polynomial"
    unit = "" if metric.unit in ("", metric.label) else f" {metric.unit}"
    try:
        return f"{curve.polynomial.text(metric.scale)}{unit}"
    except ValueError:
        return f"{curve.polynomial.fractions_text()} ({metric.field})"


def exceeded_degree(scaling: ScalingResult, verdict: MetricVerdict) -> str:
    """Return by how much a metric grows faster than it may, nothing if it does not."""
    if verdict.verdict is not Verdict.EXCEEDED or verdict.budget is not None:
        return ""
    curve, degree = scaling.curves[verdict.metric], scaling.max_degree
    label = METRICS[verdict.metric].label
    if curve.polynomial is not None:
        return f"{label} grows with n^{curve.polynomial.degree}, allowed n^{degree}"
    allowed = (scaling.sizes[-1] / scaling.sizes[0]) ** (degree or 0)
    if not curve.values[0]:
        return f"{label} grew from 0 where n^{degree} allows {allowed:,.1f}x"
    grew = float(curve.values[-1] / curve.values[0])
    return f"{label} grew {grew:,.1f}x where n^{degree} allows {allowed:,.1f}x"


def growth_sentence(result: Result, scaling: ScalingResult) -> str:
    """Return what is wrong with how a model grows, the degree first."""
    failing = [v for v in result.judgement.failing if v.verdict is Verdict.EXCEEDED]
    degrees = [text for v in failing if (text := exceeded_degree(scaling, v))]
    values = [
        f"{METRICS[v.metric].label} {_change(scaling, v)}"
        for v in failing
        if not exceeded_degree(scaling, v)
    ]
    return (
        f"`{result.profile.model}` over {scaling.of} exceeds its budget: "
        f"{', '.join([*degrees, *values])}{_mostly(scaling)}"
    )


def scaling_sections(result: Result) -> Iterator[list[str]]:
    """Yield each metric's growth before and now, the layers with a new term, and the curves."""
    scaling = result.scaling
    if scaling is None:
        return
    yield [f"growth with {scaling.of} n:", *_growth_lines(scaling)]
    if scaling.new_terms:
        yield _term_lines(scaling)
    for verdict in result.judgement.failing:
        if verdict.verdict in CHANGED and verdict.metric in scaling.curves:
            yield curve_lines(scaling, METRICS[verdict.metric])


def curve_lines(scaling: ScalingResult, metric: Metric) -> list[str]:
    """Draw a metric over the sizes as bars, against those of the baseline."""
    curve, stored = scaling.curves[metric.key], scaling.stored.get(metric.key)
    most = max(curve.values + (stored.values if stored else ()), default=0)
    decimals = metric.decimals_for(curve.values[-1])
    rows = [("n", metric.heading, "", "baseline", "change")]
    for index, size in enumerate(scaling.sizes[:SHOWN_SIZES]):
        value = curve.values[index]
        before = stored.values[index] if stored else None
        bar = "#" * round(BAR * value / most) if most else ""
        if before is not None and most:
            place = round(BAR * before / most)
            bar = f"{bar.ljust(place)[:place]}|{bar[place:]}"
        rows.append(
            (
                f"{size:,}",
                metric.text(value, decimals),
                bar,
                metric.text(before, decimals),
                change_text(value, before),
            )
        )
    more = len(scaling.sizes) - SHOWN_SIZES
    lines = aligned(rows, "rrlrr", indent="  ")
    lines += [f"  and {more} more sizes"] if more > 0 else []
    return [f"{metric.label} (# now, | baseline):" if stored else f"{metric.label}:", *lines]


def _growth_lines(scaling: ScalingResult) -> Iterator[str]:
    for key, curve in scaling.curves.items():
        metric, stored = METRICS[key], scaling.stored.get(key)
        now = growth_text(metric, curve)
        before = "none" if stored is None else growth_text(metric, stored)
        if stored is not None and stored.values == curve.values:
            yield from _wrapped(f"{metric.label}: {now}, as before")
        else:
            yield from _wrapped(f"{metric.label}: {now}")
            yield from _wrapped(f"{' ' * len(metric.label)}  before: {before}")


def _wrapped(text: str) -> list[str]:
    return wrap(
        visible(text),
        WIDTH,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _term_lines(scaling: ScalingResult) -> list[str]:
    rows = [
        (
            METRICS[term.metric].label,
            _power(term.power),
            shown_path(term.path),
            term.type,
            f"{_coefficient(METRICS[term.metric], term.coefficient)} per {_power(term.power)}",
        )
        for term in scaling.new_terms[:SHOWN_TERMS]
    ]
    more = len(scaling.new_terms) - SHOWN_TERMS
    lines = aligned(rows, "lllll", indent="  ")
    return ["layers with the new term:", *lines, *([f"  and {more} more"] if more > 0 else [])]


def _power(power: int) -> str:
    return "n" if power == 1 else f"n^{power}"


def _coefficient(metric: Metric, value: Fraction) -> str:
    """Return a coefficient of a layer in base units, in which it has few digits."""
    unit = metric.field.removesuffix("_bytes").replace("flops", "FLOPs")
    return f"{float(value):,.6g} {'bytes' if metric.unit == 'MB' else unit}"


def _change(scaling: ScalingResult, verdict: MetricVerdict) -> str:
    """Return by how much a metric changed at the size that is judged, or is over its ceiling."""
    metric = METRICS[verdict.metric]
    stored = scaling.stored.get(metric.key)
    values = scaling.curves[metric.key].values
    if verdict.baseline is None or stored is None or verdict.measured is None:
        measured, budget = metric.format_pair(verdict.measured, verdict.budget)
        return f"{measured} at {scaling.sizes[-1]:,}, allowed {budget}"
    pairs = list(zip(scaling.sizes, values, stored.values, strict=True))
    size = max(n for n, now, was in pairs if (now, was) == (verdict.measured, verdict.baseline))
    return f"{change_text(verdict.measured, verdict.baseline)} at {size:,}"


def _mostly(scaling: ScalingResult) -> str:
    if not scaling.new_terms:
        return ""
    term = scaling.new_terms[0]
    return f", new {_power(term.power)} in `{shown_path(term.path)}` ({term.type})"
