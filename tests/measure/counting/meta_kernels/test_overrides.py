"""Layouts on meta are those that devices give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from tests.measure.helpers import Fn, counted_in

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = torch.zeros(2, 8, 6, 6)
LAST = IMAGE.to(memory_format=torch.channels_last)
VOLUME = torch.zeros(2, 8, 4, 4, 4)
CASES: dict[str, tuple[Callable[..., Any], torch.Tensor, torch.Tensor]] = {
    "contiguous": (F.conv2d, IMAGE, torch.zeros(8, 8, 3, 3)),
    "input-last": (F.conv2d, LAST, torch.zeros(8, 8, 3, 3)),
    "weight-last": (F.conv2d, IMAGE, torch.zeros(8, 8, 3, 3).to(memory_format=torch.channels_last)),
    "transposed": (F.conv_transpose2d, LAST, torch.zeros(8, 8, 3, 3)),
    "pointwise": (F.conv2d, LAST, torch.zeros(8, 8, 1, 1)),
    "one-channel": (F.conv2d, torch.zeros(2, 1, 6, 6), torch.zeros(8, 1, 3, 3)),
    "volume": (
        F.conv3d,
        VOLUME.to(memory_format=torch.channels_last_3d),
        torch.zeros(8, 8, 3, 3, 3),
    ),
}


@pytest.mark.parametrize(("function", "x", "weight"), CASES.values(), ids=CASES)
def test_a_convolution(function: Any, x: torch.Tensor, weight: torch.Tensor) -> None:
    strides = []

    def run(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = function(a, b)
        strides.append(output.stride())
        return output

    counted_in(MetaBackend(), Fn(run), (x, weight))
    run(x, weight)
    assert strides[0] == strides[1]


def test_a_group_norm_of_channels_last_runs() -> None:
    count = counted_in(MetaBackend(), nn.GroupNorm(2, 8), (LAST,), traffic=True)
    assert count.uncounted == {}
