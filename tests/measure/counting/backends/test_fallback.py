"""In which order backends are tried, and which exceptions end that."""

from __future__ import annotations

from bdb import BdbQuit
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.measure.counting.backends.fallback import on_first_backend
from pytest_flopbudget.measure.isolation.escaped_tensors import Surroundings

if TYPE_CHECKING:
    from pytest_flopbudget.measure.counting.backends.base import Backend


def tried(*, fails: int, on_meta: bool = False, error: Exception | None = None) -> list[object]:
    """Fail on the first backends, and return the names of those that were tried."""
    names: list[object] = []

    def attempt(backend: Backend, is_last: bool) -> list[object]:
        names.append((backend.name, is_last))
        if len(names) <= fails:
            raise error or ValueError(backend.name)
        return names

    return on_first_backend(
        attempt, on_meta=on_meta, final=(KeyError,), surroundings=Surroundings([])
    )


META, FAKE, REAL = ("meta", False), ("fake", False), ("real", True)


@pytest.mark.parametrize(
    ("fails", "names"), [(0, [META]), (1, [META, FAKE]), (2, [META, FAKE, REAL])]
)
def test_meta_then_fake_then_real(fails: int, names: list[object]) -> None:
    assert tried(fails=fails) == names


def test_weights_on_meta_run_for_real_only_if_all_else_fails() -> None:
    assert tried(fails=1, on_meta=True) == [META, ("fake", True)]
    assert tried(fails=2, on_meta=True) == [META, ("fake", True), REAL]


def test_a_final_exception_on_meta_ends_it() -> None:
    with pytest.raises(KeyError, match="formula"):
        tried(fails=2, on_meta=True, error=KeyError("formula"))


@pytest.mark.parametrize("error", [pytest.exit.Exception("stop"), BdbQuit()])
@pytest.mark.parametrize(("fails", "on_meta"), [(1, False), (2, False), (1, True), (2, True)])
def test_what_ends_the_run_is_no_failure_of_the_model(
    error: Exception, fails: int, *, on_meta: bool
) -> None:
    names: list[object] = []

    def attempt(backend: Backend, is_last: bool) -> None:
        names.append((backend.name, is_last))
        raise error if len(names) == fails else ValueError

    with pytest.raises(type(error)):
        on_first_backend(attempt, on_meta=on_meta, final=(), surroundings=Surroundings([]))
    assert len(names) == fails


@pytest.mark.parametrize(("on_meta", "last"), [(False, "real"), (True, "fake")])
def test_the_last_one_raises_what_it_raises(last: str, *, on_meta: bool) -> None:
    with pytest.raises(ValueError, match=last):
        tried(fails=3, on_meta=on_meta)


def test_a_final_exception_ends_it() -> None:
    with pytest.raises(KeyError, match="formula"):
        tried(fails=1, error=KeyError("formula"))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_a_run_is_not_asked_again(stop: type[BaseException]) -> None:
    def attempt(backend: Backend, is_last: bool) -> None:
        assert (backend.name, is_last) == META
        raise stop

    with pytest.raises(stop):
        on_first_backend(attempt, on_meta=False, final=(), surroundings=Surroundings([]))
