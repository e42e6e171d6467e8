"""``codex-imagegen gallery``: one page of every picture that was made.

Showing a page in the user's browser, if there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.platform import opening

HELP = """Make one HTML page of every picture that this Codex home holds, newest first, to look through and to search.

\b
  codex-imagegen gallery --open
  codex-imagegen gallery --since 7d --out week.html

The page needs no network. Beside it is a folder, <name>-pictures, with a thumbnail and a preview of each picture: WebP,
up to 1600 pixels, about 0.2 MB for a picture of 1254 × 1254. --originals copies the originals instead of the previews.
Run it again to renew the page: what has not changed is not read again.

What is read: under CODEX_HOME (or ~/.codex) the rollouts in sessions/ and archived_sessions/, and the pictures in
generated_images/. Nothing is written there. What was found, prompts among it, is remembered in
~/.cache/codex-imagegen (or XDG_CACHE_HOME), readable by you alone; it can be deleted at any time. Nothing is spent,
no Codex is started, nothing is sent.
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
    """Make the page and print where it is; gives back the exit code."""
    from codex_imagegen.cli import durations
    from codex_imagegen.cli.progress import ReadProgress
    from codex_imagegen.gallery import build

    wanted = build.GalleryOptions(out, durations.since(since) if since is not None else 0.0, since, originals, force)
    with console.running() as interrupt, ReadProgress(quiet=quiet or json_wanted) as meter:
        made = build.build(wanted, interrupt, meter.tell)
    if json_wanted:
        console.out(render.gallery_json(made))
    else:
        console.out(console.shown(made.path))
        for warning in made.warnings:
            console.err(render.warning_line(warning))
        if meter.terminal or not made.pictures:
            console.err(render.gallery_line(made))
    if open_wanted:
        show(made.path)
    return 0


command = click.Command(
    "gallery",
    params=[
        click.Option(["-o", "--out"], metavar="FILE", help="Where the page goes. [codex-gallery.html]"),
        click.Option(["--since"], metavar="WHEN", help="A date such as 2026-11-01, or a span: 12h, 7d, 2w, 1y."),
        click.Option(["--originals"], is_flag=True, help="Copy the originals instead of making previews."),
        click.Option(["--open", "open_wanted"], is_flag=True, help="Open the page in the browser."),
        click.Option(["--force"], is_flag=True, help="Replace --out even if it is no gallery."),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=gallery,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    nothing = opening.open_null()
    try:
        os.dup2(nothing, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(nothing)
        os.close(kept)
