"""Leaving no trace: what a call of a model may change is put back, whatever happens.

Everything a module is lies in its `__dict__`: flags, hooks, parameters, buffers and plain
attributes. So one walk over the containers that are reachable from there is enough to restore
all of them - and to put other tensors in their places while the model is being counted.
"""

from __future__ import annotations

import random
import sys
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


class ModelState:
    """The containers of a model, or of the inputs of a call, as they were; the tensors in them."""

    def __init__(self, model: object) -> None:
        self._containers: list[tuple[Any, Any]] = []  # (a dict, list, set or deque; its copy)
        self._holders: list[tuple[Any, Any]] = []  # those of them that hold tensors
        self._slotted: list[tuple[Any, dict[str, Any]]] = []  # objects without `__dict__`
        self._seen: dict[int, Any] = {}  # the containers by id, held so that ids stay theirs
        self._tensors: dict[int, torch.Tensor] = {}
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
        for container, saved in self._slotted:
            for name, value in saved.items():
                if getattr(container, name, None) is not value:
                    object.__setattr__(container, name, value)  # also of a frozen record
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
            self._seen[id(value)] = value
            for item in value:
                self._walk(item, depth + 1)
        else:
            self._walk_object(value, depth)

    def _walk_object(self, value: Any, depth: int) -> None:
        self._seen[id(value)] = value
        if hasattr(value, "__dict__"):
            # Modules start anew: their nesting has no bound.
            self._walk(vars(value), 0 if isinstance(value, nn.Module) else depth + 1)
        slots = _slots(value)
        if slots:
            self._slotted.append((value, slots))
            for item in slots.values():
                self._walk(item, depth + 1)

    def _visit(self, container: Any, copy: Any, values: list[Any], depth: int) -> None:
        self._seen[id(container)] = container
        self._containers.append((container, copy))
        if any(map(_holds, values)) and not isinstance(container, set):
            self._holders.append((container, copy))
        for item in values:
            if type(item) not in ATOMS:
                self._walk(item, depth + 1)


@contextmanager
def kept(model: nn.Module) -> Iterator[ModelState]:
    """Restore the model and torch's global state at the end, also after an exception."""
    state = ModelState(model)
    with _random_state_kept(), switches_kept():
        try:
            yield state
        finally:
            state.restore()


@contextmanager
def values_kept(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """Restore the contents of tensors that the model writes into."""
    copies = [(t, t.detach().clone()) for t in tensors if not t.is_meta]
    try:
        yield
    finally:
        for tensor, copy in copies:
            tensor.data.copy_(copy)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    accelerator, numpy = _running_accelerator(), sys.modules.get("numpy")
    device_states = accelerator.get_rng_state_all() if accelerator else None
    numpy_state = numpy.random.get_state() if numpy else None
    python_state, torch_state = random.getstate(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        if accelerator is not None:
            accelerator.set_rng_state_all(device_states)


def _running_accelerator() -> Any:
    """Return torch's module of an accelerator that has random state and is in use, if any.

    One that is not in use yet has no state to keep, and asking for it would start it.
    """
    accelerator = _accelerator()
    if accelerator is None:
        return None
    module = torch.get_device_module(accelerator)
    started = getattr(module, "is_initialized", lambda: True)()
    return module if started and hasattr(module, "get_rng_state_all") else None


def _accelerator() -> torch.device | None:
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None


@contextmanager
def switches_kept() -> Iterator[None]:
    """Restore what a forward may switch in the whole process."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    deterministic = _deterministic()
    precision, fast_path = (
        torch.get_float32_matmul_precision(),
        torch.backends.mha.get_fastpath_enabled(),
    )
    kinds = ["cpu", *([accelerator.type] if (accelerator := _accelerator()) else [])]
    autocast = {kind: torch.is_autocast_enabled(kind) for kind in kinds}
    flags = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, mkldnn.enabled
    with torch.set_grad_enabled(torch.is_grad_enabled()):
        try:
            yield
        finally:
            for kind, enabled in autocast.items():
                torch.set_autocast_enabled(kind, enabled)
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            if _deterministic() != deterministic:  # to set it imports `torch._inductor`
                torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
            torch.set_float32_matmul_precision(precision)
            torch.backends.mha.set_fastpath_enabled(fast_path)
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic, mkldnn.enabled = flags


def _deterministic() -> tuple[bool, bool]:
    """Tell whether deterministic algorithms are asked for, and whether only by a warning."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


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
