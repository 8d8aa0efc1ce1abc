"""The walk over everything that a model, or the arguments of a call, hold.

Everything a module is lies in its `__dict__`: flags, hooks, parameters, buffers and plain
attributes. One walk over what is reachable from there finds all that a call can change.
"""

from __future__ import annotations

from collections import OrderedDict, deque
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

from pytest_flopbudget.measure.isolation.iterators import is_iterator

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTAINERS = (dict, OrderedDict, list, set, deque)
# How deep containers are followed inside of a module; an object and its `__dict__` are two levels.
# A module may refer to a trainer, a data set or a linked list, which have no end and whose state is
# not the model's. Modules themselves may be nested to any depth.
MAX_DEPTH = 12
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


class ObjectWalk:
    """What can be reached from an object, each thing once, in the order in which it is found."""

    def __init__(self, start: object) -> None:
        self.containers: list[Any] = []  # dicts, lists, sets and deques
        self.holders: set[int] = set()  # those of them, by id, that hold more than plain values
        self.slotted: list[Any] = []  # objects with `__slots__`
        self.changeable: list[Any] = []  # objects that may become ones of another class
        self.iterators: list[Any] = []
        self.others: list[Any] = []  # perhaps with a state that has no name
        self._tensors: dict[int, torch.Tensor] = {}
        self._seen: dict[int, Any] = {}  # by id, held so that ids stay theirs
        self._waiting: list[tuple[Any, int]] = [(start, 0)]  # with its depth, the next one last
        while self._waiting:
            self._visit(*self._waiting.pop())

    @property
    def tensors(self) -> Iterable[torch.Tensor]:
        """The tensors: parameters, buffers and those in plain attributes."""
        return self._tensors.values()

    def _visit(self, value: Any, depth: int) -> None:
        if isinstance(value, torch.Tensor):
            self._tensors.setdefault(id(value), value)
            return
        if depth > MAX_DEPTH or id(value) in self._seen or isinstance(value, OPAQUE):
            return
        self._seen[id(value)] = value
        if isinstance(value, CONTAINERS):
            kind = kind_of(value)
            self.containers.append(value)
            if kind.__len__(value):  # most are empty: those for the hooks of a module
                held = dict.values(value) if isinstance(value, dict) else kind.__iter__(value)
                if self._visit_later(held, depth + 1):
                    self.holders.add(id(value))
        elif isinstance(value, tuple | frozenset):
            self._visit_later(value, depth + 1)
        else:
            self._visit_object(value, depth)

    def _visit_object(self, value: Any, depth: int) -> None:
        is_module = isinstance(value, nn.Module)
        if not is_module:
            if is_iterator(value):
                self.iterators.append(value)
                return
            self.others.append(value)
        if slots := slots_of(value):
            self.slotted.append(value)
            self._visit_later(slots.values(), depth + 1)
        if hasattr(value, "__dict__"):
            self.changeable.append(value)
            self._visit_later([vars(value)], 0 if is_module else depth + 1)
        if is_module:
            self._visit_classes(type(value))

    def _visit_classes(self, module_type: type) -> None:
        """Visit the containers that the classes of a module share; torch's own have none."""
        for base in module_type.__mro__:
            if base.__module__.partition(".")[0] != "torch" and id(base) not in self._seen:
                self._seen[id(base)] = base
                self._visit_later([v for v in vars(base).values() if isinstance(v, CONTAINERS)], 1)

    def _visit_later(self, values: Iterable[Any], depth: int) -> bool:
        """Have values visited, and return whether there are any that may hold others."""
        new = [(value, depth) for value in values if type(value) not in ATOMS]
        if not new:
            return False
        new.reverse()
        self._waiting += new
        return True


def kind_of(container: Any) -> Any:
    """Return the built-in class of a container, whose methods no class of its own overrides."""
    kind = type(container)
    if kind in CONTAINERS:
        return kind
    return next(base for base in kind.__mro__ if base in CONTAINERS)


def copy_of(container: Any) -> Any:
    """Return what a container holds: a dict of a dict, a set of a set, else a list."""
    kind = kind_of(container)
    if kind is dict:
        return dict.copy(container)
    if kind is OrderedDict:
        return dict(OrderedDict.items(container))
    return set(kind.__iter__(container)) if kind is set else list(kind.__iter__(container))


def slots_of(value: Any) -> dict[str, Any]:
    """Return what an object holds in its `__slots__`."""
    slots: dict[str, Any] = {}
    for base in type(value).__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if isinstance(vars(base).get(name), MemberDescriptorType) and hasattr(value, name):
                slots[name] = getattr(value, name)
    return slots
