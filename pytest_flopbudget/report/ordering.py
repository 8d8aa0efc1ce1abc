"""The order of results, by what a reviewer must see first, and what changed in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.verdict.limits import stored_value
from pytest_flopbudget.verdict.verdict import CHANGED, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict


def value_before(verdict: MetricVerdict, result: Result) -> Fraction | None:
    """Return the stored value of a metric, also under an update, which does not judge by it."""
    if verdict.baseline is not None:
        return verdict.baseline
    return stored_value(METRICS[verdict.metric], result.profile, result.baseline)


def changed(result: Result) -> list[str]:
    """Return the metrics that changed: exact ones at all, noisy ones beyond their tolerance."""
    return [v.metric for v in result.judgement.metrics if _is_changed(v, result)]


def worst_first(results: Iterable[Result]) -> list[Result]:
    """Sort by what a reviewer must see first: failing, the gravest verdict, the largest growth."""
    order = list(Verdict)

    def key(result: Result) -> tuple[bool, int, Fraction | int, str]:
        judgement = result.judgement
        return (
            not judgement.fails,
            order.index(judgement.verdict),
            -max(growths(result), default=0),
            result.title,
        )

    return sorted(results, key=key)


def growths(result: Result) -> list[Fraction]:
    """Return the relative changes of the metrics that have a stored value."""
    pairs = [(v.measured, value_before(v, result)) for v in result.judgement.metrics]
    return [(after - old) / old for after, old in pairs if after is not None and old]


def _is_changed(verdict: MetricVerdict, result: Result) -> bool:
    if verdict.verdict in CHANGED:
        return True
    moved = verdict.measured is not None and verdict.measured != value_before(verdict, result)
    return METRICS[verdict.metric].exact and moved
