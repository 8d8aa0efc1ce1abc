"""Dense linear algebra, by the textbook; Fourier transforms and distances."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.measure.counting.corpus.case import Case
from tests.measure.helpers import Fn, x

CUBE = 6**3
LU = CUBE * 2 // 3
CHOLESKY = CUBE // 3
TRIANGLE = 6**2  # for each column


def eye(*batch: int, rows: int = 6, columns: int = 6) -> Tensor:
    return torch.eye(rows, columns).expand(*batch, rows, columns)


def of(name: str, flops: int, function: Any, *inputs: Tensor) -> Case:
    return Case(name, lambda: (Fn(function), *inputs), flops)


LINALG = [
    of("solve", LU + 2 * TRIANGLE * 2, torch.linalg.solve, eye(), x(6, 2)),
    of("solve-vector", LU + 2 * TRIANGLE, torch.linalg.solve, eye(), x(6)),
    of("solve-batch", 3 * (LU + 2 * TRIANGLE * 2), torch.linalg.solve, eye(3), x(3, 6, 2)),
    of("solve-batch-of-vectors", 3 * (LU + 2 * TRIANGLE), torch.linalg.solve, eye(3), x(3, 6)),
    of("solve-broadcast", LU + 3 * 2 * TRIANGLE * 2, torch.linalg.solve, eye(), x(3, 6, 2)),
    of("solve-from-the-right", LU + 2 * TRIANGLE * 2,
       lambda a, b: torch.linalg.solve(a, b, left=False), eye(), x(2, 6)),
    of("solve-tensor", LU + 2 * TRIANGLE, torch.linalg.tensorsolve, eye(), x(6)),
    of("inverse", 2 * CUBE, torch.linalg.inv, eye()),
    of("inverse-of-a-batch", 3 * 2 * CUBE, torch.inverse, eye(3)),
    of("cholesky", CHOLESKY, torch.linalg.cholesky, eye()),
    of("cholesky-of-a-batch", 3 * CHOLESKY, torch.linalg.cholesky, eye(3)),
    of("cholesky-solve", 2 * TRIANGLE * 2, torch.cholesky_solve, x(6, 2), eye()),
    of("cholesky-inverse", 2 * CHOLESKY, torch.cholesky_inverse, eye()),
    of("lu", LU, torch.linalg.lu, eye()),
    of("lu-factor", LU, torch.linalg.lu_factor, eye()),
    of("lu-wide", 4**2 * 6 - 4**3 // 3 - 1, torch.linalg.lu, eye(rows=4)),  # 96 - 21.3, down
    of("lu-tall", 4**2 * 6 - 4**3 // 3 - 1, torch.linalg.lu, eye(columns=4)),
    of("lu-solve", LU + 2 * TRIANGLE * 2,
       lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b), eye(), x(6, 2)),
    of("ldl-solve", CHOLESKY + 2 * TRIANGLE * 2,
       lambda a, b: torch.linalg.ldl_solve(*torch.linalg.ldl_factor(a), b), eye(), x(6, 2)),
    of("solve-triangular", TRIANGLE * 2,
       lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), eye(), x(6, 2)),
    of("solve-triangular-from-the-right", TRIANGLE * 2,
       lambda a, b: torch.linalg.solve_triangular(a, b, upper=True, left=False), eye(), x(2, 6)),
    of("solve-triangular-broadcast", 3 * TRIANGLE * 2,
       lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), eye(3), x(6, 2)),
    of("determinant", LU, torch.linalg.det, eye()),
    of("slogdet", LU, torch.linalg.slogdet, eye()),
    of("logdet", LU, torch.logdet, eye()),
    of("qr", 2 * CUBE * 4 // 3, torch.linalg.qr, eye()),  # reflectors, then Q
    of("qr-of-r", CUBE * 4 // 3, lambda a: torch.linalg.qr(a, "r"), eye()),
    of("householder", CUBE * 4 // 3, torch.linalg.householder_product, eye(), x(6)),
    of("frobenius-norm", 0, torch.linalg.matrix_norm, eye()),
    of("vandermonde", 0, torch.linalg.vander, x(6)),
]  # fmt: skip
POINTS = 5 * 8 * 3  # 5 n log2 n for 8 complex points
TRANSFORMS = [
    of("fft", 2 * POINTS, torch.fft.fft, x(2, 8, dtype=torch.complex64)),
    of("ifft", 2 * POINTS, torch.fft.ifft, x(2, 8, dtype=torch.complex64)),
    of("fft-of-real", 2 * POINTS // 2, torch.fft.fft, x(2, 8)),
    of("fft-padded", 2 * POINTS, lambda a: torch.fft.fft(a, n=8), x(2, 5, dtype=torch.complex64)),
    of("rfft", 2 * POINTS // 2, torch.fft.rfft, x(2, 8)),
    of("irfft", 2 * POINTS // 2, torch.fft.irfft, x(2, 5, dtype=torch.complex64)),
    of("hfft", 2 * POINTS // 2, torch.fft.hfft, x(2, 5, dtype=torch.complex64)),
    of("ihfft", 2 * POINTS // 2, torch.fft.ihfft, x(2, 8)),
    of("fft-over-another-dimension", 3 * POINTS, lambda a: torch.fft.fft(a, dim=0),
       x(8, 3, dtype=torch.complex64)),
    of("fft2", 3 * 5 * 32 * 5, torch.fft.fft2, x(3, 8, 4, dtype=torch.complex64)),  # log2(32)
    of("rfft2", 3 * 5 * 32 * 5 // 2, torch.fft.rfft2, x(3, 8, 4)),
    of("irfft2", 3 * 5 * 32 * 5 // 2, torch.fft.irfft2, x(3, 8, 3, dtype=torch.complex64)),
    of("fftn", 5 * 64 * 6, torch.fft.fftn, x(2, 8, 4, dtype=torch.complex64)),
    of("rfftn", 5 * 64 * 6 // 2, torch.fft.rfftn, x(2, 8, 4)),
    of("fft-of-six", 2 * 78, torch.fft.fft, x(2, 6, dtype=torch.complex64)),  # 77.5
    of("rfft-of-six", 2 * 39, torch.fft.rfft, x(2, 6)),  # 38.8
    of("fft-of-one", 0, torch.fft.fft, x(2, 1, dtype=torch.complex64)),
    of("fftfreq", 0, lambda a: a * torch.fft.fftfreq(8) + torch.fft.fftshift(a), x(2, 8)),
    of("fft-convolution", 2 * POINTS // 2 + POINTS // 2 + 2 * POINTS // 2,
       lambda a, b: torch.fft.irfft(torch.fft.rfft(a) * torch.fft.rfft(b)), x(2, 8), x(8)),
    Case("stft", lambda: (Fn(spectrum), x(2, 64)), 2 * 17 * 5 * 16 * 4 // 2, "fake"),
]  # fmt: skip
DISTANCES = [
    of("cdist", 2 * 3 * 5 * 4, torch.cdist, x(3, 4), x(5, 4)),
    of("cdist-batch", 2 * 2 * 3 * 5 * 4, torch.cdist, x(2, 3, 4), x(2, 5, 4)),
    of("cdist-broadcast", 2 * 2 * 3 * 5 * 4, torch.cdist, x(2, 3, 4), x(5, 4)),
    of("cdist-by-product", 2 * 30 * 30 * 4, torch.cdist, x(30, 4), x(30, 4)),
    of("cdist-of-p-1", 2 * 3 * 5 * 4, lambda a, b: torch.cdist(a, b, p=1), x(3, 4), x(5, 4)),
    of("pdist", 2 * 10 * 4, F.pdist, x(5, 4)),  # 5 * 4 / 2 pairs
    of("pairwise", 0, F.pairwise_distance, x(5, 4), x(5, 4)),  # of rows that stand side by side
    of("cosine", 0, F.cosine_similarity, x(5, 4), x(5, 4)),
]  # fmt: skip


def spectrum(signal: Tensor) -> Tensor:
    """64 samples, padded by 8 on each side, make 17 frames of 16 in steps of 4."""
    window = torch.hann_window(16)
    return torch.stft(signal, 16, 4, window=window, return_complex=True)
