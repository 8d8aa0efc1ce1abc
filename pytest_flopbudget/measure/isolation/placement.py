"""Placement: a model whose tensors lie on another device for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_flopbudget.measure.isolation.tensor_substitutes import TensorSubstitutes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from pytest_flopbudget.measure.isolation.model_state import SavedState


@contextmanager
def placed_on(state: SavedState, device: torch.device) -> Iterator[None]:
    """Let a model hold copies of its tensors on a device; nothing is copied back."""
    copies = TensorSubstitutes()

    def on_device(tensor: torch.Tensor) -> torch.Tensor:
        if _is_on(tensor, device):
            return tensor
        return copies.of(tensor, lambda: tensor.detach().to(device))

    state.substitute(on_device)
    try:
        yield
    finally:
        state.restore()


def _is_on(tensor: torch.Tensor, device: torch.device) -> bool:
    return tensor.device.type == device.type and device.index in (None, tensor.device.index)
