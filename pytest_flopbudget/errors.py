"""The errors that a user can meet, one class per cause; each is one sentence, then a hint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Iterable


class FlopBudgetError(Exception):
    """The base of all errors of this plugin: what is wrong, and what to do about it, a line each.

    Both are visible, since names from anywhere stand in them, and anybody may print an error.
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        self.sentence = visible(sentence)
        self.hint = visible(hint)
        super().__init__(self.sentence, self.hint)

    def __str__(self) -> str:
        return f"{self.sentence}\n\nhint: {self.hint}" if self.hint else self.sentence


class SettingsError(FlopBudgetError):
    """An option, an ini value or a marker argument has a wrong name or value."""


class BudgetNameError(FlopBudgetError):
    """Two budgets claim one name, hence one baseline file."""


class BaselineError(FlopBudgetError):
    """A baseline file cannot be read, or was made for something else."""


class BaseError(FlopBudgetError):
    """The commit to compare baselines with cannot be read."""


class ConflictError(BaselineError):
    """A baseline file has the marks of a merge that nobody has finished."""


class SumError(BaselineError):
    """A baseline file has a total that is not the sum of its layers, as after a careless merge."""


class FormatError(BaselineError):
    """A baseline file has a format of another version of this plugin."""


class MeasureError(FlopBudgetError):
    """A model could not be profiled."""


def one_of(names: Iterable[str]) -> str:
    """Return `names` as a message lists them: `` `a`, `b`, `c` ``."""
    return ", ".join(f"`{name}`" for name in names)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a question for the valid name that a misspelt one probably meant, or nothing."""
    from difflib import get_close_matches

    matches = get_close_matches(name, list(names), n=1)
    return f"did you mean `{matches[0]}`?" if matches else ""


def with_nearest(sentence: str, name: str, names: Iterable[str]) -> str:
    """Return a sentence about a name that is not valid, followed by the nearest valid one."""
    near = nearest(name, names)
    return f"{sentence}; {near}" if near else sentence
