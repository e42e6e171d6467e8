"""Worlds to make galleries of, and the browser that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.gallery.worlds import World
from tests.support import chromium
from tests.support.chromium import Watched


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def shown(running: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a page: ``shown(path, width=390, color_scheme="dark")``; at the end nothing may have gone wrong."""
    with ExitStack() as stack:
        opened = []

        def show(path: Path, *, width: int = 1200, height: int = 800, name: str = "", **options: Any) -> Watched:
            context = stack.enter_context(
                running.new_context(viewport={"width": width, "height": height}, timezone_id="UTC", **options)
            )
            watched = Watched(context.new_page())
            watched.page.goto(path.as_uri() + name)
            opened.append(watched)
            return watched

        yield show
        for watched in opened:
            watched.assert_calm()
