"""Baselines of a model over sizes: one line for each metric, a polynomial or the values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.record import Baseline, StoredScaling
from pytest_flopbudget.baseline.update import differences, ignored_operators
from pytest_flopbudget.baseline.yaml_scalars import number_text
from pytest_flopbudget.metrics import METRICS, exact_metrics
from pytest_flopbudget.profile.polynomial import parse_polynomial
from pytest_flopbudget.profile.scaling_profile import Curve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.baseline.yaml_nodes import Node
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings

MOST_SIZES = 100


def scaling_lines(scaling: StoredScaling) -> Iterator[str]:
    """Yield the lines of the metrics; those of the head are the writer's."""
    yield "scaling:   # n is the size"
    for metric in exact_metrics():
        if metric.key in scaling.curves:
            yield f"  {_line(metric, scaling.sizes, scaling.curves[metric.key])}"


def _line(metric: Metric, sizes: tuple[int, ...], curve: Curve) -> str:
    if curve.polynomial is None:
        pairs = zip(sizes, curve.values, strict=True)
        values = ", ".join(f"{n}: {number_text(metric, int(value))}" for n, value in pairs)
        return f"{metric.yaml_key}: {{{values}}}"
    try:
        return f"{metric.yaml_key}: {curve.polynomial.text(metric.scale)}"
    except ValueError:  # a third has no end in decimals
        return f"{metric.field}: {curve.polynomial.fractions_text()}"


def read_scaling(of: Node, sizes: Node, node: Node) -> StoredScaling:
    """Read the part of a baseline that is about sizes."""
    numbers = _sizes(sizes)
    scaled = {metric.yaml_key: (metric, metric.scale) for metric in exact_metrics()}
    base = {metric.field: (metric, 1) for metric in exact_metrics()}
    known = base | scaled
    found = {}
    for key, child in node.mapping(optional=known).items():
        metric, scale = known[key]
        if metric.key in found:
            raise child.fail("each metric once", f"{metric.label} again")
        found[metric.key] = _curve(numbers, child, scale)
    curves = {key: found[key] for key in METRICS if key in found}
    return StoredScaling(of=of.text(), sizes=numbers, curves=curves)


def _sizes(node: Node) -> tuple[int, ...]:
    if not isinstance(node.value, list) or not 0 < len(node.value) <= MOST_SIZES:
        raise node.fail("a list of sizes")
    numbers = tuple(item.number() for item in node.value)
    if 0 in numbers or list(numbers) != sorted(set(numbers)):
        raise node.fail("distinct whole numbers from 1 on, in rising order", node_text(numbers))
    return numbers


def node_text(numbers: tuple[int, ...]) -> str:
    """Return sizes as a message shows them."""
    return f"`{', '.join(map(str, numbers))}`"


def _curve(sizes: tuple[int, ...], node: Node, scale: int) -> Curve:
    if isinstance(node.value, dict):
        entries = node.mapping([str(size) for size in sizes])
        return Curve.through(sizes, [entries[str(size)].number(scale) for size in sizes])
    expected = "a polynomial such as `2 n^2 + 0.5 n`, or a mapping of sizes and values"
    try:
        polynomial = parse_polynomial(node.text(), scale)
    except ValueError:
        raise node.fail(expected) from None
    if polynomial.degree > len(sizes) - 2:
        raise node.fail(f"a degree of at most {len(sizes) - 2} from {len(sizes)} sizes")
    values = tuple(polynomial.at(size) for size in sizes)
    if any(value < 0 or value.denominator != 1 for value in values):
        raise node.fail("a polynomial that is a whole number, 0 or more, at each size")
    return Curve(values=values, polynomial=polynomial)


def updated_scaling(
    old: Baseline | None,
    profile: ModelProfile,
    measured: StoredScaling,
    budget_settings: BudgetSettings,
    test: str,
) -> Baseline:
    """Merge what was measured over sizes into a baseline; what was not keeps its stored line.

    Args:
        old: the baseline, if there is one; one of other sizes is started anew.
        profile: of the largest size.
        measured: the curves.
        budget_settings: those of the budget.
        test: the node id.
    """
    if old is not None and (differences(old, profile, measured.sizes) or old.scaling is None):
        old = None
    stored = {} if old is None or old.scaling is None else old.scaling.curves
    curves = {**stored, **measured.curves}
    curves = {key: curves[key] for key in METRICS if key in curves}
    has_counted = any(METRICS[key].of_torch for key in measured.curves)
    new = Baseline(
        test=test,
        model=profile.model,
        inputs=profile.inputs,
        mode=profile.mode,
        engine=profile.engine,
        counter=profile.counter,
        torch=profile.torch if has_counted or old is None else old.torch,
        state=profile.state,
        total={},
        own={},
        ignored=ignored_operators(profile, budget_settings),
        data_dependent=profile.data_dependent,
    )
    return with_scaling(new, StoredScaling(of=measured.of, sizes=measured.sizes, curves=curves))


def with_scaling(baseline: Baseline, scaling: StoredScaling) -> Baseline:
    """Return a baseline with its curves, whose `total` is what they are at the largest size."""
    total = {METRICS[key].field: int(curve.values[-1]) for key, curve in scaling.curves.items()}
    return replace(baseline, scaling=scaling, total=total)
