"""Architectures of `transformers`: each is counted, and every way to run it gives one count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import nn

from pytest_flopbudget import ModelProfile, profile_model
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from pytest_flopbudget.measure.counting.dispatch_engine import OutsideError
from tests.measure.counting.corpus.case import linear, sdpa
from tests.measure.counting.transformers_zoo import (
    BATCH,
    BY_NAME,
    MIXTURES,
    TOKENS,
    ZOO,
    Architecture,
    masked_text,
    text,
)
from tests.measure.helpers import Fn, counted_in, flops_of, x

WITHOUT_VALUES = [row for row in ZOO if row.on != "real"]
ROWS = BATCH * TOKENS
as_in_the_table = pytest.mark.skipif(
    torch.__version__ < "2.13", reason="fewer models run without values on an older torch"
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def measured(architecture: Architecture) -> tuple[nn.Module, ModelProfile]:
    model = architecture.build()
    return model, profile_model(model, kwargs=architecture.inputs())


def named(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("architecture", [BY_NAME[name] for name in names], ids=str)


@pytest.mark.parametrize("architecture", ZOO, ids=str)
def test_it_is_counted_whole(architecture: Architecture) -> None:
    model, profile = measured(architecture)
    assert profile.uncounted == ()
    assert profile.params == model.num_parameters()
    assert profile.flops == sum(layer.own_flops or 0 for layer in profile.layers) > 0
    assert profile.data_dependent == (profile.counted_on == "real")


@as_in_the_table
@pytest.mark.parametrize("architecture", ZOO, ids=str)
def test_it_is_counted_where_the_table_says(architecture: Architecture) -> None:
    assert measured(architecture)[1].counted_on == architecture.on


@pytest.mark.parametrize("architecture", WITHOUT_VALUES[::2], ids=str)
def test_a_real_run_gives_the_same_count_layer_by_layer(architecture: Architecture) -> None:
    model, profile = measured(architecture)
    try:
        count = counted_in(RealBackend(), model, kwargs=architecture.inputs())
    except OutsideError as error:
        pytest.skip(f"transformers asks old torch for the address of a weight: {error}")
    assert count.forward == [layer.own_flops for layer in profile.layers]
    assert count.uncounted == {}


@pytest.mark.parametrize("architecture", [row for row in ZOO if row.has_sdpa], ids=str)
def test_eager_attention_costs_what_sdpa_costs(architecture: Architecture) -> None:
    fused, profile = measured(architecture)
    if fused.config._attn_implementation != "sdpa":
        pytest.skip("this version of transformers knows eager attention only for it")
    eager = architecture.build(attn_implementation="eager")
    assert eager.config._attn_implementation == "eager"
    assert profile_model(eager, kwargs=architecture.inputs()).flops == profile.flops


@named("LlamaForCausalLM", "BertModel", "T5ForConditionalGeneration", "LlavaForConditionalGeneration",
       "MixtralForCausalLM", "EncodecModel", "RwkvForCausalLM", "FlaubertModel")  # fmt: skip
def test_the_model_is_left_as_it_was(architecture: Architecture) -> None:
    model = architecture.build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    profile_model(model, kwargs=architecture.inputs())
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@as_in_the_table
def test_most_are_counted_without_a_real_run() -> None:
    ways = Counter(measured(row)[1].counted_on for row in ZOO)
    families = Counter(row.family for row in ZOO)
    print(f"{len(ZOO)} architectures: {dict(ways)}; {dict(families)}")  # noqa: T201
    assert ways["meta"] > 0.8 * len(ZOO)
    assert ways["real"] < 0.1 * len(ZOO)


def test_flops_of_llama_with_grouped_queries() -> None:
    model, profile = measured(BY_NAME["LlamaForCausalLM"])
    config = model.config
    width, inner, head = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    assert keys < queries
    projections = linear(ROWS, width, queries + 2 * keys) + linear(ROWS, queries, width)
    attention = sdpa(BATCH, config.num_attention_heads, TOKENS, TOKENS, head)
    layer = projections + attention + 3 * linear(ROWS, width, inner)
    assert profile["model.layers.1"].flops == layer
    assert profile["model.layers.1.self_attn"].own_flops == attention
    assert profile.flops == 2 * layer + linear(ROWS, width, config.vocab_size)


def test_flops_of_gpt2() -> None:
    model, profile = measured(BY_NAME["GPT2LMHeadModel"])
    width, heads = model.config.n_embd, model.config.n_head
    projections = linear(ROWS, width, 3 * width) + linear(ROWS, width, width)
    attention = sdpa(BATCH, heads, TOKENS, TOKENS, width // heads)
    layer = projections + attention + 2 * linear(ROWS, width, 4 * width)
    assert profile["transformer.h.1"].flops == layer
    assert profile.flops == model.config.n_layer * layer + linear(
        ROWS, width, model.config.vocab_size
    )


@pytest.mark.parametrize("implementation", ["eager", "batched_mm", "grouped_mm"])
@named("MixtralForCausalLM", "Qwen3MoeForCausalLM", "OlmoeForCausalLM")
def test_experts_cost_what_the_chosen_ones_do(
    architecture: Architecture, implementation: str
) -> None:
    model = architecture.build(experts_implementation=implementation)
    profile = profile_model(model, kwargs=text())
    config = model.config
    inner = architecture.config["moe_intermediate_size"]
    inner = inner if architecture.model.startswith("Qwen") else config.intermediate_size
    chosen = ROWS * config.num_experts_per_tok
    experts = profile["model.layers.1.mlp.experts"]
    assert experts.flops == 3 * linear(chosen, config.hidden_size, inner)
    assert profile.uncounted == ()


@pytest.mark.parametrize("architecture", MIXTURES, ids=str)
def test_a_mixture_costs_the_same_in_bfloat16(architecture: Architecture) -> None:
    _, profile = measured(architecture)
    half = profile_model(architecture.build().bfloat16(), kwargs=architecture.inputs())
    assert (half.flops, half.counted_on) == (profile.flops, profile.counted_on)


@pytest.mark.skipif(
    torch.__version__ < "2.7", reason="transformers asks old torch for the address of a weight"
)
@named("BertModel", "GPT2LMHeadModel", "LlamaForCausalLM", "MixtralForCausalLM")
def test_a_model_on_meta_that_asks_a_mask_is_counted_all_the_same(
    architecture: Architecture,
) -> None:
    model = architecture.build(device="meta")
    profile = profile_model(model, kwargs=masked_text())
    assert (profile.flops, profile.counted_on) == (measured(architecture)[1].flops, "fake")


def test_experts_without_a_grouped_product_of_torch_are_counted() -> None:
    pytest.importorskip("transformers.integrations.moe")
    groups = torch.tensor([2, 6], dtype=torch.int32)
    model = Fn(lambda a, b: torch.ops.transformers.grouped_mm_fallback(a, b, groups))
    assert flops_of(model, x(6, 8), x(2, 8, 4)) == linear(6, 8, 4)


@pytest.mark.filterwarnings("ignore:`past_key_values` is deprecated:FutureWarning")
def test_a_cache_among_the_inputs_is_left_as_it_was() -> None:
    model = BY_NAME["LlamaForCausalLM"].build()
    cache = model(**text()).past_key_values
    token = torch.full((BATCH, 1), 5)
    profile = profile_model(model, kwargs={"input_ids": token, "past_key_values": cache})
    attention = sdpa(BATCH, 4, 1, TOKENS + 1, 8)
    assert profile["model.layers.0.self_attn"].own_flops == attention
    assert cache.layers[0].keys.device.type == "cpu"
    assert cache.get_seq_length() == TOKENS
