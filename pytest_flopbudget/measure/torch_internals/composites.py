"""Composite operators: those that torch makes of others, above every dispatch mode."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch._ops import OpOverload

MADE_OF_OTHERS = torch._C.DispatchKey.CompositeImplicitAutograd
KEYS = {"meta": "Meta", "privateuseone": "PrivateUse1"}  # of devices, where not in capitals


def run_composite(operator: OpOverload, args: Any, kwargs: Any) -> Any:
    """Run an operator as the operators of which torch itself makes it."""
    return operator._op_dk(MADE_OF_OTHERS, *args, **kwargs)


@contextmanager
def composites_replaced(
    kernels: Mapping[OpOverload, Callable[..., Any]], devices: Iterable[str]
) -> Iterator[None]:
    """Have kernels run in the place of composite operators, on types of devices.

    They stand where autograd's would: whoever calls the operator gets there, also a scripted
    module, but not in inference mode, where a dispatch mode sees the operator itself.
    """
    library = torch.library.Library("aten", "IMPL")
    try:
        for operator, kernel in kernels.items():
            name = operator.name().removeprefix("aten::")
            for device in devices:
                library.impl(name, kernel, f"Autograd{KEYS.get(device, device.upper())}")
        yield
    finally:
        library._destroy()
