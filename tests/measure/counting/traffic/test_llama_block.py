"""What FLOPs do not see of a Llama block: each change moves traffic by 5 % or operators by 10 %."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_flopbudget import profile_model
from tests.measure.counting.traffic.llama_block import (
    HEAD,
    HEADS,
    HIDDEN,
    KV_HEADS,
    TOKENS,
    WIDTH,
    Block,
    Ways,
    decode,
    prefill,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.profile.model_profile import ModelProfile

BF16 = 2  # bytes


def profile_of(ways: Ways, inputs: Callable[[torch.dtype], Any]) -> ModelProfile:
    metrics = ("params", "gflops", "traffic", "operators")
    return profile_model(Block(ways), inputs(ways.dtype), metrics=metrics)


def test_a_block_moves_what_follows_from_its_shapes() -> None:
    profile = profile_of(Ways(), prefill)
    x, kv, hidden = (BF16 * TOKENS * width for width in (WIDTH, KV_HEADS * HEAD, HIDDEN))
    products = {
        "q": x + BF16 * WIDTH * WIDTH + x,
        "k": x + BF16 * WIDTH * KV_HEADS * HEAD + kv,
        "v": x + BF16 * WIDTH * KV_HEADS * HEAD + kv,
        "out": x + BF16 * WIDTH * WIDTH + x,
        "up": x + BF16 * WIDTH * HIDDEN + hidden,
        "down": hidden + BF16 * WIDTH * HIDDEN + x,
    }
    norms = dict.fromkeys(("attention_norm", "mlp_norm"), 2 * x + BF16 * WIDTH)
    attention, residuals, activation = 2 * x + 2 * kv, 2 * 3 * x, 2 * hidden
    own = {"": attention + residuals + activation, **products, **norms}
    assert {layer.path: layer.own_traffic_bytes for layer in profile.layers} == own
    assert profile.operators == 6 + 2 + 1 + 2 + 1


def test_a_step_writes_one_slot_of_its_cache() -> None:
    profile = profile_of(Ways(), decode)
    slot, cache = BF16 * KV_HEADS * HEAD, BF16 * KV_HEADS * HEAD * TOKENS
    x = BF16 * WIDTH
    written = 2 * (2 * slot + 8)  # k and v: the slot is read and written, by one index
    attention, residuals, activation = 2 * x + 2 * cache, 2 * 3 * x, 2 * BF16 * HIDDEN
    assert profile[""].own_traffic_bytes == written + attention + residuals + activation
    assert HEADS == WIDTH // HEAD


CHANGES = {
    "norm-written-out": {"norm": "written-out"},
    "gelu-written-out": {"activation": "written-out"},
    "upcast-and-back": {"upcast": True},
    "contiguous-q-k-v": {"contiguous": True},
    "k-and-v-copied-for-each-head": {"repeated": True},
    "a-mask-for-each-head": {"mask": "dense"},
    "eager-attention": {"attention": "eager"},
    "three-clones": {"clones": 3},
    "float32": {"dtype": torch.float32},
    "float64": {"dtype": torch.float64},
}
STEPS = {
    "a-cache-that-is-concatenated": {"cache": "concatenated"},
    "k-and-v-copied-for-each-head": {"repeated": True},
    "eager-attention": {"attention": "eager"},
    "norm-written-out": {"norm": "written-out"},
    "float32": {"dtype": torch.float32},
}


@pytest.mark.parametrize(
    ("inputs", "change"),
    [
        *(pytest.param(prefill, change, id=f"prefill-{name}") for name, change in CHANGES.items()),
        *(pytest.param(decode, change, id=f"decode-{name}") for name, change in STEPS.items()),
    ],
)
def test_a_change_that_flops_do_not_see(inputs: Any, change: dict[str, Any]) -> None:
    before, after = profile_of(Ways(), inputs), profile_of(replace(Ways(), **change), inputs)
    assert (after.flops, after.params) == (before.flops, before.params)
    assert after.traffic_bytes > 1.05 * before.traffic_bytes or (
        after.operators > 1.1 * before.operators
    )


def test_bfloat16_halves_the_traffic_of_float32() -> None:
    wide = profile_of(Ways(dtype=torch.float32), prefill)
    assert 2 * profile_of(Ways(), prefill).traffic_bytes == wide.traffic_bytes
