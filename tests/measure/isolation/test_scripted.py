"""What TorchScript keeps in its own runtime is as before, too."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import x

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.usefixtures("brief_timing"),
    pytest.mark.filterwarnings(
        "ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*torch.jit.*:FutureWarning"
    ),
]

ONCE = 2 * 2 * 4 * 4


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, rows: Tensor) -> Tensor:
        return self.norm(self.layer(rows))


class Remembering(nn.Module):
    """Reassigns a buffer, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("last", torch.zeros(2, 4))
        self.calls: int = 0

    def forward(self, rows: Tensor) -> Tensor:
        self.last = self.layer(rows).detach()
        self.calls += 1
        return self.layer(rows)


def loaded(model: nn.Module) -> Any:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(model), file)
    file.seek(0)
    return torch.jit.load(file)


WAYS: dict[str, Callable[[nn.Module], Any]] = {
    "script": torch.jit.script,
    "load": loaded,
    "inside": lambda model: nn.Sequential(torch.jit.script(model)),
}


def state_of(model: nn.Module) -> list[Any]:
    kept = [*model.state_dict().items(), *model.named_parameters()]
    tensors = [(name, type(value), value.device, value.tolist()) for name, value in kept]
    counts = [module.calls for module in model.modules() if hasattr(module, "calls")]
    return [tensors, [p.grad for p in model.parameters()], model.training, counts]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("kind", "times"), [(Normed, 1), (Remembering, 2)])
@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("metrics", [("gflops",), ("gflops", "latency"), ("memory",)], ids="-".join)
def test_a_scripted_module(
    way: Callable[[nn.Module], Any],
    kind: Callable[[], nn.Module],
    times: int,
    mode: str,
    metrics: tuple[str, ...],
) -> None:
    model = way(kind())
    before = state_of(model)
    profile = profile_model(model, torch.randn(2, 4), mode=mode, metrics=metrics)
    assert state_of(model) == before
    if "gflops" in metrics:
        assert (profile.forward_flops or profile.flops) == times * ONCE
        assert (profile.counted_on, profile.uncounted) == ("meta", ())
    model(torch.randn(2, 4)).sum().backward()


def test_parameters_stay_the_same_objects() -> None:
    model = torch.jit.script(Normed())
    weight = model.layer.weight
    profile_model(model, x(2, 4), mode="training", metrics=("gflops", "latency"))
    assert model.layer.weight is weight
