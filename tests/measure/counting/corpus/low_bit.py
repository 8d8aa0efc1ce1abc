"""Products of few bits, and of groups as in mixtures of experts."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.measure.counting.corpus.case import Case, linear
from tests.measure.helpers import Fn, x

aten = torch.ops.aten
ENDS = torch.tensor([8, 16], dtype=torch.int32)  # of two groups


def half(*shape: int) -> Tensor:
    return x(*shape, dtype=torch.bfloat16)


def bytes_(*shape: int) -> Tensor:
    return x(*shape, dtype=torch.int8)


def scaled(a: Tensor, b: Tensor) -> Tensor:
    one = torch.ones(())
    a, b = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn)
    return torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def int4(rows: Tensor) -> Tensor:
    weight = torch.ones(16, 32, dtype=torch.int32)
    packed = aten._convert_weight_to_int4pack_for_cpu(weight, 1)
    scales = torch.ones(1, 16, 2, dtype=torch.bfloat16)
    return aten._weight_int4pack_mm_for_cpu(rows, packed, 32, scales)


def dynamic_int4(rows: Tensor) -> Tensor:
    weight = torch.ones(16, 16, dtype=torch.uint8)
    packed = aten._dyn_quant_pack_4bit_weight(weight, torch.ones(16, 1), None, 32, 32, 16)
    return aten._dyn_quant_matmul_4bit(rows, packed, 32, 32, 16)


def grouped(a: Tensor, b: Tensor, ends: Tensor | None = None) -> Tensor:
    return torch._grouped_mm(a, b, offs=ends)


LOW_BIT = [
    Case("int-mm", lambda: (Fn(torch._int_mm), bytes_(32, 16), bytes_(16, 8)), 2 * 32 * 16 * 8),
    Case("int8-weight", lambda: (Fn(aten._weight_int8pack_mm), half(4, 32), bytes_(16, 32),
         half(16)), linear(4, 32, 16)),
    Case("int4-weight", lambda: (Fn(int4), half(4, 32)), linear(4, 32, 16)),
    Case("int4-weight-dynamic", lambda: (Fn(dynamic_int4), x(4, 32)), linear(4, 32, 16),
         needs="_dyn_quant_pack_4bit_weight"),
    Case("float8", lambda: (Fn(scaled), x(16, 32), x(48, 32)), 2 * 16 * 32 * 48,
         needs="_grouped_mm"),
    Case("grouped-rows", lambda: (Fn(grouped), half(16, 24), half(2, 24, 32), ENDS),
         2 * 16 * 24 * 32, needs="_grouped_mm"),  # each of 16 rows meets the weight of one group
    Case("grouped-batch", lambda: (Fn(grouped), half(2, 8, 24), half(2, 24, 32)),
         2 * 2 * 8 * 24 * 32, needs="_grouped_mm"),
    Case("grouped-columns", lambda: (Fn(grouped), half(2, 8, 24), half(24, 16), ENDS),
         2 * 8 * 24 * 16, needs="_grouped_mm"),  # each of 16 columns meets the 8 rows of one group
    Case("grouped-sum", lambda: (Fn(grouped), half(8, 16), half(16, 32), ENDS),
         2 * 8 * 16 * 32, needs="_grouped_mm"),  # two products, each over a part of 16
]  # fmt: skip
