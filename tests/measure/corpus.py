"""Small models with the FLOPs of one forward call, derived beside each. A multiply-add is two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Case:
    """A model, its inputs and its FLOPs."""

    name: str
    build: Callable[[], tuple[Any, ...]]  # the model, then its inputs
    flops: int
    counted_on: str = "meta"
    data_dependent: bool = False

    def __str__(self) -> str:
        return self.name


def linear(rows: int, inputs: int, outputs: int) -> int:
    """Each output of each row is a sum of `inputs` products."""
    return 2 * rows * inputs * outputs


def conv(positions: int, inputs_per_group: int, outputs: int, kernel: int) -> int:
    """Each output position of each channel is a sum over the kernel of one group's channels."""
    return 2 * positions * inputs_per_group * outputs * kernel


def sdpa(batch: int, heads: int, n: int, m: int, d: int, e: int | None = None) -> int:
    """Scores (n, m) from vectors of d, then their product with values of e."""
    return 2 * batch * heads * n * m * (d + (d if e is None else e))


def mha(batch: int, n: int, m: int, width: int) -> int:
    """Projections of n queries, m keys, m values, n outputs, and attention of all heads."""
    projections = linear(batch * n, width, 2 * width) + linear(batch * m, width, 2 * width)
    return projections + sdpa(batch, 1, n, m, width)


def rnn(gates: int, steps: int, inputs: int, hidden: int) -> int:
    """At each step, each gate takes one product with the input and one with the hidden state."""
    return 2 * steps * gates * hidden * (inputs + hidden)


def feed_forward(rows: int, width: int, inner: int) -> int:
    return 2 * linear(rows, width, inner)


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def rnn_of(layer: nn.Module) -> nn.Module:
    """The output sequence alone, so that the state does not matter."""
    return Fn(lambda self, *args: self.rnn(*args)[0], rnn=layer)


def packed(self: Any, seq: Tensor) -> Tensor:
    lengths = torch.tensor([5, 3])
    return self.rnn(nn.utils.rnn.pack_padded_sequence(seq, lengths, batch_first=True))[0].data


def gqa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def loop(self: Any, row: Tensor) -> Tensor:
    for _ in range(3):
        row = self.layer(row)
    return row


LINEAR = [
    Case("linear", lambda: (nn.Linear(8, 16), x(4, 8)), linear(4, 8, 16)),
    Case("linear-no-bias", lambda: (nn.Linear(8, 16, bias=False), x(4, 8)), linear(4, 8, 16)),
    Case("linear-of-one-row", lambda: (nn.Linear(8, 16), x(8)), linear(1, 8, 16)),
    Case("linear-3d", lambda: (nn.Linear(8, 16), x(2, 3, 8)), linear(6, 8, 16)),
    Case("linear-3d-no-bias", lambda: (nn.Linear(8, 16, False), x(2, 3, 8)), linear(6, 8, 16)),
    Case("linear-4d", lambda: (nn.Linear(8, 16), x(2, 3, 5, 8)), linear(30, 8, 16)),
    Case("linear-not-contiguous", lambda: (nn.Linear(8, 4), x(8, 3, 2).permute(2, 1, 0)), linear(6, 8, 4)),
    Case("linear-of-no-rows", lambda: (nn.Linear(8, 16), x(0, 8)), 0),
    Case("linear-bf16", lambda: (nn.Linear(8, 4).bfloat16(), x(3, 8).bfloat16()), linear(3, 8, 4)),
    Case("linear-three-times", lambda: (Fn(loop, layer=nn.Linear(8, 8)), x(2, 8)), 3 * 256),
    Case("mlp", lambda: (nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Linear(9, 2)), x(3, 8)),
         linear(3, 8, 9) + linear(3, 9, 2)),
    Case("f-linear", lambda: (Fn(F.linear), x(4, 8), x(16, 8)), linear(4, 8, 16)),
]  # fmt: skip
MATRICES = [
    Case("mm", lambda: (Fn(torch.mm), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("at", lambda: (Fn(lambda a, b: a @ b), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("matmul-batch", lambda: (Fn(torch.matmul), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("matmul-broadcast", lambda: (Fn(torch.matmul), x(7, 1, 3, 4), x(2, 4, 5)),
         2 * 7 * 2 * 3 * 4 * 5),
    Case("matmul-3d-2d", lambda: (Fn(torch.matmul), x(2, 3, 4), x(4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("matmul-2d-1d", lambda: (Fn(torch.matmul), x(3, 4), x(4)), 2 * 3 * 4),
    Case("matmul-1d-2d", lambda: (Fn(torch.matmul), x(4), x(4, 5)), 2 * 4 * 5),
    Case("matmul-1d-1d", lambda: (Fn(torch.matmul), x(4), x(4)), 2 * 4),
    Case("matmul-1d-3d", lambda: (Fn(torch.matmul), x(4), x(2, 4, 5)), 2 * 2 * 4 * 5),
    Case("bmm", lambda: (Fn(torch.bmm), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addmm", lambda: (Fn(torch.addmm), x(5), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("baddbmm", lambda: (Fn(torch.baddbmm), x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)),
         2 * 2 * 3 * 4 * 5),
    Case("addbmm", lambda: (Fn(torch.addbmm), x(3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("mm-out", lambda: (Fn(lambda a, b: torch.mm(a, b, out=a.new_empty(3, 5))),
         x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("mv", lambda: (Fn(torch.mv), x(3, 4), x(4)), 2 * 3 * 4),
    Case("addmv", lambda: (Fn(torch.addmv), x(3), x(3, 4), x(4)), 2 * 3 * 4),
    Case("dot", lambda: (Fn(torch.dot), x(4), x(4)), 2 * 4),
    Case("vdot", lambda: (Fn(torch.vdot), x(4), x(4)), 2 * 4),
    Case("inner", lambda: (Fn(torch.inner), x(3, 4), x(5, 4)), 2 * 3 * 4 * 5),
    Case("chain", lambda: (Fn(torch.linalg.multi_dot), (x(2, 3), x(3, 4), x(4, 5))),
         2 * 2 * 3 * 4 + 2 * 2 * 4 * 5),
    Case("tensordot", lambda: (Fn(lambda a, b: torch.tensordot(a, b, 2)), x(2, 3, 4), x(3, 4, 5)),
         2 * 2 * 12 * 5),
    Case("einsum", lambda: (Fn(lambda a, b: torch.einsum("ik,kj->ij", a, b)), x(3, 4), x(4, 5)),
         2 * 3 * 4 * 5),
    Case("einsum-attention", lambda: (Fn(lambda q, k: torch.einsum("bhid,bhjd->bhij", q, k)),
         x(2, 3, 5, 4), x(2, 3, 6, 4)), 2 * 2 * 3 * 5 * 6 * 4),
    Case("einsum-two-sums", lambda: (Fn(lambda a, b: torch.einsum("bij,ijk->bk", a, b)),
         x(2, 3, 4), x(3, 4, 5)), 2 * 2 * 12 * 5),
    Case("matrix-power", lambda: (Fn(lambda a: torch.matrix_power(a, 4)), x(3, 3)),
         2 * 2 * 3 * 3 * 3),  # squared twice
]  # fmt: skip
CONVOLUTIONS = [
    Case("conv1d", lambda: (nn.Conv1d(3, 5, 3), x(2, 3, 10)), conv(2 * 8, 3, 5, 3)),
    Case("conv2d", lambda: (nn.Conv2d(3, 5, 3), x(2, 3, 8, 9)), conv(2 * 6 * 7, 3, 5, 9)),
    Case("conv3d", lambda: (nn.Conv3d(3, 5, 3), x(2, 3, 4, 5, 6)),
         conv(2 * 2 * 3 * 4, 3, 5, 27)),
    Case("conv2d-no-bias", lambda: (nn.Conv2d(3, 5, 3, bias=False), x(1, 3, 8, 8)),
         conv(36, 3, 5, 9)),
    Case("conv2d-without-batch", lambda: (nn.Conv2d(3, 5, 3), x(3, 8, 8)), conv(36, 3, 5, 9)),
    Case("conv2d-1x1", lambda: (nn.Conv2d(3, 5, 1), x(1, 3, 8, 8)), conv(64, 3, 5, 1)),
    Case("conv2d-stride-padding", lambda: (nn.Conv2d(3, 5, 3, 2, 1), x(1, 3, 8, 8)),
         conv(16, 3, 5, 9)),  # (8 + 2 - 3) // 2 + 1 = 4
    Case("conv2d-oblong", lambda: (nn.Conv2d(3, 5, (1, 7), padding=(0, 3)), x(1, 3, 8, 8)),
         conv(64, 3, 5, 7)),
    Case("conv2d-grouped", lambda: (nn.Conv2d(4, 6, 3, groups=2), x(1, 4, 8, 8)),
         conv(36, 2, 6, 9)),
    Case("conv2d-depthwise", lambda: (nn.Conv2d(4, 4, 3, groups=4), x(1, 4, 8, 8)),
         conv(36, 1, 4, 9)),
    Case("conv2d-depthwise-multiplied", lambda: (nn.Conv2d(4, 8, 3, groups=4), x(1, 4, 8, 8)),
         conv(36, 1, 8, 9)),
    Case("conv2d-dilated", lambda: (nn.Conv2d(3, 5, 3, dilation=2), x(1, 3, 8, 8)),
         conv(16, 3, 5, 9)),  # 8 - 2 * 2 = 4
    Case("conv2d-same", lambda: (nn.Conv2d(3, 5, 3, padding="same"), x(1, 3, 8, 8)),
         conv(64, 3, 5, 9)),
    Case("conv2d-same-even", lambda: (nn.Conv2d(3, 5, 4, padding="same"), x(1, 3, 8, 8)),
         conv(64, 3, 5, 16)),
    Case("conv2d-same-dilated",
         lambda: (nn.Conv2d(3, 5, 3, padding="same", dilation=2), x(1, 3, 8, 8)),
         conv(64, 3, 5, 9)),
    Case("conv2d-valid", lambda: (nn.Conv2d(3, 5, 3, padding="valid"), x(1, 3, 8, 8)),
         conv(36, 3, 5, 9)),
    Case("conv1d-same", lambda: (nn.Conv1d(3, 5, 4, padding="same"), x(1, 3, 8)),
         conv(8, 3, 5, 4)),
    Case("conv2d-circular", lambda: (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"),
         x(1, 3, 8, 8)), conv(64, 3, 5, 9)),
    Case("conv2d-reflect", lambda: (nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect"),
         x(1, 3, 8, 8)), conv(64, 3, 5, 9)),
    Case("f-conv2d", lambda: (Fn(F.conv2d), x(1, 3, 8, 8), x(5, 3, 3, 3)), conv(36, 3, 5, 9)),
    # In a transposed convolution each input position meets each weight (in, out / groups, kernel).
    Case("transposed-1d", lambda: (nn.ConvTranspose1d(3, 5, 3, 2), x(2, 3, 4)),
         conv(2 * 4, 3, 5, 3)),
    Case("transposed-2d", lambda: (nn.ConvTranspose2d(3, 5, 3, 2), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
    Case("transposed-3d", lambda: (nn.ConvTranspose3d(3, 5, 2, 2), x(1, 3, 2, 3, 4)),
         conv(24, 3, 5, 8)),
    Case("transposed-grouped", lambda: (nn.ConvTranspose2d(4, 6, 3, groups=2), x(1, 4, 5, 5)),
         conv(25, 4, 3, 9)),
    Case("transposed-depthwise", lambda: (nn.ConvTranspose2d(4, 4, 3, groups=4), x(1, 4, 5, 5)),
         conv(25, 4, 1, 9)),
    Case("transposed-output-padding",
         lambda: (nn.ConvTranspose2d(3, 5, 3, 2, 1, output_padding=1), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
    Case("transposed-dilated", lambda: (nn.ConvTranspose2d(3, 5, 3, dilation=2), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
]  # fmt: skip
ATTENTION = [
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
RECURRENT = [
    Case("lstm", lambda: (rnn_of(nn.LSTM(8, 8)), x(5, 2, 8)), 10_240),  # findings.md
    Case("lstm-wide", lambda: (rnn_of(nn.LSTM(3, 4)), x(5, 2, 3)), rnn(4, 10, 3, 4)),
    Case("gru", lambda: (rnn_of(nn.GRU(3, 4)), x(5, 2, 3)), rnn(3, 10, 3, 4)),
    Case("rnn", lambda: (rnn_of(nn.RNN(3, 4)), x(5, 2, 3)), rnn(1, 10, 3, 4)),
    Case("rnn-relu", lambda: (rnn_of(nn.RNN(3, 4, nonlinearity="relu")), x(5, 2, 3)),
         rnn(1, 10, 3, 4)),
    Case("lstm-no-bias", lambda: (rnn_of(nn.LSTM(3, 4, bias=False)), x(5, 2, 3)),
         rnn(4, 10, 3, 4)),
    Case("lstm-batch-first", lambda: (rnn_of(nn.LSTM(3, 4, batch_first=True)), x(2, 5, 3)),
         rnn(4, 10, 3, 4)),
    Case("gru-batch-first", lambda: (rnn_of(nn.GRU(3, 4, batch_first=True)), x(2, 5, 3)),
         rnn(3, 10, 3, 4)),
    Case("lstm-without-batch", lambda: (rnn_of(nn.LSTM(3, 4)), x(5, 3)), rnn(4, 5, 3, 4)),
    Case("lstm-2-layers", lambda: (rnn_of(nn.LSTM(3, 4, 2)), x(5, 2, 3)),
         rnn(4, 10, 3, 4) + rnn(4, 10, 4, 4)),
    Case("gru-3-layers", lambda: (rnn_of(nn.GRU(3, 4, 3)), x(5, 2, 3)),
         rnn(3, 10, 3, 4) + 2 * rnn(3, 10, 4, 4)),
    Case("rnn-2-layers", lambda: (rnn_of(nn.RNN(3, 4, 2)), x(5, 2, 3)),
         rnn(1, 10, 3, 4) + rnn(1, 10, 4, 4)),
    Case("lstm-bidirectional", lambda: (rnn_of(nn.LSTM(3, 4, bidirectional=True)), x(5, 2, 3)),
         2 * rnn(4, 10, 3, 4)),
    Case("gru-bidirectional-2-layers",
         lambda: (rnn_of(nn.GRU(3, 4, 2, bidirectional=True)), x(5, 2, 3)),
         2 * (rnn(3, 10, 3, 4) + rnn(3, 10, 8, 4))),  # the second layer reads both directions
    Case("lstm-projected", lambda: (rnn_of(nn.LSTM(3, 4, proj_size=2)), x(5, 2, 3)),
         2 * 10 * (16 * (3 + 2) + 4 * 2)),  # the hidden state has 2, projected from 4
    Case("lstm-projected-2-layers", lambda: (rnn_of(nn.LSTM(3, 4, 2, proj_size=2)), x(5, 2, 3)),
         2 * 10 * (16 * (3 + 2) + 4 * 2 + 16 * (2 + 2) + 4 * 2)),
    Case("lstm-given-state", lambda: (rnn_of(nn.LSTM(3, 4)), x(5, 2, 3), (x(1, 2, 4), x(1, 2, 4))),
         rnn(4, 10, 3, 4)),
    Case("lstm-packed", lambda: (Fn(packed, rnn=nn.LSTM(3, 4, batch_first=True)), x(2, 5, 3)),
         rnn(4, 8, 3, 4), "real", data_dependent=True),  # 5 + 3 steps, whose number is a value
    Case("gru-packed", lambda: (Fn(packed, rnn=nn.GRU(3, 4, batch_first=True)), x(2, 5, 3)),
         rnn(3, 8, 3, 4), "real", data_dependent=True),
    Case("lstm-cell", lambda: (nn.LSTMCell(3, 4), x(2, 3)), rnn(4, 2, 3, 4)),
    Case("gru-cell", lambda: (nn.GRUCell(3, 4), x(2, 3)), rnn(3, 2, 3, 4)),
    Case("rnn-cell", lambda: (nn.RNNCell(3, 4), x(2, 3)), rnn(1, 2, 3, 4)),
]  # fmt: skip
TOKENS = torch.zeros(2, 5, dtype=torch.long)
FREE = [
    Case("embedding", lambda: (nn.Embedding(10, 4), TOKENS), 0),
    Case("embedding-bag", lambda: (nn.EmbeddingBag(10, 4), TOKENS), 0),
    Case("identity", lambda: (nn.Identity(), x(2, 3)), 0),
    Case("no-operator", lambda: (Fn(lambda row: row), x(2, 3)), 0),
    *(
        Case(f"free-{type(layer).__name__}", lambda layer=layer, shape=shape: (layer, x(*shape)), 0)
        for shape, layers in {
            (2, 4): [
                nn.ReLU(), nn.ReLU6(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.ELU(), nn.SELU(),
                nn.CELU(), nn.Sigmoid(), nn.Tanh(), nn.Hardswish(), nn.Hardsigmoid(),
                nn.Hardtanh(), nn.Hardshrink(), nn.Softshrink(), nn.Tanhshrink(), nn.Softplus(),
                nn.Softsign(), nn.LogSigmoid(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.GLU(),
                nn.Threshold(0, 1), nn.Softmax(1), nn.LogSoftmax(1), nn.Softmin(1), nn.Dropout(),
                nn.AlphaDropout(), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.RMSNorm(4),
                nn.Flatten(), nn.Unflatten(1, (2, 2)),
            ],
            (2, 4, 8): [
                nn.InstanceNorm1d(4), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.LPPool1d(2, 2),
                nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(3), nn.ReflectionPad1d(1),
                nn.ReplicationPad1d(1), nn.ConstantPad1d(1, 0), nn.CircularPad1d(1),
                nn.ZeroPad1d(1),
            ],
            (2, 4, 8, 8): [
                nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4),
                nn.LocalResponseNorm(2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2),
                nn.FractionalMaxPool2d(2, output_size=3), nn.AdaptiveAvgPool2d(1),
                nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(3), nn.ReflectionPad2d(1),
                nn.ReplicationPad2d(1), nn.ZeroPad2d(1), nn.CircularPad2d(1),
                nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(2), nn.Softmax2d(),
                nn.Dropout2d(), nn.Upsample(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2),
                nn.Upsample(scale_factor=2, mode="bicubic"), nn.Unfold(3), nn.FeatureAlphaDropout(),
            ],
            (2, 4, 4, 4, 4): [
                nn.BatchNorm3d(4), nn.InstanceNorm3d(4), nn.MaxPool3d(2), nn.AvgPool3d(2),
                nn.AdaptiveAvgPool3d(2), nn.AdaptiveMaxPool3d(2), nn.ReplicationPad3d(1),
                nn.ReflectionPad3d(1), nn.Dropout3d(), nn.Upsample(scale_factor=2, mode="trilinear"),
            ],
        }.items()
        for layer in layers
    ),
]  # fmt: skip
IN_PLACE = [
    Case("addmm_", lambda: (Fn(lambda c, a, b: c.clone().addmm_(a, b)),
         x(3, 5), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("baddbmm_", lambda: (Fn(lambda c, a, b: c.clone().baddbmm_(a, b)),
         x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addbmm_", lambda: (Fn(lambda c, a, b: c.clone().addbmm_(a, b)),
         x(3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addmv_", lambda: (Fn(lambda c, a, b: c.clone().addmv_(a, b)), x(3), x(3, 4), x(4)),
         2 * 3 * 4),
]  # fmt: skip
CORPUS = [*LINEAR, *MATRICES, *CONVOLUTIONS, *ATTENTION, *RECURRENT, *FREE]
