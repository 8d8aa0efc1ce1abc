"""Tensors and storages: addresses, and the tensors inside of sparse ones."""

from __future__ import annotations

import torch

# Has a tensor without values raise when it is asked for its address, instead of answering 0: a raw
# kernel that is given that address ends the process. Used for each result on meta.
forbid_data_pointer = torch._C._set_throw_on_mutable_data_ptr


def coo_tensors(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices and values of a COO tensor; the public methods refuse uncoalesced ones."""
    return tensor._indices(), tensor._values()


def storage_address(storage: torch.UntypedStorage) -> int:
    """Return the address of a storage itself, which stays when its memory is resized."""
    address: int = storage._cdata
    return address
