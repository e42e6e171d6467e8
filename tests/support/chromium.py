"""The system's Chromium, headless, driven by playwright, with axe-core for accessibility.

No browser is downloaded; where there is none, the tests are skipped, and in CI they fail.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import builds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
AXE = "4.10.3"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip


@contextlib.contextmanager
def browser(folder: Path, *, scroll_bars: bool = True) -> Iterator[Browser]:
    """A browser with this folder as its home; without ``scroll_bars``, they are not drawn."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        builds.missing("chromium is not installed: apt-get install --no-install-recommends chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        builds.missing("playwright is not installed: pip install -e '.[ci]'")
    own = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_CACHE_HOME": str(folder / "cache")}
    with sync_playwright() as play:
        running = play.chromium.launch(
            executable_path=found, args=[*_QUIET], env={**own, "PATH": "/usr/bin:/bin"},
            ignore_default_args=["--hide-scrollbars"] if scroll_bars else [],
        )  # fmt: skip
        try:
            yield running
        finally:
            running.close()


class PageMonitor:
    """Records what must not happen on a page: errors, console messages, requests beyond its own files."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", lambda request: self.troubles.append(f"failed: {request.url}"))

    def assert_calm(self) -> None:
        """There was no error, and only files were requested."""
        assert self.troubles == []
        assert [url for url in self.requests if not url.startswith("file:///")] == []


def violations(page: Page) -> list[Any]:
    """The findings of axe-core: each rule, and the elements that break it."""
    source = builds.npm_package("axe-core", AXE) / "axe.min.js"
    page.evaluate(source.read_text())  # through the debugger: the page's content security policy allows no such script
    found = page.evaluate("axe.run().then((report) => report.violations)")
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]
