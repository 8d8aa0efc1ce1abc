"""Increases: in what the baselines of a branch allow more than those of another commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import exact_metrics, noisy_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry
    from pytest_flopbudget.metrics import Metric


class IncreaseKind(Enum):
    """In which way a budget allows more than before."""

    RAISED = "raised"  # the model, or at the same total a layer, may cost more
    DELETED = "deleted"
    UNLIMITED = "unlimited"  # a metric is no longer stored
    ENVIRONMENT = "environment"  # the entry of an environment is gone
    IGNORED = "ignored"  # an operator is no longer counted
    INCOMPARABLE = "incomparable"  # engine, mode or inputs differ


@dataclass(frozen=True, kw_only=True)
class Increase:
    """One way in which a budget allows more than before; values are in base units."""

    file: str  # relative to the budget folder
    kind: IncreaseKind
    metric: str | None = None
    where: str = ""  # the layer path, environment or operator, or which setting differs
    before: Fraction | None = None
    after: Fraction | None = None
    in_layer: bool = False  # `where` is a layer path
    line: int | None = None  # in the present file

    @property
    def growth(self) -> Fraction | None:
        """How much more is allowed, relative to before; `None` if that has no bound."""
        return (self.after - self.before) / self.before if self.before and self.after else None


def find_increases(before: Mapping[str, Baseline], after: Mapping[str, Baseline]) -> list[Increase]:
    """Compare two states of a budget folder, by file; a file that was only moved is no increase."""
    moved = {_without_test(after[file]) for file in after.keys() - before.keys()}
    found: list[Increase] = []
    for file, old in sorted(before.items()):
        if file in after:
            found += _increases_in(file, old, after[file])
        elif _without_test(old) not in moved:
            found.append(Increase(file=file, kind=IncreaseKind.DELETED))
    return found


def _without_test(baseline: Baseline) -> str:
    return repr(replace(baseline, test=""))


def _increases_in(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for setting in ("engine", "mode", "inputs"):
        if getattr(old, setting) != getattr(new, setting):
            line = new.line(setting)
            yield Increase(file=file, kind=IncreaseKind.INCOMPARABLE, where=setting, line=line)
            return
    yield from _in_totals(file, old, new)
    yield from _in_environments(file, old, new)
    for operator in new.ignored:
        if operator not in old.ignored:
            line = new.line("ignored")
            yield Increase(file=file, kind=IncreaseKind.IGNORED, where=operator, line=line)


def _in_totals(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for metric in exact_metrics():
        if metric.field not in old.total:
            continue
        if metric.field not in new.total:
            line = new.line("total")
            yield Increase(file=file, kind=IncreaseKind.UNLIMITED, metric=metric.key, line=line)
        elif new.total[metric.field] > old.total[metric.field]:
            yield Increase(
                file=file,
                kind=IncreaseKind.RAISED,
                metric=metric.key,
                before=Fraction(old.total[metric.field]),
                after=Fraction(new.total[metric.field]),
                line=new.line("total", metric.yaml_key),
            )
        else:
            yield from _in_layer(file, metric, old, new)


def _in_layer(file: str, metric: Metric, old: Baseline, new: Baseline) -> Iterator[Increase]:
    """Find the layer whose own cost rose most, where the total did not."""
    costs = {
        path: (old.own_of(path, metric), new.own_of(path, metric))
        for path in new.own
        if path in old.own
    }
    path = max(costs, key=lambda path: costs[path][1] - costs[path][0], default=None)
    if path is not None and costs[path][1] > costs[path][0]:
        yield Increase(
            file=file,
            kind=IncreaseKind.RAISED,
            metric=metric.key,
            where=path,
            in_layer=True,
            before=Fraction(costs[path][0]),
            after=Fraction(costs[path][1]),
            line=new.line("own", path),
        )


def _in_environments(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for environment, entry in old.environments.items():
        if environment in new.environments:
            yield from _in_entry(file, environment, entry, new)
        else:
            line = new.line("latency") or new.line("total")
            yield Increase(file=file, kind=IncreaseKind.ENVIRONMENT, where=environment, line=line)


def _in_entry(
    file: str, environment: str, old: EnvironmentEntry, new: Baseline
) -> Iterator[Increase]:
    for metric in noisy_metrics():
        before, after = old.value_of(metric), new.environments[environment].value_of(metric)
        if before is not None and after is None:
            yield Increase(
                file=file,
                kind=IncreaseKind.UNLIMITED,
                metric=metric.key,
                where=environment,
                line=new.line("latency", environment),
            )
        elif before is not None and after is not None and after > before:
            yield Increase(
                file=file,
                kind=IncreaseKind.RAISED,
                metric=metric.key,
                where=environment,
                before=before,
                after=after,
                line=new.line("latency", environment, metric.yaml_key),
            )
