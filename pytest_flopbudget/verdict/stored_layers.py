"""What the baseline of a result has of its layers, for the tables of layers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import GFLOPS, METRICS
from pytest_flopbudget.profile.layer_columns import Before

if TYPE_CHECKING:
    from pytest_flopbudget.verdict.result import Result


def before_of(result: Result) -> Before | None:
    """Return the stored totals of the metric that failed first, else of GFLOPs, if there are any.

    A layer that the baseline does not have has no total there.
    """
    failing = [METRICS[verdict.metric] for verdict in result.judgement.failing]
    metric = next((m for m in failing if m.exact), GFLOPS)
    baseline = result.baseline
    if baseline is None or metric.field not in baseline.total or metric.of(result.profile) is None:
        return None
    totals: Counter[str] = Counter()
    for path in baseline.own:
        cost, around = baseline.own_of(path, metric), path
        while around:
            totals[around] += cost
            around = around.rpartition(".")[0]
        totals[""] += cost
    return Before(metric, totals)
