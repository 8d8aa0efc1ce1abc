"""Tests without a browser are skipped at a desk, and never where the browser is required."""

from pathlib import Path

import pytest

from tests.report.html.browser import REQUIRED, started


@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_a_missing_browser_is_never_a_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv(REQUIRED, required)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMEWEBDRIVER", raising=False)
    with pytest.raises(outcome, match="not installed here: install chromium"), started(tmp_path):
        pass
