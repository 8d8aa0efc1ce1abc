"""What forward prints, logs and warns comes once, however often a model is called."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.process.output import Output, output_dropped
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("shop.models")
ALL = ("params", "gflops", "latency", "memory")
pytestmark = pytest.mark.usefixtures("brief_timing")


def speak(number: int = 0) -> None:
    print("printed", number)  # noqa: T201
    print("to stderr", file=sys.stderr)  # noqa: T201
    LOGGER.error("logged")
    LOGGER.log(1000, "logged at a level of its own")
    warnings.warn("warned", UserWarning, stacklevel=2)


def said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> list[Any]:
    captured = capsys.readouterr()
    return [captured.out, captured.err, [record.message for record in caplog.records]]


ONCE = ["printed 0\n", "to stderr\n", ["logged", "logged at a level of its own"]]


def talkative(rows: Tensor) -> Tensor:
    speak()
    return rows * 2


def reads_a_value(rows: Tensor) -> Tensor:
    """Run on no other backend than the real one: the third that is tried."""
    speak()
    return rows * rows.sum().item()


def differentiates(rows: Tensor) -> Tensor:
    """Be counted again with gradients."""
    speak()
    rows = rows.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((rows * rows).sum(), rows, create_graph=True)
    return gradient


@pytest.mark.parametrize("forward", [talkative, reads_a_value, differentiates])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_the_output_of_the_first_call_is_kept_and_no_other(
    forward: Callable[[Tensor], Tensor],
    mode: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Fn(lambda _, rows: forward(rows), layer=nn.Linear(1, 1))
    rows = x(2).requires_grad_()
    with pytest.warns(UserWarning, match="warned") as warned:
        profile_model(model, rows, mode=mode, metrics=ALL)
    assert said(capsys, caplog) == ONCE
    assert len(warned) == 1


def test_the_first_call_may_be_the_one_that_initializes_a_lazy_model(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = Fn(lambda self, rows: speak() or self.layer(rows), layer=nn.LazyLinear(3))
    with pytest.warns(UserWarning, match="warned"):
        profile_model(model, x(2, 2), metrics=ALL)
    assert said(capsys, caplog) == ONCE


def test_a_model_that_raises_has_said_what_it_said_first(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = sys.stdout, sys.stderr, logging.root.manager.disable, warnings.filters[:]

    def forward(rows: Tensor) -> Tensor:
        speak()
        raise ValueError(rows)

    with pytest.raises(ValueError, match="tensor"), pytest.warns(UserWarning, match="warned"):
        profile_model(Fn(forward), x(2), metrics=ALL)
    assert said(capsys, caplog) == ONCE
    assert (sys.stdout, sys.stderr, logging.root.manager.disable) == before[:3]
    assert warnings.filters[:] == before[3]


def test_after_the_measurement_a_model_is_heard_again(capsys: pytest.CaptureFixture[str]) -> None:
    model = Fn(lambda rows: print("heard") or rows * 2)  # noqa: T201
    profile_model(model, x(2), metrics=ALL)
    model(x(2))
    assert capsys.readouterr().out == "heard\nheard\n"


def test_what_was_disabled_stays_disabled() -> None:
    logging.disable(logging.INFO)
    try:
        with output_dropped():
            assert not LOGGER.isEnabledFor(logging.CRITICAL)
        assert logging.root.manager.disable == logging.INFO
    finally:
        logging.disable(logging.NOTSET)


def test_a_stream_that_leads_nowhere_is_one_all_the_same() -> None:
    with output_dropped():
        assert not sys.stdout.isatty()
        assert sys.stdout.fileno() > 2
        sys.stdout.buffer.write(b"bytes")
        sys.stderr.write("\udcff")


def test_only_the_first_of_several_contexts_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    for number in range(3):
        with output.once():
            print(number)  # noqa: T201
    assert capsys.readouterr().out == "0\n"


def test_a_warning_that_is_an_error_is_one_in_every_call() -> None:
    """Else the next try of counting would hide what the first one raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with output_dropped(), pytest.raises(UserWarning, match="warned"):
            speak()
        with pytest.raises(UserWarning, match="warned"):
            profile_model(Fn(talkative), x(2), metrics=ALL)
