"""What composite operators must do for us: run as others, and be replaced for a while."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pytest_flopbudget.measure.torch_internals.composites import (
    composites_replaced,
    run_composite,
)
from tests.measure.torch_internals.test_dispatch import Names

RMS_NORM = torch.ops.aten.rms_norm.default


def test_a_composite_operator_runs_as_others() -> None:
    with Names() as seen:
        output = run_composite(RMS_NORM, (torch.ones(2, 4), [4]), {})
    assert torch.equal(output, F.rms_norm(torch.ones(2, 4), (4,)))
    assert "aten::rms_norm" not in seen.names
    assert len(seen.names) > 1


@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_replaced_operator_is_called_and_comes_back(requires_grad: bool) -> None:
    calls: list[Any] = []

    def kernel(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return run_composite(RMS_NORM, args, kwargs)

    x = torch.ones(2, 4, requires_grad=requires_grad)
    with composites_replaced({RMS_NORM: kernel}, ["cpu", "meta"]):
        F.rms_norm(x, (4,))
        torch.rms_norm(x.detach().to("meta"), (4,))
    assert len(calls) == 2
    F.rms_norm(x, (4,))
    assert len(calls) == 2


def test_an_operator_comes_back_after_an_error() -> None:
    def kernel(*_: Any, **__: Any) -> Any:
        raise KeyError

    with pytest.raises(KeyError), composites_replaced({RMS_NORM: kernel}, ["cpu"]):
        F.rms_norm(torch.ones(2, 4), (4,))
    assert F.rms_norm(torch.ones(2, 4), (4,)).shape == (2, 4)
