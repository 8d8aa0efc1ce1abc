"""`python -m pytest_flopbudget profile` and `compare`: models by their sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

NETS = """
from torch import nn
def one(): return nn.Sequential(nn.Linear(4, 4), nn.ReLU())
def two(): return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 1))
"""
SIZE = "--input=float32[1, 4]"


@pytest.fixture(autouse=True)
def _nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets_of_commands.py").write_text(NETS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_table_and_the_tensors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["profile", "nets_of_commands:one", SIZE, "--tensors", "--json=p.json"]) == 0
    out = capsys.readouterr().out
    assert "Sequential: 3 layers, 20 params, 20 trainable, 0.000000032 GFLOPs" in out
    tensor = next(line for line in out.splitlines() if line.startswith("0.weight"))
    assert tensor.split()[:7] == ["0.weight", "parameter", "yes", "16", "4x4", "float32", "64"]
    assert json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))["flops"] == 32


def test_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["nets_of_commands:one", "nets_of_commands:two", SIZE, "--metrics=params,gflops"]
    assert main(["compare", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[3:]] == [
        ["0", "changed", "25", "+25.0", "%", "0.000000040", "+25.0", "%"],
        ["1", "changed", "6", "new", "0.000000010", "new"],
        ["2", "layers", "differ", "by", "their", "own"],
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nets_of_commands:on", SIZE], "no function `on`; did you mean `one`?"),
        (["nets_of_commands", SIZE], "expected `timm:NAME`, `transformers:SOURCE`"),
        (["nets_of_commands:one", "--input=float32[1, 5]"], "does not run with its inputs"),
        (["nets_of_commands:one", "--input=5x5"], "expected a tensor such as"),
    ],
)
def test_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["profile", *arguments]) == 2
    assert sentence in capsys.readouterr().err
