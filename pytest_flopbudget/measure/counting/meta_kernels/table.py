"""What the most common operators return for plain inputs, without torch's meta kernels.

Those are written in Python, and the first one imports `sympy` and `torch._dynamo`, which takes as
long as the import of torch. Here are plain cases only: tensors of one floating-point dtype that
fill their memory without gaps, in an order that nobody can read in two ways. `None` leaves every
other case, and all that is an error, to torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.meta_kernels import (
    convolution_pooling,
    elementwise,
    matmul_norm_cat,
)
from pytest_flopbudget.measure.counting.meta_kernels.elementwise import DTYPES
from pytest_flopbudget.measure.counting.meta_kernels.strides import is_apart
from pytest_flopbudget.measure.isolation.storages import storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import Answer
    from pytest_flopbudget.measure.operators import Operator


def form_of(operator: Operator, args: Any, kwargs: Any, given: Sequence[Tensor]) -> Answer | None:
    """Return the form of what an operator returns; `None` if the case is not plain."""
    form = _FORMS.get(str(operator.func))
    if form is matmul_norm_cat.embedding:
        given = given[:1]  # the others are indices
    return form(*args, **kwargs) if form is not None and _are_plain(given) else None


def is_in_place(operator: Operator, args: Any, given: Sequence[Tensor]) -> bool:
    """Tell an operator that only changes the values of its first argument, which it returns."""
    if str(operator.func) not in _IN_PLACE or not _are_plain(given) or not is_apart(args[0]):
        return False
    changed, *rest = given
    return all(
        tensor.shape == changed.shape and storage_of(tensor) != storage_of(changed)
        for tensor in rest
    )


def _are_plain(given: Sequence[Tensor]) -> bool:
    """Tell tensors that have elements and one floating-point dtype."""
    dtypes = {tensor.dtype for tensor in given}
    return len(dtypes) <= 1 and dtypes <= DTYPES and all(tensor.numel() for tensor in given)


_FORMS: dict[str, Callable[..., Answer | None]] = {
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
    "aten.mm.default": matmul_norm_cat.product,
    "aten.bmm.default": matmul_norm_cat.product,
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
_IN_PLACE = frozenset(
    {
        *("aten.hardswish_.default", "aten.hardtanh_.default", "aten.leaky_relu_.default"),
        *("aten.relu_.default", "aten.sigmoid_.default", "aten.silu_.default"),
        *("aten.tanh_.default", "aten.add_.Tensor", "aten.mul_.Tensor"),
    }
)
