"""The metrics as one table: exact values, and the text of them."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.metrics import (
    GFLOPS,
    LATENCY,
    MEMORY,
    METRICS,
    PARAMS,
    Metric,
    Number,
    ceilings,
    change_text,
)
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
from tests.strategies import counts


def test_the_table() -> None:
    assert {
        key: (m.field, m.yaml_key, m.ceiling, m.label, m.unit, m.scale, m.exact, m.tolerance)
        for key, m in METRICS.items()
    } == {
        "params": ("params", "params", "max_params", "params", "", 1, True, Decimal(0)),
        "gflops": ("flops", "gflops", "max_gflops", "GFLOPs", "GFLOPs", 10**9, True, Decimal(0)),
        "traffic": (
            *("traffic_bytes", "traffic_mb", "max_traffic_mb", "traffic", "MB", 10**6, True),
            Decimal("0.01"),
        ),
        "operators": (
            *("operators", "operators", "max_operators", "operators", "", 1, True),
            Decimal(0),
        ),
        "weights": (
            *("weights_bytes", "weights_mb", "max_weights_mb", "weights", "MB", 10**6, True),
            Decimal(0),
        ),
        "latency": (
            *("latency_ms", "total_ms", "max_latency_ms", "latency", "ms", 1, False),
            Decimal("0.25"),
        ),
        "memory": (
            *("memory_bytes", "memory_mb", "max_memory_mb", "memory", "MB", 10**6, False),
            Decimal("0.05"),
        ),
    }


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_metric_is_known_wherever_it_is_named(metric: Metric) -> None:
    assert METRICS[metric.key] is metric
    assert ceilings()[metric.ceiling] is metric
    for figure in metric.figures:
        assert figure.field in ModelProfile.__dataclass_fields__
        assert figure.field in LayerProfile.__dataclass_fields__
        assert figure.adds_up == (f"own_{figure.field}" in LayerProfile.__dataclass_fields__)
    assert metric.adds_up or not metric.exact


def test_the_figures_of_training_have_names_of_their_own() -> None:
    names = {
        key: [(f.field, f.yaml_key, f.heading) for f in m.phases] for key, m in METRICS.items()
    }
    assert names == {
        "params": [],
        "gflops": [
            ("forward_flops", "forward_gflops", "forward (GFLOPs)"),
            ("backward_flops", "backward_gflops", "backward (GFLOPs)"),
        ],
        "traffic": [
            ("forward_traffic_bytes", "forward_traffic_mb", "forward (MB)"),
            ("backward_traffic_bytes", "backward_traffic_mb", "backward (MB)"),
        ],
        "operators": [
            ("forward_operators", "forward_operators", "forward"),
            ("backward_operators", "backward_operators", "backward"),
        ],
        "weights": [],
        "latency": [
            ("forward_latency_ms", "forward_ms", "forward (ms)"),
            ("backward_latency_ms", "backward_ms", "backward (ms)"),
        ],
        "memory": [],
    }


@pytest.mark.parametrize(
    ("metric", "value", "decimals", "text"),
    [
        (PARAMS, None, None, "-"),
        (PARAMS, 0, None, "0"),
        (PARAMS, 7_033_114, None, "7,033,114"),
        (PARAMS, 10**24, None, "1,000,000,000,000,000,000,000,000"),
        (GFLOPS, None, None, "-"),
        (GFLOPS, 0, None, "0.00"),
        (GFLOPS, 15_788_441_600, None, "15.79"),
        (GFLOPS, 15_788_441_600, 4, "15.7884"),
        (GFLOPS, 15_788_441_600, 9, "15.788441600"),
        (GFLOPS, 1, None, "0.00"),
        (GFLOPS, 1, 9, "0.000000001"),
        (GFLOPS, 10**24 + 1, 9, "1,000,000,000,000,000.000000001"),
        (LATENCY, 812.4, None, "812.40"),
        (LATENCY, 1234.5, None, "1,234.50"),
        (LATENCY, 0.004, None, "0.00"),
        (LATENCY, None, None, "-"),
        (MEMORY, 102_760_448, None, "102.76"),
        (MEMORY, 8192, 6, "0.008192"),
    ],
)
def test_text(metric: Metric, value: Number | None, decimals: int | None, text: str) -> None:
    assert metric.text(value, decimals) == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (PARAMS, 1000, "1,000"),
        (PARAMS, 100, "100"),
        (PARAMS, Fraction(201, 2), "100.5"),
        (GFLOPS, 0, "0"),
        (GFLOPS, 10**10, "10"),
        (GFLOPS, 15_788_441_601, "15.788441601"),
        (GFLOPS, 10**24 + 1, "1,000,000,000,000,000.000000001"),
        (LATENCY, 812.4, "812.4"),
        (LATENCY, Fraction(1, 8), "0.125"),
    ],
)
def test_exactly_has_every_digit(metric: Metric, value: Number, text: str) -> None:
    assert metric.exactly(value) == text


@given(count=counts())
def test_exactly_can_be_read_back(count: int) -> None:
    assert Fraction(GFLOPS.exactly(count).replace(",", "")) * 10**9 == count
    assert Fraction(PARAMS.exactly(count).replace(",", "")) == count
    assert GFLOPS.shown(count) == Decimal(count).scaleb(-9)


@pytest.mark.parametrize(
    ("metric", "value", "decimals"),
    [
        (PARAMS, 7_033_114, 0),
        (PARAMS, None, 0),
        (GFLOPS, None, 2),
        (GFLOPS, 0, 2),
        (GFLOPS, 10**24, 2),
        (GFLOPS, 10_000_000_000, 2),  # 10.00
        (GFLOPS, 9_999_000_000, 3),  # 9.999
        (GFLOPS, 1_000_000_000, 3),  # 1.000
        (GFLOPS, 999_900_000, 4),  # 0.9999
        (GFLOPS, 10_240, 8),  # 0.00001024
        (GFLOPS, 1_024, 9),
        (GFLOPS, 1, 9),
        (LATENCY, 812.4, 2),
        (LATENCY, 0.001, 5),
    ],
)
def test_decimals_for_four_digits(metric: Metric, value: Number | None, decimals: int) -> None:
    assert metric.decimals_for(value) == decimals


@given(count=st.integers(1, 10**24))
def test_what_is_not_nothing_does_not_look_like_nothing(count: int) -> None:
    assert GFLOPS.text(count, GFLOPS.decimals_for(count)).strip("0.,")


@pytest.mark.parametrize(
    ("measured", "baseline", "text"),
    [
        (100, 100, "0 %"),
        (0, 0, "0 %"),
        (5, 0, "new"),
        (113, 100, "+13.0 %"),
        (87, 100, "-13.0 %"),
        (0, 100, "-100.0 %"),
        (1033, 1000, "+3.3 %"),
        (10_005, 10_000, "+0.1 %"),  # 0.05 %
        (100_049, 100_000, "+<0.1 %"),
        (99_951, 100_000, "-<0.1 %"),
        (15_788_441_601, 15_788_441_600, "+<0.1 %"),
        (10**24 + 1, 10**24, "+<0.1 %"),
        (300, 100, "+200.0 %"),
        (125.5, 100, "+25.5 %"),
        (Fraction(1, 3), Fraction(1, 4), "+33.3 %"),
    ],
)
def test_change_text(measured: Number, baseline: Number, text: str) -> None:
    assert change_text(measured, baseline) == text


@given(measured=counts(), baseline=counts())
def test_no_change_is_mistaken_for_none(measured: int, baseline: int) -> None:
    text = change_text(measured, baseline)
    assert (text == "0 %") is (measured == baseline)
    assert text.startswith("-") is (measured < baseline)
    assert text.startswith(("+", "new")) is (measured > baseline)
