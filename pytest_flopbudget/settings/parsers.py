"""Parsers of what a user writes on the command line, in an ini file or in a marker.

Every parser takes a string or the Python value itself and raises `ValueError` with one clause,
`expected ..., found ...`; whoever calls it says where that was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import Any

from pytest_flopbudget.errors import SettingsError, nearest, one_of
from pytest_flopbudget.metrics import METRICS, Metric

ENGINES = ("dispatch", "thop", "yolov5")
MODES = ("inference", "training")
GITHUB = ("auto", "on", "off")
TABLES = ("failed", "all", "none")
COLUMNS = (
    *("time", "forward", "backward", "memory", "gflops", "params", "traffic", "operators"),
    *("weights", "intensity", "layer", "type", "arguments", "calls", "share", "rate"),
    *("input", "output", "baseline", "change"),
)
FAIL_ON = (
    "improved",
    "stale",
    "not_compared",
    "inconclusive",
    "skipped",
    "state",
    "upgrade",
)
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu", "hpu", "mtia", "npu", "privateuseone")

MAX_SECONDS = 10**6
MAX_SEED = 2**32 - 1  # numpy's

Parser = Callable[[Any], Any]


def parse_each(
    where: str, parser_of: Mapping[str, Parser], values: Mapping[str, object]
) -> dict[str, Any]:
    """Return the parsed values of arguments, by name.

    Raises:
        SettingsError: a value does not parse; it says `where` that was written.
    """
    parsed = {}
    for name, value in values.items():
        try:
            parsed[name] = parser_of[name](value)
        except ValueError as error:  # noqa: PERF203 - the first one that is wrong
            raise SettingsError(f"{where}: `{name}`: {error}") from None
    return parsed


def words(value: object) -> tuple[str, ...]:
    """Return the words of `a, b`, or of a list of such texts, each once."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Iterable) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected a list of words, found `{value!r}`")
    found = (word.strip() for text in texts for word in text.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def choice(*names: str) -> Parser:
    """Return a parser that takes one of `names`."""

    def parse(value: object) -> str:
        if value not in names:
            raise ValueError(_unknown(value, names))
        return str(value)

    return parse


def choices(*names: str) -> Parser:
    """Return a parser that takes several of `names`, separated by commas or as a list."""
    one = choice(*names)
    return lambda value: tuple(one(word) for word in words(value))


def metrics(value: object) -> tuple[str, ...]:
    """Parse the metrics to judge, at least one; they come out in the order of the table."""
    chosen = choices(*METRICS)(value)
    if not chosen:
        raise ValueError(f"expected at least one of {one_of(METRICS)}, found none")
    return tuple(key for key in METRICS if key in chosen)


def operators(value: object) -> tuple[str, ...]:
    """Parse operators that are not to be counted: `namespace::name`, or `layer:Type`."""
    names = words(value)
    for name in names:
        if not re.fullmatch(r"\w+::\w+|layer:\w+", name):
            raise ValueError(f"expected `namespace::name` or `layer:Type`, found `{name}`")
    return names


def device(value: object) -> str:
    """Parse a device such as `cpu`, `cuda:1` or `auto`."""
    kind, _, index = str(value).partition(":")
    if kind not in DEVICES:
        raise ValueError(_unknown(value, DEVICES))
    if (":" in str(value)) and not index.isdecimal():
        raise ValueError(f"expected a device such as `cuda:1`, found `{value}`")
    return str(value)


def whole_number(minimum: int) -> Parser:
    """Return a parser of whole numbers of at least `minimum`."""

    def parse(value: object) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"expected a whole number of at least {minimum}, found `{value}`")
        return value

    return parse


def seed(value: object) -> int | None:
    """Parse a seed of random generators, from 0 to `MAX_SEED`, or `none`."""
    if value == "none":
        return None
    try:
        number: int = whole_number(0)(value)
    except ValueError:
        number = MAX_SEED + 1
    if number > MAX_SEED:
        raise ValueError(f"expected a whole number from 0 to {MAX_SEED} or `none`, found `{value}`")
    return number


def seconds(value: object) -> float:
    """Parse a duration in seconds, above 0."""
    number = _positive(value, "a number of seconds above 0")
    if number > MAX_SECONDS:
        raise ValueError(f"expected at most {MAX_SECONDS} seconds, found `{value}`")
    return float(number)


def ceiling(metric: Metric) -> Parser:
    """Return a parser of ceilings, from shown units (as in `max_gflops`) to exact base units."""

    def parse(value: object) -> Fraction:
        return _positive(value, "a number above 0") * metric.scale

    return parse


def growth(value: object) -> Fraction:
    """Parse an allowed growth, `"5%"` or `0.05`, exactly as it is written."""
    text = str(value).strip()
    number = _number(text.removesuffix("%"))
    if isinstance(value, bool) or number is None or number < 0:
        raise ValueError(f'expected a growth such as `"5%"` or `0.05`, found `{value}`')
    if text.endswith("%"):
        return number / 100
    if number >= 1:
        raise ValueError(
            f'expected a growth below 1 or in percent, found `{value}`: write `"{text}%"`'
        )
    return number


def tolerance(value: object) -> dict[str, Fraction]:
    """Parse tolerances: one for params and GFLOPs, or one per metric, `latency=25%` or a dict."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]  # of a list in an ini file
    if isinstance(value, list | tuple) or (isinstance(value, str) and "=" in value):
        items = [_assignment(item) for item in words(value)]
        value = dict(items)
        if len(value) < len(items):
            raise ValueError(f"expected each metric once, found `{_repeated(items)}` again")
    if not isinstance(value, Mapping):
        return {key: growth(value) for key, metric in METRICS.items() if metric.exact}
    for key in value:
        if key not in METRICS:
            raise ValueError(_unknown(key, METRICS))
    return {key: growth(value[key]) for key in value}


def layers(value: object) -> bool | tuple[str, ...]:
    """Parse which layers are judged: `True` (each), `False` (none), or path globs."""
    if isinstance(value, bool):
        return value
    globs = words(value)
    if not globs:
        raise ValueError("expected `True`, `False` or at least one path glob, found none")
    return globs


def file_name(value: object) -> str:
    """Parse a budget's name or a path: any text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a text that is not empty, found `{value!r}`")
    return value


def _repeated(items: list[tuple[str, str]]) -> str:
    keys = [key for key, _ in items]
    return next(key for key in keys if keys.count(key) > 1)


def _assignment(item: str) -> tuple[str, str]:
    key, equals, text = item.partition("=")
    if not equals:
        raise ValueError(f"expected `metric=growth` such as `latency=25%`, found `{item}`")
    return key.strip(), text.strip()


def _positive(value: object, expected: str) -> Fraction:
    number = None if isinstance(value, bool) else _number(value)
    if number is None or number <= 0:
        raise ValueError(f"expected {expected}, found `{value}`")
    return number


def _number(value: object) -> Fraction | None:
    """Return a number exactly as it is written: 0.1 is a tenth, not the double nearest to it."""
    try:
        if isinstance(value, Rational):
            return Fraction(value)
        if isinstance(value, Real | Decimal | str):
            return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):  # not a number, NaN, infinity
        pass
    return None


def _unknown(value: object, names: Iterable[str]) -> str:
    names = tuple(names)
    hint = nearest(str(value), names)
    return f"expected {one_of(names)}, found `{value}`" + (f"; {hint}" if hint else "")
