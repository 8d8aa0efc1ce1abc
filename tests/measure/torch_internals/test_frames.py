"""Which frame of torch is the last one when an operator that was called by itself fails."""

from __future__ import annotations

from traceback import walk_tb

import pytest
import torch

from pytest_flopbudget.measure.torch_internals.frames import OPERATOR_CALLS


def test_an_operator_that_fails_leaves_one_frame_of_that_module_at_the_end() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.ops.aten.mm.default(torch.zeros(2, 3), torch.zeros(2, 3))
    modules = [frame.f_globals["__name__"] for frame, _ in walk_tb(raised.value.__traceback__)]
    assert modules == [__name__, OPERATOR_CALLS]
