"""Tensors and storages: addresses, and the tensors inside of sparse ones."""

from __future__ import annotations

from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.torch_internals.dispatch import without_dispatch_modes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What torch says where the constructor of a subclass of `Tensor` runs under a dispatch mode.
SUBCLASS_REFUSED = "Creating a new Tensor subclass"

# Has a tensor without values raise when it is asked for its address, instead of answering 0: a raw
# kernel that is given that address ends the process. Used for each result on meta.
forbid_data_pointer = torch._C._set_throw_on_mutable_data_ptr


# The address of a storage itself, which stays when its memory is resized. Used for each operand of
# each operator, so it is no function of ours.
storage_address: Callable[[torch.UntypedStorage], int] = attrgetter("_cdata")


def coo_tensors(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices and values of a COO tensor; the public methods refuse uncoalesced ones."""
    return tensor._indices(), tensor._values()


@contextmanager
def subclasses_constructed() -> Iterator[None]:
    """Let constructors of subclasses of `Tensor` run under dispatch modes, which do not see them.

    Only where a model needs it: afterwards each of them takes 0.1 us longer in this process.
    """

    def new(kind: type[torch.Tensor], *args: Any, **kwargs: Any) -> torch.Tensor:
        with without_dispatch_modes():
            return torch._C.TensorBase.__new__(kind, *args, **kwargs)

    torch.Tensor.__new__ = new  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        del torch.Tensor.__new__
