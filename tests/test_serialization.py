"""Records travel between processes: what arrives is what was sent."""

import json
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from pytest_flopbudget.baseline.record import Baseline
from pytest_flopbudget.profile.environment import Environment
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
from pytest_flopbudget.serialization import decode, dumps, encode, loads
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.verdict.result import Result
from pytest_flopbudget.verdict.verdict import Judgement, Verdict
from tests.strategies import (
    all_budget_settings,
    as_read,
    baselines,
    environments,
    judgements,
    layer_profiles,
    model_profiles,
    profile,
    result,
    results,
    with_entry,
)


def travelled(record: Any) -> Any:
    """Send a record as JSON and take it apart on the other side."""
    return decode(type(record), json.loads(json.dumps(encode(record), allow_nan=False)))


def test_any_text_and_any_integer_gets_through() -> None:
    record = profile(unused=("a\udc80\x00\n層",), params=10**40)
    text = dumps(record)
    assert text.isascii()
    assert loads(ModelProfile, text) == record


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    number: int
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    maybe: Inner | None = None
    several: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = field(default_factory=dict)
    colour: Colour = Colour.RED
    share: Fraction | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    place: int = field(default=0, compare=False)


@pytest.mark.parametrize(
    ("record", "payload"),
    [
        (Inner(5, (1, 2)), {"number": 5, "shape": [1, 2]}),
        (Colour.RED, "red"),
        (Fraction(1, 3), "1/3"),
        (Fraction(6, 3), 2),
        (Fraction(10**24), 10**24),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"a": (1,)}, {"a": [1]}),
        (None, None),
        ("a", "a"),
        (0.1, 0.1),
        (True, True),
    ],
)
def test_encode(record: object, payload: object) -> None:
    assert encode(record) == payload


@pytest.mark.parametrize(
    ("kind", "payload", "value"),
    [
        (int, 5, 5),
        (Fraction, "1/3", Fraction(1, 3)),
        (Fraction, 2, Fraction(2)),
        (Fraction | None, None, None),
        (Fraction | None, "1/2", Fraction(1, 2)),
        (Colour, "red", Colour.RED),
        (tuple[Fraction, ...], ["1/2", 3], (Fraction(1, 2), Fraction(3))),
        (dict[str, tuple[int, ...]], {"a": [1]}, {"a": (1,)}),
        (Inner, {"number": 5, "shape": [1, 2]}, Inner(5, (1, 2))),
        (Inner, {"number": 5}, Inner(5)),
    ],
)
def test_decode(kind: Any, payload: object, value: object) -> None:
    assert decode(kind, payload) == value


def test_records_nest() -> None:
    inner = Inner(1, (2, 3))
    record = Outer(inner, inner, (inner, inner), {"a": inner}, share=Fraction(2), shapes=((1,), ()))
    assert travelled(record) == record


def test_where_a_record_was_found_does_not_travel() -> None:
    assert "place" not in encode(Outer(Inner(1), place=5))
    assert as_read(with_entry()).lines
    assert travelled(as_read(with_entry())).lines == {}


@given(record=environments())
def test_environments_travel(record: Environment) -> None:
    assert travelled(record) == record


@given(record=layer_profiles())
def test_layers_travel(record: LayerProfile) -> None:
    assert travelled(record) == record


@given(record=model_profiles())
def test_profiles_travel(record: ModelProfile) -> None:
    assert travelled(record) == record


@given(record=baselines())
def test_baselines_travel(record: Baseline) -> None:
    assert travelled(record) == record
    assert list(travelled(record).own) == list(record.own)


@given(record=all_budget_settings())
def test_budget_settings_travel(record: BudgetSettings) -> None:
    assert travelled(record) == record


@given(record=judgements())
def test_judgements_travel(record: Judgement) -> None:
    assert travelled(record) == record


@given(record=results())
def test_results_travel(record: Result) -> None:
    assert travelled(record) == record


def test_a_judged_budget_travels() -> None:
    record = result(profile(), with_entry())
    assert travelled(record) == record
    assert {v.verdict for v in travelled(record).judgement.metrics} == {Verdict.WITHIN}


def test_a_payload_is_plain() -> None:
    plain = (dict, list, str, int, float, bool, type(None))

    def parts(value: Any) -> list[Any]:
        inner = list(value.values()) if isinstance(value, dict) else value
        deeper = inner if isinstance(inner, list) else []
        return [value, *(part for item in deeper for part in parts(item))]

    assert {type(part) for part in parts(encode(result(profile(), with_entry())))} <= {*plain}
