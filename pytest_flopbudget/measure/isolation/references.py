"""What objects refer to without a `__dict__`: functions, methods, iterators, weak references.

A model may reach another one by a method of it that it holds, by a variable that its function
encloses or by a global that it names.
"""

from __future__ import annotations

import dis
import functools
import gc
import weakref
from collections import deque
from contextlib import suppress
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.measure.isolation.iterators import Replay, is_iterator

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLLOWED = (nn.Module, torch.Tensor, dict, list, set, deque, FunctionType)
STATELESS = (type, ModuleType, BuiltinFunctionType, str, int, float)  # as a global that is named
_named: weakref.WeakKeyDictionary[FunctionType, tuple[str, ...]] = weakref.WeakKeyDictionary()


def references_of(value: Any) -> list[Any] | None:
    """Return what a value of a built-in kind refers to; `None` if it is of another kind.

    Of a function these are what it encloses, its defaults, and of the globals that it names those
    that may have a state.
    """
    if isinstance(value, FunctionType):
        is_torch = str(value.__module__).partition(".")[0] == "torch"
        return [] if is_torch else list(_of_function(value))
    if isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        return None if owner is None or isinstance(owner, ModuleType) else [owner]
    return _of_reference(value)


def _of_reference(value: Any) -> list[Any] | None:
    """Return what something refers to that does nothing else."""
    if isinstance(value, weakref.ref):
        return [value()]
    if isinstance(value, MappingProxyType):
        return list(value.values())
    if type(value) is Replay:
        return [value.source, value.drawn]
    if isinstance(value, GeneratorType):
        return [] if value.gi_frame is None else list(value.gi_frame.f_locals.values())
    if isinstance(value, MethodType | functools.partial) or is_iterator(value):
        return gc.get_referents(value)
    return None


def _of_function(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty
            yield cell.cell_contents
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    if vars(function):
        yield vars(function)
    names = _named.get(function)
    if names is None:
        names = _named[function] = tuple(_names(function))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, FOLLOWED) or type(value).__module__ == function.__module__:
            yield value


def _names(function: FunctionType) -> Iterator[str]:
    """Yield the globals that a function loads, and that may have a state.

    Functions of its own module are among them, others are not: what a library keeps is its own.
    """
    for name in _globals_of(function.__code__):
        value = function.__globals__.get(name, type)
        if isinstance(value, FunctionType):
            if value.__module__ == function.__module__:
                yield name
        elif not isinstance(value, STATELESS):
            yield name


def _globals_of(code: CodeType) -> set[str]:
    """Return the globals that code loads, also that of the functions that it makes.

    `co_names` has the names of attributes, too.
    """
    loaded = {one.argval for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"}
    inner = (_globals_of(one) for one in code.co_consts if isinstance(one, CodeType))
    return loaded.union(*inner)
