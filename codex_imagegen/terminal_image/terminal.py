"""What the terminal is and can: asked of the terminal itself, since no variable of the environment knows.

Two questions, each ended by one that every terminal answers (its "device attributes"): once that answer is there, no
other can follow, and none is left for the shell's prompt.
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
"""How long an answer may take, over a slow line: it is only waited for where nothing answers at all."""

_ATTRIBUTES = b"\x1b[c"
_NAME_AND_CELL = b"\x1b[>q\x1b[16t" + _ATTRIBUTES
_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + _ATTRIBUTES
"""Asked only of a terminal that told its name: some old ones print what they don't understand."""

_ATTRIBUTES_ARE = re.compile(rb"\x1b\[\?([\d;]*)c")
_NAME_IS = re.compile(rb"\x1bP>\|([^\x1b]{0,200})\x1b\\")
_CELL_IS = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_KITTY_IS = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_SIXEL = b"4"
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Terminal:
    """How it shows pictures, its size in cells, the size of a cell in pixels, and whether it said who it is.

    Whoever does that is young enough to show all colours, whatever TERM says.
    """

    protocol: Protocol = "blocks"
    columns: int = 80
    rows: int = 24
    cell: tuple[int, int] = (8, 16)
    named: bool = False


def look(descriptor: int) -> Terminal:
    """The terminal behind an open descriptor, which is left as it was. Without an answer it shows coloured blocks.

    Not asked, since there would be an answer too many or none: one that has keys waiting, and one whose foreground is
    another's.
    """
    rows, columns, width, height = terminals.window_size(descriptor)
    terminal = Terminal(columns=columns or 80, rows=rows or 24)
    if columns and rows and width >= columns and height >= rows:
        terminal = replace(terminal, cell=(width // columns, height // rows))
    return _asked(descriptor, terminal)


def _asked(descriptor: int, terminal: Terminal) -> Terminal:
    """The same with what the terminal answers."""
    with contextlib.suppress(OSError):
        if terminals.is_in_foreground(descriptor):
            with terminals.unbuffered(descriptor):
                if not terminals.is_readable(descriptor, 0):
                    return _answered(descriptor, terminal)
    return terminal


def _answered(descriptor: int, terminal: Terminal) -> Terminal:
    told = _question(descriptor, _NAME_AND_CELL)
    name, cell, attributes = _NAME_IS.search(told), _CELL_IS.search(told), _ATTRIBUTES_ARE.search(told)
    if cell and int(cell[1]) and int(cell[2]):
        terminal = replace(terminal, cell=(int(cell[2]), int(cell[1])))
    terminal = replace(terminal, named=name is not None)
    if name and name[1].startswith(b"iTerm2"):
        return replace(terminal, protocol="iterm2")
    if name and _KITTY_IS.search(_question(descriptor, _KITTY)):
        return replace(terminal, protocol="kitty")
    if attributes and _SIXEL in attributes[1].split(b";"):
        return replace(terminal, protocol="sixel")
    return terminal


def _question(descriptor: int, question: bytes) -> bytes:
    """All that the terminal answers; what it has said when its time is up."""
    os.write(descriptor, question)
    told, limit = b"", time.monotonic() + ANSWER_SEC
    while not _ATTRIBUTES_ARE.search(told) and len(told) < _MAX_BYTES:
        left = limit - time.monotonic()
        if left <= 0 or not terminals.is_readable(descriptor, left):
            break
        told += os.read(descriptor, _MAX_BYTES)
    return told
