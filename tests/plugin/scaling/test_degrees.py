"""Models of known degree: how FLOPs and traffic grow with the size, derived beside each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_flopbudget import profile_model
from pytest_flopbudget.profile.scaling_profile import ScalingProfile
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (5, 6, 8, 11, 13)
WIDTH = 4
QUADRATIC, LINEAR, CONSTANT, STEPPED = 2, 1, 0, None


def grown(build: Callable[[int], Any], sizes: tuple[int, ...] = SIZES) -> ScalingProfile:
    metrics = ("params", "gflops", "traffic", "operators", "weights")
    profiles = tuple(profile_model(*build(size), metrics=metrics) for size in sizes)
    return ScalingProfile(sizes=sizes, profiles=profiles, of="n", metrics=metrics)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v)


def masked(repeats: bool) -> Callable[[int], Any]:
    """A mask over pairs: broadcast over the heads, or first written out for each of them."""

    def forward(q: Tensor, mask: Tensor) -> Tensor:
        # The sums stay linear in n: only the mask has n x n elements.
        mask = mask.repeat(q.shape[0], 1, 1) if repeats else mask
        return q * mask.diagonal(dim1=-2, dim2=-1)[..., None]

    return lambda n: (Fn(forward), (x(2, n, WIDTH), x(1, n, n)))


def scan(rows: Tensor, decay: Tensor) -> Tensor:
    """A recurrence over time, as of a state space model: one step for each row."""
    state = torch.zeros(WIDTH)
    for row in rows:
        state = state * decay + row
    return state


def window(rows: Tensor, *, of: int = 4) -> Tensor:
    """Attention within blocks of a size; the length is padded to whole blocks."""
    blocks = functional.pad(rows, (0, 0, 0, -len(rows) % of)).view(-1, of, WIDTH)
    return blocks @ blocks.mT @ blocks


class Experts(nn.Module):
    """Two of four experts for each token, by a fixed route."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, rows: Tensor) -> Any:
        return self.experts[0](rows) + self.experts[1](rows)


def linear(n: int) -> Any:
    return nn.Linear(WIDTH, WIDTH), (x(n, WIDTH),)


MODELS: dict[str, tuple[Callable[[int], Any], int | None, int | None]] = {
    # name: (build, degree of FLOPs, degree of traffic)
    "linear layer": (linear, LINEAR, LINEAR),
    "self-attention": (lambda n: (Fn(attention), (x(1, 1, n, 4),) * 3), QUADRATIC, LINEAR),
    "attention written out": (
        lambda n: (Fn(lambda q: (q @ q.mT).softmax(-1) @ q), (x(n, WIDTH),)),
        QUADRATIC,
        QUADRATIC,
    ),
    "linear attention": (
        lambda n: (Fn(lambda q: q @ (q.mT @ q)), (x(n, WIDTH),)),
        LINEAR,
        LINEAR,
    ),
    "decode with a cache": (
        lambda n: (Fn(attention), (x(1, 1, 1, 4), x(1, 1, n, 4), x(1, 1, n, 4))),
        LINEAR,
        LINEAR,
    ),
    "decode with a state": (
        lambda _: (Fn(lambda q, state: state @ q), (x(WIDTH), x(WIDTH, WIDTH))),
        CONSTANT,
        CONSTANT,
    ),
    "scan": (lambda n: (Fn(scan), (x(n, WIDTH), x(WIDTH))), CONSTANT, LINEAR),
    "recurrent network": (lambda n: (nn.LSTM(4, 4), (x(n, 1, 4),)), LINEAR, LINEAR),
    "window in blocks": (lambda n: (Fn(window), (x(n, WIDTH),)), STEPPED, STEPPED),
    "convolution in its side": (
        lambda n: (nn.Conv2d(1, 2, 3, padding=1), (x(1, 1, n, n),)),
        QUADRATIC,
        QUADRATIC,
    ),
    "convolution in time": (lambda n: (nn.Conv1d(1, 2, 3, padding=1), (x(1, 1, n),)), 1, 1),
    "convolution in space": (
        lambda n: (nn.Conv3d(1, 1, 1), (x(1, 1, n, n, n),)),
        3,
        3,
    ),
    "strided convolution": (
        lambda n: (nn.Conv1d(1, 1, 2, stride=2), (x(1, 1, n),)),
        STEPPED,
        STEPPED,
    ),
    "experts": (lambda n: (Experts(), (x(n, WIDTH),)), LINEAR, LINEAR),
    "width of a square layer": (lambda n: (nn.Linear(n, n), (x(3, n),)), QUADRATIC, QUADRATIC),
    "square matrices": (lambda n: (Fn(torch.matmul), (x(n, n), x(n, n))), 3, QUADRATIC),
    "depth": (
        lambda n: (nn.Sequential(*(nn.Linear(4, 4) for _ in range(n))), (x(2, 4),)),
        LINEAR,
        LINEAR,
    ),
    "embedding": (lambda n: (nn.Embedding(9, 4), (x(n, dtype=torch.long),)), 0, LINEAR),
    "all pairs": (lambda n: (Fn(lambda a: a[:, None] + a[None]), (x(n, 4),)), 0, QUADRATIC),
    "a mask that is broadcast": (masked(repeats=False), CONSTANT, LINEAR),
    "a mask that is repeated": (masked(repeats=True), CONSTANT, QUADRATIC),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_degree_of_a_model(name: str) -> None:
    build, flops, traffic = MODELS[name]
    degree = grown(build).degree
    assert (degree["gflops"], degree["traffic"]) == (flops, traffic)


def test_a_coefficient_is_what_one_more_token_costs() -> None:
    found = grown(MODELS["decode with a cache"][0]).polynomial
    # A token of context: 2 * 4 FLOPs of scores and of values; a key and a value of 16 bytes.
    assert found["gflops"] is not None
    assert found["traffic"] is not None
    assert (found["gflops"][1], found["traffic"][1]) == (16, 32)
