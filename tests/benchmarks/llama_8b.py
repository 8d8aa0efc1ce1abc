"""How long a Llama of 8 billion parameters takes on meta: prefill, decode, and growth of a step.

python tests/benchmarks/llama_8b.py
"""

# ruff: noqa: T201 - a script that prints what it saw

from __future__ import annotations

import resource
import time
from typing import Any

import torch
import transformers

from pytest_flopbudget import ModelProfile, profile_model
from pytest_flopbudget.profile.scaling_profile import ScalingProfile

METRICS = ("params", "gflops", "traffic", "operators")
CONTEXTS = (512, 1024, 1537, 2048)
CONFIG = transformers.LlamaConfig(  # of Llama 3.1 8B
    vocab_size=128_256,
    hidden_size=4096,
    intermediate_size=14_336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    dtype=torch.bfloat16,
)


def tokens(length: int) -> torch.Tensor:
    return torch.zeros(1, length, dtype=torch.long, device="meta")


def decode(model: Any, context: int) -> ModelProfile:
    cache = transformers.DynamicCache(config=CONFIG)
    shape = (1, CONFIG.num_key_value_heads, context, 128)
    for layer in range(CONFIG.num_hidden_layers):
        state = torch.zeros(shape, dtype=torch.bfloat16, device="meta")
        cache.update(state, state, layer)
    return profile_model(model, tokens(1), {"past_key_values": cache}, metrics=METRICS)


def main() -> None:
    start = time.perf_counter()
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(CONFIG).eval()
    print(f"built      {time.perf_counter() - start:6.2f} s")
    start = time.perf_counter()
    prefill = profile_model(model, tokens(2048), metrics=METRICS)
    print(f"prefill    {time.perf_counter() - start:6.2f} s  {prefill.gflops:,.1f} GFLOPs")
    start = time.perf_counter()
    profiles = tuple(decode(model, context) for context in CONTEXTS)
    growth = ScalingProfile(sizes=CONTEXTS, profiles=profiles, of="context", metrics=METRICS)
    print(f"4 steps    {time.perf_counter() - start:6.2f} s  degrees {growth.degree}")
    traffic = growth.polynomial["traffic"]
    print(f"a token of context: {traffic and [int(one) for one in traffic]} bytes")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
