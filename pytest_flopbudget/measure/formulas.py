"""FLOPs of operators from the shapes of their arguments. One multiply-add is two.

A formula gets an operator's arguments with every tensor replaced by its shape, and `out_shape`;
it returns an integer. It knows neither models nor layers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_flopbudget.errors import SettingsError

if TYPE_CHECKING:
    from torch._ops import OpOverload, OpOverloadPacket

    from pytest_flopbudget.profile import Shape

Formula = Callable[..., int]
MATRIX = 2  # dimensions
F = TypeVar("F", bound=Formula)

_formulas: dict[str, Formula] = {}


def register_flop_formula(op: str | OpOverloadPacket) -> Callable[[F], F]:
    """Register how the FLOPs of an operator follow from its shapes, for all its overloads.

    ```python
    @register_flop_formula("mylib::fused_mlp")
    def fused_mlp(x, w1, w2, *, out_shape):
        return 2 * math.prod(x[:-1]) * (math.prod(w1) + math.prod(w2))
    ```

    Args:
        op: `"namespace::name"`, or an operator such as `torch.ops.mylib.fused_mlp`.

    Returns:
        The decorator. The function that it takes gets the operator's arguments with tensors
        replaced by their shapes (a tuple of int; a list of tensors is a list of shapes), and
        `out_shape=`; it returns FLOPs as an int, a multiply-add counting as two.

    Raises:
        SettingsError: `op` is not the name of an operator.
    """
    name = op if isinstance(op, str) else getattr(op, "_qualified_op_name", "")
    if not isinstance(name, str) or name.count("::") != 1:
        raise SettingsError(f"`register_flop_formula`: expected `namespace::name`, found `{op}`")

    def register(formula: F) -> F:
        _formulas[name] = formula
        return formula

    return register


def formula_of(func: OpOverload) -> Formula | None:
    """Return the formula of an operator, if there is one."""
    return _formulas.get(func._schema.name)


def _register(*names: str) -> Callable[[F], F]:
    """Register one formula for several operators of torch."""

    def register(formula: F) -> F:
        for name in names:
            register_flop_formula(name if "::" in name else f"aten::{name}")(formula)
        return formula

    return register


# Matrix products: every element of the result is a sum of as many products as the contracted
# dimension is long, so 2 * |result| * length.


@_register("mm", "bmm", "_int_mm", "_scaled_mm", "matmul", "mv", "dot", "vdot")
def product(a: Shape, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """(..., n, k) times (..., k, m); the additions of a bias are element-wise, hence free."""
    del b
    return 2 * prod(out_shape) * a[-1]


@_register("addmm", "_addmm_activation", "addmv", "baddbmm")
def product_added(bias: Shape, a: Shape, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Bias + a @ b."""
    del bias
    return product(a, b, out_shape=out_shape)


@_register("addbmm")
def batch_product_added(bias: Shape, a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Bias + the sum over the batch of a (b, n, k) @ b (b, k, m)."""
    del bias
    batch, n, k = a
    return 2 * batch * n * k * b[-1]


@_register("linear", "mkldnn_linear")
def linear(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """From x (..., in) times weight (out, in), transposed."""
    return 2 * prod(x[:-1]) * prod(weight)


@_register("quantized::linear", "quantized::linear_relu", "quantized::linear_dynamic",
           "quantized::linear_relu_dynamic", "quantized::linear_dynamic_fp16",
           "_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu")  # fmt: skip
def packed_linear(x: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """From x (..., in) to (..., out) by a packed weight, whose shape does not show."""
    return 2 * prod(out_shape) * x[-1]


@_register("_grouped_mm", "_scaled_grouped_mm")
def grouped_product(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Products of groups of rows: each row of a (rows, k) meets one of the g in b (g, k, m).

    With a (g, n, k) and b (k, columns) each column meets one group; with both 3-d it is a batch
    product; with both 2-d, k is split into the groups, which together cost one product.
    """
    rows = a[1:] if len(a) > len(b) else a
    return 2 * prod(rows) * b[-1]


# Convolutions: every position of the smaller side of the kernel meets every weight once.


@_register("convolution", "_convolution", "convolution_overrideable")
def convolution(
    x: Shape,
    weight: Shape,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: Any,
    *_: Any,
    out_shape: Shape,
    **__: Any,
) -> int:
    """From x (n, in, *size) by weight (out, in / groups, *kernel), or (in, out / groups, *kernel).

    Each of the n * size output positions meets each weight once; in a transposed convolution,
    whose weight has the second form, each of the input positions does. Padding
    counts like data, as the dense kernels compute it.
    """
    del bias, stride, padding, dilation
    return 2 * _positions(x if transposed else out_shape) * prod(weight)


@_register("cudnn_convolution", "mkldnn_convolution", "cudnn_convolution_relu",
           "cudnn_convolution_add_relu", "miopen_convolution", "_slow_conv2d_forward",
           "slow_conv3d_forward", "slow_conv_dilated2d", "slow_conv_dilated3d",
           "_conv_depthwise2d", "conv_depthwise3d", "_nnpack_spatial_convolution")  # fmt: skip
def plain_convolution(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """A convolution of one backend, never transposed."""
    del x
    return 2 * _positions(out_shape) * prod(weight)


@_register("cudnn_convolution_transpose", "slow_conv_transpose2d", "slow_conv_transpose3d")
def transposed_convolution(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """The same with the input as the side that meets every weight."""
    return 2 * _positions(x) * prod(weight)


@_register("convolution_backward", "convolution_backward_overrideable")
def convolution_backward(
    gradient: Shape,
    x: Shape,
    weight: Shape,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: Any,
    output_mask: tuple[bool, bool, bool],
    **_: Any,
) -> int:
    """The gradients of the input and of the weight each cost what the forward call did."""
    del bias_sizes, stride, padding, dilation, output_padding, groups
    forward = 2 * _positions(x if transposed else gradient) * prod(weight)
    return forward * (output_mask[0] + output_mask[1])


@_register("quantized::conv1d", "quantized::conv2d", "quantized::conv3d",
           "quantized::conv1d_relu", "quantized::conv2d_relu",
           "quantized::conv3d_relu")  # fmt: skip
def packed_convolution(x: Any, packed: Any, *_: Any, out_shape: Shape, **__: Any) -> int:
    """A convolution whose weight is packed; it is asked for its shape."""
    return plain_convolution(x, packed.unpack()[0].shape, out_shape=out_shape)


# Attention: scores = q @ k^T and scores @ v, for each query head. Causal and masked attention
# count the full rectangle, so that every implementation of one model gives one number.


@_register("_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
           "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
           "_scaled_dot_product_fused_attention_overrideable")  # fmt: skip
def attention(q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> int:
    """From q (b, heads, n, d), k (b, kv_heads, m, d), v (b, kv_heads, m, e)."""
    return 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


@_register("_scaled_dot_product_flash_attention_backward",
           "_scaled_dot_product_flash_attention_for_cpu_backward",
           "_scaled_dot_product_efficient_attention_backward",
           "_scaled_dot_product_cudnn_attention_backward",
           "_scaled_dot_product_fused_attention_overrideable_backward")  # fmt: skip
def attention_backward(gradient: Shape, q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> int:
    """Four products, twice the forward call: the gradients of v, the scores, q and k.

    A fused kernel computes the scores once more instead of keeping them; that is not counted,
    so that it agrees with the unfused form.
    """
    del gradient
    return 2 * attention(q, k, v)


@_register("_native_multi_head_attention")
def multi_head_attention(
    query: Shape,
    key: Shape,
    value: Shape,
    embed_dim: int,
    num_head: int,
    qkv_weight: Shape,
    qkv_bias: Any,
    proj_weight: Shape,
    *_: Any,
    **__: Any,
) -> int:
    """The fused path of `nn.MultiheadAttention`: projections (3e, e) and (e, e), attention."""
    del value, num_head, qkv_bias
    batch, queries, _width = query
    products = 2 * batch * queries * (prod(qkv_weight) + prod(proj_weight))
    return products + 4 * batch * queries * key[1] * embed_dim


@_register("_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    src: Shape,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Shape,
    qkv_bias: Any,
    proj_weight: Shape,
    *rest: Any,
    **_: Any,
) -> int:
    """The fused path of `nn.TransformerEncoderLayer`: attention, then the two products after it."""
    feed_forward = [shape for shape in rest if isinstance(shape, tuple) and len(shape) == MATRIX]
    own = 2 * prod(src[:-1]) * sum(map(prod, feed_forward[:2]))
    return own + multi_head_attention(
        src, src, src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight
    )


# Recurrent cells: at each step, for each gate, one product with the input and one with the
# hidden state; the gates themselves are element-wise.


@_register("mkldnn_rnn_layer")
def rnn_layer(x: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any) -> int:
    """From x (steps, n, in) with weights (gates * hidden, in) and (gates * hidden, hidden)."""
    return 2 * prod(x[:-1]) * (prod(input_weight) + prod(hidden_weight))


@_register("_cudnn_rnn", "miopen_rnn")
def rnn(x: Shape, weights: list[Shape], *_: Any, **__: Any) -> int:
    """From x (steps, n, in) or, packed, (all steps, in) by the matrices of all layers."""
    return 2 * prod(x[:-1]) * sum(prod(weight) for weight in weights if len(weight) == MATRIX)


@_register("_cudnn_rnn_backward", "miopen_rnn_backward")
def rnn_backward(x: Shape, weights: list[Shape], *_: Any, **__: Any) -> int:
    """The gradients of the inputs and of the weights each cost what the forward call did."""
    return 2 * rnn(x, weights)


@_register("mkldnn_rnn_layer_backward")
def rnn_layer_backward(
    x: Shape, input_weight: Shape, hidden_weight: Shape, *_: Any, **__: Any
) -> int:
    """The gradients of the inputs and of the weights each cost what the forward call did."""
    return 2 * rnn_layer(x, input_weight, hidden_weight)


def _positions(shape: Shape) -> int:
    """Count the positions of a batch of images (n, channels, *size)."""
    return shape[0] * prod(shape[2:])


def shapes_of(value: Any) -> Any:
    """Replace the tensors in an operator's arguments by their shapes."""
    if isinstance(value, torch.Tensor):
        return tuple(map(int, value.shape))
    if isinstance(value, list | tuple):
        return [shapes_of(item) for item in value] if value else value
    return value
