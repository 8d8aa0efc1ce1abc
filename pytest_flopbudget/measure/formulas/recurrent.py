"""Recurrent cells: for each step and gate, a product with the input and one with the state.

The gates themselves are element-wise, hence free.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile import Shape

MATRIX = 2  # dimensions


@register("mkldnn_rnn_layer")
def rnn_layer(x: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any) -> int:
    """From x (steps, n, in) with weights (gates * hidden, in) and (gates * hidden, hidden)."""
    return 2 * prod(x[:-1]) * (prod(input_weight) + prod(hidden_weight))


@register("_cudnn_rnn", "miopen_rnn")
def rnn(x: Shape, weights: list[Shape], *_: Any, **__: Any) -> int:
    """From x (steps, n, in) or, packed, (all steps, in) by the matrices of all layers."""
    return 2 * prod(x[:-1]) * sum(prod(weight) for weight in weights if len(weight) == MATRIX)


@register("_cudnn_rnn_backward", "miopen_rnn_backward")
def rnn_backward(x: Shape, weights: list[Shape], *_: Any, **__: Any) -> int:
    """The gradients of the inputs and of the weights each cost what the forward call did."""
    return 2 * rnn(x, weights)


@register("mkldnn_rnn_layer_backward")
def rnn_layer_backward(
    x: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any
) -> int:
    """The gradients of the inputs and of the weights each cost what the forward call did."""
    return 2 * rnn_layer(x, input_weight, hidden_weight)


@register("_lstm_mps")
def lstm_on_mps(x: Shape, state: list[Shape], weights: list[Shape], *_: Any, **__: Any) -> int:
    """The same, with the state before the weights."""
    del state
    return rnn(x, weights)


@register("quantized_lstm")
def packed_lstm(
    x: Shape,
    state: list[Shape],
    weights: Any,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    *_: Any,
    **__: Any,
) -> int:
    """An LSTM whose weights are packed: 4 gates, and each layer reads all directions below it."""
    del weights, has_biases, dropout, train
    hidden, directions = state[0][-1], 1 + bidirectional
    inputs = x[-1] + (num_layers - 1) * hidden * directions + num_layers * hidden
    return 2 * prod(x[:-1]) * 4 * hidden * inputs * directions
