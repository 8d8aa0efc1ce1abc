"""Operators and the dispatcher: what runs below the public functions of PyTorch."""

from __future__ import annotations

from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DispatchMode",
    "HigherOrderOperator",
    "OpOverload",
    "OpOverloadPacket",
    "dispatch_keys",
    "dispatch_modes",
    "dispatches_itself",
    "function_modes",
    "functions_as_they_are",
    "has_kernel",
    "has_kernel_for",
    "leave_modes",
    "modes_restored",
    "numbers_of_modes",
    "overloads_of",
    "qualified_name",
    "run_on_cpu",
    "schema_of",
    "without_dispatch_modes",
]

DEFAULT_DEVICE = (
    "torch.utils._device"  # the module of the mode that `with torch.device(...)` enters
)
ON_THE_CPU = torch._C.DispatchKey.CPU

# What torch tells apart about a tensor - sparse, conjugated, wrapped, of a mode - as a set of keys.
# Used for each operand of each operator, so it is torch's own function and no function of ours.
dispatch_keys = torch._C._dispatch_keys

# The schema of an operator: its qualified name, arguments, returns and what aliases what.
schema_of: Callable[[OpOverload], Any] = attrgetter("_schema")

# Whether the dispatcher knows an operator, by its name, and whether it has a kernel for a dispatch
# key, by its name. A kernel for `CompositeImplicitAutograd` is made of other operators.
has_kernel = torch._C._dispatch_has_kernel
has_kernel_for = torch._C._dispatch_has_kernel_for_dispatch_key


# A context in which no dispatch mode sees operators, be it ours or that of fake tensors.
without_dispatch_modes = _disable_current_modes

# The context in which no `TorchFunctionMode` sees the functions of torch, and what they read.
functions_as_they_are = torch._C.DisableTorchFunction


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that costs no import of `torch._dynamo`, and takes higher-order operators.

    By default torch wraps `__torch_dispatch__` so that Dynamo skips it, and to wrap it imports
    Dynamo, which takes as long as the import of torch itself (1.4 s).
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Have `__torch_dispatch__` left as it is; no user compiles what runs under our modes."""
        return False


def dispatch_modes() -> list[TorchDispatchMode]:
    """Return the modes that see the operators of this thread: each thread has its own."""
    number = torch._C._len_torch_dispatch_stack()
    return [torch._C._get_dispatch_stack_at(index) for index in range(number)]


def function_modes() -> list[Any]:
    """Return the modes that see the functions of torch in this thread, but for a default device."""
    number = torch._C._len_torch_function_stack()
    modes = [torch._C._get_function_stack_at(index) for index in range(number)]
    return [mode for mode in modes if type(mode).__module__ != DEFAULT_DEVICE]


def numbers_of_modes() -> tuple[int, int]:
    """Return how many modes see the operators of this thread, and how many its functions."""
    return torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()


def leave_modes(numbers: tuple[int, int]) -> None:
    """Take modes from this thread until so many are left."""
    while torch._C._len_torch_dispatch_stack() > numbers[0]:
        torch._C._pop_torch_dispatch_stack(None)
    while torch._C._len_torch_function_stack() > numbers[1]:
        torch._C._pop_torch_function_stack()


@contextmanager
def modes_restored() -> Iterator[None]:
    """Leave at the end the modes that were entered inside and not left, as after an interrupt."""
    numbers = numbers_of_modes()
    try:
        yield
    finally:
        leave_modes(numbers)


def dispatches_itself(kind: type) -> bool:
    """Return whether a class of tensors has a `__torch_dispatch__` of its own."""
    own = getattr(kind, "__torch_dispatch__", None)
    return own not in (
        None,
        torch.Tensor.__torch_dispatch__,
        torch._C._disabled_torch_dispatch_impl,
    )


def overloads_of(operator: OpOverload) -> Iterator[OpOverload]:
    """Yield all overloads of an operator, of which torch tags some only."""
    packet = operator._overloadpacket
    return (getattr(packet, name) for name in packet.overloads())


def qualified_name(packet: object) -> str:
    """Return `namespace::name` of an operator such as `torch.ops.aten.mm`, `""` of all else."""
    name = getattr(packet, "_qualified_op_name", "")
    return name if isinstance(name, str) else ""


def run_on_cpu(operator: OpOverload, args: Any, kwargs: Any) -> Any:
    """Run the CPU kernel of an operator, so that a mode sees the operators that it calls."""
    return operator._op_dk(ON_THE_CPU, *args, **kwargs)
