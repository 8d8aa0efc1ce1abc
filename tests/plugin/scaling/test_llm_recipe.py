"""The recipe of `docs/llm.md`, as it stands there, and other models and caches by its rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_flopbudget import profile_model
from tests.plugin.golden import assert_golden
from tests.plugin.project import failure_of
from tests.plugin.scaling.test_degrees import grown

if TYPE_CHECKING:
    from tests.plugin.project import Project

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
ROOT = Path(__file__).parents[3]
DOCUMENT, README = ROOT / "docs" / "llm.md", ROOT / "README.md"
SIZE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CONTEXTS = (16, 24, 33, 47)


BLOCK = re.compile(r"<!-- file: tests/test_llm\.py -->\n```python\n(.*?)```", re.DOTALL)


def recipe() -> str:
    found = BLOCK.search(DOCUMENT.read_text("utf-8"))
    assert found is not None
    return found[1]


@pytest.fixture
def llm(project: Project) -> Project:
    project.write("pytest.ini", "[pytest]\nflop_budget_metrics = params,gflops,traffic\n")
    project.write("tests/test_llm.py", recipe())
    return project


def test_the_recipe_passes(llm: Project) -> None:
    llm.update("-Wignore").assert_outcomes(passed=3)
    assert "tests/test_llm/test_prefill_and_decode[4-48].decode.yaml" in llm.budgets()
    name = "test_a_token_of_context_costs_a_key_and_a_value.scaling.yaml"
    text = llm.budgets()[f"tests/test_llm/{name}"]
    # 2 layers of 4 heads: 2 * 8 FLOPs of scores and of values in each head.
    assert "  gflops: 0.000000256 n + " in text
    assert "  traffic_mb: 0.000768 n + " in text
    llm.judge("-Wignore").assert_outcomes(passed=3)


def test_a_decode_step_that_copies_its_cache_is_red(llm: Project) -> None:
    lines = recipe().splitlines(keepends=True)
    source = "".join(line for line in lines if 'named("prefill")' not in line)
    llm.write("tests/test_llm.py", source)
    llm.update("-Wignore", "-k4-48")
    heads = "    num_key_value_heads=2,\n"
    eager = source.replace(heads, f'{heads}    attn_implementation="eager",\n')
    llm.write("tests/test_llm.py", eager)
    said = failure_of(llm.judge("-Wignore", "-k4-48"), "test_prefill_and_decode[4-48]")
    assert_golden("failure_decode", said)
    text = (Path(__file__).parents[2] / "golden" / "failure_decode.txt").read_text("utf-8")
    assert text.rstrip() in README.read_text("utf-8")


def model_and_cache(kind: str, context: int) -> tuple[Any, Any]:
    torch.manual_seed(0)
    if kind == "qwen":
        config = transformers.Qwen3Config(**SIZE, head_dim=8)
        model = transformers.Qwen3ForCausalLM(config)
        cache = transformers.DynamicCache(config=config)
    elif kind == "window":
        config = transformers.MistralConfig(**SIZE, sliding_window=24)
        model = transformers.MistralForCausalLM(config)
        cache = transformers.DynamicCache(config=config)
    else:
        config = transformers.LlamaConfig(**SIZE)
        model = transformers.LlamaForCausalLM(config)
        cache = (
            transformers.StaticCache(config=config, max_cache_len=64)
            if kind == "static"
            else transformers.DynamicCache(config=config)
        )
    for layer in range(2):
        cache.update(torch.zeros(1, 2, context, 8), torch.zeros(1, 2, context, 8), layer)
    return model, cache


@pytest.mark.parametrize(
    ("kind", "flops", "traffic"),
    [("llama", 1, 1), ("qwen", 1, 1), ("static", 0, 0), ("window", None, None)],
)
@pytest.mark.filterwarnings("ignore:.*past_key_values:FutureWarning")
def test_how_a_step_grows_with_its_context(
    kind: str, flops: int | None, traffic: int | None
) -> None:
    caches = []

    def build(context: int) -> Any:
        model, cache = model_and_cache(kind, context)
        caches.append(cache)
        return model, (torch.zeros(1, 1, dtype=torch.long),), {"past_key_values": cache}

    degree = grown(build, CONTEXTS).degree
    assert (degree["gflops"], degree["traffic"]) == (flops, traffic)
    assert [int(cache.get_seq_length()) for cache in caches] == list(CONTEXTS)


def test_the_encoder_and_the_decoder_of_t5() -> None:
    config = transformers.T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4
    )
    model = transformers.T5ForConditionalGeneration(config)
    token = torch.zeros(1, 1, dtype=torch.long)

    def decode(length: int) -> Any:
        encoded = (torch.zeros(1, length, 32),)
        return model, (), {"encoder_outputs": encoded, "decoder_input_ids": token}

    assert grown(decode).degree["gflops"] == 1
    encoder = grown(lambda length: (model.encoder, torch.zeros(1, length, dtype=torch.long)))
    assert encoder.degree["gflops"] == 2
    assert profile_model(*decode(5)).model == "T5ForConditionalGeneration"
