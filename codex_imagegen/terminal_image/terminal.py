"""Detect the terminal's graphics protocol and cell size by querying it, since no environment variable has them.

There are two queries, each followed by one that every terminal answers (its "device attributes"). After that answer,
no other can follow, and none is left for the shell's prompt.

Why no library: textual-image queries the terminal when it is imported, waits 0.1 s, and leaves a later answer to the
shell's prompt; term-image does not work with a current Pillow; chafa.py is a C library with no release since 2024 and
no wheels for the newest Pythons (looked at on 2026-11-21).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass, replace
from typing import Literal

from codex_imagegen.platform import terminals

Protocol = Literal["iterm2", "kitty", "sixel", "blocks"]

ANSWER_SEC = 2.0
"""Seconds for an answer over a slow line; only a terminal that never answers takes them all."""

_ATTRIBUTES = b"\x1b[c"
_NAME_AND_CELL = b"\x1b[>q\x1b[16t" + _ATTRIBUTES
_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + _ATTRIBUTES
"""Only sent to a terminal that gave its name: some old ones print what they don't understand."""

_ATTRIBUTES_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_NAME_ANSWER = re.compile(rb"\x1bP>\|([^\x1b]{0,200})\x1b\\")
_CELL_ANSWER = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_KITTY_ANSWER = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_SIXEL = b"4"
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Terminal:
    """Graphics protocol, size in cells, size of a cell in pixels, and whether the terminal gave its name.

    One that does is new enough to show all colours, whatever TERM says.
    """

    protocol: Protocol = "blocks"
    columns: int = 80
    rows: int = 24
    cell: tuple[int, int] = (8, 16)
    is_named: bool = False


def detect_terminal(descriptor: int) -> Terminal:
    """Detect the terminal of an open descriptor and restore its modes; without an answer, blocks are used.

    A terminal with unread keys is not queried, since they would mix with the answer; nor is one whose foreground is
    another process group.
    """
    rows, columns, width, height = terminals.window_size(descriptor)
    terminal = Terminal(columns=columns or 80, rows=rows or 24)
    if columns and rows and width >= columns and height >= rows:
        terminal = replace(terminal, cell=(width // columns, height // rows))
    return _query(descriptor, terminal)


def _query(descriptor: int, terminal: Terminal) -> Terminal:
    """Query the terminal, if it can be queried, and return it with its answers."""
    with contextlib.suppress(OSError):
        if terminals.is_in_foreground(descriptor):
            with terminals.unbuffered(descriptor):
                if not terminals.is_readable(descriptor, 0):
                    return _query_capabilities(descriptor, terminal)
    return terminal


def _query_capabilities(descriptor: int, terminal: Terminal) -> Terminal:
    answer = _ask(descriptor, _NAME_AND_CELL)
    name, cell, attributes = _NAME_ANSWER.search(answer), _CELL_ANSWER.search(answer), _ATTRIBUTES_ANSWER.search(answer)
    if cell and int(cell[1]) and int(cell[2]):
        terminal = replace(terminal, cell=(int(cell[2]), int(cell[1])))
    terminal = replace(terminal, is_named=name is not None)
    if name and name[1].startswith(b"iTerm2"):
        return replace(terminal, protocol="iterm2")
    if name and _KITTY_ANSWER.search(_ask(descriptor, _KITTY)):
        return replace(terminal, protocol="kitty")
    if attributes and _SIXEL in attributes[1].split(b";"):
        return replace(terminal, protocol="sixel")
    return terminal


def _ask(descriptor: int, query: bytes) -> bytes:
    """Send a query and read the whole answer, or the part that arrives in time."""
    os.write(descriptor, query)
    answer, limit = b"", time.monotonic() + ANSWER_SEC
    while not _ATTRIBUTES_ANSWER.search(answer) and len(answer) < _MAX_BYTES:
        left = limit - time.monotonic()
        if left <= 0 or not terminals.is_readable(descriptor, left):
            break
        answer += os.read(descriptor, _MAX_BYTES)
    return answer
