"""The settings of one budget: how one call of the fixture is measured and judged."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import SettingsError, one_of, with_nearest
from pytest_flopbudget.metrics import METRICS, ceilings
from pytest_flopbudget.settings import parsers
from pytest_flopbudget.settings.measuring import MeasureSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    """The settings of one budget, each with the default that the documentation states."""

    name: str | None = None
    metrics: tuple[str, ...] = ("params", "gflops", "traffic", "latency")
    engine: str = MeasureSettings.engine
    mode: str = MeasureSettings.mode
    device: str | None = MeasureSettings.device
    threads: int = MeasureSettings.threads
    time_limit: float = MeasureSettings.time_limit
    seed: int = MeasureSettings.seed
    tolerance: dict[str, Fraction] = field(
        default_factory=lambda: {key: Fraction(m.tolerance) for key, m in METRICS.items()}
    )
    ceilings: dict[str, Fraction] = field(default_factory=dict)  # by metric, in base units
    each_layer: bool = True  # judge the own costs of every layer
    layer_globs: tuple[str, ...] = ()  # or the totals of these
    ignore_ops: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ()

    @property
    def measure_settings(self) -> MeasureSettings:
        """Those of the settings that measuring needs."""
        return MeasureSettings(**{f.name: getattr(self, f.name) for f in fields(MeasureSettings)})

    def with_tolerance(self, tolerance: Mapping[str, Fraction]) -> BudgetSettings:
        """Return the same settings with other tolerances for the metrics in `tolerance`."""
        return replace(self, tolerance={**self.tolerance, **tolerance})


ARGUMENTS: dict[str, parsers.Parser] = {
    "name": parsers.file_name,
    "metrics": parsers.metrics,
    "tolerance": parsers.tolerance,
    "layers": parsers.layers,
    "mode": parsers.choice(*parsers.MODES),
    "engine": parsers.choice(*parsers.ENGINES),
    "device": parsers.device,
    "threads": parsers.whole_number(1),
}


def argument_parsers() -> dict[str, parsers.Parser]:
    """Return the parser of each marker argument, those of the ceilings last."""
    return ARGUMENTS | {name: parsers.ceiling(metric) for name, metric in ceilings().items()}


def parse_arguments(where: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments of one marker.

    Raises:
        SettingsError: a positional argument, an unknown name, or a value that does not parse.
    """
    parser_of = argument_parsers()
    if args:
        raise SettingsError(
            f"{where}: arguments are keyword only, found `{args[0]!r}`",
            f"the names are {one_of(parser_of)}",
        )
    for name in kwargs:
        if name not in parser_of:
            raise SettingsError(
                with_nearest(f"{where}: unknown argument `{name}`", name, parser_of),
                f"the names are {one_of(parser_of)}",
            )
    return parsers.parse_each(where, parser_of, kwargs)


def with_arguments(
    budget_settings: BudgetSettings,
    markers: Iterable[Mapping[str, Any]],
    pinned: Iterable[str] = (),
) -> BudgetSettings:
    """Return the settings as parsed marker arguments change them.

    Args:
        budget_settings: those that apply where no marker says otherwise.
        markers: the arguments of each marker, the farthest first; the last one wins, key by key.
        pinned: names of arguments that markers do not change.
    """
    limited = ceilings()
    for arguments in markers:
        plain = {name: value for name, value in arguments.items() if name not in pinned}
        tolerance = plain.pop("tolerance", {})
        new = {limited[name].key: plain.pop(name) for name in limited.keys() & plain.keys()}
        if "layers" in plain:
            layers = plain.pop("layers")
            globs = () if isinstance(layers, bool) else layers
            plain |= {"each_layer": layers is True, "layer_globs": globs}
        budget_settings = replace(
            budget_settings.with_tolerance(tolerance),
            ceilings={**budget_settings.ceilings, **new},
            **plain,
        )
    return budget_settings
