"""The models that are counted. Their weights are placeholders: no count depends on values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from tests.models.resnet import Bottleneck, ResNet, resnet18
from tests.models.vit import ViT

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = 512
LLAMA_1B = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
LLAMA_70B = LLAMA_1B | {
    "hidden_size": 8192,
    "intermediate_size": 28_672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
}


def build(name: str, device: str) -> tuple[nn.Module, torch.Tensor]:
    """Build a model in evaluation mode, and its input, on the CPU or on meta."""
    with torch.device("meta"):
        model = BUILDERS[name]().eval()
    if device != "meta":
        model.to_empty(device=device)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.fill_(0.01 if tensor.is_floating_point() else 0)
    return model, _input(name, device)


def chain(length: int) -> tuple[nn.Module, torch.Tensor]:
    """Build `length` tiny linear layers, one after the other; what they compute costs least."""
    with torch.device("meta"):
        layers = (nn.Linear(4, 4, bias=False) for _ in range(length))
        return nn.Sequential(*layers).eval(), torch.empty(1, 4)


def _llama(sizes: dict[str, int]) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**sizes))


def _input(name: str, device: str) -> torch.Tensor:
    if name.startswith("Llama"):
        return torch.zeros(1, TOKENS, dtype=torch.long, device=device)
    return torch.zeros(1, 3, 224, 224, device=device)


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-18": resnet18,
    "ResNet-152": partial(ResNet, Bottleneck, (3, 8, 36, 3)),
    "ViT-H": partial(ViT, patch=14, width=1280, depth=32, heads=16, hidden=5120),
    "Llama-1B": partial(_llama, LLAMA_1B),
    "Llama-70B": partial(_llama, LLAMA_70B),
}
