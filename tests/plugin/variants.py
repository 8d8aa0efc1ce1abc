"""Models with a history: as they were, and changed as developers change them.

Each function builds the model as it was for `change=""`, or in one of `CHANGES`.
"""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor, nn

from tests.models.llama import small_llama
from tests.models.tagger import LSTMTagger

CHANGES = ("widened", "added", "removed", "renamed", "twice")


class Net(nn.Sequential):
    """Three layers without bias: 8 x 8, 8 x 8 and 8 x 4."""


def net(change: str = "") -> nn.Module:
    """160 params and 320 FLOPs for `[1, 8]`."""
    middle = 10 if change == "widened" else 8
    layers = {
        "first": nn.Linear(8, 8, bias=False),
        "second": nn.Linear(8, middle, bias=False),
        "third": nn.Linear(middle, 4, bias=False),
    }
    model = Net()
    for name, layer in layers.items():
        if name == "second" and change == "removed":
            continue
        model.add_module("middle" if name == "second" and change == "renamed" else name, layer)
        if name == "second" and change == "twice":
            model.add_module("again", layer)  # the same layer under a second name
    if change == "added":
        model.add_module("fourth", nn.Linear(4, 4, bias=False))
    return model


class Tagger(LSTMTagger):
    """The bundled tagger, after a change of its head."""

    def __init__(self, change: str, hidden: int = 128) -> None:
        super().__init__(hidden=hidden)
        self.change = change
        if change == "added":
            self.projection = nn.Linear(17, 17, bias=False)
        if change == "removed":
            del self.classifier
        if change == "renamed":
            self.head = self.classifier
            del self.classifier

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        if self.change == "removed":
            return states
        if self.change == "twice":
            return self.classifier(states) + self.classifier(-states)
        scores = (self.head if self.change == "renamed" else self.classifier)(states)
        return self.projection(scores) if self.change == "added" else scores


def tagger(change: str = "") -> nn.Module:
    """The bundled LSTM tagger, for `[1, 8]` token ids."""
    return Tagger(change, hidden=136 if change == "widened" else 128)


class GatedMLP(nn.Module):
    """The MLP of Llama under other names."""

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.gate, self.up, self.down = mlp.gate_proj, mlp.up_proj, mlp.down_proj

    def forward(self, x: Tensor) -> Tensor:
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


def llama(change: str = "") -> nn.Module:
    """The bundled small Llama, for `[1, 8]` token ids; changed in the MLP of its layer 1."""
    layers = {"added": 5, "removed": 3}.get(change, 4)
    with torch.device("meta"):  # fast: nothing is initialised
        return _changed_llama(small_llama(num_hidden_layers=layers), change)


def _changed_llama(model: nn.Module, change: str) -> nn.Module:
    block = model.model.layers[1]
    mlp = block.mlp
    if change == "widened":
        config = copy(model.config)
        config.intermediate_size = 768  # was 704
        block.mlp = type(mlp)(config)
    if change == "renamed":
        block.mlp = GatedMLP(mlp)
    if change == "twice":
        block.mlp = _Twice(mlp)
    return model


class _Twice(nn.Module):
    """Runs the layers of an MLP a second time, on what the first time gave."""

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = mlp.gate_proj, mlp.up_proj, mlp.down_proj

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return x
