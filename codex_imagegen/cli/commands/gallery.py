"""``codex-imagegen gallery``: one page of every picture that was made, opened in the browser if asked."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.cli import console, viewer
from codex_imagegen.cli.options import Command, Option
from codex_imagegen.platform import descriptors

if TYPE_CHECKING:
    from codex_imagegen.results import Gallery

BRIEF = """Build a searchable HTML page of every picture in this Codex home, newest first.

\b
  codex-imagegen gallery --open
  codex-imagegen gallery --since 7d --out week.html
"""
HELP = f"""{BRIEF}
Without --out, the page is codex-gallery.html in the working folder or, with --open, in the cache folder. It needs no
network. The folder <name>-pictures beside it has a thumbnail and a preview of each picture: WebP, up to 1600 pixels,
about 0.2 MB for a picture of 1254 × 1254. --originals copies the originals instead of the previews. Run the command
again to update the page; unchanged files are not read again.
"""
READS = """Reads the rollouts in sessions/ and archived_sessions/ and the pictures in generated_images/ under
CODEX_HOME (or ~/.codex), and writes nothing there. Caches what it found, prompts too, in ~/.cache/codex-imagegen (or
XDG_CACHE_HOME), readable only by you; the cache can be deleted at any time. Spends nothing, starts no Codex and sends
nothing.
"""


def gallery(
    *,
    out: str | None,
    since: str | None,
    originals: bool,
    open_wanted: bool,
    force: bool,
    json_wanted: bool,
    quiet: bool,
) -> int:
    """Build the page and print its path; returns the exit code."""
    from codex_imagegen.cli.options import parse_since
    from codex_imagegen.cli.progress import ReadProgress
    from codex_imagegen.gallery import build

    since_time = parse_since(since) if since is not None else 0.0
    options = build.GalleryOptions(out, open_wanted, since_time, since, originals, force)
    with console.defer_signals() as interrupt, ReadProgress(quiet=quiet or json_wanted) as progress:
        page = build.build(options, interrupt, progress.show)
    if json_wanted:
        console.out(_json(page))
    else:
        console.out(console.printable(page.path))
        for warning in page.warnings:
            console.err(console.warning_text(warning))
        if progress.on_terminal or not page.pictures:
            console.err(_line(page))
    if open_wanted:
        open_in_browser(page.path)
    return 0


def _json(gallery: Gallery) -> str:
    """A gallery page as one JSON object on one line."""
    return render.envelope_json(asdict(gallery), elapsed_sec=gallery.elapsed_sec)


def _line(gallery: Gallery) -> str:
    """The contents of a gallery page, on one line that is safe to print."""
    if not gallery.pictures:
        return render.one_line(f"codex-imagegen: no picture was found in {gallery.codex_home!r}, so the page is empty.")
    contents = f"{render.plural(gallery.pictures, 'picture')} of {render.plural(gallery.sessions, 'session')}"
    return f"codex-imagegen: {contents}; {render.size(gallery.bytes)} on disk, in {gallery.elapsed_sec:.0f} s."


command = Command(
    "gallery",
    params=[
        Option(["-o", "--out"], metavar="FILE", help="Where the page goes. [codex-gallery.html; with --open, a cache]"),
        Option(["--since"], metavar="WHEN", help="Only pictures since then: 12h, 7d, 2w, or 2026-11-01."),
        Option(["--originals"], is_flag=True, help="Copy the originals instead of making previews."),
        Option(["--open", "open_wanted"], is_flag=True, help="Open the page in the browser."),
        Option(["--force"], is_flag=True, help="Replace --out even if it is not a gallery."),
        Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=gallery,
    brief=BRIEF,
    help=HELP,
    epilog=READS,
)


def open_in_browser(path: str) -> None:
    """Open a file in the browser. If there is none, print a sentence on stderr; this never fails the command."""
    import webbrowser
    from pathlib import Path

    with _no_stdout():
        try:
            browser = webbrowser.get()
            # a browser in this terminal (lynx, w3m) shows no pictures, and would take over the terminal
            is_open = type(browser) is not webbrowser.GenericBrowser and browser.open(Path(path).as_uri())
        except (webbrowser.Error, OSError):
            is_open = False
    if not is_open and viewer.open_files([path]) is not None:
        console.say(f"no browser was found here; open {path!r} in one yourself.")


@contextlib.contextmanager
def _no_stdout() -> Iterator[None]:
    """A context in which what the browser prints on stdout is discarded."""
    if sys.stdout is None:
        yield
        return
    sys.stdout.flush()
    stdout = os.dup(1)
    devnull = descriptors.open_null()
    try:
        os.dup2(devnull, 1)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(devnull)
        os.close(stdout)
