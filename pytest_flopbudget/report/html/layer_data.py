"""The layers of a profile and of its baseline as the columns of one tree."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.metrics import LATENCY, METRICS, exact_metrics
from pytest_flopbudget.profile.model_profile import LayerProfile
from pytest_flopbudget.profile.shapes import shape_text
from pytest_flopbudget.verdict.layer_changes import ChangeKind, changes, renamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.shapes import Shape
    from pytest_flopbudget.verdict.layer_changes import LayerChange
    from pytest_flopbudget.verdict.result import Result


class NumberedTexts:
    """Numbers for texts: the same for a text each time, from 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def number(self, text: str) -> int:
        """Return the number of a text, a new one if it is new."""
        return self._numbers.setdefault(text, len(self._numbers))


def layer_columns(result: Result, texts: NumberedTexts) -> dict[str, Any]:
    """Return a column for each property of the layers, those of the baseline that are gone last.

    `parent` is the place of the layer around one, which comes before it; -1 has none. `state` and
    `former` have an entry for each layer that is new, missing or renamed, by its place.
    """
    former = {} if result.layer_baseline is None else renamed(result.profile, result.layer_baseline)
    missing = list(_missing(result, set(former.values())))
    layers = [*result.profile.layers, *missing]
    places = {layer.path: place for place, layer in enumerate(layers)}
    changed = _exact_changes(result)
    new = {c.path for found in changed.values() for c in found if c.kind is ChangeKind.NEW}
    state = {
        **{places[path]: ChangeKind.NEW.value for path in new},
        **{places[path]: ChangeKind.RENAMED.value for path in former},
        **{places[layer.path]: ChangeKind.MISSING.value for layer in missing},
    }
    metrics = {key: _costs(metric, layers) for key, metric in METRICS.items()}
    for key, found in changed.items():
        metrics[key]["before"] = {places[change.path]: int(change.before) for change in found}
    if stored := _stored_times(result):
        times = {places[path]: time for path, time in stored.items() if path in places}
        metrics[LATENCY.key]["beforeTotal"] = times
    shown = {verdict.metric for verdict in result.judgement.metrics}
    shown &= {key for key, column in metrics.items() if {"own", "total"} & column.keys()}
    return {
        "parent": list(_parents([layer.path for layer in layers])),
        "path": [texts.number(layer.path) for layer in layers],
        "type": [texts.number(layer.type) for layer in layers],
        "arguments": [texts.number(layer.arguments) for layer in layers],
        "inputs": [texts.number(shapes_text(layer.input_shapes)) for layer in layers],
        "outputs": [texts.number(shapes_text(layer.output_shapes)) for layer in layers],
        "calls": [layer.calls for layer in layers],
        "metrics": {key: column for key, column in metrics.items() if key in shown},
        "state": state,
        "former": {places[new]: texts.number(old) for new, old in former.items()},
    }


def shapes_text(shapes: Iterable[Shape]) -> str:
    """Return shapes as `1x3x640x640`, separated by commas."""
    return ", ".join(map(shape_text, shapes))


def _missing(result: Result, moved: set[str]) -> Iterator[LayerProfile]:
    """Yield the layers that only the baseline has, as layers that cost nothing any more.

    Those around them that are gone as well cost nothing by themselves, and are not stored.
    """
    stored = result.layer_baseline.own if result.layer_baseline else {}
    gone = {path: own.type for path, own in stored.items() if path not in result.profile}
    seen: set[str] = set()
    for path in gone:
        if path in moved:
            continue
        for around in accumulate(path.split("."), "{}.{}".format):
            if around not in result.profile and around not in seen:
                seen.add(around)
                yield LayerProfile(
                    path=around,
                    type=gone.get(around, ""),
                    arguments="",
                    params=0,
                    own_params=0,
                    trainable_params=0,
                )


def _parents(paths: Sequence[str]) -> Iterator[int]:
    """Yield for each layer the place of the nearest one around it, which comes before it."""
    places: dict[str, int] = {}
    for place, path in enumerate(paths):
        around = path
        while around:
            around = around.rpartition(".")[0]
            if around in places:
                break
        yield places.get(around, 0) if place else -1
        places[path] = place


def _costs(metric: Metric, layers: Sequence[LayerProfile]) -> dict[str, Any]:
    """Return the own costs of the layers, which add up, or what they are in all, like a peak."""
    value_of = metric.own if metric.adds_up else metric.of
    values = [value_of(layer) for layer in layers]
    if all(value is None for value in values):
        return {}
    return {"own" if metric.adds_up else "total": values}


def _exact_changes(result: Result) -> dict[str, list[LayerChange]]:
    """List the layers whose own costs changed, for each exact metric that can be compared."""
    profile, baseline = result.profile, result.layer_baseline
    if baseline is None:
        return {}
    return {
        metric.key: changes(metric, profile, baseline)
        for metric in exact_metrics()
        if metric.field in baseline.total and metric.of(profile) is not None
    }


def _stored_times(result: Result) -> dict[str, float]:
    """Return the times of whole layers that the latency was compared with, as far as stored."""
    compared = {v.metric for v in result.judgement.metrics if v.baseline is not None}
    environment = result.profile.environment
    if result.layer_baseline is None or environment is None or LATENCY.key not in compared:
        return {}
    entry = result.layer_baseline.environments.get(environment.key)
    return entry.layers if entry else {}
