"""Arrays of numpy that tell when a product is computed of them, whatever becomes of the result.

Element-wise functions and reductions are as free as those of PyTorch, and their results are watched
too. What numpy is given as an array of its own class, as by `numpy.asarray`, is no longer watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCTS = frozenset(  # functions of numpy that multiply and add, besides generalised ufuncs
    {
        *("dot", "vdot", "inner", "tensordot", "einsum", "convolve", "correlate", "cov"),
        *("corrcoef", "polyfit", "vander", "matrix_power", "multi_dot"),
    }
)
MODULES = ("numpy.linalg", "numpy.fft")  # whose functions do, but for these
FREE = frozenset({"norm", "vector_norm", "matrix_norm", "trace", "diagonal", "matrix_transpose",
                  "fftshift", "ifftshift", "fftfreq", "rfftfreq"})  # fmt: skip


class Watch(Protocol):
    """Whom to tell of a product, as long as there is somebody."""

    note: Callable[[], None] | None


class WatchedArray(np.ndarray):
    """An array that tells its watch where a product is computed of it or of what came of it."""

    watch: Watch | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.watch = getattr(source, "watch", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        watch = _watch_of(inputs)
        if ufunc.signature is not None:
            _tell(watch)
        if "out" in kwargs:
            kwargs["out"] = tuple(map(plain, kwargs["out"]))
        inputs = tuple(map(plain, inputs))
        if "where" in kwargs:
            kwargs["where"] = plain(kwargs["where"])
        return _watched(getattr(ufunc, method)(*inputs, **kwargs), watch)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if _is_product(func):
            _tell(self.watch)
        kinds = tuple(kind for kind in types if kind is not WatchedArray)
        result = super().__array_function__(func, (*kinds, np.ndarray), args, kwargs)
        return _watched(result, self.watch)

    def dot(self, other: Any, out: Any = None) -> Any:
        """Compute a product, as `numpy.dot` does."""
        _tell(self.watch)
        return _watched(plain(self).dot(plain(other), out), self.watch)


def watched(array: np.ndarray[Any, Any], watch: Watch) -> WatchedArray:
    """Return the same array in the same memory, but watched."""
    found = array.view(WatchedArray)
    found.watch = watch
    return found


def plain(value: Any) -> Any:
    """Return an array as one of numpy's own class, in the same memory; other values as they are."""
    return value.view(np.ndarray) if isinstance(value, WatchedArray) else value


def _tell(watch: Watch | None) -> None:
    if watch is not None and watch.note is not None:
        watch.note()


def _watch_of(values: Any) -> Watch | None:
    watches = (value.watch for value in values if isinstance(value, WatchedArray))
    return next((watch for watch in watches if watch is not None), None)


def _watched(result: Any, watch: Watch | None) -> Any:
    if type(result) in (tuple, list):
        return type(result)(_watched(one, watch) for one in result)
    if type(result) in (np.ndarray, WatchedArray) and watch is not None and watch.note is not None:
        return watched(result, watch)
    return result


def _is_product(func: Any) -> bool:
    name, module = func.__name__, str(func.__module__)
    return name in PRODUCTS or (module.startswith(MODULES) and name not in FREE)
