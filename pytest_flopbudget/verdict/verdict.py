"""Verdicts: one for each metric of a budget and of its layers, and the gravest for the budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_flopbudget.metrics import Metric


class Verdict(Enum):
    """The verdict on one metric or one budget, the gravest first."""

    UNCOUNTED = "uncounted"
    EXCEEDED = "exceeded"
    UNBUDGETED = "unbudgeted"
    INCONCLUSIVE = "inconclusive"
    IMPROVED = "improved"
    WITHIN = "within"
    NOT_COMPARED = "not_compared"

    @property
    def text(self) -> str:
        """The verdict as it is shown."""
        return self.value.replace("_", " ")


UPDATE = "--update-budgets"
UPGRADE = "upgrade"  # of torch or Python: what `fail_on` calls a growth that came with one
CHANGED = (Verdict.EXCEEDED, Verdict.IMPROVED)  # verdicts that layers or sizes account for
FAILING = frozenset({Verdict.UNCOUNTED, Verdict.EXCEEDED, Verdict.UNBUDGETED})


@dataclass(frozen=True, kw_only=True)
class MetricVerdict:
    """The verdict on one metric of a model, or of one layer; values are in base units."""

    metric: str
    path: str | None  # of the layer, `None` for the whole model
    verdict: Verdict
    measured: Fraction | None
    baseline: Fraction | None = None
    budget: Fraction | None = None
    moved: Fraction | None = None  # what a layer took over from those around it or below it
    reason: str = ""
    remedy: str = UPDATE  # the options of pytest that accept what was measured, if any do
    grew_by_upgrade: bool = False  # above its budget, but of another minor of torch or Python


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All verdicts on one budget."""

    metrics: tuple[MetricVerdict, ...]
    layers: tuple[MetricVerdict, ...] = ()
    fail_on: tuple[str, ...] = ()
    state_change: str = ""  # `float32 -> bfloat16`, where the baseline has another state
    torch_change: str = ""  # `measured by torch 2.13, now 2.14`, where another one counted

    @property
    def fails(self) -> bool:
        """Whether the test fails: by a verdict, or by a change of the state, if that is asked."""
        return bool(self.failing) or self.state_fails

    @property
    def state_fails(self) -> bool:
        """Whether the settings make a failure of a change of the state."""
        return bool(self.state_change) and "state" in self.fail_on

    @cached_property
    def verdict(self) -> Verdict:
        """The gravest verdict that fails, or else the gravest: `not compared` if nothing was."""
        if self.failing:
            return self.failing[0].verdict
        present = {v.verdict for v in (*self.metrics, *self.layers)}
        return next(verdict for verdict in Verdict if verdict in present)

    @cached_property
    def failing(self) -> tuple[MetricVerdict, ...]:
        """The verdicts that fail the test: the gravest first, the whole model before layers."""
        found = [v for v in (*self.metrics, *self.layers) if self.fails_by(v)]
        order = list(Verdict)
        return tuple(sorted(found, key=lambda v: (order.index(v.verdict), v.path is not None)))

    def fails_by(self, verdict: MetricVerdict) -> bool:
        """Return whether one verdict fails the test."""
        fails = {verdict.verdict.value} | ({UPGRADE} if verdict.grew_by_upgrade else set())
        return verdict.verdict in FAILING or bool(fails & set(self.fail_on))


def verdict_of(
    metric: Metric,
    measured: Fraction,
    baseline: Fraction | None,
    budget: Fraction,
    tolerance: Fraction,
) -> Verdict:
    """Judge one value: `budget` is the largest that passes."""
    if measured > budget:
        return Verdict.EXCEEDED
    if baseline is not None and measured < baseline * (1 - metric.improvement(tolerance)):
        return Verdict.IMPROVED
    return Verdict.WITHIN
