"""Escaped tensors: those without values that the code of a model keeps outside of the model.

A mask in an `lru_cache`, a table in a global dictionary, an attribute of a class: what forward puts
there while the model is counted would break the next call of the model, and of every other one that
shares it. It cannot be prevented, but it is noticed: garbage collection is off while a model is
counted, so all that was made meanwhile is in the youngest generation, and the collector knows who
refers to it.
"""

from __future__ import annotations

import functools
import gc
import weakref
from collections import deque
from contextlib import contextmanager, suppress
from types import CellType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.measure.isolation.global_flags import garbage_collection_off
from pytest_flopbudget.measure.torch_internals.fake_tensors import is_fake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CACHE = type(functools.lru_cache(lambda: None))
PLAIN = (torch.Tensor, nn.Parameter)
MISSING = object()  # in the place of the value of a name that was not there
MOST_LEVELS = 12  # of what forward made, between a tensor and who keeps it
NEAR = 3  # steps from the class of a layer to what its functions name
LIBRARIES = frozenset({"torch", "numpy", "builtins"})  # which keep nothing for a model
CELL = "cell_contents"
OWN = __name__.partition(".")[0]


class Surroundings:
    """What the names around a model stood for, so that they can stand for it again.

    They are the attributes of the classes of layers, the globals and the enclosed variables of
    their functions, and the attributes of the objects that these name.
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        self._before: dict[int, dict[str, Any]] = {}  # by the id of what has the names
        self._seen: set[int] = set()
        self._held: list[Any] = []  # so that ids stay theirs
        for layer in layers:
            self._note(type(layer), 0)
            for value in vars(layer).values():
                if type(value) is FunctionType:
                    self._note(value, 0)

    @contextmanager
    def cleaned(self) -> Iterator[None]:
        """At the end, take tensors without values that were made inside out of whatever has them.

        A cache is emptied, an entry of a container is taken out, a name stands for what it did.
        """
        gc.collect(0)  # what is young at the end was made inside
        with garbage_collection_off():
            try:
                yield
            finally:
                young = gc.get_objects(generation=0)
                escaped = [weakref.ref(value) for value in young if _is_unreal(value)]
                if escaped:
                    # An old container is tracked, and so young, from its first object on.
                    made = set(map(id, young)) - self._before.keys()
                    del young
                    gc.collect(0)
                    self._release(escaped, made)

    def _note(self, value: Any, steps: int) -> None:
        if steps > NEAR or id(value) in self._seen or _library(value) in LIBRARIES:
            return
        self._seen.add(id(value))
        self._held.append(value)
        if isinstance(value, FunctionType):
            self._save(vars(value), vars(value))
            names = {*value.__code__.co_names} & value.__globals__.keys()
            self._save(value.__globals__, {name: value.__globals__[name] for name in names})
            near = [value.__globals__[name] for name in names]
            for cell in value.__closure__ or ():
                with suppress(ValueError):  # it is empty
                    self._save(cell, {CELL: cell.cell_contents})
                    near.append(cell.cell_contents)
        elif isinstance(value, dict):
            self._save(value, dict(dict.items(value)))  # past what its class makes of that
            near = [*dict.values(value)]
        elif hasattr(value, "__dict__"):
            self._save(value if isinstance(value, type) else vars(value), vars(value))
            near = [*vars(value).values()]
        else:
            return
        for item in near:
            self._note(item, steps + 1)

    def _save(self, owner: Any, names: Any) -> None:
        self._before.setdefault(id(owner), {}).update(names)
        self._held.append(owner)

    def _release(self, escaped: list[weakref.ref[torch.Tensor]], made: set[int]) -> None:
        """Take tensors out of what was there before, through what was made meanwhile."""
        level: list[Any] = [value for ref in escaped if (value := ref()) is not None]
        held: dict[int, Any] = {}  # all that was made, as far as it is reached
        own, seen = [level, held], set[int]()
        for _ in range(MOST_LEVELS):
            held |= {id(value): value for value in level}
            holders = gc.get_referrers(*level) if level else []
            level = []
            own += [holders, level]
            for holder in holders:
                if id(holder) in seen or isinstance(holder, FrameType) or _is_one(holder, own):
                    continue
                seen.add(id(holder))
                if _library(holder) == OWN or _is_of_torch(holder):
                    continue  # what a formula gets, and may keep; what torch keeps for itself
                if id(holder) in made and not _keeps_by_name(holder):
                    level.append(holder)
                else:
                    self._take_out(holder, held)

    def _take_out(self, holder: Any, held: dict[int, Any]) -> None:
        """Have a holder hold none of some objects any more; they may be its own `__dict__`'s."""
        if isinstance(holder, CACHE):
            holder.cache_clear()
        elif isinstance(holder, list | deque):
            kept = [value for value in holder if id(value) not in held]
            holder.clear()
            holder.extend(kept)
        elif isinstance(holder, set):
            holder.difference_update([value for value in holder if id(value) in held])
        elif isinstance(holder, CellType):
            holder.cell_contents = self._before.get(id(holder), {}).get(CELL)
        else:
            self._rename(holder, held)

    def _rename(self, holder: Any, held: dict[int, Any]) -> None:
        """Have the keys of a dict, or the attributes of an object, stand for what they did."""
        owner = _class_of(holder) if isinstance(holder, dict) else holder
        names = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
        before = self._before.get(id(owner if isinstance(owner, type) else names), {})
        # A global of a module that is far from the model, and has it filled when it is needed.
        unknown = None if "__spec__" in names else MISSING
        for name in [name for name, value in names.items() if id(value) in held]:
            old = before.get(name, unknown)
            if isinstance(owner, type):  # only a class itself may change its names
                delattr(owner, name) if old is MISSING else setattr(owner, name, old)
            else:
                names.pop(name) if old is MISSING else dict.__setitem__(names, name, old)


def _is_unreal(value: Any) -> bool:
    kind = type(value)  # nothing else may be asked of objects of anybody
    return issubclass(kind, torch.Tensor) and (is_fake(value) or (kind in PLAIN and value.is_meta))


def _class_of(namespace: dict[str, Any]) -> type | None:
    """Return the class whose names a dict has, if it is one's."""
    return next((kind for kind in gc.get_referrers(namespace) if isinstance(kind, type)), None)


def _is_of_torch(holder: Any) -> bool:
    """Return whether something is the namespace of a module of torch."""
    if type(holder) is not dict or "__spec__" not in holder:
        return False
    return str(holder.get("__name__")).partition(".")[0] == "torch"


def _keeps_by_name(holder: Any) -> bool:
    """Tell what is taken from, though it is new: a cache, a class, a module that forward imported.

    A function that forward made is data like others.
    """
    if isinstance(holder, FunctionType):
        return "<locals>" not in holder.__qualname__
    is_namespace = type(holder) is dict and "__spec__" in holder
    return is_namespace or isinstance(holder, CACHE | ModuleType | type)


def _is_one(value: Any, others: Iterable[Any]) -> bool:
    return any(value is other for other in others)


def _library(value: Any) -> str:
    """Return the library that something, or its class, comes from."""
    kind = value if isinstance(value, type | FunctionType) else type(value)
    return "" if kind is dict else str(getattr(kind, "__module__", "")).partition(".")[0]
