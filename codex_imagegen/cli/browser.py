"""Showing a page in the user's browser, if there is one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from codex_imagegen import render
from codex_imagegen.cli import console


def show(path: str) -> None:
    """Open a file in the browser; where that can't be done, one sentence on stderr says so, and nothing fails."""
    import webbrowser

    with _no_stdout():
        try:
            browser = webbrowser.get()
            # a browser in this terminal (lynx, w3m) shows no pictures, and would take the terminal over
            shown = type(browser) is not webbrowser.GenericBrowser and browser.open(Path(path).as_uri())
        except (webbrowser.Error, OSError):
            shown = False
    if not shown:
        console.err(render.plain(f"codex-imagegen: no browser was found here; open {path!r} in one yourself."))


@contextlib.contextmanager
def _no_stdout() -> Iterator[None]:
    """A context in which what a browser prints does not get between the lines of ours."""
    if sys.stdout is None:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(nothing)
        os.close(kept)
