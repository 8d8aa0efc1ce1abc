"""Histories of budgets as lines of text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import named, visible
from pytest_flopbudget.metrics import change_text, exact_metrics
from pytest_flopbudget.text_table import aligned, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.base_commit.history import FileHistory, Revision
    from pytest_flopbudget.metrics import Metric

SHALLOW = "this clone is shallow: older commits are not in it (`git fetch --unshallow`)"
SUBJECT = 60  # characters that the terminal shows


def history_lines(histories: Sequence[FileHistory], *, is_shallow: bool) -> Iterator[str]:
    """Yield a table for each budget, the oldest commit first."""
    for history in histories:
        yield visible(history.file)
        metrics = metrics_of(history)
        heading = [
            "commit",
            "date",
            *(cell for m in metrics for cell in (m.heading, "")),
            "subject",
        ]
        rows = list(_rows(history, metrics))
        sides = "ll" + "rr" * len(metrics) + "l"
        if rows:
            yield from aligned([heading, *rows], sides, indent="  ")
        else:
            yield "  no commit has it yet"
        for revision in history.revisions:
            if revision.error:
                yield f"  skipped {revision.commit[:10]}: {visible(revision.error)}"
        yield ""
    yield f"{counted(len(histories), 'budget')}"
    if is_shallow:
        yield SHALLOW


def metrics_of(history: FileHistory) -> list[Metric]:
    """Return the metrics that any revision of a file has."""
    fields = {f for r in history.revisions for f in r.total or ()}
    return [metric for metric in exact_metrics() if metric.field in fields]


def _rows(history: FileHistory, metrics: Sequence[Metric]) -> Iterator[list[str]]:
    before: dict[str, int] = {}
    for revision in history.revisions:
        if revision.total is None:
            continue
        total = revision.total
        cells: list[str] = []
        for metric in metrics:
            value, old = total.get(metric.field), before.get(metric.field)
            changed = "" if value == old else change_text(value, old)
            cells += [metric.text(value, metric.decimals_for(value)), changed]
        before = dict(total)
        yield [revision.commit[:10], revision.date, *cells, named(revision.subject, SUBJECT)]


def history_data(histories: Sequence[FileHistory], *, is_shallow: bool) -> dict[str, Any]:
    """Return histories as JSON-safe values, in base units."""
    return {
        "format": 1,
        "shallow": is_shallow,
        "metrics": [_metric(metric) for metric in exact_metrics()],
        "budgets": [
            {
                "file": visible(history.file),
                "revisions": [_point(revision) for revision in history.revisions],
            }
            for history in histories
        ],
    }


def _metric(metric: Metric) -> dict[str, Any]:
    unit = "" if metric.unit == metric.label else metric.unit
    shown = {"key": metric.key, "field": metric.field, "label": metric.label, "unit": unit}
    return {**shown, "heading": metric.heading, "scale": metric.scale, "exact": True}


def _point(revision: Revision) -> dict[str, Any]:
    return {
        "commit": revision.commit,
        "date": revision.date,
        "subject": named(revision.subject),
        "test": visible(revision.test),
        "total": revision.total,
        "error": visible(revision.error),
    }
