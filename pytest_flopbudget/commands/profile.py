"""The commands `profile` and `compare`: models by their sources, without a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import FlopBudgetError
from pytest_flopbudget.escaping import visible, visible_lines
from pytest_flopbudget.metrics import METRICS, change_text, exact_metrics
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.layer_table import layer_table, summary_line
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.settings.declared import DeclaredModel, parse_inputs, parse_source
from pytest_flopbudget.settings.measuring import MeasureSettings
from pytest_flopbudget.text_table import aligned, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.profile.model_profile import ModelProfile


@dataclass(frozen=True, kw_only=True)
class ProfileRequest:
    """What is profiled, and how it is shown."""

    inputs: Sequence[str]
    metrics: tuple[str, ...]
    class_name: str | None = None
    depth: int = 2
    columns: tuple[str, ...] = ()
    tensors: bool = False
    json: Path | None = None


def run_profile(source: str, request: ProfileRequest) -> int:
    """Print the per-layer table of a model; return 2 if it cannot be profiled."""
    return _reported(lambda: _profile(source, request), request)


def run_compare(one: str, other: str, request: ProfileRequest) -> int:
    """Print what differs between two models; return 2 if one cannot be profiled."""
    return _reported(lambda: _compare(one, other, request), request)


def _reported(work: Any, request: ProfileRequest) -> int:
    try:
        data, lines = work()
        if request.json is not None:
            request.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except (FlopBudgetError, OSError) as error:
        print(visible_lines(str(error)), file=sys.stderr)  # noqa: T201 - a command
        return 2
    for line in lines:
        print(visible(line))  # noqa: T201 - a command
    return 0


def _profile(source: str, request: ProfileRequest) -> tuple[Any, list[str]]:
    model, profile = _measured(source, request)
    lines = layer_table(profile, request.depth, names=request.columns)
    if request.tensors:
        lines += ["", *_tensor_lines(model)]
    return profile.to_dict(), lines


def _measured(source: str, request: ProfileRequest) -> tuple[Any, ModelProfile]:
    from pytest_flopbudget.errors import MeasureError
    from pytest_flopbudget.measure.model_sources.building import NotOnMetaError, build, first_line
    from pytest_flopbudget.measure.model_sources.inputs import inputs_of
    from pytest_flopbudget.measure.pipeline import measure

    where = f"`{source}`"
    parsed = parse_source(where, source, request.class_name)
    args, kwargs = parse_inputs(where, list(request.inputs))
    declared = DeclaredModel(source=parsed, args=args, kwargs=kwargs)
    on_meta = all(METRICS[key].exact for key in request.metrics) and not request.tensors
    try:
        model = build(parsed, on_meta=on_meta)
    except NotOnMetaError:
        model = build(parsed, on_meta=False)
    settings = MeasureSettings(metrics=request.metrics)
    try:
        return model, measure(model, *inputs_of(declared), settings)
    except FlopBudgetError:
        raise
    except Exception as error:
        said = f"{where} does not run with its inputs: {first_line(error)}"
        raise MeasureError(said, "--input float32[1,3,224,224], or --input NAME=...") from error


def _tensor_lines(model: Any) -> list[str]:
    from pytest_flopbudget.measure.model_sources.tensors import named_tensors

    heading = ("tensor", "kind", "trainable", "scalars", "shape", "dtype", "bytes", "mean", "std")
    rows = [
        (
            tensor.name,
            "parameter" if tensor.is_parameter else "buffer",
            "yes" if tensor.trainable else "no",
            f"{tensor.scalars:,}",
            shape_text(tensor.shape),
            tensor.dtype,
            f"{tensor.bytes:,}",
            "-" if tensor.mean is None else f"{tensor.mean:.3g}",
            "-" if tensor.deviation is None else f"{tensor.deviation:.3g}",
        )
        for tensor in named_tensors(model)
    ]
    return aligned([heading, *rows], "lllrllrrr")


def _compare(one: str, other: str, request: ProfileRequest) -> tuple[Any, list[str]]:
    before, after = _measured(one, request)[1], _measured(other, request)[1]
    differences = list(_differences(before, after))
    metrics = [m for m in exact_metrics() if m.of(before) is not None or m.of(after) is not None]
    heading = ["layer", "", *(cell for m in metrics for cell in (m.heading, "change"))]
    rows = [
        [
            shown_path(one["path"]),
            one["state"],
            *(cell for m in metrics for cell in _cells(m, one["before"], one["after"])),
        ]
        for one in differences
    ]
    table = aligned([heading, *rows], "ll" + "rr" * len(metrics)) if rows else []
    number = counted(len(rows), "layer")
    lines = [summary_line(before), summary_line(after), *table, f"{number} differ by their own"]
    data = {"before": before.to_dict(), "after": after.to_dict(), "layers": differences}
    return data, lines


def _cells(metric: Any, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """Return what a layer costs by itself after, and the change."""
    old, new = before.get(metric.field), after.get(metric.field)
    changed = "" if new == old else change_text(new or 0, old or 0)
    return metric.text(new, metric.decimals_for(new)), changed


def _differences(before: ModelProfile, after: ModelProfile) -> Iterator[dict[str, Any]]:
    """Yield the layers that are new, gone, or cost something else by themselves."""
    paths = dict.fromkeys([layer.path for profile in (after, before) for layer in profile])
    for path in paths:
        old = _own(before, path)
        new = _own(after, path)
        if old == new:
            continue
        state = "new" if path not in before else "gone" if path not in after else "changed"
        if any(old.values()) or any(new.values()):
            yield {"path": path, "state": state, "before": old, "after": new}


def _own(profile: ModelProfile, path: str) -> dict[str, Any]:
    if path not in profile:
        return {}
    return {metric.field: metric.own(profile[path]) for metric in exact_metrics()}
