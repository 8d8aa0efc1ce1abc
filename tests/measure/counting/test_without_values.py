"""Weights without values: counted all the same, with those that hooks bring in, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONCE = 2 * 2 * 4 * 4
WEIGHT = np.eye(4, dtype=np.float32)


class Offloaded(nn.Linear):
    """A layer whose weight lies on disk and is there only while it runs, as accelerate has it."""

    def __init__(self, path: Path) -> None:
        super().__init__(4, 4, bias=False, device="meta")
        np.save(path, WEIGHT)
        self.path = path

    def forward(self, rows: Tensor) -> Tensor:
        away = self.weight
        stored = torch.tensor(np.load(self.path, mmap_mode="r"))
        self.weight = type(away)(stored, requires_grad=away.requires_grad)
        try:
            return super().forward(rows)
        finally:
            self.weight = away


class Reading(Offloaded):
    """One that also asks for a value."""

    def forward(self, rows: Tensor) -> Tensor:
        rows = super().forward(rows)
        return rows * 2 if rows.sum().item() > 7 else rows @ rows.T


@pytest.mark.parametrize(
    ("kind", "mode", "flops", "counted_on"),
    [
        (Offloaded, "inference", ONCE, "meta"),
        (Offloaded, "training", 2 * ONCE, "real"),
        (Reading, "inference", ONCE, "real"),
    ],
)
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
def test_weights_that_lie_on_disk(
    tmp_path: Path, kind: type[Offloaded], mode: str, flops: int, counted_on: str
) -> None:
    model = kind(tmp_path / "weight.npy")
    rows = torch.ones(2, 4)  # of which the sum is 8
    profile = profile_model(model, rows, mode=mode, metrics=("params", "gflops", "latency"))
    assert (profile.flops, profile.params, profile.uncounted) == (flops, 16, ())
    assert profile.counted_on == counted_on
    assert profile.not_measured == {"latency": "the weights are on meta"}
    assert model.weight.is_meta
    assert model.weight.grad is None


READS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a number": (lambda rows: rows.sum().item(), "aten._local_scalar_dense.default"),
    "a truth value": (lambda rows: bool(rows.sum() > 0), "aten._local_scalar_dense.default"),
    "a list": (lambda rows: rows.tolist(), "aten._local_scalar_dense.default"),
    "an array": (lambda rows: rows.numpy(), ".numpy() is not supported for tensor subclasses"),
    "where": (lambda rows: rows[rows[:, 0] > 0], "aten.nonzero.default"),
}


@pytest.mark.parametrize(("read", "reason"), READS.values(), ids=READS)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_model_on_meta_that_asks_for_values(
    read: Callable[[Tensor], Any], reason: str, mode: str
) -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        output = self.layer(rows)
        read(output.detach())
        return output

    model = Fn(forward, layer=nn.Linear(4, 4, device="meta"))
    with pytest.raises(MeasureError) as caught:
        profile_model(model, x(2, 4), mode=mode)
    assert caught.value.sentence == (
        f"`Fn` asks for the values of tensors, but its weights are on meta: {reason}"
    )
    assert 'model.to_empty(device="cpu")' in caught.value.hint
    assert profile_model(model.to_empty(device="cpu"), x(2, 4), mode=mode).counted_on == "real"


def test_an_input_on_meta_whose_values_are_asked_for() -> None:
    model = Fn(lambda self, rows: self.layer(rows) * rows.sum().item(), layer=nn.Linear(4, 4))
    with pytest.raises(MeasureError) as caught:
        profile_model(model, x(2, 4, device="meta"))
    assert caught.value.sentence.startswith(
        "`Fn` asks for the values of tensors, but there are some on meta: "
    )


def test_an_error_of_the_model_stays_its_own() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        raise ValueError("of the model")

    model = Fn(forward, layer=nn.Linear(4, 4, device="meta"))
    with pytest.raises(ValueError, match="of the model"):
        profile_model(model, x(2, 4))
