"""The table of meta kernels of our own, for the most common operators on plain tensors.

torch's own are written in Python, and the first one imports `sympy` and `torch._dynamo`, which
takes as long as the import of torch: without this table the first profile of a process takes 2.1 s
instead of 0.25 s for ResNet-50. Here are plain cases only: tensors of one floating-point dtype that
fill their memory without gaps, in an order that can be read in one way only. `None` leaves every
other case, and all that is an error, to torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.measure.counting.meta_kernels import (
    convolution_pooling,
    elementwise,
    matmul_norm_cat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import ResultSpec

META_KERNELS: dict[str, Callable[..., ResultSpec | None]] = {
    **dict.fromkeys(
        [
            *("aten.abs.default", "aten.cos.default", "aten.exp.default", "aten.gelu.default"),
            *("aten.hardsigmoid.default", "aten.hardswish.default", "aten.leaky_relu.default"),
            *("aten.neg.default", "aten.pow.Tensor_Scalar", "aten.rsqrt.default"),
            *("aten.sigmoid.default", "aten.silu.default", "aten.sin.default"),
            *("aten.sqrt.default", "aten.tanh.default", "aten.relu.default"),
            "aten.hardtanh.default",
        ],
        elementwise.like,
    ),
    "aten.add.Tensor": elementwise.broadcast,
    "aten.sub.Tensor": elementwise.broadcast,
    "aten.mul.Tensor": elementwise.broadcast,
    "aten.mul.Scalar": elementwise.broadcast,
    "aten.div.Tensor": elementwise.broadcast,
    "aten.mm.default": matmul_norm_cat.mm,
    "aten.bmm.default": matmul_norm_cat.mm,
    "aten.addmm.default": matmul_norm_cat.addmm,
    "aten.convolution.default": convolution_pooling.convolution,
    "aten.max_pool2d_with_indices.default": convolution_pooling.max_pool,
    "aten.native_batch_norm.default": matmul_norm_cat.batch_norm,
    "aten.native_layer_norm.default": matmul_norm_cat.layer_norm,
    "aten._softmax.default": matmul_norm_cat.softmax,
    "aten._safe_softmax.default": matmul_norm_cat.softmax,
    "aten.mean.dim": matmul_norm_cat.mean,
    "aten.cat.default": matmul_norm_cat.cat,
    "aten.stack.default": matmul_norm_cat.stack,
    "aten.embedding.default": matmul_norm_cat.embedding,
    "aten.upsample_nearest2d.default": convolution_pooling.upsample,
    "aten.arange.default": elementwise.arange,
    "aten.ones.default": elementwise.filled,
    "aten.zeros.default": elementwise.filled,
}
IN_PLACE = frozenset(
    {
        *("aten.hardswish_.default", "aten.hardtanh_.default", "aten.leaky_relu_.default"),
        *("aten.relu_.default", "aten.sigmoid_.default", "aten.silu_.default"),
        *("aten.tanh_.default", "aten.add_.Tensor", "aten.mul_.Tensor"),
    }
)
