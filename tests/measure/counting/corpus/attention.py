"""Attention, plain and in torch's layers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.measure.counting.corpus.case import Case, feed_forward, linear, mha, sdpa
from tests.measure.helpers import Fn, x

PADDED = torch.tensor([[False] * 3 + [True] * 2, [False] * 5])


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def gqa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def by(*backends: SDPBackend) -> Any:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(list(backends)):
            return F.scaled_dot_product_attention(q, k, v)

    return attend


ATTENTION = [
    Case("sdpa-by-math", lambda: (Fn(by(SDPBackend.MATH)), *(x(2, 4, 6, 8) for _ in "qkv")),
         sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-by-flash", lambda: (Fn(by(SDPBackend.FLASH_ATTENTION, SDPBackend.MATH)),
         *(x(2, 4, 6, 8) for _ in "qkv")), sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-by-hand", lambda: (Fn(lambda q, k, v: (q @ k.mT).softmax(-1) @ v),
         x(2, 4, 6, 8), x(2, 4, 5, 8), x(2, 4, 5, 16)), sdpa(2, 4, 6, 5, 8, 16)),
    Case("sdpa-one-query", lambda: (Fn(F.scaled_dot_product_attention),
         x(2, 4, 1, 8), x(2, 4, 9, 8), x(2, 4, 9, 8)), sdpa(2, 4, 1, 9, 8)),
    Case("sdpa-gqa-wide-values", lambda: (Fn(gqa), x(2, 4, 6, 8), x(2, 2, 5, 8), x(2, 2, 5, 16)),
         sdpa(2, 4, 6, 5, 8, 16)),
    Case("mha-masked", lambda: (
         Fn(lambda self, q, mask: self.m(q, q, q, attn_mask=mask, is_causal=True)[0],
            m=nn.MultiheadAttention(8, 2, batch_first=True)), x(2, 5, 8), x(5, 5)),
         mha(2, 5, 5, 8)),
    Case("mha-with-bias-key", lambda: (
         Fn(lambda self, q: self.m(q, q, q)[0],
            m=nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)), x(5, 2, 8)),
         linear(10, 8, 24) + sdpa(2, 2, 5, 7, 4) + linear(10, 8, 8)),  # two more keys
    Case("encoder-padded", lambda: (
         Fn(lambda self, src, mask: self.e(src, src_key_padding_mask=mask),
            e=nn.TransformerEncoder(encoder_layer(), 2)), x(2, 5, 8), PADDED),
         2 * (mha(2, 5, 5, 8) + feed_forward(10, 8, 16))),  # the full rectangle
    Case("encoder-causal", lambda: (
         Fn(lambda self, src, mask: self.e(src, mask=mask, is_causal=True),
            e=nn.TransformerEncoder(encoder_layer(), 2)), x(2, 5, 8), x(5, 5)),
         2 * (mha(2, 5, 5, 8) + feed_forward(10, 8, 16))),
    Case("sdpa", lambda: (Fn(F.scaled_dot_product_attention), *(x(2, 4, 6, 8) for _ in "qkv")),
         sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-cross", lambda: (Fn(F.scaled_dot_product_attention),
         x(2, 4, 6, 8), x(2, 4, 5, 8), x(2, 4, 5, 8)), sdpa(2, 4, 6, 5, 8)),
    Case("sdpa-wide-values", lambda: (Fn(F.scaled_dot_product_attention),
         x(2, 4, 6, 8), x(2, 4, 5, 8), x(2, 4, 5, 16)), sdpa(2, 4, 6, 5, 8, 16)),
    Case("sdpa-causal", lambda: (Fn(causal), *(x(2, 4, 6, 8) for _ in "qkv")),
         sdpa(2, 4, 6, 6, 8)),  # the full rectangle
    Case("sdpa-boolean-mask", lambda: (Fn(F.scaled_dot_product_attention),
         *(x(2, 4, 6, 8) for _ in "qkv"), torch.ones(6, 6, dtype=torch.bool)),
         sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-float-mask", lambda: (Fn(F.scaled_dot_product_attention),
         *(x(2, 4, 6, 8) for _ in "qkv"), x(2, 1, 6, 6)), sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-gqa", lambda: (Fn(gqa), x(2, 4, 6, 8), x(2, 2, 6, 8), x(2, 2, 6, 8)),
         sdpa(2, 4, 6, 6, 8)),  # by the query heads
    Case("sdpa-mqa", lambda: (Fn(gqa), x(2, 4, 6, 8), x(2, 1, 6, 8), x(2, 1, 6, 8)),
         sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-3d", lambda: (Fn(F.scaled_dot_product_attention), *(x(2, 6, 8) for _ in "qkv")),
         sdpa(2, 1, 6, 6, 8)),
    Case("sdpa-bf16", lambda: (Fn(F.scaled_dot_product_attention),
         *(x(2, 4, 6, 8).bfloat16() for _ in "qkv")), sdpa(2, 4, 6, 6, 8)),
    Case("sdpa-of-findings", lambda: (Fn(F.scaled_dot_product_attention),
         *(x(1, 12, 64, 64) for _ in "qkv")), 12_582_912),
    Case("mha", lambda: (nn.MultiheadAttention(8, 2), *(x(5, 2, 8) for _ in "qkv")),
         mha(2, 5, 5, 8)),
    Case("mha-batch-first", lambda: (nn.MultiheadAttention(8, 2, batch_first=True),
         *(x(2, 5, 8) for _ in "qkv")), mha(2, 5, 5, 8)),
    Case("mha-without-weights", lambda: (
         Fn(lambda self, q: self.m(q, q, q, need_weights=False)[0],
            m=nn.MultiheadAttention(8, 2, batch_first=True)), x(2, 5, 8)), mha(2, 5, 5, 8)),
    Case("mha-self", lambda: (Fn(lambda self, q: self.m(q, q, q),
         m=nn.MultiheadAttention(8, 2)), x(5, 2, 8)), mha(2, 5, 5, 8)),
    Case("mha-cross", lambda: (nn.MultiheadAttention(8, 2), x(5, 2, 8), x(7, 2, 8), x(7, 2, 8)),
         mha(2, 5, 7, 8)),
    Case("mha-without-batch", lambda: (nn.MultiheadAttention(8, 2), *(x(5, 8) for _ in "qkv")),
         mha(1, 5, 5, 8)),
    Case("mha-own-key-width", lambda: (nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
         x(5, 2, 8), x(7, 2, 6), x(7, 2, 4)),
         linear(10, 8, 8) + linear(14, 6, 8) + linear(14, 4, 8) + sdpa(2, 2, 5, 7, 4)
         + linear(10, 8, 8)),
    Case("mha-padded", lambda: (
         Fn(lambda self, q, mask: self.m(q, q, q, key_padding_mask=mask)[0],
            m=nn.MultiheadAttention(8, 2, batch_first=True)),
         x(2, 5, 8), torch.zeros(2, 5, dtype=torch.bool)), mha(2, 5, 5, 8)),
    Case("encoder-layer", lambda: (encoder_layer(), x(2, 5, 8)),
         mha(2, 5, 5, 8) + feed_forward(10, 8, 16)),
    Case("encoder-layer-norm-first", lambda: (
         nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), x(5, 2, 8)),
         mha(2, 5, 5, 8) + feed_forward(10, 8, 16)),
    Case("encoder-layer-gelu", lambda: (
         nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), x(2, 5, 8)),
         mha(2, 5, 5, 8) + feed_forward(10, 8, 16)),
    Case("encoder-layer-of-findings", lambda: (
         nn.TransformerEncoderLayer(64, 4, batch_first=True), x(2, 16, 64)), 17_956_864),
    Case("encoder", lambda: (nn.TransformerEncoder(encoder_layer(), 2), x(2, 5, 8)),
         2 * (mha(2, 5, 5, 8) + feed_forward(10, 8, 16))),
    Case("decoder-layer", lambda: (
         nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), x(2, 5, 8), x(2, 7, 8)),
         mha(2, 5, 5, 8) + mha(2, 5, 7, 8) + feed_forward(10, 8, 16)),
    Case("transformer", lambda: (
         nn.Transformer(8, 2, 1, 1, 16, batch_first=True), x(2, 7, 8), x(2, 5, 8)),
         mha(2, 7, 7, 8) + feed_forward(14, 8, 16)
         + mha(2, 5, 5, 8) + mha(2, 5, 7, 8) + feed_forward(10, 8, 16)),
]  # fmt: skip
