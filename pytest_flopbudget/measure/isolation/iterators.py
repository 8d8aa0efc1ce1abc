"""Iterators that a model holds or is given: each run draws from copies of its own.

The built-in ones say what they are made of and where they stand, so that a copy can be made that
stands there too, over other tensors. What a generator gives can be drawn only once, and is kept.
"""

from __future__ import annotations

import warnings
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.torch_internals.dispatch import without_dispatch_modes
from pytest_flopbudget.measure.torch_internals.pytree import tree_map

if TYPE_CHECKING:
    from collections.abc import Callable

    SubstituteOf = Callable[[torch.Tensor], torch.Tensor]

BUILT_IN = frozenset({"builtins", "itertools", "_collections"})
CALLING = type(iter(int, 0))  # says what it calls, which has a state of its own


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


class Replay:
    """An iterator over what another one gives, which is drawn when asked for, and only once.

    What the other one computes to give it is no part of the run, and not counted.
    """

    def __init__(self, source: Any, drawn: list[Any], substitute_of: SubstituteOf = _same) -> None:
        self.source = source
        self.drawn = drawn  # by all replays of this source
        self._substitute_of = substitute_of
        self._position = 0

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class of the other iterator, for which a model may ask."""
        return type(self.source)

    def __iter__(self) -> Replay:
        return self

    def __next__(self) -> Any:
        if self._position == len(self.drawn):
            with without_dispatch_modes():
                self.drawn.append(next(self.source))
        value = self.drawn[self._position]
        self._position += 1
        return Substitution(self._substitute_of).within(value)

    def again(self, substitute_of: SubstituteOf) -> Replay:
        """Return a replay from the start, with other tensors."""
        return Replay(self.source, self.drawn, substitute_of)

    def unspent(self) -> Any:
        """Return what gives all that the source gave, and then what it still has."""
        return chain(tuple(self.drawn), self.source) if self.drawn else self.source


class Substitution:
    """Other tensors in the place of those in a value, and of iterators one copy each.

    One, because two may draw from it: `zip(rows, rows)` gives pairs.
    """

    def __init__(
        self, substitute_of: SubstituteOf = _same, replays: dict[int, Replay] | None = None
    ) -> None:
        self._substitute_of = substitute_of
        self._replays = {} if replays is None else replays  # by the ids of their sources
        self._copies: dict[int, tuple[Any, Any]] = {}  # by its id, an iterator and its copy

    def within(self, value: Any) -> Any:
        """Return a value with what takes the place of its leaves, in new containers."""
        return tree_map(self.of, value)

    def of(self, leaf: Any) -> Any:
        """Return what takes the place of a leaf; a replay, if an iterator cannot be copied."""
        if not is_iterator(leaf):
            return self._within_a_copy(leaf)
        if isinstance(leaf, Replay):
            return leaf.again(self._substitute_of)
        if id(leaf) not in self._replays:
            try:
                return self._copy(leaf)
            except (TypeError, RuntimeError):  # it has no such form; its dictionary has grown
                self._replays[id(leaf)] = Replay(leaf, [])
        return self._replays[id(leaf)].again(self._substitute_of)

    def _within_a_copy(self, leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return self._substitute_of(leaf)
        return self._copy(leaf) if is_iterator(leaf) else leaf

    def _copy(self, iterator: Any) -> Any:
        if id(iterator) not in self._copies:
            self._copies[id(iterator)] = iterator, self._made(*_parts(iterator))
        return self._copies[id(iterator)][1]

    def _made(self, kind: Callable[..., Any], given: Any, state: Any = None) -> Any:
        copy = kind(*tree_map(self._within_a_copy, given))
        if state is not None:
            copy.__setstate__(tree_map(self._within_a_copy, state))
        return copy


def replayed(value: Any) -> Any:
    """Return a value with replays in the place of iterators that cannot be copied."""
    substitution = Substitution()

    def of(leaf: Any) -> Any:
        copy = substitution.of(leaf)
        return copy if isinstance(copy, Replay) else leaf

    return tree_map(of, value)


def is_iterator(value: object) -> bool:
    """Return whether a value is a built-in iterator, or stands in for one."""
    kind = type(value)
    return kind is Replay or (kind.__module__ in BUILT_IN and hasattr(kind, "__next__"))


def _parts(iterator: Any) -> tuple[Any, ...]:
    """Return the class of an iterator, what it takes, and where it stands.

    Raises:
        TypeError: the iterator does not say.
    """
    if isinstance(iterator, CALLING):
        raise TypeError(CALLING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of itertools, which says no more
        parts: tuple[Any, ...] = iterator.__reduce__()
    return parts
