"""The page as HTML: everything that came from outside is escaped, and nothing but what stands in it may run or load.

The content security policy allows the one style and the one script of the page by their hashes, and pictures from
beside the page; without the script it is still a page of pictures that can be opened.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import Any
from urllib.parse import quote

from codex_imagegen import render
from codex_imagegen._version import __version__
from codex_imagegen.gallery.entry import Entry, thumbnail

MARKER = "codex-imagegen gallery"
"""How a page of ours names its maker, in its first kilobyte."""

_POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src '{style}'; script-src '{script}'; base-uri 'none'; "
    "form-action 'none'"
)
_EMPTY = """<section class="notice">
<h2>No pictures yet</h2>
<p>{}</p>
</section>
"""
_SCRIPTS = ("grid.js", "view.js", "search.js")
_ALT_CHARS = 200
_KEPT = {"\n", "\t"}


class Page:
    """One page. ``entries`` gives the ``count`` pictures, newest first, each time that it is called.

    ``folder`` is that of their files. The page names ``home``, the Codex home, and ``since``, the words of ``--since``.
    """

    def __init__(
        self, entries: Callable[[], Iterable[Entry]], count: int, folder: str, *, home: str, since: str | None,
        originals: bool,
    ) -> None:  # fmt: skip
        self._count = count
        self._entries, self._folder, self._originals = entries, quote(os.fsencode(folder)) + "/", originals
        self._home, self._since = home, since

    def parts(self) -> Iterator[str]:
        """The page, piece by piece."""
        count = self._count
        style, script = _text("page.css"), "".join(map(_text, _SCRIPTS))
        policy = _POLICY.format(style=_hash(style), script=_hash(script))
        whole = Template(_text("page.html")).substitute(
            generator=MARKER, policy=policy, title="Pictures made with Codex", style=style, script=script,
            folder=escape(self._folder), count=render.plural(count, "picture"), about=self._about(), pictures="\0",
            data="\0",
        )  # fmt: skip
        before, between, after = whole.split("\0")
        yield before
        yield from self._months() if count else (_EMPTY.format(self._nothing()),)
        yield between
        yield from self._data()
        yield after

    def _months(self) -> Iterator[str]:
        """A section for each month: the script fills its list, and without a script the pictures stand beside it."""
        first = 0
        for month, entries in groupby(self._entries(), key=_month):
            pictures = [self._picture(entry) for entry in entries]
            last = first + len(pictures)
            yield (
                f'<section class="month" data-from="{first}" data-to="{last}">\n'
                f'<h2>{month} <span>{len(pictures):,}</span></h2>\n<ul class="grid" role="list"></ul>\n'
                '<noscript><ul class="grid">\n'
            )
            yield from pictures
            yield "</ul></noscript>\n</section>\n"
            first = last

    def _picture(self, entry: Entry) -> str:
        words = escape(_alt(entry))
        if entry.broken is not None:
            return f"<li>Damaged picture: {words}</li>\n"
        return (
            f'<li><a href="{self._folder}{entry.full(originals=self._originals)}"><img width="{entry.width}" '
            f'height="{entry.height}" src="{self._folder}{thumbnail(entry.digest)}" alt="{words}" loading="lazy"></a>'
            "</li>\n"
        )

    def _data(self) -> Iterator[str]:
        """What the script knows, as JSON that can't end the element that it stands in."""
        comma = "\n"
        for entry in self._entries():
            yield comma + json.dumps(self._facts(entry), separators=(",", ":")).replace("<", "\\u003c")
            comma = ",\n"

    def _facts(self, entry: Entry) -> dict[str, Any]:
        moment = time.localtime(entry.time)
        whole = entry.broken is None
        return {
            "id": entry.digest,
            "date": time.strftime("%Y-%m-%d", moment),
            "when": f"{moment.tm_mday} {time.strftime('%B %Y, %H:%M', moment)}" if entry.time else "Undated",
            "prompt": _clean(entry.prompt),
            "revised": _clean(entry.revised_prompt) if entry.revised_prompt != entry.prompt else None,
            "model": _clean(entry.model),
            "codex": _clean(entry.codex_version),
            "thread": entry.thread_id,
            "width": entry.width,
            "height": entry.height,
            "size": f"{entry.width} × {entry.height}" if whole else None,
            "weight": f"{(entry.format or '').upper()}, {render.size(entry.bytes)}" if whole else None,
            "transparent": entry.transparent,
            "full": entry.full(originals=self._originals) if whole else None,
            "saved": "file://" + quote(os.fsencode(entry.file)) if entry.file else None,
            "references": entry.references,
            "shown": entry.shown,
            "broken": _clean(entry.broken),
        }

    def _about(self) -> str:
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime())
        since = f", since {self._since}" if self._since else ""
        return escape(f"Made {made} by codex-imagegen {__version__}, of {_clean(self._home)}{_clean(since)}.")

    def _nothing(self) -> str:
        where = f"<code>{escape(_clean(self._home) or '')}</code>"
        told = "holds no picture" + (f" made since {escape(_clean(self._since) or '')}" if self._since else "")
        return f"{where} {told}. Make one, and run <code>codex-imagegen gallery</code> again."


def _text(name: str) -> str:
    return (files("codex_imagegen.gallery") / "web" / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The hash of an inline style or script, as a policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _month(entry: Entry) -> str:
    return time.strftime("%B %Y", time.localtime(entry.time)) if entry.time else "Undated"


def _alt(entry: Entry) -> str:
    text = " ".join((_clean(entry.prompt or entry.revised_prompt) or "").split())
    if len(text) > _ALT_CHARS:
        return text[: _ALT_CHARS - 1] + "…"
    return text or "No prompt is on record"


def _clean(text: str | None) -> str | None:
    """Text from outside without control characters and halves of characters, which no page can hold."""
    if text is None:
        return None
    kept = (c for c in text if c in _KEPT or not (c < " " or "\x7f" <= c < "\xa0"))
    return "".join(kept).encode(errors="replace").decode()
