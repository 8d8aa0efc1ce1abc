"""A browser, started once, and a page in it for each test that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.report.html.browser import Page, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with started(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def page(driver: Any, tmp_path: Path) -> Iterator[Page]:
    """A page that must not say anything to the console, and must not load anything."""
    page = Page(driver, tmp_path)
    yield page
    assert page.console() == []
    outside = [url for url in page.requests() if not url.startswith(("file:", "data:", "about:"))]
    assert outside == []
