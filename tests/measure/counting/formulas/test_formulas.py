"""Every registered formula by shapes: all that no machine at hand can run is exact, too.

Sizes are primes, as far as they go, so that a factor that is left out, doubled or taken from
another dimension gives another number.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pytest_flopbudget.measure.counting.formulas import (
    MissingValuesError,
    calls_without_nesting,
    registry,
    shapes_of,
)
from tests.measure.helpers import x

BUILT_IN = dict(registry.FLOPS.formulas)  # before any test registers its own


@dataclass(frozen=True)
class Call:
    """Operators, their arguments as shapes, and their FLOPs."""

    names: str
    args: tuple[Any, ...]
    flops: int
    out: Any = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def of(*values: Any, **kwargs: Any) -> Any:
    """A tensor with values, as a formula gets it."""
    return shapes_of(torch.tensor(values, **kwargs))


def sparse(*rows: Any, layout: torch.layout = torch.sparse_coo) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # compressed layouts are in beta
        return shapes_of(torch.tensor(rows, dtype=torch.float).to_sparse(layout=layout))


def packed(*shape: int) -> Any:
    """A weight as quantised convolutions hold it."""
    return SimpleNamespace(unpack=lambda: (x(*shape), None))


def unlike(*_: Any) -> int:  # what changes the scores of flex attention, or its gradients
    return 0


# Four of the elements of (3, 5) are stored, two in the second row.
FOUR = ([1, 0, 0, 0, 0], [0, 2, 3, 0, 0], [0, 0, 0, 0, 4])
# Three of (5, 7): rows 0 and 2 meet one column each of those four, row 1 meets one.
THREE = ([1, 0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0, 0], [0, 0, 3, 0, 0, 0, 0], [0] * 7, [0] * 7)
TWICE = shapes_of(  # one element, stored in two parts
    torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (3, 5), check_invariants=False)
)

PRODUCTS = [
    Call("mm _int_mm _scaled_mm _scaled_mm_v2 matmul quantized::matmul", ((3, 5), (5, 7)), 210,
         (3, 7)),  # 2 * 3 * 5 * 7
    Call("bmm matmul", ((2, 3, 5), (2, 5, 7)), 420, (2, 3, 7)),
    Call("mv matmul", ((3, 5), (5,)), 30, (3,)),
    Call("dot vdot matmul", ((5,), (5,)), 10, ()),
    Call("matmul", ((5,), (2, 5, 7)), 140, (2, 7)),
    Call("addmm _addmm_activation", ((7,), (3, 5), (5, 7)), 210, (3, 7)),
    Call("addmv", ((3,), (3, 5), (5,)), 30, (3,)),
    Call("baddbmm", ((2, 3, 7), (2, 3, 5), (2, 5, 7)), 420, (2, 3, 7)),
    Call("addbmm", ((3, 7), (11, 3, 5), (11, 5, 7)), 2310, (3, 7)),  # the sum of 11 of 210
    Call("_foreach_mm", ([(3, 5), (2, 3)], [(5, 7), (3, 5)]), 270, [(3, 7), (2, 5)]),  # 210 + 60
    *(
        Call("matmul_backward", ((3, 7), (3, 5), (5, 7), [first, second]), 210 * (first + second))
        for first in (False, True)
        for second in (False, True)
    ),
    Call("linear mkldnn_linear", ((2, 3, 5), (7, 5), (7,)), 420, (2, 3, 7)),
    Call("quantized::linear quantized::linear_relu quantized::linear_dynamic "
         "quantized::linear_relu_dynamic quantized::linear_dynamic_fp16 "
         "quantized::linear_relu_dynamic_fp16 quantized::linear_leaky_relu quantized::linear_tanh "
         "quantized::linear_dynamic_fp16_unpacked_weight "
         "quantized::linear_with_input_q_dq_qweight_dq_output_fp32 "
         "quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32 _mixed_dtypes_linear",
         ((2, 3, 5), object()), 420, (2, 3, 7)),
    Call("_weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu "
         "_weight_int4pack_mm_with_scales_and_zeros quantized::int4mm_packed_weight_cpu "
         "_dyn_quant_matmul_4bit", ((3, 5), (1, 1)), 210, (3, 7)),
    Call("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2 transformers::grouped_mm_fallback",
         ((11, 5), (3, 5, 7)), 770,
         (11, 7)),  # 2 * 11 * 5 * 7: each row meets one group
    Call("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2", ((3, 11, 5), (3, 5, 7)), 2310,
         (3, 11, 7)),
    Call("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2", ((3, 11, 5), (5, 7)), 770,
         (11, 7)),  # each column meets one group
    Call("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2", ((11, 5), (5, 7)), 770,
         (3, 11, 7)),  # the sum of 5 is split
    *(
        Call("linear_backward mkldnn_linear_backward",
             ((2, 3, 5), (2, 3, 7), (7, 5), [first, second, True]), 420 * (first + second))
        for first in (False, True)
        for second in (False, True)
    ),
    Call("mkldnn_linear_backward_input", ([2, 3, 5], (2, 3, 7), (7, 5)), 420),
    Call("mkldnn_linear_backward_weights", ((2, 3, 7), (2, 3, 5), (7, 5), True), 420),
    # As `nn.Bilinear(3, 5, 7)` on 2 rows: (2, 1, 3, 1) by (1, 7, 3, 5), summed over 3; then the
    # result (2, 7, 5) by (2, 1, 1, 5).
    Call("_trilinear", ((2, 3), (7, 3, 5), (2, 5), [1, 3], [0], [1, 2], [2, 3]),
         2 * 2 * 7 * 3 * 5 + 2 * 2 * 7 * 5, (2, 7)),
    # The gradient of the weight: (2, 7, 1, 1) by (2, 1, 3, 1) has nothing to sum, then by
    # (2, 1, 1, 5), summed over the rows.
    Call("_trilinear", ((2, 3), (2, 7), (2, 5), [1, 3], [2, 3], [1, 2], [0]),
         2 * 2 * 7 * 3 + 2 * 2 * 7 * 3 * 5, (7, 3, 5)),
    # The gradient of the first: (2, 7, 1, 1) by (1, 7, 3, 5), summed over 7; then the result
    # (2, 3, 5) by (2, 1, 1, 5), summed over 5.
    Call("_trilinear", ((2, 7), (7, 3, 5), (2, 5), [2, 3], [0], [1, 2], [1, 3]),
         2 * 2 * 7 * 3 * 5 + 2 * 2 * 3 * 5, (2, 3)),
]  # fmt: skip
SPARSE = [
    Call("mm hspmm _sparse_mm_reduce_impl", (sparse(*FOUR), (5, 7)), 2 * 4 * 7, (3, 7)),
    Call("mm", (sparse(*FOUR, layout=torch.sparse_csr), (5, 7)), 2 * 4 * 7, (3, 7)),
    Call("mm", (sparse(*FOUR, layout=torch.sparse_csc), (5, 7)), 2 * 4 * 7, (3, 7)),
    Call("mm", ((3, 5), sparse(*THREE)), 2 * 3 * 3, (3, 7)),
    Call("mm", (TWICE, (5, 7)), 2 * 2 * 7, (3, 7)),
    Call("mv", (sparse(*FOUR), (5,)), 2 * 4, (3,)),
    Call("bmm", (sparse(FOUR, FOUR), (2, 5, 7)), 2 * 8 * 7, (2, 3, 7)),
    Call("bmm", ((2, 11, 3), sparse(FOUR, FOUR)), 2 * 8 * 11, (2, 11, 5)),
    Call("addmm _sparse_addmm sspaddmm", ((3, 7), sparse(*FOUR), (5, 7)), 2 * 4 * 7, (3, 7)),
    # Columns 0, 1, 2 of the first meet rows 0, 1, 2 of the second: one pair each.
    Call("mm _sparse_sparse_matmul", (sparse(*FOUR), sparse(*THREE)), 2 * 3, (3, 7)),
    Call("mm", (sparse(*FOUR, layout=torch.sparse_csr), sparse(*THREE)), 2 * 3, (3, 7)),
    # Column 0 with its two elements meets row 0 with its two; column 1 with one meets row 1.
    Call("_sparse_sparse_matmul", (sparse([1, 0], [2, 3]), sparse([4, 5], [6, 0])),
         2 * (2 * 2 + 1 * 1), (2, 2)),
    *(
        Call("_sparse_mm_reduce_impl_backward",
             (sparse(*FOUR), (3, 7), (5, 7), "sum", None, [first, second]),
             2 * 4 * 7 * (first + second))
        for first in (False, True)
        for second in (False, True)
    ),
    Call("sparse_sampled_addmm", (sparse(*FOUR, layout=torch.sparse_csr), (3, 2), (2, 5)),
         2 * 4 * 2, (3, 5)),
    Call("_sparse_semi_structured_mm", ((3, 10), (3, 1), (20, 7)), 2 * 3 * 10 * 7, (3, 7)),
    Call("_sparse_semi_structured_addmm", ((3,), (3, 10), (3, 1), (20, 7)), 2 * 3 * 10 * 7,
         (3, 7)),
    Call("_sparse_semi_structured_linear", ((2, 5, 20), (7, 10), (7, 1)), 2 * 10 * 7 * 10,
         (2, 5, 7)),
    Call("_cslt_sparse_mm", ((45,), (20, 7)), 2 * 3 * 10 * 7, (3, 7)),
]  # fmt: skip
SETTINGS = ([1, 1], [0, 0], [1, 1])  # stride, padding, dilation
IMAGE, KERNEL, OUT = (2, 3, 8, 9), (5, 3, 3, 2), (2, 5, 6, 8)
ONCE = 2 * (2 * 6 * 8) * (5 * 3 * 3 * 2)  # each output position meets each weight
UPWARDS = 2 * (2 * 8 * 9) * (3 * 5 * 3 * 2)  # each input position of a transposed one does
TURNED = (3, 5, 3, 2)
LARGE = (2, 5, 10, 10)
MASKS = [(first, second, True) for first in (False, True) for second in (False, True)]
CONVOLUTIONS = [
    Call("convolution convolution_overrideable _convolution",
         (IMAGE, KERNEL, (5,), *SETTINGS, False, [0, 0], 1), ONCE, OUT),
    Call("convolution convolution_overrideable _convolution",
         (IMAGE, TURNED, (5,), *SETTINGS, True, [0, 0], 1), UPWARDS, LARGE),
    Call("cudnn_convolution mkldnn_convolution cudnn_convolution_relu cudnn_convolution_add_relu "
         "miopen_convolution miopen_convolution_relu miopen_convolution_add_relu "
         "miopen_depthwise_convolution _slow_conv2d_forward slow_conv_dilated2d "
         "_conv_depthwise2d _mps_convolution _nnpack_spatial_convolution "
         "torchvision::deform_conv2d", (IMAGE, KERNEL), ONCE, OUT),
    Call("slow_conv3d_forward slow_conv_dilated3d conv_depthwise3d",
         ((2, 3, 4, 5, 6), (7, 3, 2, 2, 3)), 2 * (2 * 3 * 4 * 4) * (7 * 3 * 12), (2, 7, 3, 4, 4)),
    Call("cudnn_convolution_transpose miopen_convolution_transpose _mps_convolution_transpose "
         "slow_conv_transpose2d", (IMAGE, TURNED), UPWARDS, LARGE),
    Call("slow_conv_transpose3d", ((2, 3, 4, 5, 6), (3, 7, 2, 2, 3)),
         2 * (2 * 4 * 5 * 6) * (3 * 7 * 12), (2, 7, 5, 6, 8)),
    *(
        call
        for mask in MASKS
        for gradients in [mask[0] + mask[1]]
        for call in (
            Call("convolution_backward",
                 (OUT, IMAGE, KERNEL, [5], *SETTINGS, False, [0, 0], 1, mask), gradients * ONCE),
            Call("convolution_backward",
                 (LARGE, IMAGE, TURNED, [5], *SETTINGS, True, [0, 0], 1, mask),
                 gradients * UPWARDS),
            Call("convolution_backward_overrideable",
                 (OUT, IMAGE, KERNEL, *SETTINGS, False, [0, 0], 1, mask), gradients * ONCE),
            Call("convolution_backward_overrideable",
                 (LARGE, IMAGE, TURNED, *SETTINGS, True, [0, 0], 1, mask), gradients * UPWARDS),
            Call("_slow_conv2d_backward",
                 (OUT, IMAGE, KERNEL, [3, 2], [1, 1], [0, 0], mask), gradients * ONCE),
            Call("mps_convolution_backward",
                 (IMAGE, OUT, KERNEL, *SETTINGS, 1, mask), gradients * ONCE),
            Call("mps_convolution_transpose_backward",
                 (IMAGE, LARGE, TURNED, [0, 0], *SETTINGS, 1, mask[:2]), gradients * UPWARDS),
        )
    ),
    Call("_slow_conv2d_backward", (OUT, IMAGE, KERNEL, [3, 2], [1, 1], [0, 0]), 2 * ONCE,
         kwargs={"grad_input": IMAGE, "grad_weight": KERNEL, "grad_bias": (5,)}),
    Call("quantized::conv2d quantized::conv2d_relu quantized::conv2d_dynamic",
         (IMAGE, packed(*KERNEL), 0.1, 0), ONCE, OUT),
    Call("quantized::conv1d quantized::conv1d_relu quantized::conv1d_dynamic",
         ((2, 3, 8), packed(5, 3, 3), 0.1, 0), 2 * (2 * 6) * (5 * 3 * 3), (2, 5, 6)),
    Call("quantized::conv3d quantized::conv3d_relu quantized::conv3d_dynamic",
         ((2, 3, 4, 5, 6), packed(7, 3, 2, 2, 3), 0.1, 0), 2 * (2 * 3 * 4 * 4) * (7 * 3 * 12),
         (2, 7, 3, 4, 4)),
    Call("quantized::conv2d_add quantized::conv2d_add_relu",
         (IMAGE, OUT, packed(*KERNEL), 0.1, 0), ONCE, OUT),
    Call("quantized::conv_transpose1d quantized::conv_transpose1d_dynamic",
         ((2, 3, 8), packed(3, 5, 3), 0.1, 0), 2 * (2 * 8) * (3 * 5 * 3), (2, 5, 10)),
    Call("quantized::conv_transpose2d quantized::conv_transpose2d_dynamic",
         (IMAGE, packed(*TURNED), 0.1, 0), UPWARDS, LARGE),
    Call("quantized::conv_transpose3d quantized::conv_transpose3d_dynamic",
         ((2, 3, 4, 5, 6), packed(3, 7, 2, 2, 3), 0.1, 0), 2 * (2 * 4 * 5 * 6) * (3 * 7 * 12),
         (2, 7, 5, 6, 8)),
    Call("torchvision::_deform_conv2d_backward", (OUT, IMAGE, KERNEL), 2 * ONCE),
    # 6 steps of 2 sequences, each meets (3, 5, 7).
    Call("conv_tbc", ((8, 2, 5), (3, 5, 7), (7,), 0), 2 * (6 * 2) * (3 * 5 * 7), (6, 2, 7)),
    Call("conv_tbc_backward", ((6, 2, 7), (8, 2, 5), (3, 5, 7), (7,), 0),
         2 * (2 * (6 * 2) * (3 * 5 * 7))),
]  # fmt: skip
Q, K, V = (2, 6, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13)  # three heads of keys serve six of queries
ATTENTION_ONCE = 2 * (2 * 6) * (5 * 11) * (7 + 13)
FQ, FK, FV = (2, 5, 6, 7), (2, 11, 3, 7), (2, 11, 3, 13)  # as flash attention wants them
PQ, PK, PV = (8, 6, 7), (10, 3, 7), (10, 3, 13)  # packed: 5 + 3 queries, 4 + 6 keys
STARTS_Q, STARTS_K = of(0, 5, 8), of(0, 4, 10)
PACKED = 2 * 6 * (5 * 4 + 3 * 6) * (7 + 13)
SELF = 2 * 6 * (5 * 5 + 3 * 3) * (7 + 13)
USED = 2 * 6 * (5 * 2 + 3 * 1) * (7 + 13)  # of the keys, the first 2 and 1
NONE = of(dtype=torch.int32)
MHA = 2 * 15 * (24 * 8 + 8 * 8) + 4 * 3 * 5 * 5 * 8  # 15 rows; 3 sequences of 5
MHA_ARGUMENTS = (8, 2, (24, 8), (24,), (8, 8), (8,))
FEED_FORWARD = 2 * 15 * (16 * 8 + 8 * 16)
NORMS = ((8,), (8,), (8,), (8,))
ATTENTION = [
    Call("_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu "
         "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
         "_scaled_dot_product_fused_attention_overrideable "
         "_scaled_dot_product_attention_math_for_mps _triton_scaled_dot_attention",
         (Q, K, V), ATTENTION_ONCE),
    Call("_scaled_dot_product_flash_attention_for_cpu", (Q[1:], K[1:], V[1:]),
         ATTENTION_ONCE // 2),  # of one of a nested tensor's two
    Call("_scaled_dot_product_flash_attention_backward "
         "_scaled_dot_product_flash_attention_for_cpu_backward "
         "_scaled_dot_product_efficient_attention_backward "
         "_scaled_dot_product_cudnn_attention_backward "
         "_scaled_dot_product_fused_attention_overrideable_backward",
         ((2, 6, 5, 13), Q, K, V), 2 * ATTENTION_ONCE),
    Call("_native_multi_head_attention _triton_multi_head_attention",
         ((3, 5, 8), (3, 5, 8), (3, 5, 8), *MHA_ARGUMENTS), MHA),
    Call("_transformer_encoder_layer_fwd",
         ((3, 5, 8), *MHA_ARGUMENTS, True, False, 1e-5, *NORMS, (16, 8), (16,), (8, 16), (8,)),
         MHA + FEED_FORWARD),
    Call("_transformer_encoder_layer_fwd",
         ((3, 5, 8), *MHA_ARGUMENTS, True, False, 1e-5, *NORMS, (16, 8), (16,), (8, 16), (8,),
          (3, 5)), MHA + FEED_FORWARD),  # a mask is no weight
    Call("_flash_attention_forward", (FQ, FK, FV, None, None, 5, 11), ATTENTION_ONCE),
    Call("_flash_attention_forward", (FQ, FK, FV, None, None, 5, 11),
         2 * 6 * (5 * 2 + 5 * 1) * (7 + 13), kwargs={"seqused_k": of(2, 1)}),
    Call("_flash_attention_forward", (PQ, PK, PV, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("_flash_attention_forward", (PQ, PK, PV, STARTS_Q, STARTS_K, 5, 6), USED,
         kwargs={"seqused_k": of(2, 1)}),
    Call("_flash_attention_forward_no_dropout_inplace",
         (PQ, PQ, PK, PV, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("_flash_attention_backward", ((2, 5, 6, 13), FQ, FK, FV, FQ, (2, 6, 5), NONE, NONE, 5, 11),
         2 * ATTENTION_ONCE),
    Call("_flash_attention_backward torch_attn::_varlen_attn_backward",
         (PQ, PQ, PK, PV, PQ, (6, 8), STARTS_Q, STARTS_K, 5, 6), 2 * PACKED),
    Call("torch_attn::_varlen_attn", (PQ, PK, PV, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("torch_attn::_varlen_attn", (PQ, (8, 3, 7), (8, 3, 13), STARTS_Q, None, 5, 5), SELF),
    Call("torch_attn::_varlen_attn",
         (PQ, (4, 16, 3, 7), (4, 16, 3, 13), STARTS_Q, STARTS_K, 5, 6, True, None, [-1, 0], True,
          of(2, 1), (2, 2)), USED),  # keys in pages of 16
    Call("torch_attn::_varlen_attn_out", (PQ, PQ, PK, PV, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("_efficient_attention_forward", (FQ, FK, FV, None, None, None, 5, 11), ATTENTION_ONCE),
    Call("_efficient_attention_forward",
         ((1, *PQ), (1, *PK), (1, *PV), None, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("_efficient_attention_forward",
         ((1, *PQ), (1, *PK), (1, *PV), None, STARTS_Q, STARTS_K, 5, 6), USED,
         kwargs={"seqlen_k": of(2, 1)}),
    Call("_efficient_attention_backward",
         ((2, 5, 6, 13), FQ, FK, FV, None, FQ, None, None, 5, 11), 2 * ATTENTION_ONCE),
    Call("_efficient_attention_backward",
         ((1, *PQ), (1, *PQ), (1, *PK), (1, *PV), None, (1, *PQ), STARTS_Q, STARTS_K, 5, 6),
         2 * PACKED),
    Call("_cudnn_attention_forward", (Q, K, V, None, None, None, 5, 11), ATTENTION_ONCE),
    Call("_cudnn_attention_forward", (PQ, PK, PV, None, STARTS_Q, STARTS_K, 5, 6), PACKED),
    Call("_cudnn_attention_backward",
         ((2, 6, 5, 13), Q, K, V, Q, (2, 6, 5), (), (), None, NONE, NONE, 5, 11),
         2 * ATTENTION_ONCE),
    Call("_cudnn_attention_backward",
         (PQ, PQ, PK, PV, PQ, (6, 8), (), (), None, STARTS_Q, STARTS_K, 5, 6), 2 * PACKED),
]  # fmt: skip


def mask(counts: Any, indices: Any, full: Any = None, full_indices: Any = None) -> list[Any]:
    """A block mask of blocks of (4, 8), as flex attention gets it."""
    return [10, 20, counts, indices, full, full_indices, *[None] * 4, 4, 8, unlike]


# 10 queries are in three rows of blocks: of 4, 4 and 2. 20 keys are in columns of 8, 8 and 4.
CAUSAL = of([[1, 2, 2]]), of([[[0, 1, 2], [0, 1, 2], [1, 2, 0]]])
BLOCKS = 4 * 8 + (4 * 8 + 4 * 8) + (2 * 8 + 2 * 4)
FULL = of([[0, 0, 1]]), of([[[0, 1, 2], [0, 1, 2], [0, 1, 2]]])
FLEX_Q, FLEX_K, FLEX_V = (2, 6, 10, 7), (2, 3, 20, 7), (2, 3, 20, 13)
PER_SCORE = 2 * (7 + 13)
FLEX = [
    Call("higher_order::flex_attention", (FLEX_Q, FLEX_K, FLEX_V, unlike, mask(*CAUSAL), 1.0, {}),
         2 * 6 * BLOCKS * PER_SCORE),
    Call("higher_order::flex_attention",
         (FLEX_Q, FLEX_K, FLEX_V, unlike, mask(*CAUSAL, *FULL), 1.0, {}),
         2 * 6 * (BLOCKS + 2 * 8) * PER_SCORE),
    Call("higher_order::flex_attention",
         (FLEX_Q, FLEX_K, FLEX_V, unlike,
          mask(of(*[[[1, 2, 2]] * 6] * 2), of(*[[[[0, 1, 2], [0, 1, 2], [1, 2, 0]]] * 6] * 2))),
         2 * 6 * BLOCKS * PER_SCORE),  # a mask of its own for each head
    Call("higher_order::flex_attention_backward",
         (FLEX_Q, FLEX_K, FLEX_V, (), (), (), (), unlike, unlike, mask(*CAUSAL), 1.0, {}),
         2 * 2 * 6 * BLOCKS * PER_SCORE),
]  # fmt: skip
WEIGHTS = [(28, 3), (28, 7), (28,), (28,), (28, 7), (28, 7), (28,), (28,)]  # LSTM(3, 7, 2)
LSTM = 2 * 5 * 2 * (28 * (3 + 7) + 28 * (7 + 7))  # 5 steps of 2
PROJECTED = [(28, 3), (28, 2), (28,), (28,), (2, 7)]  # a state of 2, projected from 7
STATE = (2, 2, 7)
RNN = [
    Call("_cudnn_rnn miopen_rnn", ((5, 2, 3), WEIGHTS), LSTM),
    Call("_cudnn_rnn miopen_rnn", ((10, 3), WEIGHTS), LSTM),  # packed
    Call("_cudnn_rnn", ((5, 2, 3), PROJECTED), 2 * 10 * (28 * (3 + 2) + 7 * 2)),
    Call("_cudnn_rnn_backward miopen_rnn_backward", ((5, 2, 3), WEIGHTS), 2 * LSTM),
    Call("mkldnn_rnn_layer", ((5, 2, 3), (28, 3), (28, 7), (28,)), 2 * 10 * 28 * (3 + 7)),
    Call("mkldnn_rnn_layer_backward", ((5, 2, 3), (28, 3), (28, 7), (28,)),
         2 * 2 * 10 * 28 * (3 + 7)),
    Call("_lstm_mps", ((5, 2, 3), [STATE, STATE], WEIGHTS), LSTM),
    Call("lstm_mps_backward",
         (None, None, None, (), (), (5, 2, 3), (), [STATE, STATE], WEIGHTS, True, 2), 2 * LSTM),
    Call("quantized_lstm",
         ((5, 2, 3), [STATE, STATE], [None], True, 2, 0.0, False, False, False), LSTM),
    Call("quantized_lstm",
         ((10, 3), (5,), [STATE, STATE], [None], True, 2, 0.0, False, False), LSTM),  # packed
    Call("quantized_lstm",
         ((5, 2, 3), [STATE, STATE], [None], True, 2, 0.0, False, True, False),
         2 * 10 * 28 * 2 * (3 + 7 + 14 + 7)),  # the second layer reads both directions
    Call("quantized_lstm",
         ((5, 2, 3), [STATE, STATE], [None], True, 3, 0.0, False, True, False),
         2 * 10 * 28 * 2 * (3 + 7 + 14 + 7 + 14 + 7)),
    Call("quantized_gru", ((5, 2, 3), STATE, [None], True, 2, 0.0, False, False, False),
         LSTM * 3 // 4),
    Call("quantized_gru", ((10, 3), (5,), STATE, [None], True, 2, 0.0, False, False),
         LSTM * 3 // 4),
    Call("quantized::quantized_lstm_cell_dynamic", ((5, 3), [(5, 7), (5, 7)], 0, 0, (28,), (28,)),
         2 * 5 * 28 * (3 + 7)),
    Call("quantized::quantized_gru_cell_dynamic", ((2, 3), (2, 7), 0, 0, (21,), (21,)),
         2 * 2 * 21 * (3 + 7)),
    Call("quantized::quantized_rnn_tanh_cell_dynamic quantized::quantized_rnn_relu_cell_dynamic",
         ((2, 3), (2, 7), 0, 0, (7,), (7,)), 2 * 2 * 7 * (3 + 7)),
]  # fmt: skip
SQUARE, COLUMNS = (5, 2, 6, 6), (5, 2, 6, 7)  # ten matrices of 6^3 = 216
LINALG = [
    Call("linalg_lu_factor_ex linalg_lu _linalg_det _linalg_slogdet", (SQUARE,), 10 * 144),  # 2/3
    Call("linalg_lu_factor_ex linalg_lu", ((5, 9, 6),), 5 * (9 * 36 - 72)),  # m n^2 - n^3 / 3
    Call("linalg_lu_factor_ex linalg_lu", ((5, 6, 9),), 5 * (9 * 36 - 72)),
    Call("linalg_cholesky_ex cholesky linalg_ldl_factor_ex", (SQUARE,), 10 * 72),  # 1/3
    Call("linalg_inv_ex", (SQUARE,), 10 * 432),  # 2
    Call("cholesky_inverse", (SQUARE,), 10 * 144),  # 1/3 + 1/3
    Call("_linalg_solve_ex", (SQUARE, COLUMNS), 10 * (144 + 2 * 36 * 7), [COLUMNS, SQUARE]),
    Call("_linalg_solve_ex", (SQUARE, (5, 2, 6)), 10 * (144 + 2 * 36), [(5, 2, 6), SQUARE]),
    Call("_linalg_solve_ex", ((6, 6), COLUMNS), 144 + 10 * 2 * 36 * 7, [COLUMNS, (6, 6)]),
    Call("linalg_lu_solve linalg_ldl_solve", (SQUARE, (5, 2, 6), COLUMNS), 10 * 2 * 36 * 7, COLUMNS),
    Call("cholesky_solve", (COLUMNS, SQUARE), 10 * 2 * 36 * 7, COLUMNS),
    Call("linalg_solve_triangular", (SQUARE, COLUMNS), 10 * 36 * 7, COLUMNS),
    Call("linalg_solve_triangular", (SQUARE, (6, 7)), 10 * 36 * 7, COLUMNS),
    Call("triangular_solve", (COLUMNS, SQUARE), 10 * 36 * 7, [COLUMNS, SQUARE]),
    Call("geqrf", ((5, 9, 6),), 5 * (2 * 9 * 36 - 144)),  # 2 m n^2 - 2/3 n^3
    Call("geqrf", ((5, 6, 9),), 5 * (2 * 9 * 36 - 144)),
    Call("linalg_householder_product", ((5, 9, 6), (5, 6)),
         5 * (4 * 9 * 36 - 2 * (9 + 6) * 36 + 288)),  # 4 m n k - 2 (m + n) k^2 + 4/3 k^3
    Call("linalg_householder_product", ((5, 9, 6), (5, 3)),
         5 * (4 * 9 * 6 * 3 - 2 * (9 + 6) * 9 + 36)),
    Call("linalg_qr", ((5, 9, 6),), 5 * (2 * 9 * 36 - 144 + 4 * 9 * 36 - 2 * 15 * 36 + 288)),
    Call("linalg_qr", ((5, 9, 6), "complete"),
         5 * (2 * 9 * 36 - 144 + 4 * 81 * 6 - 2 * 18 * 36 + 288)),
    Call("linalg_qr", ((5, 9, 6), "r"), 5 * (2 * 9 * 36 - 144)),
    Call("linalg_qr", ((5, 6, 9),), 5 * (2 * 9 * 36 - 144 + 288)),  # Q is (6, 6): 4/3 of 216
    Call("ormqr", ((5, 9, 3), (5, 3), (5, 9, 7)), 5 * 2 * 7 * 3 * (2 * 9 - 3), (5, 9, 7)),
    Call("ormqr", ((5, 9, 3), (5, 3), (5, 7, 9), False), 5 * 2 * 7 * 3 * (2 * 9 - 3), (5, 7, 9)),
]  # fmt: skip
OTHERS = [
    Call("_cdist_forward _euclidean_dist", ((2, 5, 3), (2, 7, 3), 2.0, None), 2 * 2 * 5 * 7 * 3,
         (2, 5, 7)),
    Call("_cdist_backward", ((2, 5, 7), (2, 5, 3), (2, 7, 3), 2.0, (2, 5, 7)), 2 * 2 * 5 * 7 * 3),
    Call("_pdist_forward", ((5, 3), 2.0), 2 * 10 * 3, (10,)),
    Call("_pdist_backward", ((10,), (5, 3), 2.0, (10,)), 2 * 10 * 3),
    Call("_fft_c2c", ((3, 8), [1], 0, True), 3 * 5 * 8 * 3, (3, 8)),  # log2(8) = 3
    Call("_fft_c2c", ((3, 8, 4), [1, 2], 0, True), 3 * 5 * 32 * 5, (3, 8, 4)),
    Call("_fft_c2c", ((3, 6), [1], 0, True), 3 * 78, (3, 6)),  # 5 * 6 * 2.585 = 77.5
    Call("_fft_r2c", ((3, 8), [1], 0, True), 3 * 60, (3, 5)),
    Call("_fft_c2r", ((3, 5), [1], 0, 8), 3 * 60, (3, 8)),
    Call("_fft_c2c", ((3, 0), [1], 0, True), 0, (3, 0)),
]  # fmt: skip
CALLS = [*PRODUCTS, *SPARSE, *CONVOLUTIONS, *ATTENTION, *FLEX, *RNN, *LINALG, *OTHERS]


def full(name: str) -> str:
    return name if "::" in name else f"aten::{name}"


def named() -> list[Any]:
    return [
        pytest.param(full(name), call, id=f"{name}-{number}")
        for number, call in enumerate(CALLS)
        for name in call.names.split()
    ]


@pytest.mark.parametrize(("name", "call"), named())
def test_a_formula(name: str, call: Call) -> None:
    flops = BUILT_IN[name](*call.args, **call.kwargs, out_shape=call.out)
    assert (flops, type(flops)) == (call.flops, int)


def test_every_formula_has_a_case() -> None:
    assert set(BUILT_IN) == {full(name) for call in CALLS for name in call.names.split()}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_formula_says_where_it_comes_from(name: str) -> None:
    assert BUILT_IN[name].__doc__


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("aten::_flash_attention_forward", (PQ, PK, PV, shapes_of(x(3, device="meta")), None)),
        ("aten::_flash_attention_forward", (PQ, PK, PV, (3,), None)),
        (
            "aten::_flash_attention_forward",
            (PQ, PK, PV, shapes_of(FakeTensorMode().from_tensor(x(3))), None),
        ),
        ("aten::mm", (shapes_of(x(3, 5).to_sparse().to("meta")), (5, 7))),
    ],
    ids=["meta", "shape", "fake", "sparse"],
)
def test_a_count_that_needs_values_is_not_guessed(name: str, args: Any) -> None:
    with pytest.raises(MissingValuesError, match="depend on their values"):
        BUILT_IN[name](*args, out_shape=())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_are_taken_apart(layout: torch.layout) -> None:
    rows = torch.nested.nested_tensor([x(3, 5), x(2, 5)], layout=layout)
    out = torch.nested.nested_tensor([x(3, 7), x(2, 7)], layout=layout)
    found = [shapes_of(part[0]) for part in calls_without_nesting((rows, [rows, 1]), {}, ())]
    assert found == [[(3, 5), [(3, 5), 1]], [(2, 5), [(2, 5), 1]]]
    found = [(shapes_of(args), shapes_of(kwargs["w"]), shapes_of(output))
             for args, kwargs, output in calls_without_nesting((rows,), {"w": x(5, 7), "n": rows}, out)]  # fmt: skip
    assert found == [([(3, 5)], (5, 7), (3, 7)), ([(2, 5)], (5, 7), (2, 7))]


def test_without_nested_tensors_there_is_one_part() -> None:
    args, kwargs, output = (x(3, 5), [x(2)]), {"a": 1}, x(3)
    assert [tuple(map(id, part)) for part in calls_without_nesting(args, kwargs, output)] == [
        (id(args), id(kwargs), id(output))
    ]
