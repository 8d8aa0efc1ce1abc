"""Running without values: what is constant is known all the same, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.known_values import SMALL
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.helpers import Fn, counted_in, mlp, x

ONCE = 2 * 4 * 8 * 8


def with_layer(forward: Callable[..., Any]) -> Any:
    return Fn(forward, layer=nn.Linear(8, 8))


def by(steps: Callable[[Any, Tensor], Any]) -> Any:
    """A model that runs its layer as often as `steps` says."""

    def forward(self: Any, rows: Tensor) -> Tensor:
        for _ in range(int(steps(self, rows))):
            rows = self.layer(rows)
        return rows

    return with_layer(forward)


# Constants on the device of the inputs, which is the meta device.


def ones(self: Any, rows: Tensor) -> Tensor:
    return torch.ones(3, device=rows.device).sum()


def like(self: Any, rows: Tensor) -> Tensor:
    return torch.ones_like(rows)[0, :3].sum()


def new(self: Any, rows: Tensor) -> Tensor:
    return rows.new_full((), 3)


def all_of_a_mask(self: Any, rows: Tensor) -> int:
    return 3 if torch.ones(4, 4, device=rows.device).bool().all() else 1


def literal(self: Any, rows: Tensor) -> Tensor:
    return torch.tensor([1, 2]).to(rows.device).sum()


def positions(self: Any, rows: Tensor) -> Tensor:
    return (torch.arange(4, device=rows.device) > 0).nonzero().max()


def selected(self: Any, rows: Tensor) -> int:
    steps = torch.arange(4, device=rows.device)
    return len(steps[steps > 0])


def unique(self: Any, rows: Tensor) -> int:
    return len(torch.unique(torch.arange(6, device=rows.device) // 2))


def largest(self: Any, rows: Tensor) -> Tensor:
    return torch.arange(4, device=rows.device).max(0).values


def written(self: Any, rows: Tensor) -> Tensor:
    steps = torch.zeros(4, dtype=torch.long, device=rows.device)
    steps[1:3].add_(torch.tensor(1))
    steps[3] = 1
    return steps.sum()


def compared(self: Any, rows: Tensor) -> int:
    return 3 if torch.equal(torch.ones(2, device=rows.device), torch.ones(2)) else 1


CONSTANTS = [
    ones, like, new, all_of_a_mask, literal, positions, selected, unique, largest, written, compared,
]  # fmt: skip


@pytest.mark.parametrize("steps", CONSTANTS)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_constants_decide_on_meta_too(steps: Callable[..., Any], mode: str) -> None:
    profile = profile_model(by(steps), x(4, 8), mode=mode)
    assert (profile.counted_on, profile.data_dependent, profile.uncounted) == ("meta", False, ())
    flops = profile.forward_flops if mode == "training" else profile.flops
    assert flops == 3 * ONCE


@pytest.mark.parametrize("steps", CONSTANTS)
def test_constants_decide_where_the_weights_are_on_meta(steps: Callable[..., Any]) -> None:
    profile = profile_model(by(steps).to("meta"), x(4, 8))
    assert (profile.flops, profile.counted_on) == (3 * ONCE, "meta")


@pytest.mark.parametrize("dtype", [torch.long, torch.int32, torch.bool])
def test_indices_and_masks_that_a_model_holds_are_constants(dtype: torch.dtype) -> None:
    model = by(lambda self, rows: self.steps.sum())
    model.register_buffer("steps", torch.ones(3, dtype=dtype))
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, profile.counted_on, profile.data_dependent) == (3 * ONCE, "meta", False)


def test_weights_are_no_constants() -> None:
    model = by(lambda self, rows: self.steps.sum())
    model.steps = nn.Parameter(torch.ones(3))
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, profile.counted_on) == (3 * ONCE, "real")


@pytest.mark.parametrize("n", [torch.ones(3, dtype=torch.long), torch.tensor(3)])
def test_inputs_are_no_constants(n: Tensor) -> None:
    profile = profile_model(Fn(lambda n: int(n.sum() if n.dim() else n)), n)
    assert (profile.counted_on, profile.data_dependent) == ("real", True)


# What is written into a constant is not known afterwards, wherever one looks at it.


def assigned(self: Any, rows: Tensor) -> Tensor:
    steps = torch.zeros(2, device=rows.device)
    steps[0] = rows.sum() * 0 + 3
    return steps.sum()


def assigned_in_a_view(self: Any, rows: Tensor) -> Tensor:
    steps = torch.zeros(2, device=rows.device)
    steps[1:].copy_(rows[0, :1] * 0 + 3)
    return steps.sum()


def seen_in_a_view(self: Any, rows: Tensor) -> Tensor:
    steps = torch.zeros(2, device=rows.device)
    view = steps.view(1, 2)[0]
    steps[0] = rows.sum() * 0 + 3
    return view.sum()


def assigned_in_a_large_view(self: Any, rows: Tensor) -> Tensor:
    steps = torch.zeros(1, device=rows.device)
    steps.expand(2 * SMALL)[SMALL].copy_(rows.sum() * 0 + 3)
    return steps.sum()


def assigned_in_a_buffer(self: Any, rows: Tensor) -> Tensor:
    self.buffer.copy_(rows.sum() * 0 + 3)
    return self.buffer


def assigned_in_what_shares_its_memory(self: Any, rows: Tensor) -> Tensor:
    self.alias.copy_(rows.sum() * 0 + 3)
    return self.buffer


def counted_up(self: Any, rows: Tensor) -> Tensor:
    self.buffer += 3
    return self.buffer


def grown(self: Any, rows: Tensor) -> Tensor:
    steps = torch.ones(1, device=rows.device)
    steps.resize_(2 * SMALL)
    return steps[:3].fill_(1).sum()


def found(self: Any, rows: Tensor) -> int:
    steps = torch.zeros(0, 1, dtype=torch.long, device=rows.device)
    torch.nonzero(torch.ones(3, device=rows.device), out=steps)
    return len(steps)


def drawn(self: Any, rows: Tensor) -> Tensor:
    return torch.zeros(3, device=rows.device).bernoulli_(1.0).sum()


@pytest.mark.parametrize(
    "steps",
    [
        assigned,
        assigned_in_a_view,
        seen_in_a_view,
        assigned_in_a_large_view,
        assigned_in_a_buffer,
        assigned_in_what_shares_its_memory,
        counted_up,
        grown,
        found,
        drawn,
    ],
)
def test_what_is_written_is_not_known(steps: Callable[..., Any]) -> None:
    model = by(steps)
    model.register_buffer("buffer", torch.tensor(0))
    model.register_buffer("alias", model.buffer.view(()))
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, profile.counted_on) == (3 * ONCE, "real")
    assert (int(model.buffer), int(model.alias)) == (0, 0)


def test_a_tensor_of_somebody_else_is_never_written() -> None:
    stray = torch.zeros(4, 8)

    def forward(self: Any, rows: Tensor) -> Tensor:
        stray[:2].add_(1)
        return self.layer(rows + stray)

    profile = profile_model(with_layer(forward), x(4, 8))
    assert (profile.flops, profile.counted_on) == (ONCE, "meta")
    assert not stray.any()


def test_the_state_of_a_recurrent_layer_lies_where_its_input_does() -> None:
    profile = profile_model(nn.LSTM(8, 8), x(5, 2, 8))
    assert (profile.flops, profile.counted_on) == (10_240, "meta")


def test_a_large_constant_is_not_computed() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        steps = torch.arange(2**15, device=rows.device)
        later = steps[:, None] >= steps  # 8 GB of them if it had values and int64
        assert later.untyped_storage().device.type == "meta"
        return self.layer(rows)

    assert profile_model(with_layer(forward), x(4, 8)).counted_on == "meta"


# Models on meta whose control flow asks tensors.


class Asking(nn.Module):
    """Reads a value unless it is traced, as `transformers` does with masks."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = mlp()

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        from torch._subclasses.fake_tensor import FakeTensor

        if not isinstance(mask, FakeTensor) and mask.all():
            return self.mlp(rows)
        return self.mlp(rows * mask)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("inputs", ["cpu", "meta"])
def test_a_model_on_meta_is_tried_with_fake_tensors_too(device: str, inputs: str) -> None:
    rows, mask = x(3, 8, device=inputs), torch.ones(3, 1, dtype=torch.bool, device=inputs)
    profile = profile_model(Asking().to(device), (rows, mask))
    assert (profile.flops, profile.counted_on) == (3 * 2 * (8 * 16 + 16 * 4), "fake")


def test_what_fails_with_fake_tensors_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            profile_model(Fn(torch.mm), (x(2, 3), x(4, 5)))
        assert (caplog.records, logger.disabled) == ([], False)
        with FakeBackend().entered():
            pass
        assert not logger.disabled
    finally:
        logger.removeHandler(caplog.handler)


# Products of groups of rows: torch's own meta kernel takes bfloat16 alone.

GROUPS = torch.tensor([2, 6], dtype=torch.int32)


@pytest.mark.parametrize("backend", [MetaBackend, FakeBackend, RealBackend])
@pytest.mark.parametrize(
    ("width", "dtype"), [(4, torch.float32), (8, torch.float32), (8, torch.bfloat16)]
)
@pytest.mark.parametrize(
    ("a", "b", "groups", "flops"),
    [
        ((6, 8), (2, 8, 0), GROUPS, 2 * 6 * 8),
        ((2, 3, 8), (2, 8, 0), None, 2 * 6 * 8),
        ((3, 8), (8, 0), torch.tensor([2, 8], dtype=torch.int32), 2 * 3 * 8),
    ],
)
@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="it came after torch 2.7")
def test_grouped_products(
    backend: type, width: int, dtype: torch.dtype, a: Any, b: Any, groups: Any, flops: int
) -> None:
    b = tuple(size or width for size in b)
    model = Fn(lambda a, b, groups=None: torch._grouped_mm(a, b, offs=groups) + 0)
    inputs = (x(*a, dtype=dtype), x(*b, dtype=dtype), *(() if groups is None else (groups,)))
    count = counted_in(backend(), model, inputs)
    real = counted_in(RealBackend(), model, inputs)
    assert sum(count.forward) == flops * width
    assert count.module_calls.outputs == real.module_calls.outputs
