"""Sparse products: how many elements are stored is a value, so these run for real."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.counting.corpus.case import Case
from tests.measure.helpers import Fn, x


def eye(*batch: int, layout: torch.layout = torch.sparse_coo) -> Tensor:
    """A (6, 6) matrix that stores 4 elements: rows 0 to 3."""
    matrix = torch.diag(torch.tensor([1.0, 1, 1, 1, 0, 0]))
    return matrix.expand(*batch, 6, 6).to_sparse(layout=layout)


def blocks() -> Tensor:
    """The same stores two whole blocks of (2, 2)."""
    return eye(layout=torch.strided).to_sparse_bsr((2, 2))


class Graph(nn.Module):
    """A layer with its sparse matrix in a buffer."""

    def __init__(self, adjacency: Tensor) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency)
        self.layer = nn.Linear(5, 3)

    def forward(self, nodes: Tensor) -> Tensor:
        return self.adjacency @ self.layer(nodes)


def real(name: str, flops: int, function: Any, *inputs: Any) -> Case:
    """A product with a sparse input, whose values decide what it costs."""
    return Case(
        name,
        lambda: (Fn(function), *(make() for make in inputs)),
        flops,
        "real",
        data_dependent=True,
    )


def csr(*batch: int) -> Tensor:
    return eye(*batch, layout=torch.sparse_csr)


def csc() -> Tensor:
    return eye(layout=torch.sparse_csc)


def dense() -> Tensor:
    return x(6, 5)


SPARSE = [
    real("sparse-mm", 2 * 4 * 5, torch.sparse.mm, eye, dense),
    real("sparse-made-in-forward", 2 * 4 * 5, lambda a, b: torch.sparse.mm(a.to_sparse(), b),
         lambda: eye().to_dense(), dense),
    real("sparse-made-of-indices", 2 * 2 * 5,
         lambda i, values, b: torch.sparse_coo_tensor(i, values, (6, 6), check_invariants=False) @ b,
         lambda: torch.tensor([[0, 1], [1, 2]]), lambda: x(2), dense),
    real("sparse-matmul", 2 * 4 * 5, torch.matmul, eye, dense),
    real("sparse-csr", 2 * 4 * 5, torch.matmul, csr, dense),
    real("sparse-csc", 2 * 4 * 5, torch.matmul, csc, dense),
    real("sparse-blocks", 2 * 8 * 5, torch.matmul, blocks, dense),
    real("sparse-mv", 2 * 4, torch.mv, eye, lambda: x(6)),
    real("sparse-bmm", 2 * 8 * 5, torch.bmm, lambda: eye(2), lambda: x(2, 6, 5)),
    real("sparse-linear", 2 * 4 * 2, F.linear, lambda: x(2, 6), csr),  # the weight is sparse
    real("sparse-addmm", 2 * 4 * 5, torch.sparse.addmm, dense, eye, dense),
    real("sparse-addmm-csr", 2 * 4 * 5, torch.addmm, dense, csr, dense),
    real("sparse-sparse", 2 * 4, torch.sparse.mm, eye, eye),  # each meets one
    real("sparse-mean", 2 * 4 * 5, lambda a, b: torch.sparse.mm(a, b, "mean"), csr, dense),
    real("sparse-sampled", 2 * 4 * 5, torch.sparse.sampled_addmm, csr, dense, lambda: x(5, 6)),
    real("sparse-hspmm", 2 * 4 * 5, torch.hspmm, eye, dense),
    Case("sparse-in-a-buffer", lambda: (Graph(eye()), x(6, 5)), 2 * 6 * 5 * 3 + 2 * 4 * 3, "real"),
    Case("sparse-csr-in-a-buffer", lambda: (Graph(csr()), x(6, 5)), 2 * 6 * 5 * 3 + 2 * 4 * 3,
         "real"),
    Case("sparse-element-wise", lambda: (Fn(lambda a: (a * 2 + a).to_dense()), eye()), 0, "fake"),
    Case("sparse-softmax", lambda: (Fn(lambda a: torch.sparse.softmax(a, 1)), eye()), 0, "fake"),
]  # fmt: skip
