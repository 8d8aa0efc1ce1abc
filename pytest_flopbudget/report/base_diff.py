"""The difference to the base commit: what a branch allows beyond it, in a line per kind."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_flopbudget.base_commit.increases import Increase, IncreaseKind
from pytest_flopbudget.escaping import named
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.text_table import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.base_commit.comparison import BaseComparison

SHOWN = 8
VERB_PHRASES = {
    IncreaseKind.RAISED: "raises",
    IncreaseKind.DELETED: "deletes",
    IncreaseKind.UNLIMITED: "no longer limits all metrics of",
    IncreaseKind.ENVIRONMENT: "removes environments of",
    IncreaseKind.IGNORED: "ignores more operators in",
    IncreaseKind.INCOMPARABLE: "changes what is measured in",
}


def increase_lines(base: BaseComparison) -> Iterator[str]:
    """Yield a line for each kind of increase, and one for each file that could not be compared."""
    against = f"against `{named(base.ref)}`"
    if base.commit is None:
        yield f"{against}: not compared: {' - '.join(base.errors[0].split(chr(10) * 2))}"
        return
    if not base.increases:
        yield f"{against} ({base.commit[:10]}): raises no budget"
    for kind, verb in VERB_PHRASES.items():
        increases = [increase for increase in base.increases if increase.kind is kind]
        if increases:
            yield f"{against} ({base.commit[:10]}): {verb} {_budgets(increases)}"
    yield from (f"  not compared: {named(error)}" for error in base.errors[:SHOWN])
    if len(base.errors) > SHOWN:
        yield f"  ... and {len(base.errors) - SHOWN} more"


def increase_text(increase: Increase) -> str:
    """Return in a few words what is allowed beyond before: `+0.53 GFLOPs (+3.3 %)`."""
    if increase.metric is None:
        return named(increase.where)
    metric = METRICS[increase.metric]
    if increase.before is None or increase.after is None:
        return metric.label
    growth = increase.after - increase.before
    by = f"+{metric.text(growth, metric.decimals_for(growth))} {metric.noun}"
    text = f"{by} ({change_text(increase.after, increase.before)})"
    if increase.in_layer:
        return f"{text} in {shown_path(increase.where)}"
    return f"{text} on {named(increase.where)}" if increase.where else text


def short_name(file: str) -> str:
    """Return the name of a budget: that of its file."""
    return named(PurePosixPath(file).stem)


def largest_first(increases: Sequence[Increase]) -> list[Increase]:
    """Sort by relative growth; what has none comes first, since it has no bound at all."""
    return sorted(increases, key=lambda one: (one.growth is not None, -(one.growth or 0)))


def _budgets(increases: Sequence[Increase]) -> str:
    by_file: dict[str, list[str]] = {}
    for increase in largest_first(increases):
        by_file.setdefault(increase.file, []).append(increase_text(increase))
    names = [f"{short_name(file)} {', '.join(texts)}".strip() for file, texts in by_file.items()]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return f"{counted(len(names), 'budget')}: {'; '.join(names[:SHOWN] + more)}"
