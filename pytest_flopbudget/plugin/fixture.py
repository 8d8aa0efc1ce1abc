"""The `flop_budget` fixture: measure a model, judge it, fail the test that asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.baseline.location import baseline_path, title_of
from pytest_flopbudget.errors import (
    BudgetNameError,
    FlopBudgetError,
    SettingsError,
)
from pytest_flopbudget.plugin.evaluate import evaluate
from pytest_flopbudget.plugin.items import clash, failure, marker_arguments, node_id
from pytest_flopbudget.settings.budget import apply, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import PurePosixPath

    from pytest_flopbudget.plugin.outcome import TestOutcome
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result, TestResults

CLAIMS = pytest.StashKey[dict[str, str]]()  # of the config: who uses which baseline


class FlopBudget:
    """What a test gets as `flop_budget`: call it with a model and the model's own arguments."""

    def __init__(self, item: pytest.Item, settings: RunSettings, ending: TestOutcome) -> None:
        self._item = item
        self._settings = settings
        self._markers = marker_arguments(item)
        self._claimed: set[str | None] = set()
        self.results: list[Result] = []
        self.errors: list[tuple[str | None, BaseException]] = []  # by the name of the budget
        self.ending = ending

    def __call__(self, model: Any, /, *args: Any, **kwargs: Any) -> ModelProfile:
        """Measure one call `model(*args, **kwargs)`, judge it, and return its profile.

        The test fails if a verdict does; the model is left as it was.
        """
        __tracebackhide__ = True
        return self._run(None, {}, model, args, kwargs)

    def named(self, name: str, /, **arguments: Any) -> Callable[..., ModelProfile]:
        """Name one of several budgets of a test, with marker arguments of its own.

        `flop_budget.named("decoder", max_params=5e6)(model.decoder, x)`
        """
        __tracebackhide__ = True
        if not name:
            raise failure("`named`: expected a name that is not empty, found none")
        try:
            parsed = parse_arguments(f'`named("{name}")`', (), arguments)
        except SettingsError as error:
            raise failure(str(error)) from None

        def run(model: Any, /, *args: Any, **kwargs: Any) -> ModelProfile:
            __tracebackhide__ = True
            return self._run(name, parsed, model, args, kwargs)

        return run

    def _run(
        self, part: str | None, arguments: Mapping[str, Any], model: Any, args: Any, kwargs: Any
    ) -> ModelProfile:
        __tracebackhide__ = True
        settings = self._settings
        budget_settings = apply(
            settings.budget_settings, [*self._markers, arguments], settings.pinned
        )
        try:
            path = self._claim(part, budget_settings)
            result = evaluate(
                self._item, part, path, settings, budget_settings, (model, args, kwargs)
            )
        except Exception as error:
            self.errors.append((part, error))
            if isinstance(error, FlopBudgetError):
                raise failure(str(error)) from None
            _hide(error)
            raise
        except BaseException as error:
            _hide(error)
            raise
        self.results.append(result)
        if result.judgement.failing:
            from pytest_flopbudget.report.failure import failure_lines

            self.ending.fail(failure("\n".join(failure_lines(result))))
        return result.profile

    @property
    def outcome(self) -> TestResults:
        """What all calls came to."""
        from pytest_flopbudget.verdict.result import TestResults, Unjudged

        test = node_id(self._item)
        return TestResults(
            test=test,
            passed=self.ending.passed,
            acceptable=self.ending.acceptable,
            results=tuple(self.results),
            unjudged=tuple(
                Unjudged(test=test, name=name, error=_described(error))
                for name, error in self.errors
            ),
        )

    def _claim(self, part: str | None, budget_settings: BudgetSettings) -> PurePosixPath:
        """Reserve the baseline of one budget for this test.

        Raises:
            BudgetNameError: it is taken.
        """
        if part in self._claimed:
            if part is None:
                raise BudgetNameError(
                    "`flop_budget` was called twice in one test",
                    'name the other one: flop_budget.named("decoder")(model, ...)',
                )
            raise BudgetNameError(f'`flop_budget.named("{part}")` was called twice in one test')
        self._claimed.add(part)
        path = baseline_path(node_id(self._item), budget_settings.name, part)
        title = title_of(node_id(self._item), part)
        claims = self._item.config.stash.setdefault(CLAIMS, {})
        owner = claims.setdefault(str(path).casefold(), title)
        if owner != title:
            raise clash(path, owner, title)
        return path


def _hide(error: BaseException) -> None:
    """Have pytest show the test and the model alone, and our own lines with `--full-trace` only."""
    before, last = None, error.__traceback__
    while last is not None:
        module = last.tb_frame.f_globals.get("__name__", "")
        if module.startswith("pytest_flopbudget."):
            last.tb_frame.f_globals["__tracebackhide__"] = True
        if last.tb_next is None and module == "torch._ops" and before is not None:
            before.tb_next = None  # where we had an operator run; by itself it has no line
        before, last = last, last.tb_next


def _described(error: BaseException) -> str:
    """Write down an error: ours speaks for itself, another one is named by its type."""
    return str(error) if isinstance(error, FlopBudgetError) else f"{type(error).__name__}: {error}"
