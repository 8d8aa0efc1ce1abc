"""Attention: scores = q @ k^T, then scores @ v, for each query head.

Causal and masked attention count the full rectangle, so that every implementation of one model
gives one number.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape

MATRIX = 2  # dimensions


@register("_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
           "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
           "_scaled_dot_product_fused_attention_overrideable",
           "_scaled_dot_product_attention_math_for_mps",
           "_triton_scaled_dot_attention")  # fmt: skip
def attention(q: Shape, k: Shape, v: Shape, *_: Any, **__: Any) -> int:
    """From q (b, heads, n, d), k (b, kv_heads, m, d), v (b, kv_heads, m, e)."""
    return 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


@register("_scaled_dot_product_flash_attention_backward",
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


@register("_native_multi_head_attention", "_triton_multi_head_attention")
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
    rows = prod(query[:-1])
    return 2 * rows * (prod(qkv_weight) + prod(proj_weight)) + 4 * rows * key[-2] * embed_dim


@register("_transformer_encoder_layer_fwd")
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
