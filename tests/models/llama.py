"""A small Llama of `transformers` with random weights; nothing is downloaded."""

from typing import Any

from torch import nn

SMALL = {
    "vocab_size": 4096,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}


def small_llama(**config_overrides: Any) -> nn.Module:
    """A `LlamaForCausalLM` of 4 layers and 256 wide, for token ids `[batch, tokens]`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**(SMALL | config_overrides)))
