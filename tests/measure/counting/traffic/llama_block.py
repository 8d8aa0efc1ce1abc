"""A block of a Llama in the ways in which it is written, at the same FLOPs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, KV_HEADS, HEAD, HIDDEN = 512, 8, 2, 64, 1408
TOKENS = 1024


@dataclass(frozen=True)
class Ways:
    """How a block does what it does; as a block should by default."""

    norm: str = "kernel"  # or `written-out`
    activation: str = "kernel"
    attention: str = "kernel"  # or `eager`
    mask: str = "causal"  # or `dense`, one for each head
    repeated: bool = False  # k and v copied for each head, instead of shared
    contiguous: bool = False  # q, k and v
    upcast: bool = False  # to float32 and back, between the halves
    clones: int = 0
    cache: str = "static"  # or `concatenated`
    dtype: torch.dtype = torch.bfloat16


class Block(nn.Module):
    """Attention and a gated feed-forward network, each after a norm and beside a residual."""

    def __init__(self, ways: Ways) -> None:
        super().__init__()
        self.ways = ways
        options: dict[str, Any] = {"device": "meta", "dtype": ways.dtype}
        self.attention_norm = nn.RMSNorm(WIDTH, eps=1e-6, **options)
        self.q = nn.Linear(WIDTH, HEADS * HEAD, bias=False, **options)
        self.k = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False, **options)
        self.v = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False, **options)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False, **options)
        self.mlp_norm = nn.RMSNorm(WIDTH, eps=1e-6, **options)
        self.up = nn.Linear(WIDTH, HIDDEN, bias=False, **options)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False, **options)

    def forward(self, x: Tensor, *cache: Tensor) -> Tensor:
        x = x + self.attend(self.normed(self.attention_norm, x), *cache)
        for _ in range(self.ways.clones):
            x = x.clone()
        if self.ways.upcast:
            x = x.float().to(self.ways.dtype)
        return x + self.down(self.activated(self.up(self.normed(self.mlp_norm, x))))

    def normed(self, norm: nn.RMSNorm, x: Tensor) -> Tensor:
        if self.ways.norm == "kernel":
            return norm(x)
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return norm.weight * wide.to(x.dtype)

    def activated(self, x: Tensor) -> Tensor:
        if self.ways.activation == "kernel":
            return F.gelu(x, approximate="tanh")
        return 0.5 * x * (1 + torch.tanh(0.797885 * (x + 0.044715 * x.pow(3))))

    def attend(self, x: Tensor, *cache: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q(x).view(batch, tokens, HEADS, HEAD).transpose(1, 2)
        k = self.k(x).view(batch, tokens, KV_HEADS, HEAD).transpose(1, 2)
        v = self.v(x).view(batch, tokens, KV_HEADS, HEAD).transpose(1, 2)
        if self.ways.contiguous:
            q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        if cache:
            k, v = self.cached(cache[0], k, cache[2]), self.cached(cache[1], v, cache[2])
        if self.ways.repeated:
            k, v = (t.repeat_interleave(HEADS // KV_HEADS, dim=1) for t in (k, v))
        joined = self.attention(q, k, v).transpose(1, 2)
        return self.out(joined.reshape(batch, tokens, WIDTH))

    def cached(self, past: Tensor, new: Tensor, position: Tensor) -> Tensor:
        if self.ways.cache == "static":
            return past.index_copy_(2, position, new)
        return torch.cat([past[:, :, :-1], new], dim=2)

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        is_prefill = q.shape[2] > 1
        if self.ways.attention == "kernel":
            mask = None
            if self.ways.mask == "dense":
                ones = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device)
                mask = torch.zeros(
                    q.shape[0], HEADS, *ones.shape, dtype=q.dtype, device=q.device
                ).masked_fill(ones.tril().logical_not(), float("-inf"))
            return F.scaled_dot_product_attention(
                q, k, v, mask, is_causal=is_prefill and mask is None, enable_gqa=True
            )
        k, v = (t.repeat_interleave(HEADS // k.shape[1], dim=1) for t in (k, v))
        scores = q @ k.transpose(2, 3) * HEAD**-0.5
        if is_prefill:
            ones = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device)
            scores = scores.masked_fill(ones.tril().logical_not(), float("-inf"))
        return scores.softmax(-1, dtype=torch.float32).to(q.dtype) @ v


def prefill(dtype: torch.dtype) -> tuple[Tensor, ...]:
    """1,024 tokens at once."""
    return (torch.empty(1, TOKENS, WIDTH, dtype=dtype, device="meta"),)


def decode(dtype: torch.dtype) -> tuple[Tensor, ...]:
    """One token after 1,023 that are in the cache."""
    k, v = (torch.empty(1, KV_HEADS, TOKENS, HEAD, dtype=dtype, device="meta") for _ in range(2))
    x = torch.empty(1, 1, WIDTH, dtype=dtype, device="meta")
    return x, k, v, torch.empty(1, dtype=torch.int64, device="meta")
