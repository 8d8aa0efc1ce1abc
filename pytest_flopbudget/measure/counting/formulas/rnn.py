"""Recurrent cells: for each step and gate, a product with the input and one with the state.

The gates themselves are element-wise, hence free.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape

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


@register("lstm_mps_backward")
def lstm_on_mps_backward(
    grad_y: Any,
    grad_hy: Any,
    grad_cy: Any,
    z_state: Any,
    cell_state: Any,
    x: Shape,
    outputs: Any,
    state: list[Shape],
    weights: list[Shape],
    *_: Any,
    **__: Any,
) -> int:
    """The gradients of the inputs and of the weights each cost what the forward call did."""
    del grad_y, grad_hy, grad_cy, z_state, cell_state, outputs, state
    return 2 * rnn(x, weights)


@register("quantized_lstm")
def packed_lstm(x: Shape, *args: Any, **_: Any) -> int:
    """An LSTM whose weights are packed: 4 gates, and the hidden state first of two states."""
    return _packed_rnn(4, x, *args)


@register("quantized_gru")
def packed_gru(x: Shape, *args: Any, **_: Any) -> int:
    """A GRU whose weights are packed: 3 gates."""
    return _packed_rnn(3, x, *args)


@register("quantized::quantized_lstm_cell_dynamic", "quantized::quantized_gru_cell_dynamic",
           "quantized::quantized_rnn_tanh_cell_dynamic",
           "quantized::quantized_rnn_relu_cell_dynamic")  # fmt: skip
def packed_cell(x: Shape, state: Any, w_ih: Any, w_hh: Any, bias: Shape, *_: Any, **__: Any) -> int:
    """One step from x (n, in), whose packed weights have as many rows as the bias has values."""
    del w_ih, w_hh
    return 2 * x[0] * bias[0] * (x[-1] + _hidden(state))


def _packed_rnn(gates: int, x: Shape, *args: Any) -> int:
    """Each layer reads all directions of the one below it.

    A packed sequence (all steps, in) comes with a vector of its batch sizes.
    """
    if len(args[0]) == 1:
        args = args[1:]
    state, _weights, _has_biases, layers, _dropout, _train, bidirectional = args[:7]
    hidden, directions = _hidden(state), 2 if bidirectional else 1
    inputs: int = x[-1] + (layers - 1) * hidden * directions + layers * hidden
    return 2 * prod(x[:-1]) * gates * hidden * inputs * directions


def _hidden(state: Any) -> int:
    """Read the width of a state (..., hidden), or of the first of two."""
    return int((state[0] if isinstance(state, list) else state)[-1])
