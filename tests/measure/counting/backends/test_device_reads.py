"""A model that asks for its device runs what it would run there, also on meta tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.counting.backends.device_reads import (
    AmbiguousDeviceError,
    MetaTensors,
)
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from tests.measure.helpers import Fn, counted_in, x

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCT = 2 * 16 * 16 * 16
CPU, META = torch.device("cpu"), torch.device("meta")

READS = {
    "type": lambda t: t.device.type == "cpu",
    "device": lambda t: t.device == torch.device("cpu"),
    "text": lambda t: str(t.device) == "cpu",
    "is_cpu": lambda t: t.is_cpu,
    "is_cuda": lambda t: not t.is_cuda,
    "is_meta": lambda t: not t.is_meta,
    "get_device": lambda t: t.get_device() == -1,
    "get_device of torch": lambda t: torch.get_device(t) == -1,
    "kind": lambda t: t.type() == "torch.FloatTensor",
}


def branching(is_there: Callable[[Tensor], bool]) -> nn.Module:
    """Runs two products where it lies on the CPU, else one."""

    def forward(self: Any, rows: Tensor) -> Tensor:
        assert is_there(self.weight) == is_there(rows) == is_there(rows @ rows.T.float())
        return rows @ self.weight @ self.weight if is_there(rows) else rows @ self.weight

    return Fn(forward, weight=nn.Parameter(x(16, 16)))


@pytest.mark.parametrize("backend", [MetaBackend, FakeBackend, RealBackend])
@pytest.mark.parametrize("read", [read for read in READS if read != "kind"])
def test_the_branch_of_the_real_device_is_counted(backend: Any, read: str) -> None:
    count = counted_in(backend(), branching(READS[read]), (x(16, 16),))
    assert sum(count.forward) == (1 + 2) * PRODUCT


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("read", READS)
def test_it_takes_no_other_backend(read: str, mode: str) -> None:
    profile = profile_model(branching(READS[read]), x(16, 16), mode=mode)
    flops = profile.forward_flops if mode == "training" else profile.flops
    assert (flops, profile.counted_on) == (3 * PRODUCT, "meta")


def test_weights_on_meta_say_so() -> None:
    profile = profile_model(branching(READS["type"]).to("meta"), x(16, 16, device="meta"))
    assert (profile.flops, profile.counted_on) == (2 * PRODUCT, "meta")


# What a model does with the answer.

MADE = {
    "zeros": lambda t: torch.zeros(3, device=t.device).sum() + 2,
    "tensor": lambda t: torch.tensor([2], device=t.device),
    "as_tensor": lambda t: torch.as_tensor([2], device=t.device),
    "like": lambda t: torch.full_like(t, 2, device=t.device)[0, 0],
    "new": lambda t: t.new_full((), 2, device=t.device),
    "context": lambda t: within(t.device),
    "moved": lambda t: torch.tensor(2).to(t.device),
    "moved by keyword": lambda t: torch.tensor(2).to(device=t.device, dtype=torch.long),
    "named": lambda t: torch.tensor(2).to("cpu") + torch.zeros((), device="cpu"),
}


def within(device: torch.device) -> Tensor:
    with device:
        return torch.ones(2).sum()


@pytest.mark.parametrize("make", MADE)
def test_what_is_made_on_the_device_is_known(make: str) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        value = MADE[make](rows)
        assert value.device == rows.device
        for _ in range(int(value)):
            rows = self.layer(rows)
        return rows

    profile = profile_model(Fn(forward, layer=nn.Linear(16, 16)), x(16, 16))
    assert (profile.flops, profile.counted_on) == (2 * PRODUCT, "meta")


STAYS = {
    "to": lambda t: t.to(t.device),
    "to by keyword": lambda t: t.to(device=t.device),
    "to by name": lambda t: t.to("cpu"),
    "to with a type": lambda t: t.to(t.device, torch.float32),
    "cpu": lambda t: t.cpu(),
}


@pytest.mark.parametrize("move", STAYS)
def test_what_is_moved_to_where_it_lies_stays(move: str) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        assert STAYS[move](rows) is rows
        STAYS[move](self.seen).add_(1)
        return self.layer(rows)

    model = Fn(forward, layer=nn.Linear(16, 16))
    model.register_buffer("seen", x(1))
    count = counted_in(MetaBackend(), model, (x(16, 16),))
    assert (sum(count.forward), count.written) == (PRODUCT, [model.seen])


def test_random_numbers_are_drawn_there() -> None:
    def forward(rows: Tensor) -> Tensor:
        noise = torch.randn(16, 16, device=rows.device, generator=torch.Generator(rows.device))
        return rows @ noise

    profile = profile_model(Fn(forward), x(16, 16))
    assert (profile.flops, profile.counted_on) == (PRODUCT, "meta")


def test_autocast_takes_the_device() -> None:
    def forward(rows: Tensor) -> Tensor:
        with torch.autocast(rows.device.type, torch.bfloat16):
            return rows @ rows

    profile = profile_model(Fn(forward), x(16, 16))
    assert (profile.flops, profile.counted_on) == (PRODUCT, "meta")


# Several devices: tensors on meta do not tell theirs.


def test_a_tensor_that_a_model_puts_on_meta_is_told_apart() -> None:
    def forward(rows: Tensor) -> Tensor:
        shape = torch.zeros(16, 16, device="meta")
        return rows @ rows if shape.is_meta and not rows.is_meta else rows

    profile = profile_model(Fn(forward), x(16, 16))
    assert (profile.flops, profile.counted_on) == (PRODUCT, "fake")


def reading(rows: Tensor, devices: set[torch.device]) -> tuple[Any, list[Exception]]:
    """Read the device of a tensor on meta where tensors would lie on these devices."""
    failures: list[Exception] = []
    with MetaTensors([], lambda name, tensor: None, failures.append, devices):
        return rows.device, failures


def test_the_answer_is_the_one_device_or_a_failure() -> None:
    rows, cuda = x(2, device="meta"), torch.device("cuda", 1)
    assert reading(rows, {cuda}) == (cuda, [])
    assert reading(rows, {META}) == (META, [])
    assert reading(rows, set()) == (CPU, [])
    assert reading(x(2), {cuda}) == (CPU, [])
    _, (failure,) = reading(rows, {CPU, cuda})
    assert "one of ['cpu', 'cuda:1']" in str(failure)


def test_where_the_model_lies_on_an_accelerator_its_name_is_taken_for_meta() -> None:
    rows, cuda = x(2, device="meta"), torch.device("cuda", 0)
    with MetaTensors([], lambda name, tensor: None, [].append, {cuda}):
        made = [torch.zeros(2, device="cuda"), torch.tensor([1], device=cuda), rows.cuda()]
        assert [tensor.device for tensor in made] == [cuda] * 3
        assert (rows.is_cuda, rows.get_device(), rows.type()) == (True, 0, "torch.cuda.FloatTensor")
        assert made[2] is rows is rows.to(cuda) is rows.to("cuda", torch.float32)


@pytest.mark.parametrize("reads", [True, False])
def test_a_device_that_a_model_names_itself_leaves_the_answer_open(reads: bool) -> None:
    def forward(rows: Tensor) -> Tensor:
        before = rows.device
        product = rows.to("xla:1") @ torch.zeros(16, 16, device="xla:1")
        return product @ product if reads and product.device == before else product

    if not reads:
        assert sum(counted_in(MetaBackend(), Fn(forward), (x(16, 16),)).forward) == PRODUCT
        return
    with pytest.raises(AmbiguousDeviceError, match=r"one of \['cpu', 'xla:1'\]"):
        counted_in(MetaBackend(), Fn(forward), (x(16, 16),))
