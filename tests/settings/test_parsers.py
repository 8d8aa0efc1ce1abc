"""From what a user wrote to values: what is taken, what is refused, and in which words."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.metrics import GFLOPS, LATENCY, METRICS, PARAMS
from pytest_flopbudget.settings import parsers
from tests.strategies import texts

NAN, INF = float("nan"), float("inf")
METRIC_NAMES = ", ".join(f"`{key}`" for key in METRICS)
DEVICES = "`auto`, `cpu`, `cuda`, `mps`, `xpu`, `hpu`, `mtia`, `npu`, `privateuseone`"


def refusal(parse: parsers.Parser, value: object) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is what is tested
        parse(value)
    return str(error.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        (" , ,", ()),
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ("b,a,b", ("b", "a")),
        (["a", "b"], ("a", "b")),
        (("a,b", "c"), ("a", "b", "c")),
        ([], ()),
    ],
)
def test_words(value: object, expected: tuple[str, ...]) -> None:
    assert parsers.words(value) == expected


@pytest.mark.parametrize("value", [5, 0.5, None, True, [1, 2], ["a", None], b"a"])
def test_words_are_texts(value: object) -> None:
    assert refusal(parsers.words, value) == f"expected a list of words, found `{value!r}`"


@pytest.mark.parametrize("name", parsers.MODES)
def test_a_choice(name: str) -> None:
    assert parsers.choice(*parsers.MODES)(name) == name


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("infrence", "found `infrence`; did you mean `inference`?"),
        ("train", "found `train`; did you mean `training`?"),
        ("Inference", "found `Inference`; did you mean `inference`?"),
        ("xyz", "found `xyz`"),
        ("", "found ``"),
        (None, "found `None`"),
        (True, "found `True`"),
        (["inference"], "found `['inference']`; did you mean `inference`?"),
    ],
)
def test_a_wrong_choice_is_told_the_nearest(value: object, end: str) -> None:
    assert refusal(parsers.choice(*parsers.MODES), value) == (
        f"expected `inference`, `training`, {end}"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("params", ("params",)),
        ("latency,params", ("params", "latency")),
        (["gflops", "params", "gflops"], ("params", "gflops")),
        (("latency", "gflops,params"), ("params", "gflops", "latency")),
    ],
)
def test_metrics_come_in_the_order_of_the_table(value: object, expected: tuple[str, ...]) -> None:
    assert parsers.metrics(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", f"expected at least one of {METRIC_NAMES}, found none"),
        ([], f"expected at least one of {METRIC_NAMES}, found none"),
        ("flops", f"expected {METRIC_NAMES}, found `flops`; did you mean `gflops`?"),
        ("params,latncy", f"expected {METRIC_NAMES}, found `latncy`; did you mean `latency`?"),
        (1, "expected a list of words, found `1`"),
    ],
)
def test_wrong_metrics(value: object, message: str) -> None:
    assert refusal(parsers.metrics, value) == message


@pytest.mark.parametrize("value", ["aten::mm", "shop::warp_2", "layer:Embedding", "a::b,layer:C"])
def test_operators(value: str) -> None:
    assert parsers.operators(value) == tuple(value.split(","))


@pytest.mark.parametrize(
    "value",
    ["mm", "aten:mm", "aten::", "::mm", "aten::mm.default", "layer:", "Embedding", "a::b c"],
)
def test_an_operator_is_named_in_full(value: str) -> None:
    assert refusal(parsers.operators, value) == (
        f"expected `namespace::name` or `layer:Type`, found `{value}`"
    )


@pytest.mark.parametrize("value", ["cpu", "cuda", "cuda:0", "cuda:15", "mps", "xpu:1", "auto"])
def test_a_device(value: str) -> None:
    assert parsers.device(value) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cdua", f"expected {DEVICES}, found `cdua`; did you mean `cuda`?"),
        ("gpu", f"expected {DEVICES}, found `gpu`; did you mean `xpu`?"),
        ("meta", f"expected {DEVICES}, found `meta`; did you mean `mtia`?"),
        ("", f"expected {DEVICES}, found ``"),
        (1, f"expected {DEVICES}, found `1`"),
        ("cuda:", "expected a device such as `cuda:1`, found `cuda:`"),
        ("cuda:x", "expected a device such as `cuda:1`, found `cuda:x`"),
        ("cuda:-1", "expected a device such as `cuda:1`, found `cuda:-1`"),
        ("cuda:0:1", "expected a device such as `cuda:1`, found `cuda:0:1`"),
    ],
)
def test_a_wrong_device(value: object, message: str) -> None:
    assert refusal(parsers.device, value) == message


@pytest.mark.parametrize(("value", "expected"), [(1, 1), ("1", 1), (" 8 ", 8), (10**9, 10**9)])
def test_a_whole_number(value: object, expected: int) -> None:
    assert parsers.whole_number(1)(value) == expected


@pytest.mark.parametrize("value", [0, "0", -1, "-1", 1.0, "1.5", "", "one", True, None, "²", [1]])
def test_a_whole_number_has_a_minimum(value: object) -> None:
    assert refusal(parsers.whole_number(1), value) == (
        f"expected a whole number of at least 1, found `{value}`"
    )


def test_the_minimum_may_be_nothing() -> None:
    assert parsers.whole_number(0)("0") == 0
    assert (
        refusal(parsers.whole_number(0), False)
        == "expected a whole number of at least 0, found `False`"
    )


@pytest.mark.parametrize(("value", "expected"), [(10, 10.0), ("0.5", 0.5), (" 2 ", 2.0)])
def test_seconds(value: object, expected: float) -> None:
    assert parsers.seconds(value) == expected


@pytest.mark.parametrize("value", [0, "0", -1, "", "x", NAN, INF, "inf", True, None])
def test_seconds_are_above_nothing(value: object) -> None:
    assert refusal(parsers.seconds, value) == (
        f"expected a number of seconds above 0, found `{value}`"
    )


def test_seconds_without_end_are_refused() -> None:
    assert parsers.seconds("1e6") == 1e6
    assert refusal(parsers.seconds, "1e400") == "expected at most 1000000 seconds, found `1e400`"


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (48, 48 * 10**9),
        ("48", 48 * 10**9),
        (4.8, 4_800_000_000),
        (0.1, 100_000_000),  # a tenth, not the double nearest to it
        ("15.788441601", 15_788_441_601),
        (Fraction(1, 3), Fraction(10**9, 3)),
        (1e-10, Fraction(1, 10)),
        ("1e3", 10**12),
    ],
)
def test_a_ceiling_is_exact_in_base_units(value: object, base: int | Fraction) -> None:
    assert parsers.ceiling(GFLOPS)(value) == base


def test_a_ceiling_has_the_unit_of_its_name() -> None:
    assert parsers.ceiling(PARAMS)(5e6) == 5_000_000
    assert parsers.ceiling(LATENCY)(2.5) == Fraction(5, 2)


@pytest.mark.parametrize("value", [0, -1, "x", "", "5%", NAN, INF, -INF, True, False, None, [1]])
def test_a_ceiling_is_above_nothing(value: object) -> None:
    assert refusal(parsers.ceiling(GFLOPS), value) == f"expected a number above 0, found `{value}`"


def test_a_ceiling_may_be_a_decimal() -> None:
    assert parsers.ceiling(GFLOPS)(Decimal("4.8")) == 4_800_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5%", Fraction(5, 100)),
        ("5 %", Fraction(5, 100)),
        (" 5% ", Fraction(5, 100)),
        ("0.5%", Fraction(5, 1000)),
        ("33.3%", Fraction(333, 1000)),
        ("100%", Fraction(1)),
        ("250%", Fraction(5, 2)),
        (0.05, Fraction(5, 100)),
        ("0.05", Fraction(5, 100)),
        (0.1, Fraction(1, 10)),
        (Decimal("0.05"), Fraction(5, 100)),
        (Fraction(1, 3), Fraction(1, 3)),
        (0, Fraction(0)),
        ("0", Fraction(0)),
        (0.0, Fraction(0)),
        ("0%", Fraction(0)),
        (0.999, Fraction(999, 1000)),
    ],
)
def test_a_growth_is_a_fraction_or_a_percentage(value: object, expected: Fraction) -> None:
    assert parsers.growth(value) == expected


@pytest.mark.parametrize(
    ("value", "hint"),
    [(5, "5%"), ("5", "5%"), (1, "1%"), ("1", "1%"), (1.0, "1.0%"), (25, "25%"), ("12.5", "12.5%")],
)
def test_a_bare_number_of_one_or_more_is_refused_with_a_hint(value: object, hint: str) -> None:
    assert refusal(parsers.growth, value) == (
        f'expected a growth below 1 or in percent, found `{value}`: write `"{hint}"`'
    )


@pytest.mark.parametrize(
    "value", [True, False, None, "", "%", "x", "five%", -0.05, "-5%", NAN, INF, "nan%", "5%%", [5]]
)
def test_what_is_no_growth(value: object) -> None:
    assert refusal(parsers.growth, value) == (
        f'expected a growth such as `"5%"` or `0.05`, found `{value}`'
    )


EXACT = ("params", "gflops", "traffic", "operators", "weights")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5%", dict.fromkeys(EXACT, "1/20")),
        (0.05, dict.fromkeys(EXACT, "1/20")),
        (0, dict.fromkeys(EXACT, "0")),
        ({"latency": "25%"}, {"latency": "1/4"}),
        ({"latency": 0.1, "params": 0}, {"latency": "1/10", "params": "0"}),
        ({}, {}),
        ("latency=25%", {"latency": "1/4"}),
        ("params=0,gflops=1%,latency=25%", {"params": "0", "gflops": "1/100", "latency": "1/4"}),
        (" latency = 25% , params = 0.5% ", {"latency": "1/4", "params": "1/200"}),
        (["5%"], dict.fromkeys(EXACT, "1/20")),
        (["latency=25%", "params=0"], {"latency": "1/4", "params": "0"}),
    ],
)
def test_one_tolerance_or_one_for_each_metric(value: object, expected: dict[str, str]) -> None:
    assert parsers.tolerance(value) == {key: Fraction(share) for key, share in expected.items()}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, 'expected a growth below 1 or in percent, found `5`: write `"5%"`'),
        ("latency=5", 'expected a growth below 1 or in percent, found `5`: write `"5%"`'),
        ({"latency": 25}, 'expected a growth below 1 or in percent, found `25`: write `"25%"`'),
        (True, 'expected a growth such as `"5%"` or `0.05`, found `True`'),
        ({"params": True}, 'expected a growth such as `"5%"` or `0.05`, found `True`'),
        ({"params": None}, 'expected a growth such as `"5%"` or `0.05`, found `None`'),
        ("latency", 'expected a growth such as `"5%"` or `0.05`, found `latency`'),
        ("latency=", 'expected a growth such as `"5%"` or `0.05`, found ``'),
        ({"latncy": "5%"}, f"expected {METRIC_NAMES}, found `latncy`; did you mean `latency`?"),
        ("flops=5%", f"expected {METRIC_NAMES}, found `flops`; did you mean `gflops`?"),
        ({1: "5%"}, f"expected {METRIC_NAMES}, found `1`"),
        ("params=0,5%", "expected `metric=growth` such as `latency=25%`, found `5%`"),
        (["5%", "6%"], "expected `metric=growth` such as `latency=25%`, found `5%`"),
        ("latency=25%,latency=5%", "expected each metric once, found `latency` again"),
    ],
)
def test_a_wrong_tolerance(value: object, message: str) -> None:
    assert refusal(parsers.tolerance, value) == message


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("backbone.*", ("backbone.*",)),
        (["a.*", "b"], ("a.*", "b")),
    ],
)
def test_layers(value: object, expected: Any) -> None:
    assert parsers.layers(value) == expected


@pytest.mark.parametrize("value", [0, 1, None, 2.5, [True]])
def test_layers_are_all_none_or_globs(value: object) -> None:
    assert refusal(parsers.layers, value) == f"expected a list of words, found `{value!r}`"


@pytest.mark.parametrize("value", ["", [], " , "])
def test_a_list_of_globs_has_one(value: object) -> None:
    assert refusal(parsers.layers, value) == (
        "expected `True`, `False` or at least one path glob, found none"
    )


@pytest.mark.parametrize("value", ["a", " a ", "../a", "🤖"])
def test_a_name_is_any_text(value: str) -> None:
    assert parsers.file_name(value) == value


@pytest.mark.parametrize("value", ["", "  ", None, 5, True, ["a"]])
def test_a_name_is_not_empty(value: object) -> None:
    assert refusal(parsers.file_name, value) == (
        f"expected a text that is not empty, found `{value!r}`"
    )


@given(value=texts() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(texts()))
def test_a_parser_parses_or_refuses(value: object) -> None:
    each = [
        *(parsers.words, parsers.metrics, parsers.operators, parsers.device, parsers.seconds),
        *(
            parsers.growth,
            parsers.tolerance,
            parsers.layers,
            parsers.file_name,
            parsers.whole_number(1),
        ),
        *(parsers.ceiling(GFLOPS), parsers.choice("a"), parsers.choices("a")),
    ]
    for parse in each:
        try:
            parse(value)
        except ValueError as error:  # noqa: PERF203
            assert str(error).startswith("expected ")  # noqa: PT017 - some values are valid


@given(percent=st.decimals(0, 99, places=3))
def test_a_percentage_is_read_as_it_is_written(percent: Decimal) -> None:
    assert parsers.growth(f"{percent}%") == Fraction(percent) / 100
    assert parsers.growth(float(percent / 100)) == Fraction(percent) / 100
