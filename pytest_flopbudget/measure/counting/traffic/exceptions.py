"""What an operator reads and writes otherwise than its schema says, in tables by its name.

All names are those of ATen. What is in no table reads all of its inputs and writes all of its
outputs.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOTHING = _names(  # no values move: factories without any, sizes, numbers, random state
    """
    empty empty_like empty_permuted empty_quantized empty_strided new_empty new_empty_strided
    _efficientzerotensor _empty_affine_quantized _empty_per_channel_affine_quantized
    resize resize_ resize_as_ _resize_output_ set_ record_stream scalar_tensor lift lift_fresh
    _cudnn_init_dropout_state _make_dep_token _unsafe_view _reshape_alias _nested_tensor_size
    _nested_tensor_strides _nested_tensor_storage_offsets _assert_async _functional_assert_async
    is_set_to _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _sparse_coo_tensor_unsafe _sparse_compressed_tensor_unsafe
    """
)
SHAPE_ALONE = _names(  # what is read of the first tensor is its shape
    """
    zeros_like ones_like full_like rand_like randn_like randint_like new_zeros new_ones new_full
    _new_zeros_with_same_feature_meta bernoulli.p
    """
)
OVERWRITTEN = _names(  # in place, and without reading what was there
    """
    copy_ fill_ zero_ uniform_ normal_ random_ exponential_ geometric_ log_normal_ cauchy_
    bernoulli_ _foreach_copy_ _foreach_zero_
    """
)
RETURNED = {  # by operator: how many results the public function returns, where not all of them
    name: number
    for number, names in {
        1: """
            native_layer_norm native_group_norm native_batch_norm cudnn_batch_norm
            miopen_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
            _native_batch_norm_legit_functional _batch_norm_with_update _batch_norm_no_update
            _batch_norm_with_update_functional _fused_rms_norm native_dropout _fused_dropout
            max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d
            adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d _embedding_bag
            _embedding_bag_forward_only nll_loss_forward nll_loss2d_forward log_sigmoid_forward
            multilabel_margin_loss_forward _ctc_loss _cudnn_ctc_loss _weight_norm_interface
            _thnn_fused_gru_cell fake_quantize_per_tensor_affine_cachemask
            fake_quantize_per_channel_affine_cachemask
            _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
            _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
            _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
            _scaled_dot_product_fused_attention_overrideable
            _scaled_dot_product_attention_math_for_mps _flash_attention_forward
            _efficient_attention_forward _cudnn_attention_forward
            _linalg_det _linalg_solve_ex linalg_cholesky_ex linalg_inv_ex
        """,
        2: "_thnn_fused_lstm_cell _linalg_slogdet linalg_lu_factor_ex linalg_ldl_factor_ex",
        3: "mkldnn_rnn_layer _cudnn_rnn miopen_rnn _lstm_mps",
    }.items()
    for name in names.split()
}
POOL_INDICES = _names(  # the second result counts where somebody reads it
    """
    max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d
    fractional_max_pool2d fractional_max_pool3d
    """
)
KEPT = {  # by operator: the arguments that its forward kept for it
    name: _names(arguments)
    for names, arguments in {
        "native_layer_norm_backward native_group_norm_backward": "mean rstd",
        "_fused_rms_norm_backward": "rstd",
        "native_batch_norm_backward batch_norm_backward": "save_mean save_invstd save_var reserve",
        "cudnn_batch_norm_backward": "save_mean save_var reserveSpace",
        "miopen_batch_norm_backward": "save_mean save_var",
        "native_dropout_backward _masked_scale": "mask",
        """max_pool2d_with_indices_backward max_pool3d_with_indices_backward
        adaptive_max_pool2d_backward adaptive_max_pool3d_backward
        fractional_max_pool2d_backward fractional_max_pool3d_backward""": "indices",
        "nll_loss_backward nll_loss2d_backward": "total_weight",
        "log_sigmoid_backward": "buffer",
        "multilabel_margin_loss_backward": "is_target",
        "_ctc_loss_backward": "log_alpha",
        "_weight_norm_interface_backward": "saved_norms",
        """_embedding_bag_backward _embedding_bag_dense_backward
        _embedding_bag_per_sample_weights_backward""": "offset2bag bag_size maximum_indices",
        """fake_quantize_per_tensor_affine_cachemask_backward
        fake_quantize_per_channel_affine_cachemask_backward""": "mask",
        "_thnn_fused_lstm_cell_backward_impl _thnn_fused_gru_cell_backward": "workspace",
        "mkldnn_rnn_layer_backward": "workspace",
        "_cudnn_rnn miopen_rnn": "weight_buf dropout_state",
        "_cudnn_rnn_backward miopen_rnn_backward": "weight_buf dropout_state reserve",
        """_scaled_dot_product_flash_attention_backward
        _scaled_dot_product_flash_attention_for_cpu_backward
        _scaled_dot_product_efficient_attention_backward
        _scaled_dot_product_cudnn_attention_backward
        _scaled_dot_product_fused_attention_overrideable_backward
        _flash_attention_backward _efficient_attention_backward _cudnn_attention_backward""": """
            logsumexp philox_seed philox_offset rng_state unused cum_seq_q cum_seq_k
        """,
    }.items()
    for name in names.split()
}
ELEMENT_WISE = frozenset({"_to_copy", "clone", "copy_", "dropout", "native_dropout"})  # untagged
