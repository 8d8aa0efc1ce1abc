"""The hook that collects declared models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.plugin.declared.location import models_file

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the models that are declared without code."""
    if file_path.suffix != ".toml":
        return None
    file = models_file(parent.config)
    if file is None or file.resolve() != file_path.resolve():
        return None
    from pytest_flopbudget.plugin.declared.collector import ModelsFile

    return ModelsFile.from_parent(parent, path=file_path)
