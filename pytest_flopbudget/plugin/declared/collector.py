"""Collects the models of a TOML file: each is an item like any test with a budget."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.errors import FlopBudgetError, SettingsError
from pytest_flopbudget.escaping import visible_lines
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.plugin.declared.building import BUILT_FOR_REAL, REBUILD
from pytest_flopbudget.plugin.hooks import SETTINGS
from pytest_flopbudget.plugin.items import NAME, failure, marker_arguments
from pytest_flopbudget.settings.budget import with_arguments
from pytest_flopbudget.settings.declared import DeclaredModel, parse_declared

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_flopbudget.plugin.fixture import FlopBudget

TABLES = ("tool", "flop_budget", "models")  # around the models in an ini file


class ModelsFile(pytest.Module):
    """A file with models. To pytest it is a module, so that fixtures and markers work as usual."""

    def _getobj(self) -> ModuleType:
        return ModuleType(self.path.stem)  # nothing is imported

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the item of each model."""
        for name, table in _tables(self.path, shown=self.nodeid).items():
            yield DeclaredItem.from_parent(self, name=name, callobj=_asks, table=table)


class DeclaredItem(pytest.Function):
    """The budget of one declared model."""

    def __init__(self, *, table: object, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        where = f"{self.parent.nodeid if self.parent else ''}: `{self.name}`"
        self._declared: DeclaredModel | None = None
        self._error: SettingsError | None = None
        try:
            self._declared = parse_declared(where, table)
        except SettingsError as error:
            self._error = error  # of this item alone
        else:
            self.add_marker(getattr(pytest.mark, NAME)(**self._arguments(self._declared)))
        self.obj = self._judge
        self._lines = _lines_of(self.path)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the model is declared."""
        return self.path, self._lines.get(self.name), self.name

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:  # noqa: ARG002 - pytest's
        """Return what a model raised as one sentence: the user has no code to trace it in."""
        error = excinfo.value
        if self._declared is None or isinstance(error, pytest.fail.Exception):
            return super().repr_failure(excinfo)
        from pytest_flopbudget.measure.model_sources.building import first_line

        source = self._declared.source.text
        return visible_lines(f"`{source}` does not run with its `inputs`: {first_line(error)}")

    def _arguments(self, declared: DeclaredModel) -> dict[str, Any]:
        """Return the arguments of the marker: without metrics, the exact ones of the run."""
        arguments = dict(declared.arguments)
        settings = self.config.stash.get(SETTINGS, None)
        if settings is not None and "metrics" not in arguments:
            metrics = settings.budget_settings.metrics
            exact = [key for key in metrics if METRICS[key].exact]
            arguments["metrics"] = exact or list(metrics)
        return arguments

    def _judge(self, flop_budget: FlopBudget) -> None:
        __tracebackhide__ = True
        try:
            if self._error is not None or self._declared is None:
                raise self._error or SettingsError(f"`{self.name}`: nothing is declared")
            model, args, kwargs = self._call(self._declared)
        except FlopBudgetError as error:
            raise failure(str(error)) from None
        flop_budget(model, *args, **kwargs)

    def _call(self, declared: DeclaredModel) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Build the model, on meta if nothing needs values, and its inputs."""
        from pytest_flopbudget.measure.model_sources.building import NotOnMetaError, build
        from pytest_flopbudget.measure.model_sources.inputs import inputs_of

        settings = self.config.stash[SETTINGS]
        budget = with_arguments(settings.budget_settings, marker_arguments(self), settings.pinned)

        def for_real() -> Any:
            return build(declared.source, on_meta=False, seed=settings.seed or 0)

        args, kwargs = inputs_of(declared)
        if not all(METRICS[key].exact for key in budget.metrics):
            return for_real(), args, kwargs
        try:
            model = build(declared.source, on_meta=True)
        except NotOnMetaError as error:
            model = for_real()
            self.stash[BUILT_FOR_REAL] = f"cannot be built on meta tensors: {error}"
        else:
            self.stash[REBUILD] = for_real
        return model, args, kwargs


def _asks(flop_budget: FlopBudget) -> None:
    """Stand for the test of an item until it has one of its own."""


def _tables(file: Path, *, shown: str) -> Mapping[str, object]:
    """Return the table of each model in a file.

    Raises:
        CollectError: it is no valid TOML.
    """
    try:
        root: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        said = f"{shown}: expected TOML: {getattr(error, 'strerror', None) or error}"
        raise pytest.Collector.CollectError(visible_lines(said)) from None
    if "tool" not in root:
        return root if file.name not in ("pyproject.toml", "pytest.toml", ".pytest.toml") else {}
    for key in TABLES:
        root = root.get(key, {}) if isinstance(root, dict) else root
    if not isinstance(root, dict):
        said = f"{shown}: `{'.'.join(TABLES)}`: expected a table of models, found `{root!r}`"
        raise pytest.Collector.CollectError(visible_lines(said))
    return root


def _lines_of(file: Path) -> dict[str, int]:
    """Return the line of each table's heading, from 0, by its last name."""
    lines = file.read_text(encoding="utf-8").splitlines()
    heads = ((at, line.strip()) for at, line in enumerate(lines))
    return {
        head.strip("[] ").rpartition(".")[2].strip("\"' "): at
        for at, head in heads
        if head.startswith("[")
    }
