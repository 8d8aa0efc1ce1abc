"""A real Chromium that opens a page, uses it like a person, and tells what it did meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUIRED = "REQUIRE_BROWSER"  # if it is set, a browser that is missing fails the tests
BROWSERS = ("google-chrome", "chromium", "chromium-browser")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def missing(what: str) -> None:
    """Skip, or fail where the browser is required."""
    reason = f"{what}: install chromium, chromium-driver and selenium to run this test"
    if os.environ.get(REQUIRED):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def started(folder: Path) -> Iterator[Any]:
    """Start a browser with a profile of its own; skip where there is none."""
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing("selenium is not installed here")
    where = os.pathsep.join([os.environ["PATH"], os.environ.get("CHROMEWEBDRIVER", "")])
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    helper = shutil.which("chromedriver", path=where)
    if program is None or helper is None:
        missing("chromium or chromedriver is not installed here")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(helper))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """One page in the browser."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver = driver
        self.folder = folder
        self.look()

    def look(self, *, width: int = 1280, scheme: str = "light") -> None:
        """Set the width of the window, and the theme that the system prefers."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        # Transitions take their time, and a test must not.
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        media = [{"name": name, "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})

    def open(self, text: str) -> Page:
        """Open the text of a page from a file, and forget what was said before."""
        self.driver.get("about:blank")
        self.requests(), self.console()
        file = self.folder / "page.html"
        file.write_text(text, encoding="utf-8")
        self.driver.get(file.as_uri())
        return self

    def ask(self, script: str, *arguments: Any) -> Any:
        """Evaluate an expression of JavaScript."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the page does in its own time, such as after a change of its address."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 30, poll_frequency=0.02).until(lambda _: condition())

    def choose(self, place: int) -> None:
        """Press a budget of the list, and wait until it is shown."""
        self.all("#budgets a")[place].click()
        self.until(lambda: self.all("#budgets a")[place].get_attribute("aria-current") == "true")

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """List the visible texts of elements."""
        found = [element.text for element in self.all(selector) if element.is_displayed()]
        return [" ".join(text.split()) for text in found]

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, whatever has the focus: `Enter`, `ArrowDown`, ..."""
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            name = {"Escape": "ESCAPE", "Enter": "ENTER", " ": "SPACE"}.get(key) or "".join(
                f"_{char}" if char.isupper() and at else char for at, char in enumerate(key)
            ).upper()
            self.driver.switch_to.active_element.send_keys(getattr(Keys, name))

    def cell(self, path: str) -> Any:
        """Find a layer in the icicle by its path."""
        found = self.all(f".cell[aria-label^={json.dumps(path + ',')}]")
        assert len(found) == 1, path
        return found[0]

    def cells(self) -> list[str]:
        """List the layers that the icicle draws, by their whole names."""
        return [cell.get_attribute("aria-label").split(",")[0] for cell in self.all(".cell")]

    @property
    def focused(self) -> str:
        """What has the focus, by its name."""
        element = self.driver.switch_to.active_element
        return (element.get_attribute("aria-label") or element.text).split(",")[0]

    def rows(self, *columns: str) -> list[list[str]]:
        """Read columns of the table of layers."""
        script = (
            "[...document.querySelectorAll('.layers tbody tr')].map((row) => arguments[0].map("
            "(column) => (row.querySelector(`.${column} > button`) ?? "
            "row.querySelector(`.${column}`)).textContent))"
        )
        return self.ask(script, list(columns))  # type: ignore[no-any-return]

    def console(self) -> list[str]:
        """Return what the console said since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since this was asked last."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]
