"""Fake tensors of torch: they have a device and a shape, but no values."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_modes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


NO_ADDRESS = "Cannot access data pointer of"  # says a tensor without values that is asked for it
NO_VALUES = (".numpy() is not supported for tensor subclasses", NO_ADDRESS)


def fake_tensor_mode() -> Any:
    """Return a new `FakeTensorMode` that also takes real tensors, as models make them."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)


def fake_tensor(mode: Any, tensor: torch.Tensor) -> torch.Tensor:
    """Return the fake tensor of a real one.

    torch 2.14 remembers the value of a scalar, whoever writes into it later; it is forgotten here.
    """
    fake: torch.Tensor = mode.from_tensor(tensor)
    fake.item_memo = None  # type: ignore[attr-defined]
    return fake


def is_fake(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is a fake one."""
    return hasattr(tensor, "fake_mode")


def is_in_fake_mode() -> bool:
    """Return whether the tensors that this thread makes are fake ones."""
    fake = sys.modules.get("torch._subclasses.fake_tensor")  # what is not imported is not entered
    return fake is not None and any(isinstance(m, fake.FakeTensorMode) for m in dispatch_modes())


def is_about_values(error: Exception) -> bool:
    """Return whether an error says that a tensor without values was asked for them."""
    from torch._subclasses import fake_tensor

    kinds = (fake_tensor.DataDependentOutputException, fake_tensor.DynamicOutputShapeException)
    return isinstance(error, kinds) or any(text in str(error) for text in NO_VALUES)


@contextmanager
def failures_not_logged() -> Iterator[None]:
    """Keep the fake mode from logging what it cannot run: whoever runs it handles the exception."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled
