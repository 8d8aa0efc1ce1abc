"""The state of random generators: seeded for a measurement and restored after it."""

from __future__ import annotations

import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.hardware.devices import accelerator

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def random_state_restored() -> Iterator[None]:
    """Restore the state of all generators of random numbers that are in use."""
    device, numpy = _running_accelerator(), sys.modules.get("numpy")
    device_states = device.get_rng_state_all() if device else None
    numpy_state = numpy.random.get_state() if numpy else None
    python_state, torch_state = random.getstate(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if numpy is not None:
            numpy.random.set_state(numpy_state)
        if device is not None:
            device.set_rng_state_all(device_states)


def seed_generators(number: int) -> None:
    """Seed Python's generator, numpy's and torch's, on an accelerator only if it is in use.

    `torch.manual_seed` would start an accelerator. A generator that the model makes is its own.
    """
    random.seed(number)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(number)
    torch.default_generator.manual_seed(number)
    device = _running_accelerator()
    if device is not None and hasattr(device, "manual_seed_all"):
        device.manual_seed_all(number)


def _running_accelerator() -> Any:
    """Return torch's module of an accelerator that has random state and is in use, if any.

    One that is not in use yet has no state to keep, and asking for it would start it.
    """
    found = accelerator()
    if found is None:
        return None
    module = torch.get_device_module(found)
    started = getattr(module, "is_initialized", lambda: True)()
    return module if started and hasattr(module, "get_rng_state_all") else None
