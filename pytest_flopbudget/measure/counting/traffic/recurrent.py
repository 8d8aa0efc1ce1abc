"""Traffic of recurrent layers: each layer and direction is one operator, and so is a cell."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.formulas.view_bytes import bytes_of
from pytest_flopbudget.measure.counting.traffic.single_traffic import (
    SingleTraffic,
    gradient_bytes,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload

ATEN = torch.ops.aten


def _layers(args: Any, kwargs: Any, output: Any, *, is_packed: bool) -> SingleTraffic:
    """Add up all layers and directions, and the dropout between layers.

    Each reads what is below it, its states and weights, and writes what it gives for each step and
    its last states. A packed sequence comes with a vector of its batch sizes, which each reads.
    """
    del kwargs
    x, *rest = args
    lengths = [rest.pop(0)] if is_packed else []
    states, weights, _has_biases, layers, dropout, train, bidirectional = rest[:7]
    states = list(states) if isinstance(states, list | tuple) else [states]
    directions = 2 if bidirectional else 1
    runs = layers * directions
    each = len(weights) // runs
    outputs = bytes_of(output[0])  # of all directions of one layer
    final = sum(state.numel() * state.itemsize for state in states) // runs
    total, below, is_differentiated = SingleTraffic(0, 0, 0), bytes_of(x), x.requires_grad
    for run in range(runs):
        own = weights[run * each : (run + 1) * each]
        layer, direction = divmod(run, directions)
        gradients = gradient_bytes(own) + gradient_bytes(states) // runs
        if is_differentiated:
            gradients += outputs if layer else prod(x.shape) * x.itemsize
        read = below + final + sum(map(bytes_of, [*own, *lengths]))
        total += SingleTraffic.of(read, outputs // directions + final, gradients)
        if direction == directions - 1 and layer < layers - 1:
            below, is_differentiated = outputs, True
            if train and dropout:
                total += SingleTraffic.of(outputs, outputs, outputs)
    return total


RECURRENT: dict[OpOverload, Callable[..., SingleTraffic]] = {
    **{
        overload: partial(_layers, is_packed=is_packed)
        for packet in (ATEN.lstm, ATEN.gru, ATEN.rnn_tanh, ATEN.rnn_relu)
        for overload, is_packed in ((packet.input, False), (packet.data, True))
    },
    **{
        packet.default: whole
        for packet in (ATEN.lstm_cell, ATEN.gru_cell, ATEN.rnn_tanh_cell, ATEN.rnn_relu_cell)
    },
}
