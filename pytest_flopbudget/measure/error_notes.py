"""Notes on the errors of a model: which layer was running, as the traceback tells."""

from __future__ import annotations

from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import FlopBudgetError
from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.torch_internals.modules import CALL
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def _note(error: BaseException, layers: Layers) -> str:
    """Describe the innermost layer that was running, and its inputs if it was called as one."""
    index = {id(module): i for i, module in enumerate(layers.modules)}
    frames = [f for f, _ in walk_tb(error.__traceback__) if f.f_code.co_name in (CALL, FORWARD)]
    running = [f for f in reversed(frames) if id(f.f_locals.get("self")) in index]
    if not running:
        return ""
    layer = running[0].f_locals["self"]
    called = (f for f in running if f.f_code.co_name == CALL and f.f_locals["self"] is layer)
    path = shown_path(layers.paths[index[id(layer)]])
    return f"in layer `{path}` ({type(layer).__name__}){_inputs(next(called, None))}"


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
