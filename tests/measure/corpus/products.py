"""Matrix products in all their forms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.corpus.case import Case, linear
from tests.measure.helpers import Fn, x


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
