"""The per-layer table, as YOLOv5 prints it: time, GFLOPs, params, layer, and more."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.metrics import (
    METRICS,
    PARAMS,
    figures_of,
    noisy_metrics,
)
from pytest_flopbudget.profile.layer_columns import (
    decimals_of,
    default_columns,
    named_columns,
    shapes_text,
)
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.text_table import WIDTH, aligned, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flopbudget.profile.layer_columns import Before
    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile

DEPTH = 2
DATA_DEPENDENT = "the values of tensors decided what ran or what it costs"


def layer_table(
    profile: ModelProfile,
    depth: int = DEPTH,
    *,
    width: int | None = None,
    most: int | None = None,
    names: Sequence[str] = (),
    before: Before | None = None,
) -> list[str]:
    """Return the lines of the table: layers down to `depth`, the whole model, and a summary.

    Every row is a total: it includes the layers below it. The share is that of the model's
    GFLOPs, or of its params where nothing was counted. Columns that explain least are left out
    where the table would be wider than `width`; of more than `most` layers, those that cost least.
    Columns that were named are shown at any width. `before` is what a baseline has.
    """
    inner = [layer for layer in profile.layers if layer.path and _depth(layer) <= depth]
    found = [layer for layer in inner if layer.calls != 0 or layer.params]
    shown = found if most is None else _costliest(found, most)
    chosen = named_columns(names, before) if names else default_columns(profile, before)
    columns = list(dict.fromkeys(chosen))
    rows = [[c.cell(layer, profile) for c in columns] for layer in (*shown, _total(profile))]
    table = aligned(
        [[column.heading for column in columns], *rows],
        "".join(column.side for column in columns),
        width=None if names else width,
        spare=[columns.index(c) for c in sorted(columns, key=lambda c: c.spare) if c.spare],
    )
    rest = len(found) - len(shown)
    more = [f"... and {counted(rest, 'more layer')} that cost less"] if rest else []
    notes = (
        wrap(visible(note), width or WIDTH, subsequent_indent="  ") for note in _notes(profile)
    )
    lines = [*table, *more, summary_line(profile), *(line for note in notes for line in note)]
    return [visible(line) for line in lines]


def summary_line(profile: ModelProfile) -> str:
    """Sum the model up: its layers, and every metric that was measured."""
    parts = [f"{profile.model}: {counted(len(profile.layers), 'layer')}"]
    for metric in METRICS.values():
        if (value := metric.of(profile)) is not None:
            parts.append(f"{metric.text(value, decimals_of(metric, profile))} {metric.noun}")
        if metric is PARAMS:
            parts.append(f"{profile.trainable_params:,} trainable")
    return ", ".join(parts)


def _costliest(layers: Sequence[LayerProfile], most: int) -> Sequence[LayerProfile]:
    """Return the layers with the most FLOPs, then params, in their order."""
    by_cost = sorted(layers, key=lambda layer: (layer.flops or 0, layer.params), reverse=True)
    kept = {layer.path for layer in by_cost[:most]}
    return [layer for layer in layers if layer.path in kept]


def _notes(profile: ModelProfile) -> list[str]:
    """Return what else a reader of the figures must know."""
    notes = [
        f"uncounted: {u.operator} in {shown_path(u.path)}, "
        f"{counted(u.calls, 'call')}, shapes {shapes_text(u.shapes)}"
        for u in profile.uncounted
    ]
    if profile.unused:
        notes.append(f"unused: {', '.join(profile.unused)}")
    if profile.data_dependent:
        notes.append(f"data dependent: {DATA_DEPENDENT}")
    if profile.environment:
        verb = "measured" if profile.latency_ms is None else "timed"
        notes.append(f"{verb} on {profile.environment.text}")
    notes += [f"{metric} not measured: {why}" for metric, why in profile.not_measured.items()]
    return notes


def _total(profile: ModelProfile) -> LayerProfile:
    """Return the root layer, with the noisy figures that were measured of the whole model."""
    known: dict[str, Any] = {f.field: f.of(profile) for f in figures_of(noisy_metrics())}
    return replace(profile.layers[0], **known)


def _depth(layer: LayerProfile) -> int:
    return layer.path.count(".") + 1
