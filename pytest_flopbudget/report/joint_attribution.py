"""The layers that account for several exact metrics at once: one cause is told once."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.text_table import WIDTH, aligned, counted
from pytest_flopbudget.verdict.layer_changes import ChangeKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.verdict.layer_changes import LayerChange

    Changes = Mapping[str, LayerChange]  # by layer path


def joint_section(found: Mapping[str, Sequence[LayerChange]], metrics: Mapping[str, Metric],
                  most: int) -> list[str]:  # fmt: skip
    """Return one list of the layers that changed, with what each metric grew there.

    Args:
        found: by metric, the layers whose own cost changed.
        metrics: the table of metrics.
        most: how many layers are shown.
    """
    changes = {key: {change.path: change for change in layers} for key, layers in found.items()}
    paths = sorted(
        dict.fromkeys(path for by_path in changes.values() for path in by_path),
        key=lambda path: max(_share(by_path, path) for by_path in changes.values()),
        reverse=True,
    )
    labels = ", ".join(metrics[key].label for key in changes)
    heading = f"{labels}: {counted(len(paths), 'layer')} changed, by their own costs:"
    return [heading, *_fitting(paths[:most], changes, metrics)]


def _share(changes: Changes, path: str) -> Fraction:
    """Return which part a layer has of what all of them grew; less than nothing if it shrank."""
    if path not in changes:
        return Fraction(-1)
    moved = sum(abs(change.growth) for change in changes.values())
    return changes[path].growth / moved


def _fitting(
    paths: Sequence[str], changes: Mapping[str, Changes], metrics: Mapping[str, Metric]
) -> list[str]:
    """Align rows, without the relative changes, then without the types, if they do not fit."""
    lines: list[str] = []
    for has_percent, has_type in ((True, True), (True, False), (False, True), (False, False)):
        sides = "l" + "l" * has_type + ("rr" if has_percent else "r") * len(changes)
        heading = ["layer", *["type"] * has_type]
        for key in changes:
            heading += [metrics[key].heading, *[""] * has_percent]
        rows = [
            _row(path, changes, metrics, has_percent=has_percent, has_type=has_type)
            for path in paths
        ]
        lines = aligned([heading, *rows], sides, indent="  ")
        if all(len(line) <= WIDTH for line in lines):
            return lines
    return lines


def _row(
    path: str,
    changes: Mapping[str, Changes],
    metrics: Mapping[str, Metric],
    *,
    has_percent: bool,
    has_type: bool,
) -> list[str]:
    kind = next(by_path[path].type for by_path in changes.values() if path in by_path)
    row = [shown_path(path), *[kind] * has_type]
    for key, by_path in changes.items():
        change = by_path.get(path)
        row.append("" if change is None else _growth(metrics[key], change, by_path))
        row += [_relative(change)] * has_percent
    return row


def _growth(metric: Metric, change: LayerChange, among: Changes) -> str:
    """Format a growth like the others of its column; exactly, if rounding would hide it."""
    decimals = metric.decimals_for(max(max(c.before, c.after) for c in among.values()))
    by = metric.text(abs(change.growth), decimals)
    if not any(digit in by for digit in "123456789"):
        by = metric.exactly(abs(change.growth))
    return ("+" if change.growth > 0 else "-") + by


def _relative(change: LayerChange | None) -> str:
    if change is None:
        return ""
    if change.kind in (ChangeKind.NEW, ChangeKind.MISSING):
        kind: str = change.kind.value
        return kind
    return change_text(change.after, change.before)
