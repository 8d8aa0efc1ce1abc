"""Operators that cost 0 FLOPs by convention.

FLOPs here are those of matrix products, convolutions, attention and recurrent cells. Views,
copies (to other processes, too), factories, element-wise operators, reductions, normalisation,
pooling and indexing cost time and memory, which latency and memory show. Where torch's own tags
and schemas prove that an operator is of these classes, they decide; the others were read one by
one and are listed. What is neither proven nor listed is not free: a new operator of torch is
uncounted, never zero.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.torch_internals.dispatch import overloads_of, schema_of

if TYPE_CHECKING:
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload

PROOFS = tuple(
    getattr(torch.Tag, name)
    for name in ("pointwise", "reduction", "inplace_view", "view_copy")
    if hasattr(torch.Tag, name)  # `reduction` came after torch 2.6
)

VIEWS_AND_COPIES = """
    _conj_physical _copy_from _copy_from_and_resize _lazy_clone _make_dep_token _mkldnn_reshape
    _mkldnn_transpose _nested_from_padded _nested_from_padded_and_nested_example
    _nested_from_padded_tensor _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned
    _nested_tensor_from_tensor_list _pack_padded_sequence _pad_packed_sequence _pin_memory
    _reshape_copy _resize_output _to_copy _to_dense _to_sparse _unsafe_view as_strided_scatter
    block_diag cat channel_shuffle constant_pad_nd copy diag_embed diagonal_scatter fill flip
    lift native_channel_shuffle pixel_shuffle pixel_unshuffle record_stream repeat
    repeat_interleave resize resize_as roll rot90 select_scatter set stack _stack _chunk_cat
    to_mkldnn to_padded_tensor tril triu unsafe_split unsafe_split_with_sizes zero
    reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d im2col col2im unfold_backward select_backward slice_backward
    diagonal_backward reflection_pad1d_backward reflection_pad2d_backward
    reflection_pad3d_backward replication_pad1d_backward replication_pad2d_backward
    replication_pad3d_backward _nested_select_backward _padded_dense_to_jagged_forward
    _jagged_to_padded_dense_forward mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
    _cudnn_rnn_flatten_weight complex polar lu_unpack _convert_weight_to_int4pack
    _convert_weight_to_int4pack_for_cpu _dyn_quant_pack_4bit_weight _cslt_compress _pack_sequence
    _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor _coalesce _coalesced
    _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr _to_sparse_semi_structured
    _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo sparse_mask
    _sparse_mask_projection sparse_resize sparse_resize_and_clear copy_sparse_to_sparse
    resize_as_sparse _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _sparse_compressed_tensor_with_dims sparse_coo_tensor sparse_compressed_tensor _spdiags
"""
FACTORIES = """
    _efficientzerotensor arange bartlett_window bernoulli binomial blackman_window cauchy empty
    empty_like empty_permuted empty_quantized empty_strided exponential eye fft_fftfreq
    fft_rfftfreq from_file full full_like geometric hamming_window hann_window kaiser_window
    linspace log_normal logspace multinomial new_empty new_empty_strided new_full new_ones
    new_zeros _new_zeros_with_same_feature_meta normal normal_functional ones ones_like poisson
    rand rand_like randint randint_like randn randn_like random randperm range scalar_tensor
    tril_indices triu_indices uniform zeros zeros_like _cudnn_init_dropout_state
    _empty_affine_quantized _empty_per_channel_affine_quantized _standard_gamma
    _sample_dirichlet _fill_mem_eff_dropout_mask_ _philox_key_fold_in _philox_key_split
    _philox_normal _philox_uniform
"""
ELEMENT_WISE = """
    _add_relu _amp_foreach_non_finite_check_and_unscale _amp_update_scale addr bucketize
    binary_cross_entropy binary_cross_entropy_with_logits elu_backward dropout native_dropout
    _fused_dropout _masked_scale glu glu_backward hardshrink_backward hardsigmoid_backward
    hardswish hardswish_backward hardtanh_backward huber_loss huber_loss_backward isin
    leaky_relu leaky_relu_backward log_sigmoid_backward log_sigmoid_forward mse_loss
    mse_loss_backward _prelu_kernel _prelu_kernel_backward quantize_per_channel quantize_per_tensor
    quantize_per_tensor_dynamic dequantize rrelu_with_noise rrelu_with_noise_backward
    rrelu_with_noise_functional searchsorted smooth_l1_loss smooth_l1_loss_backward
    soft_margin_loss soft_margin_loss_backward softplus_backward softshrink_backward
    binary_cross_entropy_backward fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine_cachemask _fake_quantize_learnable_per_channel_affine
    _fake_quantize_learnable_per_tensor_affine _transform_bias_rescale_qkv
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams _thnn_fused_gru_cell
    _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl
    floor_divide linalg_cross glu_jvp glu_backward_jvp _standard_gamma_grad _dirichlet_grad
    _fake_quantize_learnable_per_channel_affine_backward
    _fake_quantize_learnable_per_tensor_affine_backward _fused_moving_avg_obs_fq_helper
    _fused_moving_avg_obs_fq_helper_functional _fused_adagrad _fused_adam _fused_adamw _fused_sgd
"""
REDUCTIONS = """
    _aminmax _is_all_true _is_any_true _logcumsumexp _nested_sum_backward all allclose amax amin
    aminmax any argmax argmin bincount count_nonzero _cummax_helper _cummin_helper cummax cummin
    cumprod cumsum dist hash_tensor histc histogram kthvalue linalg_vector_norm linalg__powsum
    logcumsumexp logsumexp mean median mode nanmedian nansum norm prod sort std std_mean sum
    topk trace unique_consecutive unique_dim unique_dim_consecutive _unique _unique2 var
    var_mean nll_loss_forward nll_loss_backward nll_loss2d_forward nll_loss2d_backward
    multi_margin_loss multi_margin_loss_backward multilabel_margin_loss_forward
    multilabel_margin_loss_backward _ctc_loss _ctc_loss_backward _cudnn_ctc_loss segment_reduce
    _segment_reduce_backward miopen_ctc_loss _foreach_powsum dist_backward _sparse_csr_prod
    _sparse_csr_sum _sparse_sum _sparse_sum_backward _histogramdd_bin_edges
    _histogramdd_from_bin_cts _histogramdd_from_bin_tensors
"""
NORMALISATION = """
    _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional
    _fused_rms_norm _fused_rms_norm_backward _log_softmax _log_softmax_backward_data
    _masked_softmax _masked_softmax_backward _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training
    _nested_tensor_softmax_with_shape _safe_softmax _softmax _softmax_backward_data
    _weight_norm_interface _weight_norm_interface_backward batch_norm_backward
    batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt
    batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats
    batch_norm_update_stats cudnn_batch_norm cudnn_batch_norm_backward miopen_batch_norm
    miopen_batch_norm_backward native_batch_norm native_batch_norm_backward native_group_norm
    native_group_norm_backward native_layer_norm native_layer_norm_backward native_norm
    quantized_batch_norm renorm softmax log_softmax _sparse_softmax _sparse_softmax_backward_data
    _sparse_log_softmax _sparse_log_softmax_backward_data
"""
POOLING_AND_SAMPLING = """
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d
    _adaptive_avg_pool3d_backward _grid_sampler_2d_cpu_fallback
    _grid_sampler_2d_cpu_fallback_backward _upsample_bicubic2d_aa
    _upsample_bicubic2d_aa_backward _upsample_bilinear2d_aa _upsample_bilinear2d_aa_backward
    _upsample_lanczos2d_aa _upsample_lanczos2d_aa_backward _upsample_nearest_exact1d
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d
    _upsample_nearest_exact2d_backward _upsample_nearest_exact3d
    _upsample_nearest_exact3d_backward adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_avg_pool3d_backward adaptive_max_pool2d
    adaptive_max_pool2d_backward adaptive_max_pool3d adaptive_max_pool3d_backward
    affine_grid_generator avg_pool1d avg_pool2d avg_pool2d_backward avg_pool3d
    avg_pool3d_backward cudnn_affine_grid_generator cudnn_affine_grid_generator_backward
    cudnn_grid_sampler cudnn_grid_sampler_backward fractional_max_pool2d
    fractional_max_pool2d_backward fractional_max_pool3d fractional_max_pool3d_backward
    grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d grid_sampler_3d_backward
    max_pool2d_backward max_pool2d_with_indices max_pool2d_with_indices_backward
    max_pool3d_with_indices max_pool3d_with_indices_backward max_unpool2d max_unpool3d
    mkldnn_adaptive_avg_pool2d mkldnn_adaptive_avg_pool2d_backward mkldnn_max_pool2d
    mkldnn_max_pool2d_backward mkldnn_max_pool3d mkldnn_max_pool3d_backward quantized_max_pool1d
    quantized_max_pool2d quantized_max_pool3d upsample_bicubic2d upsample_bicubic2d_backward
    upsample_bilinear2d upsample_bilinear2d_backward upsample_linear1d
    upsample_linear1d_backward upsample_nearest1d upsample_nearest1d_backward upsample_nearest2d
    upsample_nearest2d_backward upsample_nearest3d upsample_nearest3d_backward
    upsample_trilinear3d upsample_trilinear3d_backward
"""
INDEXING = """
    _embedding_bag _embedding_bag_backward _embedding_bag_dense_backward
    _embedding_bag_forward_only _embedding_bag_per_sample_weights_backward _index_put_impl
    _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate
    embedding embedding_dense_backward embedding_renorm gather index index_add index_copy
    index_fill index_put index_reduce index_select masked_scatter masked_scatter_backward
    masked_select nonzero nonzero_static put scatter scatter_add scatter_reduce take
"""
QUESTIONS = """
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async
    _functional_assert_scalar _fused_sdp_choice _has_same_storage_numel _local_scalar_dense
    _nested_compute_contiguous_strides_offsets _nested_get_jagged_dummy _nested_get_lengths
    _nested_get_max_seqlen _nested_get_min_seqlen _nested_get_offsets _nested_get_ragged_idx
    _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides _print
    _use_cudnn_ctc_loss dense_dim int_repr is_coalesced is_pinned is_same_size is_set_to
    q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point
    qscheme sparse_dim sym_constrain_range sym_constrain_range_for_size _nnz sym_size sym_stride
    sym_numel sym_storage_offset _linalg_check_errors _validate_compressed_sparse_indices
    _use_miopen_ctc_loss is_non_overlapping_and_dense sym_is_contiguous values _dimI _dimV
"""

PRIMS = """
    abs acos acosh add asin asinh atan atan2 atanh bessel_i0 bessel_i0e bessel_i1 bessel_i1e
    bessel_j0 bessel_j1 bitwise_and bitwise_not bitwise_or bitwise_xor cbrt ceil clone collapse
    conj conj_physical copy_strided copy_to cos cosh device_put digamma div eq erf erf_inv erfc
    erfcx exp exp2 expm1 fill floor fmod frexp gcd ge gt hypot igamma igammac imag iota isfinite
    item le lgamma log log10 log1p log2 lt maximum maximum_value minimum minimum_value mul ndtri
    ne neg nextafter pow real reciprocal remainder reshape rev round shift_left
    shift_right_arithmetic sign signbit sin sinh spherical_bessel_j0 sqrt sub tan tanh trunc where
    xor_sum zeta
"""
OTHER_LIBRARIES = frozenset(
    f"{library}::{name}"
    for library, names in {
        "prims": PRIMS,
        "torchvision": """
            nms roi_align roi_pool ps_roi_align ps_roi_pool _interpolate_bilinear2d_aa
            _roi_align_backward _roi_pool_backward _ps_roi_align_backward _ps_roi_pool_backward
        """,
        "torchaudio": "rnnt_loss rnnt_loss_forward rnnt_loss_backward forced_align",
        "quantized": """
            add add_out add_relu add_relu_out add_scalar add_scalar_out add_scalar_relu mul mul_out
            mul_relu mul_relu_out mul_scalar mul_scalar_out mul_scalar_relu mul_scalar_relu_out cat
            cat_out cat_relu cat_relu_out clamp threshold dropout batch_norm batch_norm_relu
            batch_norm1d batch_norm1d_relu batch_norm2d batch_norm2d_relu batch_norm3d
            batch_norm3d_relu layer_norm group_norm instance_norm hardswish leaky_relu sigmoid celu
            elu prelu softmax relu6 max_pool1d max_pool2d max_pool3d embedding_byte embedding_4bit
            embedding_bag_byte embedding_bag_4bit embedding_bag_byte_rowwise_offsets
            embedding_bag_4bit_rowwise_offsets embedding_bag_2bit_rowwise_offsets
            embedding_bag_prepack embedding_bag_byte_prepack embedding_bag_4bit_prepack
            embedding_bag_2bit_prepack embedding_bag_byte_unpack embedding_bag_4bit_unpack
            embedding_bag_2bit_unpack linear_prepack linear_prepack_fp16 linear_unpack
            linear_unpack_fp16 conv_prepack conv1d_prepack conv2d_prepack conv3d_prepack
            conv1d_unpack conv2d_unpack conv3d_unpack conv_transpose1d_prepack
            conv_transpose2d_prepack conv_transpose3d_prepack conv_transpose1d_unpack
            conv_transpose2d_unpack conv_transpose3d_unpack make_quantized_cell_params
            make_quantized_cell_params_dynamic make_quantized_cell_params_fp16
        """,
        "c10d": """
            _allgather_base_ _reduce_scatter_base_ allgather_ allgather_coalesced_
            allgather_into_tensor_coalesced_ allreduce_ allreduce_coalesced_ alltoall_
            alltoall_base_ barrier broadcast_ gather_ monitored_barrier_ recv_ recv_any_source_
            reduce_ reduce_scatter_ reduce_scatter_tensor_coalesced_ scatter_ send
        """,
        "_c10d_functional": """
            all_gather_into_tensor all_gather_into_tensor_coalesced all_gather_into_tensor_out
            all_reduce all_reduce_ all_reduce_coalesced all_reduce_coalesced_ all_to_all_single
            batch_p2p_ops broadcast broadcast_ irecv isend reduce_scatter_tensor
            reduce_scatter_tensor_coalesced reduce_scatter_tensor_out wait_tensor
            _wrap_tensor_autograd
        """,
        "_c10d_functional_autograd": """
            all_gather_into_tensor all_to_all_single reduce_scatter_tensor
        """,
        "_dtensor": "mesh_get_process_group shard_dim_alltoall",
        "fsdp": "all_gather_copy_in chunk_cat copy_ split_with_sizes_copy",
        "flex_lib": "zeros_and_scatter",
        "inductor": "accumulate_grad_ resize_storage_bytes_",
    }.items()
    for name in names.split()
)
FREE = frozenset(
    name
    for names in (
        VIEWS_AND_COPIES,
        FACTORIES,
        ELEMENT_WISE,
        REDUCTIONS,
        NORMALISATION,
        POOLING_AND_SAMPLING,
        INDEXING,
        QUESTIONS,
    )
    for name in names.split()
)


@cache
def is_free(func: OpOverload) -> bool:
    """Return whether an operator is proven or listed to be of a free class.

    A tag is torch's own word on any operator, also on that of another library; torch tags some
    overloads only, and what one of them does the others do. An operator of another library whose
    result may lie in the memory of an argument is no view for that: it may compute as well.
    """
    if any(tag in overload.tags for overload in (func, *overloads_of(func)) for tag in PROOFS):
        return True
    qualified = schema_of(func).name
    namespace, name = qualified.split("::")
    if namespace in ("profiler", "prim"):  # marks in a trace; questions about a tensor's form
        return True
    if qualified in OTHER_LIBRARIES:
        return True
    if namespace not in ("aten", "prims"):
        return False
    return func.is_view or name in FREE or name.removesuffix("_") in FREE or _is_free_foreach(name)


def _is_free_foreach(name: str) -> bool:
    """Return whether `_foreach_add` does to lists what the free `add` does to one tensor."""
    base = name.removeprefix("_foreach_").removesuffix("_")
    packet = getattr(torch.ops.aten, base, None) if base != name else None
    return packet is not None and all(is_free(getattr(packet, o)) for o in packet.overloads())
