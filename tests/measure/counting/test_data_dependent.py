"""Models whose control flow reads values, and models that make constants in forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable

ONCE = 2 * 4 * 8 * 8


def with_layer(forward: Callable[..., Any]) -> nn.Module:
    return Fn(forward, layer=nn.Linear(8, 8))


def by_item(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows) if rows.sum().item() > 0 else self.layer(self.layer(rows))


def by_bool(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows) if rows.any() else self.layer(self.layer(rows))


def by_int(self: Any, rows: Tensor) -> Tensor:
    for _ in range(int(rows.sum()) + 2):
        rows = self.layer(rows)
    return rows


def by_tolist(self: Any, rows: Tensor) -> Tensor:
    for _ in rows[:2, 0].tolist():
        rows = self.layer(rows)
    return rows


def by_numpy(self: Any, rows: Tensor) -> Tensor:
    for _ in range(int(rows.detach().numpy().sum()) + 2):
        rows = self.layer(rows)
    return rows


def by_nonzero(self: Any, rows: Tensor) -> Tensor:
    return self.layer(self.layer(rows)[(rows[:, 0] == 0).nonzero()[:, 0]])


def by_mask(self: Any, rows: Tensor) -> Tensor:
    return self.layer(self.layer(rows)[rows[:, 0] == 0])


def by_masked_select(self: Any, rows: Tensor) -> Tensor:
    rows = self.layer(rows)
    return self.layer(rows.masked_select(torch.ones_like(rows, dtype=torch.bool)).view(-1, 8))


def by_unique(self: Any, rows: Tensor) -> Tensor:
    index = torch.unique((rows[:, 0] * 0).long())  # one value
    return self.layer(self.layer(rows)[index.expand(4)])


@pytest.mark.parametrize(
    "forward",
    [by_item, by_bool, by_int, by_tolist, by_nonzero, by_mask, by_masked_select, by_unique],
)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_what_reads_values_is_counted_for_real(forward: Callable[..., Any], mode: str) -> None:
    profile = profile_model(with_layer(forward), x(4, 8), mode=mode)
    assert (profile.counted_on, profile.data_dependent) == ("real", True)
    flops = profile.forward_flops if mode == "training" else profile.flops
    assert (flops, profile.uncounted, profile["layer"].calls) == (2 * ONCE, (), 2)


def test_what_reads_values_through_numpy_is_data_dependent() -> None:
    profile = profile_model(with_layer(by_numpy), x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * ONCE, "real")
    assert profile.data_dependent


def test_the_values_of_the_inputs_decide() -> None:
    model = with_layer(by_int)
    flops = [profile_model(model, torch.full((4, 8), n / 32)).flops for n in (0, 1, 3)]
    assert flops == [2 * ONCE, 3 * ONCE, 5 * ONCE]


def test_a_random_choice_is_the_same_each_time() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        for _ in range(int(torch.randint(1, 100, ()).item())):
            rows = self.layer(rows)
        return rows

    first, second = (profile_model(with_layer(forward), x(4, 8)).flops for _ in range(2))
    assert first == second


# Constants that forward makes do not need a real run.


def arange(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.arange(8))


def literal(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows * torch.tensor([1.0, 2.0] * 4))


def causal_mask(self: Any, rows: Tensor) -> Tensor:
    rows = self.layer(rows)
    mask = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
    return (rows @ rows.T).masked_fill(mask, float("-inf")).softmax(-1) @ rows


def constant_decides(self: Any, rows: Tensor) -> Tensor:
    if torch.tensor([3, 4]).sum().item() == 7:
        rows = self.layer(rows)
    return self.layer(rows)


def constant_index(self: Any, rows: Tensor) -> Tensor:
    index = torch.tensor([0, 2])
    return self.layer(rows)[:, index]


def list_index(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows)[[0, 2]]


def constant_mask(self: Any, rows: Tensor) -> Tensor:
    keep = torch.arange(4) < 2
    return self.layer(rows)[keep]


def linspace_steps(self: Any, rows: Tensor) -> Tensor:
    for step in torch.linspace(0, 1, 2).tolist():
        rows = self.layer(rows * step)
    return rows


def grid(self: Any, rows: Tensor) -> Tensor:
    y, z = torch.meshgrid(torch.arange(4), torch.arange(8), indexing="ij")
    return self.layer(rows + y * z)


def position_from_shape(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.arange(rows.shape[1], device=rows.device))


def zeros_filled(self: Any, rows: Tensor) -> Tensor:
    out = torch.zeros(4, 8)
    out[:] = self.layer(rows)
    return out


def written_by_index(self: Any, rows: Tensor) -> Tensor:
    out = torch.zeros(4, 8)
    for i in range(4):
        out[i] = self.layer(rows[i])
    return out


def random_noise(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.randn(4, 8) + torch.randn_like(rows))


def on_a_device(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.ones(8, device="cpu").to(rows.device))


def same_dtype(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.tensor(1.5, dtype=rows.dtype).type_as(rows))


def large(self: Any, rows: Tensor) -> Tensor:
    return self.layer(rows + torch.arange(8 * 20_000).view(-1, 8)[:4])


@pytest.mark.parametrize(
    ("forward", "flops"),
    [
        (arange, ONCE),
        (literal, ONCE),
        (causal_mask, ONCE + 2 * 2 * 4 * 4 * 8),
        (constant_decides, 2 * ONCE),
        (constant_index, ONCE),
        (list_index, ONCE),
        (linspace_steps, 2 * ONCE),
        (grid, ONCE),
        (position_from_shape, ONCE),
        (zeros_filled, ONCE),
        (written_by_index, ONCE),
        (random_noise, ONCE),
        (on_a_device, ONCE),
        (same_dtype, ONCE),
        (large, ONCE),
    ],
)
def test_constants_made_in_forward_are_counted_on_meta(
    forward: Callable[..., Any], flops: int
) -> None:
    profile = profile_model(with_layer(forward), x(4, 8))
    assert (profile.flops, profile.uncounted) == (flops, ())
    assert (profile.counted_on, profile.data_dependent) == ("meta", False)


def test_rows_chosen_by_a_constant_mask_are_counted() -> None:
    profile = profile_model(with_layer(constant_mask), x(4, 8))
    assert (profile.flops, profile.uncounted) == (ONCE, ())


def test_what_was_written_into_a_constant_is_not_known_afterwards() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        steps = torch.zeros(2)
        steps[0] = self.layer(rows).sum() * 0 + 3
        for _ in range(int(steps.sum().item())):
            rows = self.layer(rows)
        return rows

    profile = profile_model(with_layer(forward), x(4, 8))
    assert (profile.flops, profile.counted_on, profile.data_dependent) == (4 * ONCE, "real", True)


def test_a_view_of_a_written_constant_is_not_known_either() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        steps = torch.zeros(2)
        view = steps[1:]
        view.copy_(self.layer(rows).sum() * 0 + 3)
        for _ in range(int(steps[1].item())):
            rows = self.layer(rows)
        return rows

    profile = profile_model(with_layer(forward), x(4, 8))
    assert profile.flops == 4 * ONCE


# Stray tensors that the model holds elsewhere than in parameters and buffers.


def test_a_tensor_in_a_closure() -> None:
    scale = torch.ones(8)
    profile = profile_model(with_layer(lambda self, rows: self.layer(rows * scale)), x(4, 8))
    assert (profile.flops, profile.counted_on) == (ONCE, "meta")


def test_a_large_tensor_in_a_closure() -> None:
    weight = torch.ones(8, 20_000)
    profile = profile_model(with_layer(lambda self, rows: self.layer(rows) @ weight), x(4, 8))
    assert (profile.flops, profile.counted_on) == (ONCE + 2 * 4 * 8 * 20_000, "meta")


@pytest.mark.parametrize(
    "place",
    [
        lambda weight: weight,
        lambda weight: [weight],
        lambda weight: {"w": weight},
        lambda weight: (weight, [weight]),
    ],
    ids=["attribute", "list", "dict", "tuple"],
)
def test_a_tensor_in_a_plain_attribute(place: Callable[[Tensor], Any]) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        held = self.held
        weight = held["w"] if isinstance(held, dict) else held
        weight = weight[0] if isinstance(weight, list | tuple) else weight
        return self.layer(rows) @ weight

    model = with_layer(forward)
    model.held = place(torch.eye(8))
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * ONCE, "meta")


def test_a_cache_that_forward_fills() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        if self.cache is None:
            self.cache = self.layer(rows)
        return self.cache @ self.cache.T

    model = with_layer(forward)
    model.cache = None
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, model.cache) == (ONCE + 2 * 4 * 8 * 4, None)
    assert model(x(4, 8)).device.type == "cpu"
    assert profile_model(model, x(4, 8)).flops == 2 * 4 * 8 * 4


def test_nested_dictionaries_as_inputs_and_outputs() -> None:
    def forward(self: Any, batch: dict[str, Any], *, scale: float) -> dict[str, Any]:
        return {"y": [self.layer(batch["x"][0]) * scale], "n": 3}

    profile = profile_model(with_layer(forward), ({"x": [x(4, 8)], "name": "a"},), {"scale": 2.0})
    assert (profile.flops, profile.counted_on) == (ONCE, "meta")


def test_interpolation_to_the_size_of_another_tensor() -> None:
    model = Fn(
        lambda self, a, b: self.conv(F.interpolate(a, size=b.shape[2:], mode="bilinear")),
        conv=nn.Conv2d(3, 4, 1),
    )
    profile = profile_model(model, (x(1, 3, 4, 4), x(1, 3, 6, 6)))
    assert (profile.flops, profile.counted_on) == (2 * 36 * 3 * 4, "meta")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_a_compiled_model_is_counted_as_it_was_written() -> None:
    model = nn.Linear(8, 8)
    profile = profile_model(torch.compile(model), x(4, 8))
    assert (profile.flops, profile.model, profile.layers[0].path) == (ONCE, "Linear", "")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_a_compiled_layer_is_counted_as_it_was_written() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[1].compile()
    profile = profile_model(model, x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * ONCE, "meta")
    assert model[1]._compiled_call_impl is not None


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
def test_a_scripted_model() -> None:
    profile = profile_model(torch.jit.script(nn.Linear(8, 8)), x(4, 8))
    assert (profile.flops, profile.uncounted) == (ONCE, ())


def test_data_parallel() -> None:
    profile = profile_model(nn.DataParallel(nn.Linear(8, 8)), x(4, 8))
    assert profile["module"].flops == ONCE


@pytest.mark.parametrize(
    "ask",
    [
        lambda rows: rows.sum().item(),
        lambda rows: bool(rows.sum() > -1e9),
        lambda rows: rows.tolist(),
    ],
)
def test_a_model_that_catches_what_has_no_value_is_counted_for_real(ask: Any) -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        try:
            ask(rows)
        except Exception:  # noqa: BLE001
            return rows
        return self.layer(rows)

    profile = profile_model(Fn(forward, layer=nn.Linear(8, 8)), x(4, 8))
    assert (profile.flops, profile.counted_on, profile.data_dependent) == (ONCE, "real", True)


def test_an_error_of_its_own_that_a_model_catches_stays_caught() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        try:
            return self.layer(rows @ rows)
        except RuntimeError:
            return self.layer(rows)

    assert profile_model(Fn(forward, layer=nn.Linear(8, 8)), x(4, 8)).flops == ONCE
