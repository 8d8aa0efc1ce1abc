"""The `flop_budget` fixture: takes a model, has its budget evaluated, and fails the test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_flopbudget.baseline.location import baseline_path, title_of
from pytest_flopbudget.errors import BudgetNameError, FlopBudgetError, SettingsError
from pytest_flopbudget.plugin.evaluate import BudgetRequest, evaluate
from pytest_flopbudget.plugin.items import (
    SKIP,
    check_location,
    clash,
    failure,
    marker_arguments,
    node_id,
)
from pytest_flopbudget.plugin.outcome import STOPS
from pytest_flopbudget.settings.budget import parse_arguments, with_arguments
from pytest_flopbudget.verdict.result import Unjudged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import PurePosixPath

    from pytest_flopbudget.plugin.outcome import TestOutcome
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.profile.scaling_profile import ScalingProfile
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result

T = TypeVar("T")

CLAIMS = pytest.StashKey[dict[str, str]]()  # of the config: who uses which baseline


class FlopBudget:
    """The value of the fixture: call it with a model and the model's own arguments."""

    def __init__(self, item: pytest.Item, settings: RunSettings, outcome: TestOutcome) -> None:
        self._item = item
        self._settings = settings
        self._claimed: set[str | None] = set()  # names of budgets
        self.results: list[Result] = []
        self.errors: list[tuple[str | None, BaseException]] = []  # by the name of the budget
        self.outcome = outcome

    def __call__(self, model: Any, /, *args: Any, **kwargs: Any) -> ModelProfile:
        """Measure one call `model(*args, **kwargs)`, judge it, and return its profile.

        The test fails if a verdict does; the model is left as it was.
        """
        __tracebackhide__ = True
        return self._evaluate(None, {}, model, args, kwargs)

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

        def evaluate_named(model: Any, /, *args: Any, **kwargs: Any) -> ModelProfile:
            __tracebackhide__ = True
            return self._evaluate(name, parsed, model, args, kwargs)

        return evaluate_named

    def scaling(
        self,
        sizes: Iterable[int],
        /,
        *,
        name: str = "scaling",
        of: str = "sequence length",
        max_degree: int | None = None,
        metrics: str | Iterable[str] | None = None,
        **ceilings: float,
    ) -> Callable[[Callable[[int], Any]], ScalingProfile]:
        """Judge how a model grows with a size: each exact metric as a polynomial of it.

        `flop_budget.scaling([128, 192, 257], max_degree=1)(build)`, where `build(n)` returns the
        model of that size and its arguments, as `profile_model` takes them: `(model, args)`,
        `(model, args, kwargs)` or `(function, args, kwargs, modules)`.

        Args:
            sizes: distinct whole numbers from 1 on; of k sizes, a degree up to k - 2 is confirmed.
            name: of the budget, as in `named`.
            of: what the sizes are sizes of.
            max_degree: the highest power of the size by which a metric may grow.
            metrics: exact ones; those of the settings by default.
            ceilings: of the largest size: `max_gflops=48`.
        """
        __tracebackhide__ = True
        from pytest_flopbudget.plugin import scaling

        try:
            found = scaling.check_sizes(sizes, max_degree)
            arguments = scaling.arguments_of(metrics, ceilings)
        except SettingsError as error:
            raise failure(str(error)) from None

        def evaluate_sizes(build: Callable[[int], Any]) -> ScalingProfile:
            __tracebackhide__ = True

            def evaluate_growth(request: BudgetRequest) -> tuple[Result, ScalingProfile]:
                request = scaling.of_sizes(request, arguments)
                return scaling.evaluate_scaling(request, build, found, of, max_degree)

            return self._judge(name, {}, evaluate_growth)

        return evaluate_sizes

    def _evaluate(
        self,
        name: str | None,
        arguments: Mapping[str, Any],
        model: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> ModelProfile:
        __tracebackhide__ = True

        def evaluate_call(request: BudgetRequest) -> tuple[Result, ModelProfile]:
            result = evaluate(replace(request, model=model, args=args, kwargs=kwargs))
            return result, result.profile

        return self._judge(name, arguments, evaluate_call)

    def _judge(
        self,
        name: str | None,
        arguments: Mapping[str, Any],
        evaluate_request: Callable[[BudgetRequest], tuple[Result, T]],
    ) -> T:
        """Have one budget evaluated, fail the test if that fails, and return what was measured."""
        __tracebackhide__ = True
        settings = self._settings
        try:
            check_location(self._item)
            budget_settings = with_arguments(
                settings.budget_settings,
                [*marker_arguments(self._item), arguments],  # also those added on the way
                settings.pinned,
            )
            request = BudgetRequest(
                item=self._item,
                name=name,
                path=self._claim(name, budget_settings.name),
                settings=settings,
                budget_settings=budget_settings,
            )
            result, measured = evaluate_request(request)
        except STOPS:
            raise
        except Exception as error:
            shown = failure(str(error)) if isinstance(error, FlopBudgetError) else error
            self.errors.append((name, error))
            self.outcome.note_error(shown)
            if shown is error:
                raise
            raise shown from None
        self.results.append(result)
        if result.judgement.fails and not settings.spares_verdicts:
            from pytest_flopbudget.report.failure import failure_lines

            self.outcome.fail(failure("\n".join(failure_lines(result))))
        return measured

    @property
    def was_called(self) -> bool:
        """Whether anything was measured, or tried."""
        return bool(self.results or self.errors)

    @property
    def unjudged(self) -> tuple[Unjudged, ...]:
        """The calls so far that ended in an error."""
        test = node_id(self._item)
        return tuple(
            Unjudged(test=test, name=name, error=_error_text(error)) for name, error in self.errors
        )

    def _claim(self, name: str | None, file_name: str | None) -> PurePosixPath:
        """Reserve the baseline of one budget for this test, and return its path.

        Raises:
            BudgetNameError: another budget has it.
        """
        if name in self._claimed:
            raise self._called_twice(name)
        self._claimed.add(name)
        test = node_id(self._item)
        path = baseline_path(test, file_name, name)
        title = title_of(test, name)
        claims = self._item.config.stash.setdefault(CLAIMS, {})
        owner = claims.setdefault(str(path).casefold(), title)
        if owner != title:
            raise clash(path, owner, title)
        return path

    def _called_twice(self, name: str | None) -> BudgetNameError:
        call = "flop_budget" if name is None else f'flop_budget.named("{name}")'
        if getattr(getattr(self._item, "obj", None), "is_hypothesis_test", False):
            return BudgetNameError(
                f"`{call}` was called twice in one test: Hypothesis calls it for each example",
                "a budget is of one model and its inputs: use `pytest.mark.parametrize`",
            )
        hint = 'name the other one: flop_budget.named("decoder")(model, ...)' if not name else ""
        return BudgetNameError(f"`{call}` was called twice in one test", hint)


class InactiveFlopBudget(FlopBudget):
    """The value of the fixture in a run that measures nothing: calling it skips the test."""

    def __init__(self) -> None:
        pass

    def _judge(self, *_: object) -> Any:
        __tracebackhide__ = True
        pytest.skip(SKIP)


def _error_text(error: BaseException) -> str:
    """Return what an error says: ours speaks for itself, another one is named by its type."""
    return str(error) if isinstance(error, FlopBudgetError) else f"{type(error).__name__}: {error}"
