"""How the model of a declared budget was built, as its item keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

BUILT_FOR_REAL = pytest.StashKey[str]()  # of an item, with the reason
REBUILD = pytest.StashKey[Callable[[], Any]]()  # builds its model for real
