"""What became of the agreement: budgets that allow more than before, or ask nothing any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_flopbudget.baseline.record import Baseline


class IncreaseKind(Enum):
    """In which way a budget asks for less than before."""

    RAISED = "raised"  # the model, or at the same total a layer, may cost more
    DELETED = "deleted"
    UNLIMITED = "unlimited"  # a metric is not in it any more
    ENVIRONMENT = "environment"  # what an environment measured is not in it any more
    IGNORED = "ignored"  # an operator is not counted any more
    INCOMPARABLE = "incomparable"  # engine, mode or inputs are others


@dataclass(frozen=True, kw_only=True)
class Increase:
    """One such change of one budget; values are in base units."""

    file: str  # relative to the budget folder
    kind: IncreaseKind
    metric: str | None = None
    where: str = ""  # the layer path, environment or operator, or what is another
    before: Fraction | None = None
    after: Fraction | None = None
    in_layer: bool = False  # `where` is a layer path
    line: int | None = None  # in the present file

    @property
    def growth(self) -> Fraction | None:
        """How much more is allowed, relative to before; `None` if that has no bound."""
        return (self.after - self.before) / self.before if self.before and self.after else None


def find_increases(before: Mapping[str, Baseline], after: Mapping[str, Baseline]) -> list[Increase]:
    """Compare two states of a budget folder, by file; a budget that only moved is the same."""
    moved = {_but_for_its_name(after[file]) for file in after.keys() - before.keys()}
    found: list[Increase] = []
    for file, old in sorted(before.items()):
        if file in after:
            found += _of_one(file, old, after[file])
        elif _but_for_its_name(old) not in moved:
            found.append(Increase(file=file, kind=IncreaseKind.DELETED))
    return found


def _but_for_its_name(baseline: Baseline) -> str:
    return repr(replace(baseline, test=""))


def _of_one(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for what in ("engine", "mode", "inputs"):
        if getattr(old, what) != getattr(new, what):
            line = new.line(what)
            yield Increase(file=file, kind=IncreaseKind.INCOMPARABLE, where=what, line=line)
            return
    yield from _totals(file, old, new)
    yield from _environments(file, old, new)
    for operator in new.ignored:
        if operator not in old.ignored:
            line = new.line("ignored")
            yield Increase(file=file, kind=IncreaseKind.IGNORED, where=operator, line=line)


def _totals(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for metric in METRICS.values():
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
                line=new.line("total", metric.stored),
            )
        else:
            yield from _raised_layer(file, metric.key, old, new)


def _raised_layer(file: str, key: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    """Name the layer whose own cost rose most, where the total did not."""
    field = METRICS[key].field
    pairs = {
        path: (old.own[path].costs.get(field, 0), new.own[path].costs.get(field, 0))
        for path in new.own
        if path in old.own
    }
    path = max(pairs, key=lambda path: pairs[path][1] - pairs[path][0], default=None)
    if path is not None and pairs[path][1] > pairs[path][0]:
        yield Increase(
            file=file,
            kind=IncreaseKind.RAISED,
            metric=key,
            where=path,
            in_layer=True,
            before=Fraction(pairs[path][0]),
            after=Fraction(pairs[path][1]),
            line=new.line("own", path),
        )


def _environments(file: str, old: Baseline, new: Baseline) -> Iterator[Increase]:
    for environment, entry in old.latency.items():
        now = new.latency.get(environment)
        if now is None:
            line = new.line("latency") or new.line("total")
            yield Increase(file=file, kind=IncreaseKind.ENVIRONMENT, where=environment, line=line)
            continue
        for metric in METRICS.values():
            before, after = (None if metric.exact else e.figure(metric) for e in (entry, now))
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
                    line=new.line("latency", environment, metric.stored),
                )
