"""Matrix products in all their forms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.counting.corpus.case import Case, linear
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

MATRICES += [
    Case("outer", lambda: (Fn(torch.outer), x(3), x(4)), 0),  # a product of each pair: no sum
    Case("ger", lambda: (Fn(torch.ger), x(3), x(4)), 0),
    Case("addr", lambda: (Fn(torch.addr), x(3, 4), x(3), x(4)), 0),
    Case("kron", lambda: (Fn(torch.kron), x(2, 3), x(4, 5)), 0),
    Case("cross", lambda: (Fn(torch.linalg.cross), x(2, 3), x(2, 3)), 0),
    Case("vecdot", lambda: (Fn(torch.linalg.vecdot), x(2, 3), x(2, 3)), 0),  # torch: (a * b).sum
    Case("einsum-outer", lambda: (Fn(lambda a, b: torch.einsum("i,j->ij", a, b)), x(3), x(4)), 0),
    Case("einsum-diagonal", lambda: (Fn(lambda a: torch.einsum("ii->i", a)), x(3, 3)), 0),
    Case("einsum-rows", lambda: (Fn(lambda a, b: torch.einsum("bi,bi->b", a, b)), x(3, 4), x(3, 4)),
         2 * 3 * 4),
    Case("einsum-chain", lambda: (Fn(lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c)),
         x(2, 3), x(3, 4), x(4, 5)), 2 * 2 * 3 * 4 + 2 * 2 * 4 * 5),
    Case("einsum-ellipsis", lambda: (Fn(lambda a, b: torch.einsum("...ij,jk->...ik", a, b)),
         x(2, 3, 4), x(4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("tensordot-nothing", lambda: (Fn(lambda a, b: torch.tensordot(a, b, 0)), x(3), x(4)),
         2 * 3 * 1 * 4),  # torch takes the product of (3, 1) and (1, 4)
    Case("chain-matmul", lambda: (Fn(torch.chain_matmul), x(2, 3), x(3, 4), x(4, 5)),
         2 * 2 * 3 * 4 + 2 * 2 * 4 * 5),
    Case("multi-dot-from-the-right", lambda: (Fn(torch.linalg.multi_dot),
         (x(5, 4), x(4, 3), x(3, 1))), 2 * 4 * 3 * 1 + 2 * 5 * 4 * 1),  # the cheaper order
    # Each output sums 3 products of the first input and the weight for each of the second's 4,
    # then 4 products with those.
    Case("bilinear", lambda: (nn.Bilinear(3, 4, 5), x(2, 3), x(2, 4)), 2 * 2 * 5 * (3 * 4 + 4)),
    Case("bilinear-3d", lambda: (Fn(F.bilinear), x(2, 7, 3), x(2, 7, 4), x(5, 3, 4)),
         2 * 14 * 5 * (3 * 4 + 4)),
    Case("covariance-by-hand", lambda: (Fn(lambda a: (a - a.mean(0)).T @ a), x(8, 3)),
         2 * 3 * 8 * 3),
    Case("t-and-strides", lambda: (Fn(lambda a: a.T @ a[:, ::2]), x(4, 6)), 2 * 6 * 4 * 3),
]  # fmt: skip
INTO = [
    Case("addmm-out", lambda: (Fn(lambda c, a, b: torch.addmm(c, a, b, out=a.new_empty(3, 5))),
         x(5), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("bmm-out", lambda: (Fn(lambda a, b: torch.bmm(a, b, out=a.new_empty(2, 3, 5))),
         x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("baddbmm-out", lambda: (
         Fn(lambda c, a, b: torch.baddbmm(c, a, b, out=a.new_empty(2, 3, 5))),
         x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addbmm-out", lambda: (Fn(lambda c, a, b: torch.addbmm(c, a, b, out=a.new_empty(3, 5))),
         x(3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("matmul-out", lambda: (Fn(lambda a, b: torch.matmul(a, b, out=a.new_empty(3, 5))),
         x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("linear-out", lambda: (Fn(lambda a, b: torch._C._nn.linear(a, b, out=a.new_empty(3, 5))),
         x(3, 4), x(5, 4)), linear(3, 4, 5)),
    Case("mv-out", lambda: (Fn(lambda a, b: torch.mv(a, b, out=a.new_empty(3))), x(3, 4), x(4)),
         2 * 3 * 4),
    Case("addmv-out", lambda: (Fn(lambda c, a, b: torch.addmv(c, a, b, out=a.new_empty(3))),
         x(3), x(3, 4), x(4)), 2 * 3 * 4),
    Case("dot-out", lambda: (Fn(lambda a, b: torch.dot(a, b, out=a.new_empty(()))), x(4), x(4)),
         2 * 4),
    Case("vdot-out", lambda: (Fn(lambda a, b: torch.vdot(a, b, out=a.new_empty(()))), x(4), x(4)),
         2 * 4),
    Case("addmm_-of-a-parameter", lambda: (
         Fn(lambda self, a, b: self.c.addmm_(a, b), c=nn.Parameter(x(3, 5), requires_grad=False)),
         x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
]  # fmt: skip
IN_PLACE = [
    Case("addr_", lambda: (Fn(lambda c, a, b: c.clone().addr_(a, b)), x(3, 4), x(3), x(4)), 0),
    Case("addmm_", lambda: (Fn(lambda c, a, b: c.clone().addmm_(a, b)),
         x(3, 5), x(3, 4), x(4, 5)), 2 * 3 * 4 * 5),
    Case("baddbmm_", lambda: (Fn(lambda c, a, b: c.clone().baddbmm_(a, b)),
         x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addbmm_", lambda: (Fn(lambda c, a, b: c.clone().addbmm_(a, b)),
         x(3, 5), x(2, 3, 4), x(2, 4, 5)), 2 * 2 * 3 * 4 * 5),
    Case("addmv_", lambda: (Fn(lambda c, a, b: c.clone().addmv_(a, b)), x(3), x(3, 4), x(4)),
         2 * 3 * 4),
]  # fmt: skip
