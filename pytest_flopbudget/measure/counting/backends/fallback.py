"""The fallback of backends: a model is tried on meta tensors, then on fake ones, then for real."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from pytest_flopbudget.measure.isolation.interrupts import reraise_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.isolation.escaped_tensors import Surroundings

T = TypeVar("T")


def on_first_backend(
    attempt: Callable[[Backend, bool], T],
    *,
    on_meta: bool,
    final: tuple[type[Exception], ...],
    surroundings: Surroundings,
) -> T:
    """Return what an attempt gives on the first backend on which it does not fail.

    Args:
        attempt: gets a new backend, and whether it is the last one.
        on_meta: whether weights or inputs are on meta themselves, so that hardly anything can run
            for real; an error is then that of the attempt before it.
        final: exceptions that no other backend would spare.
        surroundings: where an attempt may leave tensors, which would spoil the next one.

    Raises:
        Exception: what the last attempt raises, or one of `final`.
        BaseException: what a handler of a signal raised, or what ends the run.
    """
    backends: list[type[Backend]] = [MetaBackend, FakeBackend, *([] if on_meta else [RealBackend])]
    *others, last = backends
    for backend in others:
        with surroundings.cleaned():
            try:
                return attempt(backend(), False)
            except final:
                raise
            except Exception as error:  # noqa: BLE001 - if it is the model's own, it comes again
                reraise_foreign(error)
    if not on_meta:
        return attempt(last(), True)
    try:
        with surroundings.cleaned():
            return attempt(last(), True)
    except final:
        raise
    except Exception as error:
        reraise_foreign(error)
        try:
            return attempt(RealBackend(), True)  # hooks may bring the values in, from disk say
        except Exception as other:  # noqa: BLE001 - the first one says more
            reraise_foreign(other)
        raise
