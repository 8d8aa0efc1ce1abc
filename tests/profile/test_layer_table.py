"""The per-layer table, and the lines below it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.metrics import GFLOPS
from pytest_flopbudget.profile.layer_columns import OTHER_COLUMNS, Before
from pytest_flopbudget.profile.layer_table import layer_table, summary_line
from tests.report.invariants import assert_is_table
from tests.strategies import NET, Costs, counts, profile, timed, uncounted, with_memory

SHAPES: dict[str, dict[str, Any]] = {
    "": {"input_shapes": ((1, 3, 8, 8),), "output_shapes": ((1, 10),)},
    "stem": {
        "latency_ms": 10.0,
        "input_shapes": ((1, 3, 8, 8),),
        "output_shapes": ((1, 4, 8, 8),),
    },
    "body": {
        "latency_ms": 20.0,
        "calls": 2,
        "input_shapes": ((1, 4, 8, 8), (1,), (2,), ()),
        "output_shapes": ((1, 4, 8, 8), ()),
    },
    "body.0": {"latency_ms": 19.996, "input_shapes": ((7,),), "output_shapes": ((7,),)},
    "body.1": {"latency_ms": 0.004, "input_shapes": ((7,),), "output_shapes": ((7,),)},
    "head": {"latency_ms": 1065.0, "input_shapes": ((1, 256),), "output_shapes": ((1, 10),)},
}
DETECTOR: dict[str, Costs] = {
    "": ("Detector", 0, 0),
    "backbone": ("Sequential", 0, 0),
    "backbone.0": ("Conv2d", 3456, 707_788_800),
    "backbone.1": ("SiLU", 0, 0),
    "head": ("Sequential", 0, 0),
    "head.0": ("Sequential", 0, 0),
    "head.0.conv": ("Conv2d", 7_029_658, 15_080_652_800),
}


def test_the_table_of_a_timed_model() -> None:
    assert layer_table(timed(latency_ms=1100.0, layers=SHAPES)) == [
        "time (ms)  GFLOPs  params  layer    type        calls    share  GFLOP/s  input"
        "           output",
        "    10.00  0.0100     100  stem     Conv2d          1   10.0 %      1.0  1x3x8x8"
        "         1x4x8x8",
        "    20.00  0.0200     200  body     Sequential      2   20.0 %      1.0  1x4x8x8, 1, +2"
        "  1x4x8x8, ()",
        "    20.00  0.0200     200  body.0   Conv2d          1   20.0 %      1.0  7"
        "               7",
        "     0.00  0.0000       0  body.1   ReLU            1    0.0 %      0.0  7"
        "               7",
        " 1,065.00  0.0700     700  head     Linear          1   70.0 %      0.1  1x256"
        "           1x10",
        " 1,100.00  0.1000   1,000  (model)  Net             1  100.0 %      0.1  1x3x8x8"
        "         1x10",
        "Net: 6 layers, 1,000 params, 1,000 trainable, 0.1000 GFLOPs, 1,100.00 ms",
        "timed on cpu, Intel Xeon 6960P, 2 cores, 1 thread, torch 2.13",
    ]


@pytest.mark.parametrize(
    ("depth", "paths"),
    [
        (0, ["(model)"]),
        (1, ["backbone", "head", "(model)"]),
        (2, ["backbone", "backbone.0", "backbone.1", "head", "head.0", "(model)"]),
        (
            3,
            ["backbone", "backbone.0", "backbone.1", "head", "head.0", "head.0.conv", "(model)"],
        ),
    ],
)
def test_layers_down_to_a_depth(depth: int, paths: list[str]) -> None:
    _, *rows, _ = layer_table(profile(DETECTOR), depth)
    assert [row.split()[3] for row in rows] == paths


def test_the_table_of_a_counted_model() -> None:
    assert layer_table(profile(DETECTOR), 1) == [
        "time (ms)  GFLOPs     params  layer     type        calls    share  GFLOP/s  input"
        "  output",
        "        -    0.71      3,456  backbone  Sequential      1    4.5 %        -",
        "        -   15.08  7,029,658  head      Sequential      1   95.5 %        -",
        "        -   15.79  7,033,114  (model)   Detector        1  100.0 %        -",
        "Detector: 7 layers, 7,033,114 params, 7,033,114 trainable, 15.79 GFLOPs",
    ]


MEMORY: dict[str, Any] = {
    "": {"memory_bytes": 5},
    "stem": {"memory_bytes": 1_000_000},
    "body": {"memory_bytes": 24_000},
    "body.0": {"memory_bytes": None},
    "body.1": {"memory_bytes": 0},
    "head": {"memory_bytes": 1_234_567},
}


def test_memory_has_a_column_where_it_was_measured() -> None:
    table = layer_table(with_memory(1_300_000, layers=MEMORY))
    assert [line.split("  ")[1:3] for line in table[:1]] == [["memory (MB)", "GFLOPs"]]
    cells = [row.split()[1] for row in table[1:-2]]
    assert cells == ["1.00", "0.02", "-", "0.00", "1.23", "1.30"]
    assert table[-2:] == [
        "Net: 6 layers, 1,000 params, 1,000 trainable, 0.1000 GFLOPs, 1.30 MB memory",
        "measured on cpu, Intel Xeon 6960P, 2 cores, 1 thread, torch 2.13",
    ]


def test_a_small_model_has_more_decimals() -> None:
    *_, total, summary, _ = layer_table(with_memory(8192))
    assert total.split()[1] == "0.00819"
    assert summary.endswith(", 0.00819 MB memory")


def test_without_flops_the_share_is_that_of_params() -> None:
    layers = {path: {"flops": None, "own_flops": None, "calls": None} for path in NET}
    measured = profile(layers=layers, flops=None, trainable_params=300)
    assert layer_table(measured, 1) == [
        "time (ms)  GFLOPs  params  layer    type        calls    share  GFLOP/s  input  output",
        "        -       -     100  stem     Conv2d          -   10.0 %        -",
        "        -       -     200  body     Sequential      -   20.0 %        -",
        "        -       -     700  head     Linear          -   70.0 %        -",
        "        -       -   1,000  (model)  Net             -  100.0 %        -",
        "Net: 6 layers, 1,000 params, 300 trainable",
    ]


def test_a_model_that_costs_nothing_has_no_shares() -> None:
    assert layer_table(profile({"act": ("ReLU", 0, 0)}))[:3] == [
        "time (ms)  GFLOPs  params  layer    type  calls  share  GFLOP/s  input  output",
        "        -    0.00       0  act      ReLU      1      -        -",
        "        -    0.00       0  (model)  Net       1      -        -",
    ]


@pytest.mark.parametrize(
    ("calls", "params", "shown"),
    [(0, 0, False), (0, 5, True), (1, 0, True), (None, 0, True), (1000, 5, True)],
)
def test_a_layer_that_never_ran_is_shown_for_its_params(
    calls: int | None, params: int, shown: bool
) -> None:
    measured = profile({"a": ("Linear", params, 0)}, {"a": {"calls": calls}})
    assert (len(layer_table(measured)) == 4) is shown


@pytest.mark.parametrize(
    ("flops", "text", "total"),
    [
        (1, "0.000000001", "0.000000001"),
        (10_240, "0.00001024", "0.00001024"),
        (15_788_441_600, "15.79", "15.79"),
        (1_234_567_890_000, "1,234.57", "1,234.57"),
    ],
)
def test_a_column_has_the_decimals_of_its_total(flops: int, text: str, total: str) -> None:
    _, row, model, summary = layer_table(profile({"a": ("Linear", 0, flops)}))
    assert (row.split()[1], model.split()[1]) == (text, total)
    assert summary.endswith(f", {total} GFLOPs")


def test_the_last_row_is_the_model_not_its_own_costs() -> None:
    measured = profile({**NET, "": ("Net", 7, 5_000_000)})
    *_, model, _ = layer_table(measured)
    assert model.split() == ["-", "0.1050", "1,007", "(model)", "Net", "1", "100.0", "%", "-"]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        (
            {"uncounted": (uncounted("shop::warp", "", shapes=((1, 8), (), (2,)), calls=1200),)},
            "uncounted: shop::warp in (model), 1,200 calls, shapes 1x8, (), +1",
        ),
        ({"unused": ("head.bias", "stem.weight")}, "unused: head.bias, stem.weight"),
        (
            {"data_dependent": True},
            "data dependent: the values of tensors decided what ran or what it costs",
        ),
        (
            {"not_measured": {"latency": "the weights are on meta"}},
            "latency not measured: the weights are on meta",
        ),
    ],
)
def test_what_a_reader_must_know_stands_below(more: dict[str, Any], note: str) -> None:
    assert layer_table(profile(**more))[-1] == note
    assert len(layer_table(profile(**more))) == len(layer_table(profile())) + 1


def test_print_draws_the_table() -> None:
    assert str(profile()) == "\n".join(layer_table(profile(), 2))


def test_one_layer_is_one() -> None:
    assert summary_line(profile({})) == "Net: 1 layer, 0 params, 0 trainable, 0.00 GFLOPs"


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (100, []),
        (99, ["output"]),
        (86, ["output", "input"]),
        (70, ["output", "input", "GFLOP/s"]),
        (61, ["output", "input", "GFLOP/s", "type"]),
        (49, ["output", "input", "GFLOP/s", "type", "share"]),
        (40, ["output", "input", "GFLOP/s", "type", "share", "calls"]),
        (20, ["output", "input", "GFLOP/s", "type", "share", "calls"]),
    ],
)
def test_columns_that_do_not_fit_are_left_out(width: int, left_out: list[str]) -> None:
    measured = timed(latency_ms=1100.0, layers=SHAPES)
    whole, shown = (layer_table(measured, width=w)[0] for w in (None, width))
    assert headings(whole) - headings(shown) == {*left_out}
    assert {*left_out} <= {column.heading for column in OTHER_COLUMNS}


def headings(line: str) -> set[str]:
    return {heading.strip() for heading in line.split("  ")} - {""}


def test_both_ways_of_training() -> None:
    times = {"forward_latency_ms": 4.0, "backward_latency_ms": 6.0}
    layers = {path: {"latency_ms": 10.0, **times} for path in SHAPES}
    lines = layer_table(timed(latency_ms=30.0, layers=layers, **times), 1)
    assert lines[0].split("  ")[:3] == ["time (ms)", "forward (ms)", "backward (ms)"]
    rows = [line.split()[:3] for line in lines[1:5]]
    assert rows == [*[["10.00", "4.00", "6.00"]] * 3, ["30.00", "4.00", "6.00"]]


COSTS = st.tuples(st.sampled_from(["Conv2d", "ReLU"]), counts(), counts())
SPECS = st.dictionaries(st.sampled_from(["a", "b.0", "b.1", "long_name.0.conv"]), COSTS)


@given(spec=SPECS, latency=st.none() | st.floats(0, 1e7), depth=st.integers(0, 3))
def test_every_table_is_aligned(spec: dict[str, Costs], latency: float | None, depth: int) -> None:
    shapes = {"input_shapes": ((1, 2),), "output_shapes": ((3,),), "latency_ms": latency}
    measured = profile(spec, dict.fromkeys(["", *spec], shapes))
    lines = layer_table(replace(measured, latency_ms=latency, memory_bytes=0), depth)
    table = lines[: lines.index(next(line for line in lines if line.startswith("Net: ")))]
    figures = ["time (ms)", "memory (MB)", "GFLOPs", "params"]
    assert {*figures} == headings(table[0]) - {column.heading for column in OTHER_COLUMNS}
    others = [
        c for c in OTHER_COLUMNS if c.of is None and not c.is_extra
    ]  # traffic was not measured
    assert_is_table(table, "rrrr" + "".join(column.side for column in others))


def test_intensity_is_flops_per_byte() -> None:
    costs = {"traffic_bytes": 4_000_000, "own_traffic_bytes": 4_000_000}
    moved = {**dict.fromkeys(NET, costs), "": {"traffic_bytes": 8_000_000}}
    heading, first, *_ = layer_table(profile(NET, moved, traffic_bytes=8_000_000))
    assert {"traffic (MB)", "intensity"} <= headings(heading)
    assert "  2.5  " in f"{first}  "  # `stem`: 10,000,000 FLOPs
    assert "intensity" not in headings(layer_table(profile(NET))[0])


def test_columns_by_name_in_that_order_at_any_width() -> None:
    names = ("share", "layer", "time", "change", "params")
    lines = layer_table(profile({"a": ("Linear", 3, 0)}), width=10, names=names)
    assert lines[:3] == [
        "  share  layer    time (ms)  change  params",
        "100.0 %  a                -       -       3",
        "100.0 %  (model)          -       -       3",
    ]


def test_what_the_baseline_has_of_the_layers() -> None:
    measured = profile({"a": ("Linear", 0, 110), "b": ("Linear", 0, 0), "c": ("Linear", 5, 7)})
    before = Before(GFLOPS, {"a": 100, "": 107, "c": 7})
    named = layer_table(measured, names=("layer", "baseline", "change"), before=before)
    assert named[:5] == [
        "layer    baseline GFLOPs   change",
        "a            0.000000100  +10.0 %",
        "b                      -        -",
        "c            0.000000007      0 %",
        "(model)      0.000000107   +9.3 %",
    ]
    assert "baseline GFLOPs   change" in layer_table(measured, before=before)[0]
    assert "baseline" not in layer_table(measured)[0]
