"""The state of a model: saved before a call, restored after it, and its tensors substituted.

What a call of a model may change is put back, whatever happens. The containers that the walk
finds are enough to restore a model, and to put other tensors in their places meanwhile: without
values to count the model, on another device to time it.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.isolation.global_flags import (
    garbage_collection_off,
    global_flags_restored,
)
from pytest_flopbudget.measure.isolation.held_state import restorer_of
from pytest_flopbudget.measure.isolation.iterators import Replay, Substitution, is_iterator
from pytest_flopbudget.measure.isolation.object_walk import (
    ObjectWalk,
    copy_of,
    kind_of,
    slots_of,
)
from pytest_flopbudget.measure.isolation.random_state import random_state_restored
from pytest_flopbudget.measure.torch_internals.autograd import gradient_hooks, set_gradient_hooks
from pytest_flopbudget.measure.torch_internals.modules import (
    script_attributes,
    set_script_attribute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Holder = tuple[Any, Any]  # a container, and what it held


MAY_HOLD = (torch.Tensor, tuple)


class SavedState:
    """The contents of all containers of a model, or of the arguments of a call, and its tensors."""

    is_restored = False  # and nothing was prepared to run since

    def __init__(self, owner: object) -> None:
        with garbage_collection_off():  # nothing becomes garbage
            self._save(ObjectWalk(owner))

    def _save(self, found: ObjectWalk) -> None:
        self.tensors = found.tensors
        self._empty = found.empty
        self._containers = [(one, kind_of(one), copy_of(one)) for one in found.containers]
        holders = [(one, copy) for one, _, copy in self._containers if id(one) in found.holders]
        self._tensor_holders = _holding(_may_hold_tensors, holders)
        self._iterator_holders = _holding(_may_hold_iterators, holders) if found.iterators else []
        self._replays: dict[int, Replay] = {}  # of iterators that cannot be copied, by their ids
        self._substitution = partial(Substitution, replays=self._replays)
        self._classes = [(kind, dict(vars(kind))) for kind in found.classes]
        self._scripted = [(module, script_attributes(module)) for module in found.scripted]
        self._types = [(value, type(value)) for value in found.changeable]
        self._slots = [(value, slots_of(value)) for value in found.slotted]
        self._restorers = [f for f in map(restorer_of, found.others) if f is not None]
        leaves = [tensor for tensor in self.tensors if tensor.is_leaf]
        self._leaves = [(t, t.requires_grad, t.grad, gradient_hooks(t)) for t in leaves]

    def substitute(self, substitute_of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Put another tensor in the place of each one, wherever the model holds it."""
        self.is_restored = False
        self._substitution = partial(Substitution, substitute_of, self._replays)
        _put(self._tensor_holders, _may_hold_tensors, self._substitution().of)
        for module, attributes in self._scripted:
            for name, value in attributes.items():
                if isinstance(value, torch.Tensor):
                    set_script_attribute(module, name, substitute_of(value))
        self.renew_iterators()

    def renew_iterators(self) -> None:
        """Have what draws from an iterator begin where it stood when it was saved."""
        self.is_restored = False
        _put(self._iterator_holders, _may_hold_iterators, self._substitution().of)

    def clear_gradients(self) -> None:
        """Set gradients aside, so that a backward call adds nothing to them."""
        self.is_restored = False
        for tensor, _, gradient, _ in self._leaves:
            if gradient is not None:
                tensor.grad = None

    def restore(self) -> None:
        """Put everything back as it was when it was saved."""
        for container in self._empty:
            if container:
                container.clear()
        for container, kind, saved in self._containers:
            if not _is_same(kind, container, saved):
                _refill(container, saved)
        if any(replay.drawn for replay in self._replays.values()):
            _put(self._iterator_holders, _may_hold_iterators, self._unspent)
        self._substitution = partial(Substitution, replays=self._replays)  # and no tensors of it
        for restore in self._restorers:
            restore()
        self._restore_objects()
        self._restore_leaves()
        self.is_restored = True

    def _restore_objects(self) -> None:
        """Put back what has no container: names of classes, the class of an object, slots."""
        for kind, names in self._classes:
            _rename(kind, names)
        for module, attributes in self._scripted:
            for name, now in script_attributes(module).items():
                if now is not attributes[name]:
                    set_script_attribute(module, name, attributes[name])
        for owner, kind in self._types:
            if type(owner) is not kind:
                owner.__class__ = kind
        for owner, slots in self._slots:
            for name, value in slots.items():
                if getattr(owner, name, None) is not value:
                    object.__setattr__(owner, name, value)  # also of a frozen record

    def _unspent(self, value: Any) -> Any:
        return self._replays[id(value)].unspent() if id(value) in self._replays else value

    def _restore_leaves(self) -> None:
        for tensor, requires_grad, gradient, hooks in self._leaves:
            if not tensor.is_leaf:
                tensor.detach_()  # it was written into with gradients
            if tensor.requires_grad != requires_grad:
                tensor.requires_grad_(requires_grad)
            if tensor.grad is not gradient:
                tensor.grad = gradient
            set_gradient_hooks(tensor, hooks)


@contextmanager
def restored_after(owner: object) -> Iterator[SavedState]:
    """Restore all that an object holds and torch's global state at the end, whatever happens."""
    state = SavedState(owner)
    with random_state_restored(), global_flags_restored():
        try:
            yield state
        finally:
            if not state.is_restored:
                state.restore()


def _refill(container: Any, values: Any) -> None:
    kind = kind_of(container)
    kind.clear(container)
    _add(container, values)


def _add(container: Any, values: Any) -> None:
    """Add to a container, past what its class makes of that: a frozen one is as it was, too."""
    kind = kind_of(container)
    if issubclass(kind, dict):
        for key, value in values.items():
            kind.__setitem__(container, key, value)
    elif issubclass(kind, set):
        kind.update(container, values)
    else:
        kind.extend(container, values)


def _holding(may_hold: Callable[[Any], bool], holders: list[Holder]) -> list[Holder]:
    """Return the containers of which something can be substituted; a set stays untouched."""
    return [
        (container, saved)
        for container, saved in holders
        if not isinstance(container, set)
        and any(map(may_hold, saved.values() if isinstance(container, dict) else saved))
    ]


def _may_hold_tensors(value: Any) -> bool:
    return isinstance(value, MAY_HOLD)


def _may_hold_iterators(value: Any) -> bool:
    return isinstance(value, tuple) or is_iterator(value)


def _put(
    holders: list[Holder], may_hold: Callable[[Any], bool], substitute_of: Callable[[Any], Any]
) -> None:
    """Put what takes their place into the containers that hold something."""
    for container, saved in holders:
        if isinstance(container, dict):
            held = ((key, value) for key, value in saved.items() if may_hold(value))
            _add(container, {key: _substituted(value, substitute_of) for key, value in held})
        else:
            _refill(container, [_substituted(value, substitute_of) for value in saved])


def _substituted(value: Any, substitute_of: Callable[[Any], Any]) -> Any:
    if type(value) is tuple:
        return tuple(_substituted(item, substitute_of) for item in value)
    return substitute_of(value)


def _rename(kind: type, names: dict[str, Any]) -> None:
    """Have the attributes of a class stand for what they did; Python's own are left alone."""
    now = dict(vars(kind))
    if _is_same(dict, now, names):
        return
    for name in (name for name in now | names if not name.startswith("__")):
        if name not in names:
            delattr(kind, name)
        elif name not in now or now[name] is not names[name]:
            setattr(kind, name, names[name])


def _is_same(kind: Any, container: Any, saved: Any) -> bool:
    """Compare by identity and order, without calling anybody's `__eq__`."""
    if kind.__len__(container) != len(saved):
        return False
    if type(saved) is dict and not all(map(is_, kind.values(container), saved.values())):
        return False
    return all(map(is_, kind.__iter__(container), saved))
