"""What a branch raises, in words."""

from fractions import Fraction

from pytest_flopbudget.base_commit.comparison import BaseComparison
from pytest_flopbudget.base_commit.increases import Increase, IncreaseKind
from pytest_flopbudget.report.base_diff import increase_lines

COMMIT = "0123456789abcdef"


def raised(name: str, before: int, after: int, metric: str = "gflops", **more: object) -> Increase:
    values = {"before": Fraction(before), "after": Fraction(after)}
    return Increase(
        file=f"tests/{name}.yaml", kind=IncreaseKind.RAISED, metric=metric, **values, **more
    )


def lines(*changes: Increase, errors: tuple[str, ...] = ()) -> list[str]:
    return list(
        increase_lines(BaseComparison(ref="main", commit=COMMIT, increases=changes, errors=errors))
    )


def test_the_largest_growth_is_first() -> None:
    changes = [
        raised("tagger", 1000, 1001, "params"),
        raised("detector", 16_000_000_000, 16_530_000_000),
        raised("detector", 7_000_000, 7_001_024, "params"),
    ]
    assert lines(*changes) == [
        "against `main` (0123456789): raises 2 budgets: detector +0.5300 GFLOPs (+3.3 %), "
        "+1,024 params (+<0.1 %); tagger +1 params (+0.1 %)"
    ]


def test_layers_and_environments_are_named() -> None:
    changes = [
        raised("net", 10, 20, "params", where="head", in_layer=True),
        raised("net", 100, 101, "latency", where="cpu, Xeon"),
    ]
    assert lines(*changes) == [
        "against `main` (0123456789): raises 1 budget: net +10 params (+100.0 %) in head, "
        "+1.00 ms (+1.0 %) on cpu, Xeon"
    ]


def test_every_kind_has_its_line() -> None:
    changes = [
        Increase(file="a.yaml", kind=IncreaseKind.DELETED),
        Increase(file="b.yaml", kind=IncreaseKind.UNLIMITED, metric="gflops"),
        Increase(file="c.yaml", kind=IncreaseKind.ENVIRONMENT, where="cpu, Xeon"),
        Increase(file="d.yaml", kind=IncreaseKind.IGNORED, where="shop::nms"),
        Increase(file="e.yaml", kind=IncreaseKind.INCOMPARABLE, where="inputs"),
    ]
    assert [line.partition(": ")[2] for line in lines(*changes)] == [
        "deletes 1 budget: a",
        "no longer limits all metrics of 1 budget: b GFLOPs",
        "removes environments of 1 budget: c cpu, Xeon",
        "ignores more operators in 1 budget: d shop::nms",
        "changes what is measured in 1 budget: e inputs",
    ]


def test_of_many_only_the_largest_are_named() -> None:
    (line,) = lines(*(raised(f"net{i}", 10**9, 10**9 + i) for i in range(1, 101)))
    assert "raises 100 budgets: net100 " in line
    assert line.endswith("net93 +0.000000093 GFLOPs (+<0.1 %); and 92 more")


def test_nothing_raised_and_nothing_compared() -> None:
    assert lines() == ["against `main` (0123456789): raises no budget"]
    assert lines(errors=("b.yaml:1: bad",))[1:] == ["  not compared: b.yaml:1: bad"]
    absent = BaseComparison(ref="ma\nin", errors=("the commit is not here\n\nhint: fetch it",))
    assert list(increase_lines(absent)) == [
        r"against `ma\nin`: not compared: the commit is not here - hint: fetch it"
    ]
