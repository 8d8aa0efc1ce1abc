"""Own costs, totals and calls of layers: where an operator is booked."""

from __future__ import annotations

import copy
import gc
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn, mlp, x

if TYPE_CHECKING:
    from pytest_flopbudget.profile.model_profile import ModelProfile

ONCE = 2 * 4 * 8 * 8  # one Linear(8, 8) on 4 rows


def own(profile: ModelProfile) -> dict[str, int | None]:
    """The own FLOPs of the layers that have any."""
    return {layer.path: layer.own_flops for layer in profile.layers if layer.own_flops}


def test_own_and_total() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"0": ONCE, "1.0": ONCE, "1.1": ONCE}
    totals = {layer.path: layer.flops for layer in profile.layers}
    assert totals == {"": 3 * ONCE, "0": ONCE, "1": 2 * ONCE, "1.0": ONCE, "1.1": ONCE}


def test_layers_are_in_the_order_of_named_modules() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(8, 8)), mlp())
    profile = profile_model(model, x(4, 8))
    assert [layer.path for layer in profile.layers] == [name for name, _ in model.named_modules()]


def test_what_a_layer_does_besides_its_children_is_its_own() -> None:
    model = Fn(
        lambda self, rows: (rows @ self.w) + self.layer(rows @ self.w),
        w=nn.Parameter(torch.eye(8)),
        layer=nn.Linear(8, 8),
    )
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"": 2 * ONCE, "layer": ONCE}
    assert profile[""].flops == 3 * ONCE


def test_a_shared_layer_has_its_first_name() -> None:
    layer = nn.Linear(8, 8)
    profile = profile_model(nn.Sequential(layer, nn.ReLU(), layer), x(4, 8))
    assert own(profile) == {"0": 2 * ONCE}
    assert profile["0"].calls == 2
    assert "2" not in profile
    assert profile[""].flops == 2 * ONCE


def test_a_layer_shared_by_two_parents_has_its_first_name() -> None:
    layer = nn.Linear(8, 8)
    model = nn.Sequential(nn.Sequential(layer), nn.Sequential(layer, nn.Linear(8, 8)))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"0.0": 2 * ONCE, "1.1": ONCE}
    assert [profile[path].flops for path in ("", "0", "1")] == [3 * ONCE, 2 * ONCE, ONCE]
    assert (profile["0.0"].calls, profile["0"].calls, profile["1"].calls) == (2, 1, 1)


def test_a_layer_that_calls_itself() -> None:
    def forward(self: Any, rows: Tensor, times: int = 2) -> Tensor:
        rows = rows @ self.w
        return self(rows, times - 1) if times else rows

    model = Fn(forward, w=nn.Parameter(torch.eye(8)))
    profile = profile_model(nn.Sequential(model), x(4, 8))
    assert own(profile) == {"0": 3 * ONCE}
    assert profile["0"].calls == 3


def test_forward_called_directly_is_booked_where_it_runs() -> None:
    model = Fn(lambda self, rows: self.layer.forward(rows), layer=nn.Linear(8, 8))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"": ONCE}
    assert profile["layer"].calls == 0


def test_a_childs_weight_used_directly_is_booked_where_it_runs() -> None:
    model = Fn(lambda self, rows: F.linear(rows, self.layer.weight), layer=nn.Linear(8, 8))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"": ONCE}
    assert (profile["layer"].calls, profile["layer"].params) == (0, 72)
    assert profile.unused == ("layer.bias",)


def test_what_a_hook_of_the_model_does_belongs_to_the_layer_that_has_it() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    weight = torch.eye(8)
    model[0].register_forward_hook(lambda _module, _args, output: output @ weight)
    model[1].register_forward_pre_hook(lambda _module, args: (args[0] @ weight,))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {"0": 2 * ONCE, "1": ONCE}


def test_layers_that_do_not_run() -> None:
    model = Fn(
        lambda self, rows: self.used(rows),
        used=nn.Linear(8, 8),
        unused=nn.Linear(8, 8),
        several=nn.ModuleList([nn.Linear(8, 8)]),
    )
    profile = profile_model(model, x(4, 8))
    for path in ("unused", "several", "several.0"):
        layer = profile[path]
        assert (layer.calls, layer.flops, layer.own_flops) == (0, 0, 0)
        assert (layer.input_shapes, layer.output_shapes) == ((), ())


def test_a_module_list_has_the_total_of_its_layers() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        for layer in self.several:
            rows = layer(rows)
        return rows

    model = Fn(forward, several=nn.ModuleList(nn.Linear(8, 8) for _ in range(3)))
    profile = profile_model(model, x(4, 8))
    assert (profile["several"].flops, profile["several"].calls) == (3 * ONCE, 0)


def test_a_model_without_layers() -> None:
    profile = profile_model(Fn(lambda rows: rows @ rows.T), x(4, 8))
    assert own(profile) == {"": 2 * 4 * 8 * 4}
    assert [layer.path for layer in profile.layers] == [""]


def test_a_layer_kept_outside_of_the_modules_is_its_callers() -> None:
    hidden = nn.Linear(8, 8)
    profile = profile_model(nn.Sequential(Fn(lambda rows: hidden(rows))), x(4, 8))
    assert own(profile) == {"0": ONCE}


def test_shapes_are_those_of_the_first_call() -> None:
    model = Fn(
        lambda self, rows: self.layer(rows) + self.layer(rows[:1]) + self.two(rows, b=rows[:2])[0],
        layer=nn.Linear(8, 3),
        two=Fn(lambda a, b: (a[:1, :3], {"b": b})),
    )
    profile = profile_model(model, x(4, 8))
    assert (profile["layer"].input_shapes, profile["layer"].output_shapes) == (((4, 8),), ((4, 3),))
    assert profile["two"].input_shapes == ((4, 8), (2, 8))
    assert profile["two"].output_shapes == ((1, 3), (2, 8))
    assert profile["layer"].calls == 2


def test_type_and_arguments() -> None:
    profile = profile_model(mlp(), x(4, 8))
    assert (profile[""].type, profile[""].arguments, profile.model) == (
        "Sequential", "", "Sequential",
    )  # fmt: skip
    assert (profile["0"].type, profile["0"].arguments) == (
        "Linear", "in_features=8, out_features=16, bias=True",
    )  # fmt: skip


def test_after_an_exception_that_the_model_catches_its_caller_goes_on() -> None:
    def fail(rows: Tensor) -> Tensor:
        raise ValueError(rows.shape)

    def forward(self: Any, rows: Tensor) -> Tensor:
        try:
            self.broken(rows)
        except ValueError:
            rows = rows @ self.w
        return self.layer(rows)

    model = Fn(forward, w=nn.Parameter(torch.eye(8)), broken=Fn(fail), layer=nn.Linear(8, 8))
    profile = profile_model(nn.Sequential(model), x(4, 8))
    assert own(profile) == {"0": ONCE, "0.layer": ONCE}


@pytest.mark.parametrize("width", [1, 2, 3])
def test_dots_in_names_are_levels(width: int) -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8)) for _ in range(width)))
    profile = profile_model(model, x(4, 8))
    assert own(profile) == {f"{i}.0": ONCE for i in range(width)}


def test_ten_layers_do_not_mix_up_1_and_10() -> None:
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(11)))
    profile = profile_model(model, x(4, 8))
    assert (profile["1"].flops, profile["10"].flops) == (ONCE, ONCE)


# Random trees of modules, with layers used again.


class Tree(nn.Module):
    """Runs its children, which may be shared, and `products` products of its own."""

    def __init__(self, children: list[nn.Module], products: int) -> None:
        super().__init__()
        self.several = nn.ModuleList(children)
        self.products = products
        self.register_buffer("w", torch.eye(8))

    def forward(self, rows: Tensor) -> Tensor:
        for layer in self.several:
            rows = layer(rows)
        for _ in range(self.products):
            rows = rows @ self.w
        return rows


SHARED = st.shared(st.builds(lambda: [nn.Linear(8, 8), mlp_8()]), key="layers")


def mlp_8() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 8))


LEAVES = st.one_of(
    st.builds(lambda: nn.Linear(8, 8)),
    st.builds(nn.ReLU),
    st.builds(mlp_8),
    st.builds(lambda layers, i: layers[i], SHARED, st.integers(0, 1)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(Tree, st.lists(inner, max_size=3), st.integers(0, 2)),
    max_leaves=10,
)


def executed(module: nn.Module) -> int:
    """FLOPs of one call by walking the tree as forward does."""
    if isinstance(module, nn.Linear):
        return 2 * 4 * module.in_features * module.out_features
    if isinstance(module, Tree):
        return sum(map(executed, module.several)) + module.products * ONCE
    return sum(map(executed, module.children()))


@settings(max_examples=40, deadline=None)
@given(model=TREES, mode=st.sampled_from(["inference", "training"]))
def test_own_costs_add_up_to_the_total(model: nn.Module, mode: str) -> None:
    model = nn.Sequential(nn.Linear(8, 8), model)
    profile = profile_model(model, x(4, 8), mode=mode)
    forward = profile.flops if mode == "inference" else profile.forward_flops
    assert forward == executed(model)
    assert sum(layer.own_flops or 0 for layer in profile.layers) == profile.flops
    assert sum(layer.own_params for layer in profile.layers) == profile.params
    assert profile.params == sum(p.numel() for p in model.parameters())
    for layer in profile.layers:
        below = [
            other
            for other in profile.layers
            if not layer.path or f"{other.path}.".startswith(f"{layer.path}.")
        ]
        assert layer.flops == sum(other.own_flops or 0 for other in below)
        assert layer.params == sum(other.own_params for other in below)


def test_a_layer_that_calls_itself_has_the_shapes_of_its_first_call() -> None:
    class Halving(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return rows if len(rows) == 1 else self(rows[: len(rows) // 2])

    root = profile_model(Halving(), x(4, 8)).layers[0]
    assert (root.calls, root.input_shapes, root.output_shapes) == (3, ((4, 8),), ((1, 8),))


def test_a_layer_that_forward_copies_keeps_its_hooks() -> None:
    """The hooks lead to what counts: copied with the layer, it crashed the interpreter."""
    model = Fn(lambda self, rows: copy.deepcopy(self.layer)(rows), layer=nn.Linear(2, 4))
    profile = profile_model(model, x(2, 2))
    assert (profile.flops, profile.counted_on) == (32, "meta")
    gc.collect()
    assert not model.layer._forward_hooks
