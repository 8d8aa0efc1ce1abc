"""The per-layer table, as YOLOv5 prints it: time (ms), GFLOPs, params, layer, and more."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from pytest_flopbudget.metrics import GFLOPS, LATENCY, MEMORY, PARAMS
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.text_table import WIDTH, aligned, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
    from pytest_flopbudget.profile.shapes import Shape

DEPTH = 2
SHOWN_SHAPES = 2


class Column(NamedTuple):
    """One column: how it is headed, what stands in it, and when it is there at all."""

    heading: str
    cell: Callable[[LayerProfile, ModelProfile], str]
    side: str = "r"
    spare: int = 0  # from 1, the order in which columns are left out where there is no room
    needs: str = "params"  # a field of the profile without which the column says nothing


def layer_table(
    profile: ModelProfile,
    depth: int = DEPTH,
    *,
    width: int | None = None,
    most: int | None = None,
) -> list[str]:
    """Draw the layers down to `depth`, a row for the whole model, and the summary line.

    Every row is a total: it includes the layers below it. The share is that of the model's
    GFLOPs, or of its params where nothing was counted. Columns that explain least are left out
    where the table would be wider than `width`; of more than `most` layers, those that cost least.
    """
    inner = [layer for layer in profile.layers if layer.path and _depth(layer) <= depth]
    found = [layer for layer in inner if layer.calls != 0 or layer.params]
    shown = found if most is None else _costliest(found, most)
    columns = [column for column in COLUMNS if getattr(profile, column.needs) is not None]
    rows = [[c.cell(layer, profile) for c in columns] for layer in (*shown, _total(profile))]
    table = aligned(
        [[column.heading for column in columns], *rows],
        "".join(column.side for column in columns),
        width=width,
        spare=[columns.index(c) for c in sorted(columns, key=lambda c: c.spare) if c.spare],
    )
    rest = len(found) - len(shown)
    more = [f"... and {counted(rest, 'more layer')} that cost less"] if rest else []
    notes = (wrap(note, width or WIDTH, subsequent_indent="  ") for note in _notes(profile))
    return [*table, *more, summary_line(profile), *(line for lines in notes for line in lines)]


def summary_line(profile: ModelProfile) -> str:
    """Sum the model up: layers, params, trainable params, GFLOPs."""
    parts = [
        f"{profile.model}: {counted(len(profile.layers), 'layer')}",
        f"{profile.params:,} params",
        f"{profile.trainable_params:,} trainable",
    ]
    if profile.flops is not None:
        parts.append(f"{GFLOPS.text(profile.flops, _decimals(profile))} GFLOPs")
    if profile.latency_ms is not None:
        parts.append(f"{LATENCY.text(profile.latency_ms)} ms")
    if profile.memory_bytes is not None:
        decimals = MEMORY.decimals_for(profile.memory_bytes)
        parts.append(f"{MEMORY.text(profile.memory_bytes, decimals)} MB")
    return ", ".join(parts)


def _costliest(layers: Sequence[LayerProfile], most: int) -> Sequence[LayerProfile]:
    """Keep the layers with the most FLOPs, then params, in their order."""
    by_cost = sorted(layers, key=lambda layer: (layer.flops or 0, layer.params), reverse=True)
    kept = {layer.path for layer in by_cost[:most]}
    return [layer for layer in layers if layer.path in kept]


def _notes(profile: ModelProfile) -> list[str]:
    """Say what else a reader of the figures must know."""
    notes = [
        f"uncounted: {u.operator} in {shown_path(u.path)}, "
        f"{counted(u.calls, 'call')}, shapes {_shapes(u.shapes)}"
        for u in profile.uncounted
    ]
    if profile.unused:
        notes.append(f"unused: {', '.join(profile.unused)}")
    if profile.data_dependent:
        notes.append("data dependent: the values of tensors decided what ran or what it costs")
    if profile.environment:
        did = "measured" if profile.latency_ms is None else "timed"
        notes.append(f"{did} on {profile.environment.key}, torch {profile.environment.torch}")
    notes += [f"{metric} not measured: {why}" for metric, why in profile.not_measured.items()]
    return notes


def _total(profile: ModelProfile) -> LayerProfile:
    """Take what was measured without a look at the layers for the whole model."""
    fields = ("latency_ms", "forward_latency_ms", "backward_latency_ms", "memory_bytes")
    return replace(profile.layers[0], **{name: getattr(profile, name) for name in fields})


def _memory(layer: LayerProfile, profile: ModelProfile) -> str:
    return MEMORY.text(layer.memory_bytes, MEMORY.decimals_for(profile.memory_bytes))


def _decimals(profile: ModelProfile) -> int:
    return GFLOPS.decimals_for(profile.flops)


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


def _shapes(shapes: Sequence[Shape]) -> str:
    """Write shapes as `1x3x640x640`; all but the first two are only counted."""
    texts = [shape_text(shape) for shape in shapes]
    more = len(texts) - SHOWN_SHAPES
    return ", ".join(texts[:SHOWN_SHAPES]) + (f", +{more}" if more > 0 else "")


COLUMNS = (
    Column("time (ms)", lambda layer, _: LATENCY.text(layer.latency_ms)),
    Column(
        "forward (ms)",
        lambda layer, _: LATENCY.text(layer.forward_latency_ms),
        needs="forward_latency_ms",
    ),
    Column(
        "backward (ms)",
        lambda layer, _: LATENCY.text(layer.backward_latency_ms),
        needs="backward_latency_ms",
    ),
    Column(MEMORY.heading, _memory, needs="memory_bytes"),
    Column("GFLOPs", lambda layer, profile: GFLOPS.text(layer.flops, _decimals(profile))),
    Column("params", lambda layer, _: PARAMS.text(layer.params)),
    Column("layer", lambda layer, _: layer.name, "l"),
    Column("type", lambda layer, _: layer.type, "l", 4),
    Column("calls", lambda layer, _: "-" if layer.calls is None else f"{layer.calls:,}", spare=6),
    Column("share", _share, spare=5),
    Column("GFLOP/s", lambda layer, _: _rate(layer.flops, layer.latency_ms), spare=3),
    Column("input", lambda layer, _: _shapes(layer.input_shapes), "l", 2),
    Column("output", lambda layer, _: _shapes(layer.output_shapes), "l", 1),
)
