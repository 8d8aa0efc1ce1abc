"""Recurrent layers and cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.measure.counting.corpus.case import Case, rnn
from tests.measure.helpers import Fn, x


def rnn_of(layer: nn.Module) -> nn.Module:
    """The output sequence alone, so that the state does not matter."""
    return Fn(lambda self, *args: self.rnn(*args)[0], rnn=layer)


def packed(self: Any, seq: Tensor) -> Tensor:
    lengths = torch.tensor([5, 3])
    return self.rnn(nn.utils.rnn.pack_padded_sequence(seq, lengths, batch_first=True))[0].data


def steps(self: Any, sequence: Tensor) -> Tensor:
    state = sequence.new_zeros(2, 4)
    for step in sequence:
        state = self.cell(step, state)
    return state


RECURRENT = [
    Case("lstm-projected-bidirectional",
         lambda: (rnn_of(nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)), x(5, 2, 3)),
         2 * 2 * 10 * (16 * (3 + 2) + 4 * 2 + 16 * (4 + 2) + 4 * 2)),  # reads 2 of each direction
    Case("gru-given-state", lambda: (rnn_of(nn.GRU(3, 4, 2)), x(5, 2, 3), x(2, 2, 4)),
         rnn(3, 10, 3, 4) + rnn(3, 10, 4, 4)),
    Case("lstm-dropout", lambda: (rnn_of(nn.LSTM(3, 4, 2, dropout=0.5)), x(5, 2, 3)),
         rnn(4, 10, 3, 4) + rnn(4, 10, 4, 4)),
    Case("gru-without-batch", lambda: (rnn_of(nn.GRU(3, 4)), x(5, 3)), rnn(3, 5, 3, 4)),
    Case("rnn-bidirectional", lambda: (rnn_of(nn.RNN(3, 4, bidirectional=True)), x(5, 2, 3)),
         2 * rnn(1, 10, 3, 4)),
    Case("lstm-packed-bidirectional-2-layers",
         lambda: (Fn(packed, rnn=nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)),
                  x(2, 5, 3)),
         2 * (rnn(4, 8, 3, 4) + rnn(4, 8, 8, 4)), "real", data_dependent=True),
    Case("rnn-packed", lambda: (Fn(packed, rnn=nn.RNN(3, 4, batch_first=True)), x(2, 5, 3)),
         rnn(1, 8, 3, 4), "real", data_dependent=True),
    Case("cells-in-a-loop", lambda: (Fn(steps, cell=nn.GRUCell(3, 4)), x(5, 2, 3)),
         rnn(3, 10, 3, 4)),
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
