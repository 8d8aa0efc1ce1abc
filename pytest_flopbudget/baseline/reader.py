"""Baseline files to records, with exact errors."""

from __future__ import annotations

from stat import S_ISREG
from typing import TYPE_CHECKING

from pytest_flopbudget import real_files
from pytest_flopbudget.baseline import yaml_nodes
from pytest_flopbudget.baseline.record import FORMAT, Baseline, EnvironmentEntry, OwnCost
from pytest_flopbudget.baseline.scaling import read_scaling, with_scaling
from pytest_flopbudget.baseline.yaml_scalars import number_text
from pytest_flopbudget.errors import BaselineError, FormatError, SumError
from pytest_flopbudget.metrics import GFLOPS, LATENCY, exact_metrics, figures_of, noisy_metrics
from pytest_flopbudget.settings.parsers import ENGINES, MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_flopbudget.baseline.yaml_nodes import Node
    from pytest_flopbudget.metrics import Figure

REQUIRED = ("format", "test", "model", "inputs", "mode", "engine")
OF_ONE_SIZE = ("total", "own")
OF_SIZES = ("of", "sizes", "scaling")
OPTIONAL = ("thop", "data_dependent", "torch", "state", "ignored", "latency")


def read(file: Path, shown: str) -> Baseline | None:
    """Read a baseline, or return `None` where there is none; messages call it `shown`.

    Raises:
        BaselineError: the file is not a valid baseline; it says where and why.
    """
    text = text_in(file, shown)
    return None if text is None else parse(text, shown)


def text_in(file: Path, shown: str) -> str | None:
    """Return the text of a file of bounded size, or `None` where there is none.

    Raises:
        BaselineError: it is not such a file; a pipe or a device is not even opened.
    """
    try:
        status = real_files.status(file)
        if not S_ISREG(status.st_mode):
            raise BaselineError(f"{shown}: expected a file, found a directory or a device")
        content = real_files.read_bytes(file, yaml_nodes.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if real_files.is_link(file):
            found = "a symbolic link to one that is not there"
            raise BaselineError(f"{shown}: expected a file, found {found}") from None
        return None
    except OSError as error:
        raise BaselineError(f"{shown}: cannot be read: {error.strerror}") from None
    return _decoded(content, shown, max(len(content), status.st_size))


def parse_bytes(content: bytes, file: str) -> Baseline:
    """Parse the content of a baseline.

    Raises:
        BaselineError: it is not valid.
    """
    return parse(_decoded(content, file, len(content)), file)


def _decoded(content: bytes, file: str, size: int) -> str:
    if len(content) > yaml_nodes.MAX_BYTES:
        raise BaselineError(f"{file}: expected at most {yaml_nodes.MAX_BYTES} bytes, found {size}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise BaselineError(f"{file}:{line}: expected UTF-8, found the byte {byte:#x}") from None


def parse(text: str, file: str) -> Baseline:
    """Parse the text of a baseline.

    Raises:
        BaselineError: it is not valid.
    """
    root = yaml_nodes.parse(text, file)
    written = root.entries().get("format")
    if written is not None and written.number() != FORMAT:
        error = written.fail(f"format {FORMAT}, which this version reads")
        raise FormatError(error.sentence, error.hint)
    is_scaling = "scaling" in root.entries()
    keys = root.mapping((*REQUIRED, *(OF_SIZES if is_scaling else OF_ONE_SIZE)), OPTIONAL)
    exact = {figure.yaml_key: figure for figure in figures_of(exact_metrics())}
    baseline = Baseline(
        test=keys["test"].text(),
        model=keys["model"].text(),
        inputs=keys["inputs"].texts(),
        mode=keys["mode"].one_of(MODES),
        engine=keys["engine"].one_of(ENGINES),
        counter=keys["thop"].text() if "thop" in keys else None,
        torch=keys["torch"].text() if "torch" in keys else "",
        state=keys["state"].texts() if "state" in keys else (),
        total={} if is_scaling else _costs(exact, keys["total"].mapping(optional=exact)),
        own={} if is_scaling else _owns(exact, keys["own"]),
        data_dependent="data_dependent" in keys and keys["data_dependent"].truth(),
        ignored=keys["ignored"].texts() if "ignored" in keys else (),
        environments=_environments(keys["latency"]) if "latency" in keys else {},
        lines=dict(_lines(root)),
    )
    if is_scaling:
        return with_scaling(baseline, read_scaling(keys["of"], keys["sizes"], keys["scaling"]))
    _check_sums(baseline, exact.values(), keys["total"])
    return baseline


def parse_totals(content: bytes, file: str) -> tuple[str, dict[str, int]]:
    """Return the test of a baseline and its totals by the field of a profile.

    Layers and environments are not read where layers are stored, which is ten times as fast.

    Raises:
        BaselineError: what stands before the layers is not valid.
    """
    text = _decoded(content, file, len(content))
    head, own, _ = text.partition("\nown:")
    if not own:  # over sizes, or not valid
        baseline = parse(text, file)
        return baseline.test, baseline.total
    keys = yaml_nodes.parse(head, file).mapping((*REQUIRED, "total"), OPTIONAL)
    if keys["format"].number() != FORMAT:
        raise keys["format"].fail(f"format {FORMAT}, which this version reads")
    exact = {figure.yaml_key: figure for figure in figures_of(exact_metrics())}
    return keys["test"].text(), _costs(exact, keys["total"].mapping(optional=exact))


def _owns(exact: Mapping[str, Figure], node: Node) -> dict[str, OwnCost]:
    return {path: _own(exact, layer) for path, layer in node.entries().items()}


def _own(exact: Mapping[str, Figure], node: Node) -> OwnCost:
    keys = node.mapping(["type"], exact)
    return OwnCost(type=keys.pop("type").text(), costs=_costs(exact, keys))


def _costs(exact: Mapping[str, Figure], keys: Mapping[str, Node]) -> dict[str, int]:
    return {exact[key].field: node.number(exact[key].scale) for key, node in keys.items()}


def _environments(node: Node) -> dict[str, EnvironmentEntry]:
    return {environment: _entry(entry) for environment, entry in node.entries().items()}


def _entry(node: Node) -> EnvironmentEntry:
    noisy = {figure.yaml_key: figure for figure in figures_of(noisy_metrics())}
    required = ["torch", LATENCY.yaml_key] if _is_timed(node, noisy) else ["torch"]
    optional = ["python", GFLOPS.yaml_key, *(key for key in noisy if key not in required), "layers"]
    keys = node.mapping(required, optional)
    layers = keys["layers"].entries() if "layers" in keys else {}
    return EnvironmentEntry(
        torch=keys["torch"].text(),
        python=keys["python"].text() if "python" in keys else None,
        flops=keys[GFLOPS.yaml_key].number(GFLOPS.scale) if GFLOPS.yaml_key in keys else None,
        figures={f.field: _noisy_value(f, keys[key]) for key, f in noisy.items() if key in keys},
        layers={path: _milliseconds(layer) for path, layer in layers.items()},
    )


def _is_timed(node: Node, noisy: Mapping[str, Figure]) -> bool:
    """Return whether an entry must have a latency: all do but those of other metrics only."""
    others = {key for key, figure in noisy.items() if not figure.timed}
    written = node.entries().keys()
    return not written & others or not written <= {"torch", "python", GFLOPS.yaml_key, *others}


def _noisy_value(figure: Figure, node: Node) -> int | float:
    return _milliseconds(node) if figure.timed else node.number(figure.scale)


def _milliseconds(node: Node) -> float:
    return node.number(10**9) / 10**9


def _check_sums(baseline: Baseline, exact: Iterable[Figure], total: Node) -> None:
    for figure in exact:
        added, stated = baseline.total_of("", figure), baseline.total.get(figure.field)
        if stated is not None and added != stated:
            node = total.entries()[figure.yaml_key]
            expected = f"the sum of `own`, {number_text(figure, added)}"
            found = f"{node.text()}, as after a merge that took both sides"
            raise SumError(node.fail(expected, found).sentence)


def _lines(node: Node, *location: str) -> Iterator[tuple[tuple[str, ...], int]]:
    yield location, node.line
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _lines(child, *location, key)
