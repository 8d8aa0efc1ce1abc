"""Rule 6: attention, RMS norm, dropout and recurrent layers are one operator each way.

Backward reads what forward read and wrote, and the gradient of that, and writes the gradients that
are asked for. The loss is the sum of the output: it reads that, writes a number (4 bytes), and its
gradient is a number (4 bytes written) that is expanded, so that to read it costs 4 bytes.
"""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn
from torch.nn import functional as F

from tests.measure.counting.traffic.case import BACKENDS, Case, moved_by
from tests.measure.helpers import Fn, x

Q = 2 * 2 * 4 * 8 * 4  # batch 2, 2 heads, 4 tokens, width 8
X = 2 * 4 * 8 * 4  # batch 2, 4 tokens, width 8
LOSS = 2  # operators: the sum, and the gradient of it


def loss(output: int) -> int:
    return output + 4 + 4


def qkv(kv_heads: int = 2, **options: Any) -> Any:
    def made() -> tuple[Any, ...]:
        k, v = (x(2, kv_heads, 4, 8, **options) for _ in range(2))
        return x(2, 2, 4, 8, **options), k, v

    return made


def attention(*args: Any, **kwargs: Any) -> Any:
    return F.scaled_dot_product_attention(*args, **kwargs)


def masked() -> tuple[Any, ...]:
    return (*qkv()(), x(2, 1, 4, 4))


def rows(width: int = 8, **options: Any) -> Any:
    return lambda: (x(2, 4, width, **options),)


def self_attention(a: Any) -> Any:
    """As blocks do it: split into heads, attend, join the heads, which is a view."""
    q, k, v = (a.view(2, 4, 2, 8).transpose(1, 2) for _ in range(3))
    return attention(q, k, v).transpose(1, 2).reshape(2, 4, 16)


def lstm(**options: Any) -> nn.Module:
    return nn.LSTM(8, 8, **options)


STEPS = 2 * 4 * 8 * 4  # 2 steps, batch 4, width 8
STATE = 4 * 8 * 4
WEIGHTS = 4 * (4 * 8 * 8 * 2 + 4 * 8 * 2)  # 4 gates, two matrices, two biases
GIVEN = STEPS + 2 * STATE + WEIGHTS  # what one layer and direction reads
ZEROS = 2 * STATE  # that `nn.LSTM` makes where no state is given

CASES = [
    Case("attention", attention, qkv(), 4 * Q),
    Case("attention-of-one", lambda q, _k, _v: attention(q, q, q), qkv(), 2 * Q),
    Case("attention-of-fewer-heads", lambda q, k, v: attention(q, k, v, enable_gqa=True),
         qkv(1), 3 * Q),
    Case("attention-that-is-causal", lambda q, k, v: attention(q, k, v, is_causal=True),
         qkv(), 4 * Q),
    Case("attention-with-a-mask", attention, masked, 4 * Q + 2 * 16 * 4),
    Case("attention-with-a-boolean-mask", lambda q, k, v, m: attention(q, k, v, m > 0),
         masked, (2 * 16 * 4 + 2 * 16) + 4 * Q + 2 * 16, 2),
    Case("attention-with-an-expanded-mask",
         lambda q, k, v, m: attention(q, k, v, m.expand(2, 2, 4, 4)), masked, 4 * Q + 2 * 16 * 4),
    Case("attention-joined", self_attention, rows(16), 2 * 2 * X),  # three views are one
    Case("attention-joined-and-copied", lambda a: self_attention(a).clone(), rows(16), 8 * X, 2),
    Case("rms-norm", lambda a: F.rms_norm(a, (8,)), rows(), 2 * X),
    Case("rms-norm-with-weights", nn.RMSNorm(8), rows(), 2 * X + 32),
    Case("dropout", lambda a: F.dropout(a, 0.5, training=True), rows(), 2 * X),
    Case("dropout-in-place", lambda a: F.dropout(a.clone(), 0.5, training=True, inplace=True),
         rows(), 4 * X, 2),
    Case("dropout-that-is-off", nn.Dropout(0.5), rows(), 0, 0),
    Case("dropout-of-nothing", lambda a: F.dropout(a, 0.0, training=True), rows(), 0, 0),
    # Recurrent layers: one operator for each layer and direction
    Case("lstm", lstm(), rows(), ZEROS + GIVEN + STEPS + 2 * STATE, 3),
    Case("lstm-both-ways", lstm(bidirectional=True), rows(),
         2 * ZEROS + 2 * (GIVEN + STEPS + 2 * STATE), 4),
    Case("lstm-of-two", lstm(num_layers=2), rows(), 2 * ZEROS + 2 * (GIVEN + STEPS + 2 * STATE), 4),
    Case("gru", nn.GRU(8, 8), rows(),
         STATE + STEPS + STATE + WEIGHTS * 3 // 4 + STEPS + STATE, 2),
    Case("rnn", nn.RNN(8, 8), rows(), STATE + STEPS + STATE + WEIGHTS // 4 + STEPS + STATE, 2),
    Case("lstm-cell", Fn(lambda m, a, h, c: m.cell(a, (h, c)), cell=nn.LSTMCell(8, 8)),
         lambda: (x(4, 8), x(4, 8), x(4, 8)), 3 * STATE + WEIGHTS + 2 * STATE),
    Case("gru-cell", Fn(lambda m, a, h: m.cell(a, h), cell=nn.GRUCell(8, 8)),
         lambda: (x(4, 8), x(4, 8)), 2 * STATE + WEIGHTS * 3 // 4 + STATE),
    # Backward
    Case("attention-backward", attention, qkv(requires_grad=True),
         4 * Q + loss(Q) + (3 * Q + Q + Q) + 3 * Q, 2 + LOSS, training=True),
    Case("attention-backward-of-one", lambda q, k, v: attention(q, k.detach(), v.detach()),
         qkv(requires_grad=True), 4 * Q + loss(Q) + (3 * Q + Q + Q) + Q, 2 + LOSS, training=True),
    Case("rms-norm-backward", nn.RMSNorm(8), rows(requires_grad=True),
         2 * X + 32 + loss(X) + (X + 32 + X + X) + X + 32, 2 + LOSS, training=True),
    Case("rms-norm-beside-a-residual",  # the gradients of `a` are added: two read, one written
         lambda a: a + F.rms_norm(a, (8,)), rows(requires_grad=True),
         2 * X + 3 * X + loss(X) + 4 * X + (4 + 2 * X), 3 + 1 + LOSS, training=True),
    Case("dropout-backward", nn.Dropout(0.5), rows(requires_grad=True),
         2 * X + loss(X) + (X + X + X) + X, 2 + LOSS, training=True),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_moved(case: Case, backend: Any) -> None:
    found = moved_by(case.run, *case.inputs(), backend=backend, training=case.training)
    assert found == (case.moved, case.operators)
