"""Attribution: the layers that account for a changed metric, in sections of text."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.report.joint_attribution import joint_section
from pytest_flopbudget.text_table import WIDTH, aligned, counted
from pytest_flopbudget.verdict.layer_changes import ChangeKind, LayerChange, changes, renamed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

SHOWN_LAYERS = 8


def changed_layers(result: Result, metric: Metric) -> list[LayerChange]:
    """List the layers whose cost changed against the baseline, if there is one."""
    if result.layer_baseline is None:
        return []
    return changes(metric, result.profile, result.layer_baseline)


def growth_to_explain(result: Result, metric: Metric, layers: list[LayerChange]) -> Fraction:
    """Return the growth that the shares of layers refer to: theirs, or the model's if it is larger.

    Exact costs of layers add up to that of the model; measured times of layers need not.
    """
    growth = sum((change.growth for change in layers if change.growth > 0), Fraction(0))
    for verdict in result.judgement.metrics:
        if verdict.metric == metric.key and verdict.measured and verdict.baseline:
            growth = max(growth, verdict.measured - verdict.baseline)
    return growth


def attribution_sections(result: Result, keys: Collection[str]) -> Iterator[list[str]]:
    """Yield sections for the metrics `keys`, then for what moved and for layers that were renamed.

    Exact metrics have one cause, and so one list of layers; each noisy one has its own.
    """
    if result.layer_baseline is None or not keys:
        return
    found = {key: changed_layers(result, METRICS[key]) for key in METRICS if key in keys}
    exact = {key: layers for key, layers in found.items() if layers and METRICS[key].exact}
    if len(exact) > 1:
        paths = {change.path for layers in exact.values() for change in layers}
        yield [*joint_section(exact, METRICS, SHOWN_LAYERS), *more_than_shown(paths)]
    for key, layers in found.items():
        if layers and (key not in exact or len(exact) == 1):
            yield _section(METRICS[key], layers, growth_to_explain(result, METRICS[key], layers))
    moved = [verdict for verdict in result.judgement.layers if verdict.moved]
    if rows := [_move(verdict) for verdict in moved if verdict.metric in found]:
        lines = aligned(rows[:SHOWN_LAYERS], "lrl", indent="  ")
        yield ["moved from a layer around or below:", *lines, *more_than_shown(rows)]
    if former := renamed(result.profile, result.layer_baseline):
        lines = [f"  {shown_path(old)} -> {shown_path(new)}" for new, old in former.items()]
        yield ["renamed, at the same cost:", *lines[:SHOWN_LAYERS], *more_than_shown(lines)]


def _move(verdict: MetricVerdict) -> tuple[str, ...]:
    metric, moved = METRICS[verdict.metric], verdict.moved
    amount = metric.text(moved, metric.decimals_for(moved))
    return shown_path(verdict.path or ""), amount, metric.noun


def more_than_shown(found: Collection[object], noun: str = "") -> list[str]:
    """Return a line that counts what is not shown, if anything is not."""
    more = len(found) - SHOWN_LAYERS
    return [f"  ... and {more} more{noun}"] if more > 0 else []


def _section(metric: Metric, layers: list[LayerChange], growth: Fraction) -> list[str]:
    own = metric.layer_label or metric.label
    return [
        f"{metric.label}: {counted(len(layers), 'layer')} changed, by own {own}:",
        *_fitting(_rows(metric, layers, growth)),
        *more_than_shown(layers),
    ]


def _rows(metric: Metric, layers: list[LayerChange], growth: Fraction) -> list[tuple[str, ...]]:
    """Return path, type, growth, share of the growth, and before -> after or `new`, `missing`."""
    decimals = metric.decimals_for(max(max(c.before, c.after) for c in layers))
    rows: list[tuple[str, ...]] = []
    for change in layers[:SHOWN_LAYERS]:
        share = f"{100 * float(change.growth / growth):.0f} %" if change.growth > 0 else ""
        before, after, by = _figures(metric, change, decimals)
        rows.append(
            (
                shown_path(change.path),
                change.type,
                ("+" if change.growth > 0 else "-") + by,
                share,
                change.kind.value
                if change.kind in (ChangeKind.NEW, ChangeKind.MISSING)
                else f"{before} -> {after}",
            )
        )
    return rows


def _figures(metric: Metric, change: LayerChange, decimals: int) -> tuple[str, str, str]:
    """Format before, after and growth alike; exactly, if rounding would hide the growth."""
    values = change.before, change.after, abs(change.growth)
    before, after, by = (metric.text(value, decimals) for value in values)
    if before == after:
        before, after, by = map(metric.exactly, values)
    return before, after, by


def _fitting(rows: list[tuple[str, ...]]) -> list[str]:
    """Align rows, without the types if they do not fit."""
    lines = aligned(rows, "llrrl", indent="  ")
    if all(len(line) <= WIDTH for line in lines):
        return lines
    return aligned([(path, "", *others) for path, _, *others in rows], "llrrl", indent="  ")
