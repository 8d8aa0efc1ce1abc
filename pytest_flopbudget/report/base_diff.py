"""What a branch raises against the commit that it is to be merged into, in a line per kind."""

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

    from pytest_flopbudget.base_commit.comparison import Base

SHOWN = 8
VERBS = {
    IncreaseKind.RAISED: "raises",
    IncreaseKind.DELETED: "deletes",
    IncreaseKind.UNLIMITED: "no longer limits all metrics of",
    IncreaseKind.ENVIRONMENT: "removes environments of",
    IncreaseKind.IGNORED: "ignores more operators in",
    IncreaseKind.INCOMPARABLE: "changes what is measured in",
}


def increase_lines(base: Base) -> Iterator[str]:
    """Say what is raised, the largest growth first, and what could not be compared."""
    against = f"against `{named(base.ref)}`"
    if base.commit is None:
        yield f"{against}: not compared: {' - '.join(base.errors[0].split(chr(10) * 2))}"
        return
    if not base.increases:
        yield f"{against} ({base.commit[:10]}): raises no budget"
    for kind, verb in VERBS.items():
        found = [change for change in base.increases if change.kind is kind]
        if found:
            yield f"{against} ({base.commit[:10]}): {verb} {_budgets(found)}"
    yield from (f"  not compared: {named(error)}" for error in base.errors[:SHOWN])
    if len(base.errors) > SHOWN:
        yield f"  ... and {len(base.errors) - SHOWN} more"


def increase_text(change: Increase) -> str:
    """Say in a few words what one change allows: `+0.53 GFLOPs (+3.3 %)`."""
    if change.metric is None:
        return named(change.where)
    metric = METRICS[change.metric]
    if change.before is None or change.after is None:
        return metric.label
    growth = change.after - change.before
    by = f"+{metric.text(growth, metric.decimals_for(growth))} {metric.unit or metric.label}"
    text = f"{by} ({change_text(change.after, change.before)})"
    if change.in_layer:
        return f"{text} in {shown_path(change.where)}"
    return f"{text} on {named(change.where)}" if change.where else text


def short_name(file: str) -> str:
    """Name a budget by its file."""
    return named(PurePosixPath(file).stem)


def largest_first(changes: Sequence[Increase]) -> list[Increase]:
    """Sort by relative growth; what has none comes first, since it has no bound at all."""
    return sorted(changes, key=lambda change: (change.growth is not None, -(change.growth or 0)))


def _budgets(changes: Sequence[Increase]) -> str:
    by_file: dict[str, list[str]] = {}
    for change in largest_first(changes):
        by_file.setdefault(change.file, []).append(increase_text(change))
    names = [f"{short_name(file)} {', '.join(said)}".strip() for file, said in by_file.items()]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return f"{counted(len(names), 'budget')}: {'; '.join(names[:SHOWN] + more)}"
