"""The page as HTML. All text from sessions is escaped, and only the page's own style and script can run.

The content security policy allows that style and that script by their hashes, and pictures next to the page. Without
scripts, the page still shows the pictures and links them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
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
from codex_imagegen.codex.sessions.reader import MAX_PROMPT_CHARS
from codex_imagegen.gallery.entry import Entry, thumbnail_name

MARKER = "codex-imagegen gallery"
"""The generator that every gallery names in its first kilobyte."""

_POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src '{style}'; script-src '{script}'; base-uri 'none'; "
    "form-action 'none'"
)
_EMPTY_SECTION = """<section class="notice">
<h2>No pictures yet</h2>
<p>{}</p>
</section>
"""
_SCRIPTS = ("grid.js", "view.js", "search.js")
_ALT_CHARS = 200
_ALLOWED_CONTROLS = {"\n", "\t"}


class Page:
    """One page. Each call of ``entries`` gives the ``count`` pictures, newest first.

    ``folder`` has their files. The page names ``home``, the Codex home, and ``since``, the value of ``--since``. Its
    commands name the home, too, unless it is the default one.
    """

    def __init__(
        self, entries: Callable[[], Iterable[Entry]], count: int, folder: str, *, home: str, since: str | None,
        originals: bool, is_default_home: bool,
    ) -> None:  # fmt: skip
        self._count = count
        self._entries, self._folder, self._originals = entries, quote(os.fsencode(folder)) + "/", originals
        self._home, self._since = home, since
        self._command = "codex-imagegen" if is_default_home else _command_for(home)

    def parts(self) -> Iterator[str]:
        """The page in parts."""
        count = self._count
        style, script = _web_file("page.css"), "".join(map(_web_file, _SCRIPTS))
        policy = _POLICY.format(style=_hash(style), script=_hash(script))
        html = Template(_web_file("page.html")).substitute(
            generator=MARKER, policy=policy, title="Pictures made with Codex", style=style, script=script,
            folder=escape(self._folder), command=escape(self._command), count=render.plural(count, "picture"),
            about=self._about(), pictures="\0", data="\0",
        )  # fmt: skip
        head, middle, tail = html.split("\0")
        yield head
        yield from self._months() if count else (_EMPTY_SECTION.format(self._empty_text()),)
        yield middle
        yield from self._data()
        yield tail

    def _months(self) -> Iterator[str]:
        """A section for each month. The script fills its list; without scripts, the browser shows the other one."""
        first = 0
        for month, entries in groupby(self._entries(), key=_month):
            items = [self._list_item(entry) for entry in entries]
            last = first + len(items)
            yield (
                f'<section class="month" data-from="{first}" data-to="{last}">\n'
                f'<h2>{month} <span>{len(items):,}</span></h2>\n<ul class="grid" role="list"></ul>\n'
                '<noscript><ul class="grid">\n'
            )
            yield from items
            yield "</ul></noscript>\n</section>\n"
            first = last

    def _list_item(self, entry: Entry) -> str:
        alt = escape(_alt_text(entry))
        if entry.damage is not None:
            return f"<li>Damaged picture: {alt}</li>\n"
        full = self._folder + entry.full_name(originals=self._originals)
        thumbnail = self._folder + thumbnail_name(entry.digest)
        return (
            f'<li><a href="{full}"><img width="{entry.width}" height="{entry.height}" src="{thumbnail}" alt="{alt}" '
            'loading="lazy"></a></li>\n'
        )

    def _data(self) -> Iterator[str]:
        """The entries for the script, as JSON that can't close its ``<script>`` element."""
        separator = "\n"
        for entry in self._entries():
            yield separator + json.dumps(self._entry_data(entry), separators=(",", ":")).replace("<", "\\u003c")
            separator = ",\n"

    def _entry_data(self, entry: Entry) -> dict[str, Any]:
        created = time.localtime(entry.time)
        is_intact = entry.damage is None
        return {
            "id": entry.digest,
            "date": time.strftime("%Y-%m-%d", created),
            "when": f"{created.tm_mday} {time.strftime('%B %Y, %H:%M', created)}" if entry.time else "Undated",
            "prompt": _clean(entry.prompt),
            "revised": _clean(entry.revised_prompt) if entry.revised_prompt != entry.prompt else None,
            "model": _clean(entry.model),
            "codex": _clean(entry.codex_version),
            "thread": entry.thread_id,
            "width": entry.width,
            "height": entry.height,
            "size": f"{entry.width} × {entry.height}" if is_intact else None,
            "file": f"{(entry.format or '').upper()}, {render.size(entry.bytes)}" if is_intact else None,
            "transparent": entry.transparent,
            "full": entry.full_name(originals=self._originals) if is_intact else None,
            "saved": "file://" + quote(os.fsencode(entry.saved_path)) if entry.saved_path else None,
            "references": entry.references,
            "referenceCount": entry.reference_count,
            "damage": _clean(entry.damage),
            "cut": len(entry.prompt or entry.revised_prompt or "") >= MAX_PROMPT_CHARS,
        }

    def _about(self) -> str:
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime())
        since = f", since {self._since}" if self._since else ""
        return escape(f"Created {created} by codex-imagegen {__version__} from {_clean(self._home)}{_clean(since)}.")

    def _empty_text(self) -> str:
        home = f"<code>{escape(_clean(self._home) or '')}</code>"
        since = f" since {escape(_clean(self._since) or '')}" if self._since else ""
        return f"{home} has no pictures{since}. Make one, and run <code>codex-imagegen gallery</code> again."


def _web_file(name: str) -> str:
    return (files("codex_imagegen.gallery") / "web" / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The hash of an inline style or script for the content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _month(entry: Entry) -> str:
    return time.strftime("%B %Y", time.localtime(entry.time)) if entry.time else "Undated"


def _alt_text(entry: Entry) -> str:
    text = " ".join((_clean(entry.prompt or entry.revised_prompt) or "").split())
    if len(text) > _ALT_CHARS:
        return text[: _ALT_CHARS - 1] + "…"
    return text or "No prompt recorded"


def _command_for(home: str) -> str:
    """The program's name with this CODEX_HOME, for a POSIX shell; empty for a path that can't be pasted."""
    return f"CODEX_HOME={shlex.quote(home)} codex-imagegen" if render.printable(home) == home else ""


def _clean(text: str | None) -> str | None:
    """The text without control characters and lone surrogates, which HTML does not allow."""
    if text is None:
        return None
    allowed = (c for c in text if c in _ALLOWED_CONTROLS or not (c < " " or "\x7f" <= c < "\xa0"))
    return "".join(allowed).encode(errors="replace").decode()
