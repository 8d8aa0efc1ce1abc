"""Leaving no trace: what a call of a model may change is put back, whatever happens.

Everything a module is lies in its `__dict__`: flags, hooks, parameters, buffers and plain
attributes. So one walk over the containers that are reachable from there is enough to restore
all of them - and to put other tensors in their places while the model is being counted.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from operator import is_
from types import (
    BuiltinFunctionType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.measure.isolation.global_flags import global_flags_restored
from pytest_flopbudget.measure.isolation.random_state import random_state_restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHARED = (dict, list, set, deque)
MAX_DEPTH = 12  # of containers and objects inside a module; beyond lies something else's state
OPAQUE = (
    torch.Tensor,
    torch.dtype,
    torch.device,
    str,
    bytes,
    int,
    float,
    complex,
    type,
    FunctionType,
    MethodType,
    BuiltinFunctionType,
    ModuleType,
)
ATOMS = frozenset(  # the exact types of most values: known without a look at their base classes
    {type(None), bool, int, float, str, type, FunctionType, torch.dtype, torch.device}
)


class SavedState:
    """The containers of a model, or of the inputs of a call, as they were; the tensors in them."""

    def __init__(self, model: object) -> None:
        self._containers: list[tuple[Any, Any]] = []  # (a dict, list, set or deque; its copy)
        self._holders: list[tuple[Any, Any]] = []  # those of them that hold tensors
        self._slotted: list[tuple[Any, dict[str, Any]]] = []  # objects without `__dict__`
        self._seen: dict[int, Any] = {}  # the containers by id, held so that ids stay theirs
        self._tensors: dict[int, torch.Tensor] = {}
        self._generators: list[tuple[torch.Generator, torch.Tensor]] = []
        self._walk(model, 0)
        self._leaves = [(t, t.requires_grad, t.grad) for t in self.tensors if t.is_leaf]

    @property
    def tensors(self) -> Iterable[torch.Tensor]:
        """All tensors that the model holds: parameters, buffers and those in plain attributes."""
        return self._tensors.values()

    def substitute(self, stand_in: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Put another tensor in the place of each one, wherever the model holds it."""
        for container, saved in self._holders:
            if isinstance(container, dict):
                held = ((key, value) for key, value in saved.items() if _holds(value))
                container.update({key: _swapped(value, stand_in) for key, value in held})
            else:
                _refill(container, [_swapped(v, stand_in) for v in saved])

    def clear_gradients(self) -> None:
        """Set gradients aside, so that a backward call adds nothing to them."""
        for tensor, _, gradient in self._leaves:
            if gradient is not None:
                tensor.grad = None

    def restore(self) -> None:
        """Put everything back as it was when this was made."""
        for container, saved in self._containers:
            if (container or saved) and not _same(container, saved):
                _refill(container, saved)
        for generator, state in self._generators:
            generator.set_state(state)
        for container, saved in self._slotted:
            for name, value in saved.items():
                if getattr(container, name, None) is not value:
                    object.__setattr__(container, name, value)  # also of a frozen record
        self._restore_leaves()

    def _restore_leaves(self) -> None:
        for tensor, requires_grad, gradient in self._leaves:
            if not tensor.is_leaf:
                tensor.detach_()  # it was written into with gradients
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            if tensor.grad is not gradient:
                tensor.grad = gradient

    def _walk(self, value: Any, depth: int) -> None:
        if isinstance(value, torch.Tensor):
            self._tensors.setdefault(id(value), value)
            return
        if type(value) in ATOMS or isinstance(value, OPAQUE) or id(value) in self._seen:
            return
        if depth > MAX_DEPTH:
            return
        if isinstance(value, dict):
            self._visit(value, dict(value), list(value.values()), depth)
        elif isinstance(value, list | set | deque):
            self._visit(value, value.copy(), list(value), depth)
        elif isinstance(value, tuple | frozenset):
            self._walk_all(value, value, depth)
        else:
            self._walk_object(value, depth)

    def _walk_all(self, owner: Any, values: Iterable[Any], depth: int) -> None:
        self._seen[id(owner)] = owner
        for item in values:
            if type(item) not in ATOMS:
                self._walk(item, depth + 1)

    def _walk_object(self, value: Any, depth: int) -> None:
        self._seen[id(value)] = value
        if isinstance(value, torch.Generator):
            self._generators.append((value, value.get_state()))
        if isinstance(value, nn.Module):
            self._walk_classes(type(value))
        if hasattr(value, "__dict__"):
            # Modules start anew: their nesting has no bound.
            self._walk(vars(value), 0 if isinstance(value, nn.Module) else depth + 1)
        slots = _slots(value)
        if slots:
            self._slotted.append((value, slots))
            self._walk_all(value, slots.values(), depth)

    def _walk_classes(self, kind: type) -> None:
        """Walk what the classes of a module share, such as a cache; torch's own have none."""
        for base in kind.__mro__:
            if base.__module__.partition(".")[0] != "torch" and id(base) not in self._seen:
                shared = (v for v in vars(base).values() if isinstance(v, SHARED))
                self._walk_all(base, list(shared), 0)

    def _visit(self, container: Any, copy: Any, values: list[Any], depth: int) -> None:
        self._containers.append((container, copy))
        if any(map(_holds, values)) and not isinstance(container, set):
            self._holders.append((container, copy))
        self._walk_all(container, values, depth)


@contextmanager
def restored_after(model: nn.Module) -> Iterator[SavedState]:
    """Restore the model and torch's global state at the end, also after an exception."""
    state = SavedState(model)
    with random_state_restored(), global_flags_restored():
        try:
            yield state
        finally:
            state.restore()


def _refill(container: Any, values: Any) -> None:
    container.clear()
    (container.extend if isinstance(container, list | deque) else container.update)(values)


def _slots(value: Any) -> dict[str, Any]:
    """Read what an object keeps in `__slots__`."""
    slots: dict[str, Any] = {}
    for kind in type(value).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if isinstance(vars(kind).get(name), MemberDescriptorType) and hasattr(value, name):
                slots[name] = getattr(value, name)
    return slots


def _holds(value: Any) -> bool:
    return isinstance(value, torch.Tensor | tuple)


def _swapped(value: Any, stand_in: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return stand_in(value)
    if type(value) is tuple:
        return tuple(_swapped(item, stand_in) for item in value)
    return value


def _same(container: Any, saved: Any) -> bool:
    """Compare by identity and order, without calling anybody's `__eq__`."""
    if len(container) != len(saved):
        return False
    if isinstance(container, dict) and not all(map(is_, container.values(), saved.values())):
        return False
    return all(map(is_, container, saved))
