"""Notes on the errors of a model: which layer was running, as the traceback tells."""

from __future__ import annotations

from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import FlopBudgetError
from pytest_flopbudget.escaping import visible
from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.targets.wrong_calls import argument_note
from pytest_flopbudget.measure.torch_internals.modules import CALL
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pytest_flopbudget.measure.layers import Layers

FORWARD = "forward"  # of `torch.nn.Module`, as `CALL` is, which has the inputs


@contextmanager
def layer_note_on_error(layers: Layers) -> Iterator[None]:
    """Add to an exception of the model which layer raised it; Python and pytest show such notes."""
    try:
        yield
    except (FlopBudgetError, KeyboardInterrupt, SystemExit):  # these are no errors of the model
        raise
    except BaseException as error:  # also what a time limit raises
        if note := _note(error, layers):
            _add(error, note)
        raise


@contextmanager
def argument_note_on_error(args: Any, kwargs: Any) -> Iterator[None]:
    """Add to an exception of the model what its arguments were probably meant to be."""
    try:
        yield
    except FlopBudgetError:
        raise
    except Exception as error:
        if note := argument_note(args, kwargs):
            _add(error, visible(note))
        raise


def running_layer(error: BaseException, layers: Layers) -> int | None:
    """Return the innermost layer that was running when an error was raised, if any was."""
    running = _running(error, layers)
    return running[0][0] if running else None


def _running(error: BaseException, layers: Layers) -> list[tuple[int, FrameType]]:
    """Return the layers that were running, each with a frame of it, the innermost first."""
    index = {id(module): i for i, module in enumerate(layers.modules)}
    frames = [f for f, _ in walk_tb(error.__traceback__) if f.f_code.co_name in (CALL, FORWARD)]
    found = ((index.get(id(frame.f_locals.get("self"))), frame) for frame in reversed(frames))
    return [(layer, frame) for layer, frame in found if layer is not None]


def _note(error: BaseException, layers: Layers) -> str:
    """Describe the innermost layer that was running, and its inputs if it was called as one."""
    running = _running(error, layers)
    if not running:
        return ""
    innermost = running[0][0]
    called = (f for layer, f in running if layer == innermost and f.f_code.co_name == CALL)
    path, kind = shown_path(layers.paths[innermost]), type(layers.modules[innermost]).__name__
    return visible(f"in layer `{path}` ({kind}){_inputs(next(called, None))}")


def _inputs(frame: Any) -> str:
    if frame is None:
        return ""
    try:
        given = shapes((frame.f_locals.get("args"), frame.f_locals.get("kwargs")))
    except Exception:  # noqa: BLE001 - of an input's own code; the model's error is what counts
        return ""
    texts = [shape_text(shape) for shape in given]
    return f", on inputs {', '.join(texts)}" if texts else ""


def _add(error: BaseException, note: str) -> None:
    """Add a note as Python 3.11 does; in 3.10 pytest shows it, too."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        vars(error).setdefault("__notes__", []).append(note)
