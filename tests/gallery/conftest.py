"""A lab for galleries, and the browser that shows them, which only CI needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.chromium import PageMonitor
    from tests.support.lab import Lab


@pytest.fixture
def world(lab: Callable[..., Lab]) -> Lab:
    return lab(offline=True)


@pytest.fixture(scope="session")
def chromium_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from tests.support import chromium

    with chromium.browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def open_page(chromium_browser: Browser) -> Iterator[Callable[..., PageMonitor]]:
    """Open a page: ``open_page(path, width=390, color_scheme="dark")``. The page must have had no errors at the end."""
    from tests.support.chromium import PageMonitor

    with ExitStack() as stack:
        pages = []

        def show(path: Path, *, width: int = 1200, height: int = 800, name: str = "", **options: Any) -> PageMonitor:
            context = stack.enter_context(
                chromium_browser.new_context(viewport={"width": width, "height": height}, timezone_id="UTC", **options)
            )
            watched = PageMonitor(context.new_page())
            watched.page.goto(path.as_uri() + name)
            pages.append(watched)
            return watched

        yield show
        for watched in pages:
            watched.assert_calm()
