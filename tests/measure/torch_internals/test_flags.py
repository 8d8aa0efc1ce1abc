"""What the flags of torch must tell us."""

from __future__ import annotations

import torch

from pytest_flopbudget.measure.torch_internals.flags import autocast_is_on


def test_autocast_of_any_device_is_seen() -> None:
    assert not autocast_is_on()
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_is_on()
        with torch.autocast("cpu", enabled=False):
            assert not autocast_is_on()
    assert not autocast_is_on()
