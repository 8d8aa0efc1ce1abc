"""The columns of the per-layer table: by name, and those that are shown if none are named."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_flopbudget.metrics import (
    LATENCY,
    METRICS,
    TRAFFIC,
    Metric,
    change_text,
    exact_metrics,
    noisy_metrics,
)
from pytest_flopbudget.profile.shapes import shape_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_flopbudget.metrics import Figure
    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
    from pytest_flopbudget.profile.shapes import Shape

SHOWN_SHAPES = 2


class Column(NamedTuple):
    """One column: its heading, the text of its cells, and when it is left out."""

    heading: str
    cell: Callable[[LayerProfile, ModelProfile], str]
    side: str = "r"
    spare: int = 0  # from 1, the order in which columns are left out where there is no room
    of: Metric | None = None  # without which it has nothing to show
    name: str = ""  # by which it is chosen
    is_extra: bool = False  # shown only where it is named


class Before(NamedTuple):
    """What the baseline has of one metric: the total of each layer by its path."""

    metric: Metric
    totals: Mapping[str, int]


def named_columns(names: Sequence[str], before: Before | None) -> list[Column]:
    """Return columns by their names (`settings.parsers.COLUMNS`), in that order."""
    by_name = {column.name: column for column in OTHER_COLUMNS}
    by_name |= {("time" if m is LATENCY else m.key): _of_metric(m) for m in METRICS.values()}
    by_name |= {phase.label: _of_figure(phase) for phase in LATENCY.phases}
    by_name |= {column.name: column for column in _of_baseline(before)}
    return [by_name[name] for name in names]


def default_columns(profile: ModelProfile, before: Before | None) -> list[Column]:
    """Return the columns that have something to show."""
    compared = _of_baseline(before) if before else ()
    known = [
        c
        for c in OTHER_COLUMNS
        if not c.is_extra and (c.of is None or c.of.of(profile) is not None)
    ]
    return [*_figure_columns(profile), *compared, *known]


def decimals_of(figure: Figure, profile: ModelProfile) -> int:
    """Return the decimals of a column: those of its total, and of times the usual ones."""
    return figure.decimals if figure.timed else figure.decimals_for(figure.of(profile))


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


def shapes_text(shapes: Sequence[Shape]) -> str:
    """Return shapes as `1x3x640x640`; all but the first two are only counted."""
    texts = [shape_text(shape) for shape in shapes]
    more = len(texts) - SHOWN_SHAPES
    return ", ".join(texts[:SHOWN_SHAPES]) + (f", +{more}" if more > 0 else "")


def _figure_columns(profile: ModelProfile) -> Iterator[Column]:
    """Yield the columns of the noisy metrics, forward and backward as well, then the exact ones."""
    for metric in (*noisy_metrics(), *reversed(exact_metrics())):
        if metric.always_shown or metric.of(profile) is not None:
            yield _of_metric(metric)
        for phase in metric.phases if metric.timed else ():
            if phase.of(profile) is not None:
                yield _of_figure(phase)


def _of_metric(metric: Metric) -> Column:
    return Column(metric.layer_heading, partial(_value, metric))


def _of_figure(figure: Figure) -> Column:
    return Column(figure.heading, partial(_value, figure))


def _of_baseline(before: Before | None) -> tuple[Column, Column]:
    """Return the columns of what the baseline has, and of the change since."""

    def stored(layer: LayerProfile) -> int | None:
        return None if before is None else before.totals.get(layer.path)

    def figure(layer: LayerProfile, profile: ModelProfile) -> str:
        value = stored(layer)
        if before is None or value is None:
            return "-"
        return before.metric.text(value, decimals_of(before.metric, profile))

    def change(layer: LayerProfile, _: ModelProfile) -> str:
        value = stored(layer)
        if before is None or value is None:
            return "-"
        return change_text(before.metric.of(layer), value)

    heading = f"baseline {before.metric.label}" if before else "baseline"
    return Column(heading, figure, spare=6, name="baseline"), Column(
        "change", change, spare=6, name="change"
    )


def _value(figure: Figure, layer: LayerProfile, profile: ModelProfile) -> str:
    return figure.text(figure.of(layer), decimals_of(figure, profile))


OTHER_COLUMNS = (
    Column("layer", lambda layer, _: layer.name, "l", name="layer"),
    Column("type", lambda layer, _: layer.type, "l", 4, name="type"),
    Column("arguments", lambda layer, _: layer.arguments, "l", name="arguments", is_extra=True),
    Column(
        "calls",
        lambda layer, _: "-" if layer.calls is None else f"{layer.calls:,}",
        spare=7,
        name="calls",
    ),
    Column("share", _share, spare=5, name="share"),
    Column("GFLOP/s", lambda layer, _: _rate(layer.flops, layer.latency_ms), spare=3, name="rate"),
    Column("intensity", lambda layer, _: _intensity(layer), spare=3, of=TRAFFIC, name="intensity"),
    Column("input", lambda layer, _: shapes_text(layer.input_shapes), "l", 2, name="input"),
    Column("output", lambda layer, _: shapes_text(layer.output_shapes), "l", 1, name="output"),
)
