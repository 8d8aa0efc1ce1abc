"""The operators that are free by convention: none is a product, each exists, each has a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch
from torch._ops import OpOverload, OpOverloadPacket

from pytest_flopbudget.measure.counting.formulas import registry
from pytest_flopbudget.measure.counting.free_operators import FREE, PROOFS, is_free
from pytest_flopbudget.measure.operators import operator_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# A name in the lists may be of another version of torch than the one that is installed.
OTHER_VERSIONS = {"_chunk_cat", "hash_tensor", "_upsample_lanczos2d_aa", "reduction"}

PRODUCTS = """
    mm bmm addmm addmm_ baddbmm baddbmm_ addbmm addbmm_ mv addmv addmv_ dot vdot matmul linear
    _addmm_activation _int_mm _scaled_mm _grouped_mm _scaled_grouped_mm _weight_int4pack_mm
    _weight_int8pack_mm _trilinear _cdist_forward _cdist_backward _pdist_forward
    convolution _convolution convolution_backward convolution_overrideable
    convolution_backward_overrideable cudnn_convolution mkldnn_convolution
    cudnn_convolution_transpose slow_conv_transpose2d slow_conv_transpose3d slow_conv3d_forward
    _slow_conv2d_forward _slow_conv2d_backward slow_conv_dilated2d slow_conv_dilated3d
    _conv_depthwise2d conv_depthwise3d mkldnn_linear
    _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
    _scaled_dot_product_flash_attention_backward _flash_attention_forward
    _flash_attention_backward _efficient_attention_forward _efficient_attention_backward
    _scaled_dot_product_flash_attention_for_cpu_backward _native_multi_head_attention
    _transformer_encoder_layer_fwd mkldnn_rnn_layer mkldnn_rnn_layer_backward _cudnn_rnn
    _cudnn_rnn_backward miopen_rnn _fft_c2c _fft_r2c _fft_c2r
    linalg_solve_triangular triangular_solve _linalg_solve_ex linalg_inv_ex linalg_lu_factor_ex
    linalg_lu_solve linalg_qr _linalg_svd _linalg_eigh linalg_cholesky_ex cholesky
    cholesky_inverse cholesky_solve linalg_householder_product linalg_matrix_exp linalg_lstsq
    geqrf ormqr _linalg_det linalg_ldl_factor_ex linalg_ldl_solve linalg_eig
    _euclidean_dist _sparse_addmm _sparse_sparse_matmul sspaddmm hspmm _sparse_mm_reduce_impl
""".split()


def overloads(name: str) -> list[OpOverload]:
    packet = getattr(torch.ops.aten, name, None) or getattr(torch.ops.prims, name, None)
    assert isinstance(packet, OpOverloadPacket), name
    return [getattr(packet, overload) for overload in packet.overloads()]


def exists(name: str) -> bool:
    return hasattr(torch.ops.aten, name) or hasattr(torch.ops.prims, name)


@pytest.mark.parametrize(
    "name",
    PRODUCTS,
)
def test_a_product_is_never_free(name: str) -> None:
    if not exists(name):
        pytest.skip(f"this torch has no `{name}`")
    assert not any(map(is_free, overloads(name)))


def test_that_test_can_fail() -> None:
    assert all(map(is_free, overloads("embedding")))


reviewed = pytest.mark.skipif(
    not torch.__version__.startswith("2.13."),
    reason="the list and the formulas name operators of other versions as well",
)


@reviewed
def test_every_listed_name_is_an_operator_of_torch() -> None:
    assert {name for name in FREE if not exists(name)} <= OTHER_VERSIONS


def test_no_operator_has_a_formula_and_is_free() -> None:
    both = [
        name
        for name in registry.FLOPS.formulas
        if name.startswith("aten::") and exists(name.removeprefix("aten::"))
        for overload in overloads(name.removeprefix("aten::"))
        if is_free(overload)
    ]
    assert both == []


def test_no_operator_is_listed_and_has_a_formula() -> None:
    assert not FREE & {name.removeprefix("aten::") for name in registry.FLOPS.formulas}


@reviewed
def test_every_formula_of_torch_is_of_an_operator() -> None:
    aten = [
        name.removeprefix("aten::") for name in registry.FLOPS.formulas if name.startswith("aten")
    ]
    assert [name for name in aten if not exists(name)] == []


@pytest.mark.parametrize(
    "op",
    [
        "add.Tensor", "mul.Scalar", "relu.default", "exp.default", "where.self", "sum.dim_IntList",
        "amax.default", "view.default", "transpose.int", "slice.Tensor", "cat.default",
        "clone.default", "native_layer_norm.default", "_softmax.default", "gather.default",
        "max_pool2d_with_indices.default", "embedding.default", "arange.start", "empty.memory_format",
        "topk.default", "sort.default", "bernoulli_.float", "sum.out", "cat.out", "_softmax.out",
        "add.out", "mul.out", "exp.out",
    ],
)  # fmt: skip
def test_the_classes_of_the_contract_are_free(op: str) -> None:
    name, overload = op.split(".")
    assert is_free(getattr(getattr(torch.ops.aten, name), overload))


@pytest.mark.parametrize(
    "op", ["relu.out", "mul.Scalar_out", "where.self_out", "_foreach_add.List"]
)
def test_every_overload_of_a_free_operator_is_free(op: str) -> None:
    name, overload = op.split(".")
    assert is_free(getattr(getattr(torch.ops.aten, name), overload))


@pytest.mark.parametrize("name", ["_foreach_mm", "_foreach_nothing"])
def test_a_foreach_of_what_is_not_free_is_not_free(name: str) -> None:
    from pytest_flopbudget.measure.counting.free_operators import _is_free_foreach

    assert not _is_free_foreach(name)


def test_torch_marks_no_product_as_pointwise_or_reduction() -> None:
    marked = [
        name
        for name in PRODUCTS
        if exists(name)
        for overload in overloads(name)
        if any(tag in overload.tags for tag in PROOFS)
    ]
    assert marked == []


# Of everything in torch whose name looks like that of a product, this alone is free.

LOOKS = re.compile(
    r"mm|mv|dot|conv|attention|attn|rnn|lstm|gru|cell|fft|dist|linear|linalg|matmul|matrix|einsum|gemm|solve"
    r"|inv|cholesky|(^|_)lu(_|$)|svd|(^|_)eig|(^|_|ge|m)qr|orthog|householder|det|lstsq|outer|(^|_)ger(_|$)|bmm"
    r"|transformer|kron|cov|corr|stft|expm(?!1)|product|addr|grouped|gemv"
)
REVIEWED = {
    "a name that only looks so: gamma, comma, dummy, detach, max and min": """
        _cummax_helper _cummin_helper _foreach_lgamma _foreach_lgamma_ _standard_gamma
        _standard_gamma_grad cummax cummin detach detach_ detach_copy digamma digamma_ igamma
        igamma_ igammac igammac_ lgamma lgamma_ mvlgamma mvlgamma_ polygamma polygamma_
        prims::digamma prims::igamma prims::igammac prims::lgamma _nested_get_jagged_dummy
        hamming_window linalg__powsum
    """,
    "an inverse or a conversion of each element": """
        erfinv erfinv_ prims::erf_inv prims::convert_element_type
    """,
    "a view, a mark or a question": """
        linalg_diagonal matrix_H slice_inverse resolve_conj resolve_neg _linalg_check_errors
    """,
    "a copy into the form that a kernel wants": """
        _cudnn_rnn_flatten_weight mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
        _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo
        _convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu lu_unpack
        quantized::conv1d_prepack quantized::conv1d_unpack quantized::conv2d_prepack
        quantized::conv2d_unpack quantized::conv3d_prepack quantized::conv3d_unpack
        quantized::conv_prepack quantized::conv_transpose1d_prepack
        quantized::conv_transpose1d_unpack quantized::conv_transpose2d_prepack
        quantized::conv_transpose2d_unpack quantized::conv_transpose3d_prepack
        quantized::conv_transpose3d_unpack quantized::linear_prepack quantized::linear_prepack_fp16
        quantized::linear_unpack quantized::linear_unpack_fp16 quantized::make_quantized_cell_params
        quantized::make_quantized_cell_params_dynamic quantized::make_quantized_cell_params_fp16
    """,
    "the gates of a cell, after its products": """
        _thnn_fused_gru_cell _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell
        _thnn_fused_lstm_cell_backward_impl
    """,
    "frequencies, not a transform": "fft_fftfreq fft_rfftfreq",
    "a norm of a difference of two tensors, or of one": "dist linalg_vector_norm",
    "a product of each pair, without a sum": "addr addr_ linalg_cross",
    "interpolation": """
        _upsample_bilinear2d_aa _upsample_bilinear2d_aa_backward upsample_bilinear2d
        upsample_bilinear2d_backward upsample_linear1d upsample_linear1d_backward
        upsample_trilinear3d upsample_trilinear3d_backward
    """,
}


def looking_like_products() -> Iterator[str]:
    names = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    for full in sorted(names):
        namespace, name = full.split("::")
        if LOOKS.search(name) and not namespace.startswith("flopbudget"):
            yield full.removeprefix("aten::")


def is_any_free(full: str) -> bool:
    namespace, _, name = full.rpartition("::")
    try:
        packet = getattr(getattr(torch.ops, namespace or "aten"), name)
    except AttributeError:  # it has no schema that Python knows
        return False
    return any(is_free(getattr(packet, overload)) for overload in packet.overloads())


def test_nothing_that_looks_like_a_product_is_free_by_accident() -> None:
    reviewed = {name for names in REVIEWED.values() for name in names.split()}
    free = {name for name in looking_like_products() if is_any_free(name)}
    assert free - reviewed == set()


def test_that_search_finds_products() -> None:
    found = set(looking_like_products())
    named = {name.removeprefix("aten::") for name in registry.FLOPS.formulas}
    there = {name for name in named if "::" not in name and exists(name)}
    assert there - found == set()
    assert len(found) > 250


def test_every_review_is_of_something_free() -> None:
    names = [name for names in REVIEWED.values() for name in names.split()]
    found = set(looking_like_products())
    assert len(names) == len(set(names))
    assert [name for name in names if name in found and not is_any_free(name)] == []


def test_an_operator_of_another_library_is_free_only_by_a_tag() -> None:
    library = torch.library.Library("flopbudget_free", "FRAGMENT")
    try:
        library.define("relu(Tensor a) -> Tensor")
        library.define("marked(Tensor a) -> Tensor", tags=(torch.Tag.pointwise,))
        assert not is_free(torch.ops.flopbudget_free.relu.default)
        assert is_free(torch.ops.flopbudget_free.marked.default)
    finally:
        library._destroy()


def test_an_operator_knows_what_it_writes() -> None:
    add_ = operator_of(torch.ops.aten.add_.Tensor)
    assert add_.writes == ((0, "self"),)
    assert operator_of(torch.ops.aten.add.Tensor).writes == ()
    norm = operator_of(torch.ops.aten.native_batch_norm.default)
    assert [name for _, name in norm.writes] == ["running_mean", "running_var"]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (torch.ops.aten._local_scalar_dense.default, True),
        (torch.ops.aten.nonzero.default, True),
        (torch.ops.aten.masked_select.default, True),
        (torch.ops.aten.add.Tensor, False),
        (torch.ops.aten.mm.default, False),
    ],
    ids=str,
)
def test_an_operator_knows_whether_it_reads_values(op: OpOverload, *, expected: bool) -> None:
    assert operator_of(op).reads_values is expected
