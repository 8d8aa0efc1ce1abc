"""Convolutions: each position of the output meets each weight once.

In a transposed convolution each position of the input does.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("convolution", "_convolution", "convolution_overrideable")
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


@register("cudnn_convolution", "mkldnn_convolution", "cudnn_convolution_relu",
           "cudnn_convolution_add_relu", "miopen_convolution", "miopen_convolution_relu",
           "miopen_convolution_add_relu", "miopen_depthwise_convolution", "_slow_conv2d_forward",
           "slow_conv3d_forward", "slow_conv_dilated2d", "slow_conv_dilated3d",
           "_conv_depthwise2d", "conv_depthwise3d", "_mps_convolution",
           "_nnpack_spatial_convolution")  # fmt: skip
def plain_convolution(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """A convolution of one backend, never transposed."""
    del x
    return 2 * _positions(out_shape) * prod(weight)


@register("cudnn_convolution_transpose", "miopen_convolution_transpose",
           "_mps_convolution_transpose", "slow_conv_transpose2d",
           "slow_conv_transpose3d")  # fmt: skip
def transposed_convolution(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """The same with the input as the side that meets every weight."""
    return 2 * _positions(x) * prod(weight)


@register("convolution_backward")
def convolution_backward(
    gradient: Shape, x: Shape, weight: Shape, bias_sizes: Any, *rest: Any, **_: Any
) -> int:
    """The gradients of the input and of the weight each cost what the forward call did."""
    del bias_sizes
    return convolution_backward_without_bias(gradient, x, weight, *rest)


@register("convolution_backward_overrideable")
def convolution_backward_without_bias(
    gradient: Shape,
    x: Shape,
    weight: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: Any,
    output_mask: list[bool],
    **_: Any,
) -> int:
    """The same, of backends that bring their own convolution."""
    del stride, padding, dilation, output_padding, groups
    forward = 2 * _positions(x if transposed else gradient) * prod(weight)
    return forward * (output_mask[0] + output_mask[1])


@register("_slow_conv2d_backward")
def slow_convolution_backward(
    gradient: Shape,
    x: Shape,
    weight: Shape,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_mask: list[bool] | None = None,
    **_: Any,
) -> int:
    """The same of one backend; given tensors to write into, it computes all gradients."""
    del x, kernel_size, stride, padding
    mask = output_mask or [True, True]
    return 2 * _positions(gradient) * prod(weight) * (mask[0] + mask[1])


@register("mps_convolution_backward")
def mps_convolution_backward(x: Shape, gradient: Shape, weight: Shape, *rest: Any, **_: Any) -> int:
    """The same with the mask of the gradients at the end."""
    del x
    wanted: list[bool] = rest[-1][:2]
    return 2 * _positions(gradient) * prod(weight) * sum(wanted)


@register("mps_convolution_transpose_backward")
def mps_transposed_convolution_backward(
    x: Shape, gradient: Shape, weight: Shape, *rest: Any, **_: Any
) -> int:
    """The same of a transposed convolution."""
    del gradient
    wanted: list[bool] = rest[-1]
    return 2 * _positions(x) * prod(weight) * sum(wanted)


@register("quantized::conv1d", "quantized::conv2d", "quantized::conv3d",
           "quantized::conv1d_relu", "quantized::conv2d_relu", "quantized::conv3d_relu",
           "quantized::conv1d_dynamic", "quantized::conv2d_dynamic",
           "quantized::conv3d_dynamic")  # fmt: skip
def packed_convolution(x: Any, packed: Any, *_: Any, out_shape: Shape, **__: Any) -> int:
    """A convolution whose weight is packed; it is asked for its shape."""
    return plain_convolution(x, packed.unpack()[0].shape, out_shape=out_shape)


@register("quantized::conv2d_add", "quantized::conv2d_add_relu")
def packed_convolution_added(
    x: Any, added: Any, packed: Any, *_: Any, out_shape: Shape, **__: Any
) -> int:
    """The same, and an addition."""
    del added
    return packed_convolution(x, packed, out_shape=out_shape)


@register("quantized::conv_transpose1d", "quantized::conv_transpose2d",
           "quantized::conv_transpose3d", "quantized::conv_transpose1d_dynamic",
           "quantized::conv_transpose2d_dynamic",
           "quantized::conv_transpose3d_dynamic")  # fmt: skip
def packed_transposed_convolution(x: Shape, packed: Any, *_: Any, **__: Any) -> int:
    """The same, transposed."""
    return transposed_convolution(x, packed.unpack()[0].shape)


@register("torchvision::deform_conv2d")
def deformable_convolution(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """A convolution that samples at offsets; the sampling is free, like a grid sampler's."""
    return plain_convolution(x, weight, out_shape=out_shape)


@register("torchvision::_deform_conv2d_backward")
def deformable_convolution_backward(
    gradient: Shape, x: Shape, weight: Shape, *_: Any, **__: Any
) -> int:
    """The gradients of the samples and of the weight each cost what the forward call did."""
    return 2 * plain_convolution(x, weight, out_shape=gradient)


@register("conv_tbc_backward")
def convolution_over_time_backward(
    gradient: Shape, x: Shape, weight: Shape, *_: Any, **__: Any
) -> int:
    """The gradients of the input and of the weight each cost what the forward call did."""
    return 2 * convolution_over_time(x, weight, out_shape=gradient)


@register("conv_tbc")
def convolution_over_time(x: Shape, weight: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """From x (steps, n, in) by weight (kernel, in, out)."""
    del x
    return 2 * prod(out_shape[:-1]) * prod(weight)


def _positions(shape: Shape) -> int:
    """Count the positions of a batch of images (n, channels, *size)."""
    return shape[0] * prod(shape[2:])
