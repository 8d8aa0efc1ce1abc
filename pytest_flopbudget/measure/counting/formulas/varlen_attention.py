"""Attention over sequences of unequal length, and over blocks: what is there is counted.

Sequences lie one after the other in one tensor, with a vector of where each starts; a block mask
lists the blocks of the scores that are computed. Both are values, so they need a real run.
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register
from pytest_flopbudget.measure.counting.formulas.tensor_values import (
    integer_values,
    sequence_lengths,
)

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("_flash_attention_forward")
def flash_attention(
    q: Shape, k: Shape, v: Shape, starts_q: Any, starts_k: Any, *_: Any, **kwargs: Any
) -> int:
    """From q (b, n, heads, d), k (b, m, kv_heads, d), v, or packed (all n, heads, d).

    `seqused_k` says how much of each sequence of keys is used.
    """
    used = kwargs.get("seqused_k")
    if starts_q is None:
        keys = [k[1]] * q[0] if used is None else integer_values(used)
        return _scores([q[1]] * q[0], keys) * _per_score(q, v)
    starts = starts_q if starts_k is None else starts_k
    keys = sequence_lengths(starts) if used is None else integer_values(used)
    return _scores(sequence_lengths(starts_q), keys) * _per_score(q, v)


@register("_flash_attention_forward_no_dropout_inplace")
def flash_attention_into(out: Shape, *args: Any, **kwargs: Any) -> int:
    """The same, written into `out`."""
    del out
    return flash_attention(*args, **kwargs)


@register("torch_attn::_varlen_attn")
def attention_of_sequences(
    q: Shape,
    k: Shape,
    v: Shape,
    starts_q: Any,
    starts_k: Any,
    longest_q: int,
    longest_k: int,
    is_causal: bool = False,
    scale: Any = None,
    window: Any = None,
    enable_gqa: bool = False,
    used: Any = None,
    *_: Any,
    **__: Any,
) -> int:
    """`torch.nn.attention.varlen`, packed; causal and windowed ones count the full rectangles."""
    del longest_q, longest_k, is_causal, scale, window, enable_gqa
    return flash_attention(q, k, v, starts_q, starts_k, seqused_k=used)


@register("torch_attn::_varlen_attn_out")
def attention_of_sequences_into(out: Shape, *args: Any, **kwargs: Any) -> int:
    """The same, written into `out`."""
    del out
    return attention_of_sequences(*args, **kwargs)


@register("_flash_attention_backward", "torch_attn::_varlen_attn_backward")
def flash_attention_backward(
    gradient: Any,
    q: Shape,
    k: Shape,
    v: Shape,
    out: Any,
    logsumexp: Any,
    starts_q: Any,
    starts_k: Any,
    *_: Any,
    **__: Any,
) -> int:
    """Twice the forward call, as in `attention_backward`."""
    del gradient, out, logsumexp
    return 2 * flash_attention(q, k, v, _given(starts_q), _given(starts_k))


@register("_efficient_attention_forward")
def efficient_attention(
    q: Shape, k: Shape, v: Shape, bias: Any, starts_q: Any, starts_k: Any, *_: Any, **kwargs: Any
) -> int:
    """From q (b, n, heads, d), k (b, m, heads, d), v; packed, b is 1 and n is that of all."""
    del bias
    return flash_attention(q, k, v, starts_q, starts_k, seqused_k=kwargs.get("seqlen_k"))


@register("_efficient_attention_backward")
def efficient_attention_backward(
    gradient: Any,
    q: Shape,
    k: Shape,
    v: Shape,
    bias: Any,
    out: Any,
    starts_q: Any,
    starts_k: Any,
    *_: Any,
    **__: Any,
) -> int:
    """Twice the forward call, as in `attention_backward`."""
    del gradient, out
    return 2 * efficient_attention(q, k, v, bias, starts_q, starts_k)


@register("_cudnn_attention_forward")
def cudnn_attention(
    q: Shape, k: Shape, v: Shape, bias: Any, starts_q: Any, starts_k: Any, *_: Any, **__: Any
) -> int:
    """From q (b, heads, n, d), k, v, or packed (all n, heads, d)."""
    del bias
    if starts_q is None:
        return q[0] * q[2] * k[2] * 2 * q[1] * (q[3] + v[3])
    return flash_attention(q, k, v, starts_q, starts_k)


@register("_cudnn_attention_backward")
def cudnn_attention_backward(
    gradient: Any,
    q: Shape,
    k: Shape,
    v: Shape,
    out: Any,
    logsumexp: Any,
    seed: Any,
    offset: Any,
    bias: Any,
    starts_q: Any,
    starts_k: Any,
    *_: Any,
    **__: Any,
) -> int:
    """Twice the forward call, as in `attention_backward`."""
    del gradient, out, logsumexp, seed, offset
    return 2 * cudnn_attention(q, k, v, bias, _given(starts_q), _given(starts_k))


@register("higher_order::flex_attention")
def flex_attention(
    q: Shape, k: Shape, v: Shape, score: Any, block_mask: Any, *_: Any, **__: Any
) -> int:
    """From q (b, heads, n, d), k (b, kv_heads, m, d), v: only the blocks of the mask.

    The mask lists for each row of blocks how many it has, and which: some that are masked inside,
    and some that are full. A block at the edge ends there. The scores are changed for free.
    """
    del score
    rows, columns = block_mask[-3:-1]  # the sizes of a block
    heads, n, m = q[1], q[2], k[2]
    scores = 0
    for counts, indices in (block_mask[2:4], block_mask[4:6]):
        if counts is not None:
            shared = q[0] * heads // prod(counts[:2])  # a mask may hold for many heads
            blocks = integer_values(counts), integer_values(indices)
            scores += shared * _in_blocks(*blocks, rows, columns, n, m)
    return scores * 2 * (q[-1] + v[-1])


@register("higher_order::flex_attention_backward")
def flex_attention_backward(
    q: Shape,
    k: Shape,
    v: Shape,
    out: Any,
    logsumexp: Any,
    gradient: Any,
    gradient_of_logsumexp: Any,
    forward: Any,
    joint: Any,
    block_mask: Any,
    *_: Any,
    **__: Any,
) -> int:
    """Twice the forward call, as in `attention_backward`."""
    del out, logsumexp, gradient, gradient_of_logsumexp, joint
    return 2 * flex_attention(q, k, v, forward, block_mask)


def _in_blocks(counts: Any, indices: Any, rows: int, columns: int, n: int, m: int) -> int:
    """Count the scores in the blocks, over batch, heads and rows of blocks."""
    return sum(
        min(rows, n - row * rows) * min(columns, m - column * columns)
        for counts_of_head, indices_of_head in zip(chain(*counts), chain(*indices), strict=True)
        for row, (count, listed) in enumerate(zip(counts_of_head, indices_of_head, strict=True))
        for column in listed[:count]
    )


def _scores(queries: list[int], keys: list[int]) -> int:
    return sum(n * m for n, m in zip(queries, keys, strict=True))


def _per_score(q: Shape, v: Shape) -> int:
    """A score takes a product of d, and its part in the result one of e, in each head."""
    return 2 * q[-2] * (q[-1] + v[-1])


def _given(starts: Any) -> Any:
    """Take an empty vector of starts, which backward gets where there is none, for none."""
    return None if starts in (None, (0,)) else starts
