"""The per-layer table, as YOLOv5 prints it: time, GFLOPs, params, layer, and more."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.metrics import (
    METRICS,
    PARAMS,
    TRAFFIC,
    Metric,
    exact_metrics,
    figures_of,
    noisy_metrics,
)
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.text_table import WIDTH, aligned, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_flopbudget.metrics import Figure
    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
    from pytest_flopbudget.profile.shapes import Shape

DEPTH = 2
SHOWN_SHAPES = 2
DATA_DEPENDENT = "the values of tensors decided what ran or what it costs"


class Column(NamedTuple):
    """One column: its heading, the text of its cells, and when it is left out."""

    heading: str
    cell: Callable[[LayerProfile, ModelProfile], str]
    side: str = "r"
    spare: int = 0  # from 1, the order in which columns are left out where there is no room
    of: Metric | None = None  # without which it has nothing to show


def layer_table(
    profile: ModelProfile,
    depth: int = DEPTH,
    *,
    width: int | None = None,
    most: int | None = None,
) -> list[str]:
    """Return the lines of the table: layers down to `depth`, the whole model, and a summary.

    Every row is a total: it includes the layers below it. The share is that of the model's
    GFLOPs, or of its params where nothing was counted. Columns that explain least are left out
    where the table would be wider than `width`; of more than `most` layers, those that cost least.
    """
    inner = [layer for layer in profile.layers if layer.path and _depth(layer) <= depth]
    found = [layer for layer in inner if layer.calls != 0 or layer.params]
    shown = found if most is None else _costliest(found, most)
    known = [c for c in OTHER_COLUMNS if c.of is None or c.of.of(profile) is not None]
    columns = [*_figure_columns(profile), *known]
    rows = [[c.cell(layer, profile) for c in columns] for layer in (*shown, _total(profile))]
    table = aligned(
        [[column.heading for column in columns], *rows],
        "".join(column.side for column in columns),
        width=width,
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
            parts.append(f"{metric.text(value, _decimals(metric, profile))} {metric.noun}")
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
        f"{counted(u.calls, 'call')}, shapes {_shapes(u.shapes)}"
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


def _decimals(figure: Figure, profile: ModelProfile) -> int:
    """Return the decimals of a column: those of its total, and of times the usual ones."""
    return figure.decimals if figure.timed else figure.decimals_for(figure.of(profile))


def _depth(layer: LayerProfile) -> int:
    return layer.path.count(".") + 1


def _share(layer: LayerProfile, profile: ModelProfile) -> str:
    part, whole = layer.flops, profile.flops
    if part is None or not whole:
        part, whole = layer.params, profile.params
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _rate(flops: int | None, latency_ms: float | None) -> str:
    """Format the GFLOP/s that a layer achieved: FLOPs / 10^9 over seconds."""
    if flops is None or not latency_ms:
        return "-"
    return f"{flops / latency_ms / 1e6:,.1f}"


def _intensity(layer: LayerProfile) -> str:
    """Format the FLOPs that a layer does for each byte that it moves."""
    if layer.flops is None or not layer.traffic_bytes:
        return "-"
    return f"{layer.flops / layer.traffic_bytes:,.1f}"


def _shapes(shapes: Sequence[Shape]) -> str:
    """Return shapes as `1x3x640x640`; all but the first two are only counted."""
    texts = [shape_text(shape) for shape in shapes]
    more = len(texts) - SHOWN_SHAPES
    return ", ".join(texts[:SHOWN_SHAPES]) + (f", +{more}" if more > 0 else "")


def _figure_columns(profile: ModelProfile) -> Iterator[Column]:
    """Yield the columns of the noisy metrics, forward and backward as well, then the exact ones."""
    for metric in (*noisy_metrics(), *reversed(exact_metrics())):
        if metric.always_shown or metric.of(profile) is not None:
            yield Column(metric.layer_heading, partial(_value, metric))
        for phase in metric.phases if metric.timed else ():
            if phase.of(profile) is not None:
                yield Column(phase.heading, partial(_value, phase))


def _value(figure: Figure, layer: LayerProfile, profile: ModelProfile) -> str:
    return figure.text(figure.of(layer), _decimals(figure, profile))


OTHER_COLUMNS = (
    Column("layer", lambda layer, _: layer.name, "l"),
    Column("type", lambda layer, _: layer.type, "l", 4),
    Column("calls", lambda layer, _: "-" if layer.calls is None else f"{layer.calls:,}", spare=6),
    Column("share", _share, spare=5),
    Column("GFLOP/s", lambda layer, _: _rate(layer.flops, layer.latency_ms), spare=3),
    Column("intensity", lambda layer, _: _intensity(layer), spare=3, of=TRAFFIC),
    Column("input", lambda layer, _: _shapes(layer.input_shapes), "l", 2),
    Column("output", lambda layer, _: _shapes(layer.output_shapes), "l", 1),
)
