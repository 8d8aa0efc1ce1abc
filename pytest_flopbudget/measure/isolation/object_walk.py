"""The walk over everything that a model, or the arguments of a call, hold.

Everything a module is lies in its `__dict__`: flags, hooks, parameters, buffers and plain
attributes. One walk over what is reachable from there finds all that a call can change.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import chain, islice
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pytest_flopbudget.measure.isolation.iterators import is_iterator
from pytest_flopbudget.measure.isolation.references import references_of
from pytest_flopbudget.measure.torch_internals.modules import is_scripted, script_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTAINERS = (dict, OrderedDict, list, set, deque)
EXACTLY = frozenset(CONTAINERS)  # by their type: these have no ways of their own
TUPLES = (tuple, frozenset)
# How deep containers are followed inside of a module; an object and its `__dict__` are two levels.
# A module may refer to a trainer, a data set or a linked list, which have no end and whose state is
# not the model's. Modules themselves may be nested to any depth.
MAX_DEPTH = 12
MOST_SEARCHED = 10_000  # values of a container that only a function refers to
NEAR = 4  # how far what functions, methods and the like refer to is searched for modules
RUNNERS = frozenset({"_pytest", "pytest", "pluggy", __name__.partition(".")[0]})  # no models'
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
    ModuleType,
)
STATELESS = frozenset({"torch", "builtins"})  # libraries whose classes share nothing of a model's
ATOMS = frozenset(  # the exact types of most values: known without a look at their base classes
    {type(None), bool, int, float, str, type, torch.dtype, torch.device}
)


class ObjectWalk:
    """What can be reached from an object, each thing once, in the order in which it is found.

    What functions, methods and the like refer to is searched for modules and tensors alone: a list
    that a hook fills is its owner's.
    """

    def __init__(self, start: object) -> None:
        self.containers: list[Any] = []  # dicts, lists, sets and deques
        self.empty: list[Any] = []  # those of them with nothing inside, which need no copy
        self.holders: set[int] = set()  # those of them, by id, that hold more than plain values
        self.slotted: list[Any] = []  # objects with `__slots__`
        self.changeable: list[Any] = []  # objects that may become ones of another class
        self.scripted: list[nn.Module] = []
        self.classes: list[type] = []  # of modules, but for torch's own
        self.iterators: list[Any] = []
        self.others: list[Any] = []  # perhaps with a state that has no name
        self._tensors: dict[int, torch.Tensor] = {}
        self._seen: dict[int, Any] = {}  # by id, held so that ids stay theirs
        self._passed: dict[int, Any] = {}  # the same of what was only searched
        self._waiting: list[tuple[Any, int]] = [(start, 0)]  # with its depth, the next one last
        self._referred: list[tuple[Any, int]] = []
        while self._waiting or self._referred:
            if self._waiting:
                self._visit(*self._waiting.pop())
            else:
                self._search(*self._referred.pop())

    @property
    def tensors(self) -> Iterable[torch.Tensor]:
        """The tensors: parameters, buffers and those in plain attributes."""
        return self._tensors.values()

    def _visit(self, value: Any, depth: int) -> None:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._tensors:
                self._tensors[id(value)] = value
                attributes = vars(value)
                (self.containers if attributes else self.empty).append(attributes)
        elif depth > MAX_DEPTH or id(value) in self._seen:
            pass
        elif type(value) in EXACTLY:
            self._seen[id(value)] = value
            if value:
                self._visit_container(value, depth)
            else:  # as most: those for the hooks of a module
                self.empty.append(value)
        elif not isinstance(value, OPAQUE):
            self._seen[id(value)] = value
            if isinstance(value, CONTAINERS):
                self._visit_container(value, depth)
            elif isinstance(value, TUPLES):
                self._visit_later(value, depth + 1)
            else:
                self._visit_object(value, depth)

    def _visit_container(self, value: Any, depth: int) -> None:
        self.containers.append(value)
        held = dict.values(value) if isinstance(value, dict) else kind_of(value).__iter__(value)
        if self._visit_later(held, depth + 1):
            self.holders.add(id(value))

    def _visit_object(self, value: Any, depth: int) -> None:
        is_module = isinstance(value, nn.Module)
        if not is_module:
            if (references := references_of(value)) is not None:
                self._search_later(references, 1)
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
            if is_scripted(value):
                self.scripted.append(value)
                self._visit_later(script_attributes(value).values(), depth + 1)

    def _visit_classes(self, module_type: type) -> None:
        """Visit what the classes of a module share, and what their functions refer to."""
        for base in module_type.__mro__:
            if _library(base) not in STATELESS and id(base) not in self._seen:
                self._seen[id(base)] = base
                self.classes.append(base)
                shared = vars(base).values()
                self._visit_later([v for v in shared if isinstance(v, CONTAINERS)], 1)
                self._search_later([v for v in shared if type(v) is FunctionType], 0)

    def _visit_later(self, values: Iterable[Any], depth: int) -> bool:
        """Have values visited, and return whether there are any that may hold others."""
        new = [(value, depth) for value in values if type(value) not in ATOMS]
        if not new:
            return False
        new.reverse()
        self._waiting += new
        return True

    def _search(self, value: Any, depth: int) -> None:
        if isinstance(value, torch.Tensor):
            if not value.is_meta and not is_lazy(value):
                self._tensors.setdefault(id(value), value)
        elif isinstance(value, nn.Module):
            self._waiting.append((value, 0))
        elif depth <= NEAR and not self._is_known(value):
            self._passed[id(value)] = value
            self._search_later(islice(_inside(value), MOST_SEARCHED), depth + 1)

    def _search_later(self, values: Iterable[Any], depth: int) -> None:
        self._referred += [(value, depth) for value in values if type(value) not in ATOMS]

    def _is_known(self, value: Any) -> bool:
        known = id(value) in self._seen or id(value) in self._passed
        return known or isinstance(value, OPAQUE) or _library(type(value)) in RUNNERS


def _inside(value: Any) -> Iterable[Any]:
    """Return what a value that is no module holds or refers to."""
    if isinstance(value, dict):
        return dict.values(value)
    if isinstance(value, CONTAINERS):
        return kind_of(value).__iter__(value)  # type: ignore[no-any-return]
    if isinstance(value, tuple | frozenset):
        return value
    if (references := references_of(value)) is not None:
        return references
    return chain(slots_of(value).values(), getattr(value, "__dict__", {}).values())


def _library(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


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
