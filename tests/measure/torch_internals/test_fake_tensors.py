"""What fake tensors must do for us: have a device and a shape, and forget what they are made of."""

from __future__ import annotations

import logging

import pytest
import torch

from pytest_flopbudget.measure.torch_internals.fake_tensors import (
    failures_not_logged,
    fake_tensor,
    fake_tensor_mode,
    is_fake,
    is_in_fake_mode,
)


def test_a_fake_tensor_has_the_device_and_the_shape_of_a_real_one() -> None:
    fake = fake_tensor(fake_tensor_mode(), torch.ones(2, 3))
    assert is_fake(fake)
    assert (fake.device.type, fake.shape, fake.dtype) == ("cpu", (2, 3), torch.float32)


def test_a_fake_tensor_has_no_values() -> None:
    fake = fake_tensor(fake_tensor_mode(), torch.tensor(3.0))
    with pytest.raises(Exception, match="_local_scalar_dense"):
        fake.item()


def test_real_tensors_may_meet_fake_ones() -> None:
    mode = fake_tensor_mode()
    fake, literal = fake_tensor(mode, torch.ones(2)), torch.ones(2)
    with mode:
        assert is_fake(fake + literal)


def test_a_real_tensor_is_no_fake() -> None:
    assert not is_fake(torch.ones(2))
    assert not is_fake(torch.ones(2, device="meta"))


def test_failures_are_logged_again_afterwards() -> None:
    """The name of the logger is torch's: where it warns that it cannot run an operator."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    with pytest.raises(ValueError, match="the model's"), failures_not_logged():
        assert logger.disabled
        raise ValueError("the model's")
    assert not logger.disabled


def test_the_logger_of_the_fake_mode_has_this_name() -> None:
    from torch._subclasses import fake_tensor as module

    assert module.log.name == "torch._subclasses.fake_tensor"


def test_a_fake_mode_is_seen_in_the_thread_that_entered_it() -> None:
    assert not is_in_fake_mode()
    with fake_tensor_mode():
        assert is_in_fake_mode()
        assert is_fake(torch.ones(2))
    assert not is_in_fake_mode()
