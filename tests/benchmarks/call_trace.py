"""How many files a reader follows: through `profile_model`, counting, and one `aten::mm` in it.

    python tests/benchmarks/call_trace.py
    python tests/benchmarks/call_trace.py --paths     # and which files, in the order of the calls

Calls of functions of this package are traced, with the file of each; `torch` and the standard
library are left out. A change of file is a call that leads into another file, or a return from one.
The first `aten::mm` of a process asks for the shape of its result; one like it is answered from the
cache of meta kernels.
"""
# ruff: noqa: T201 - a script that prints what it saw

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

import pytest_flopbudget
from pytest_flopbudget import profile_model

PACKAGE = Path(pytest_flopbudget.__file__).parent


@dataclass
class Trace:
    """The files of the package in the order in which calls enter and leave them."""

    steps: list[str] = field(default_factory=list)
    calls: int = 0

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(self.steps))

    @property
    def changes(self) -> int:
        return sum(one != other for one, other in pairwise(self.steps))

    def __str__(self) -> str:
        return f"{len(self.files):3} files, {self.calls:4} calls, {self.changes:3} changes of file"


class Tracer:
    """Follows calls of the package: all of them, those of counting, and those of one operator."""

    def __init__(self, operator: str) -> None:
        self.whole = Trace()
        self.counting = Trace()
        self.operators: list[Trace] = []
        self._operator = operator
        self._inside: dict[Any, Trace] = {}  # by the frame that began the trace
        self._stack: list[str] = []

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event not in ("call", "return") or PACKAGE not in path.parents:
            return
        if event == "call":
            self._stack.append(path.relative_to(PACKAGE).as_posix())
            self._begin(frame)
            self._note(called=True)
        else:
            self._stack.pop()
            self._inside.pop(frame, None)
            self._note(called=False)

    def _begin(self, frame: Any) -> None:
        name = frame.f_code.co_name
        if name == "count_flops":
            self._inside[frame] = self.counting
        if name == "__torch_dispatch__" and str(frame.f_locals["func"]) == self._operator:
            self.operators.append(Trace())
            self._inside[frame] = self.operators[-1]

    def _note(self, *, called: bool) -> None:
        for trace in (self.whole, *self._inside.values()) if self._stack else ():
            trace.steps.append(self._stack[-1])
            trace.calls += called


class Product(nn.Module):
    """A layer that is one matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.mm(x, self.weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--paths", action="store_true", help="name the files")
    arguments = parser.parse_args()
    model, x = nn.Sequential(Product(), Product()), torch.zeros(4, 8)
    tracer = Tracer("aten.mm.default")
    profile_model(nn.ReLU(), x)
    sys.setprofile(tracer)
    try:
        profile_model(model, x)
    finally:
        sys.setprofile(None)
    first, again = tracer.operators
    routes = {
        "profile_model": tracer.whole,
        "of it, counting": tracer.counting,
        "aten::mm, first": first,
        "aten::mm, again": again,
    }
    for name, trace in routes.items():
        print(f"{name:16} {trace}")
        if arguments.paths:
            counts = Counter(trace.steps)
            for file in trace.files:
                print(f"    {counts[file]:4} {file}")


if __name__ == "__main__":
    main()
