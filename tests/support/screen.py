"""What a terminal shows after some output: its lines and its cursor, with the control sequences of a status line."""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[(?P<args>[0-9;?]*)(?P<end>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


class Screen:
    """A terminal of ``columns`` that wraps long lines and scrolls without end. Every letter is one column wide."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self.cursor_is_shown = True
        self._rows, self._row, self._column = [""], 0, 0

    @property
    def lines(self) -> list[str]:
        """The lines that are shown, without empty ones at the end."""
        lines = [row.rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def feed(self, output: str) -> Screen:
        """Show the output; returns the screen."""
        for part in _PART.finditer(output):
            if part["text"]:
                self._put(part["text"])
            else:
                self._control(part["args"], part["end"])
        return self

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._next_row()
        else:
            if self._column == self.columns:
                self._next_row()
                self._column = 0
            row = self._rows[self._row].ljust(self._column)
            self._rows[self._row] = row[: self._column] + letter + row[self._column + 1 :]
            self._column += 1

    def _next_row(self) -> None:
        self._row += 1
        self._rows += [""] * (self._row + 1 - len(self._rows))

    def _control(self, arguments: str, end: str) -> None:
        if end in "KJ" and arguments in ("", "0"):
            self._rows[self._row] = self._rows[self._row][: self._column]
            if end == "J":
                del self._rows[self._row + 1 :]
        elif arguments == "?25":
            self.cursor_is_shown = end == "h"
        elif end != "m" and arguments != "?2004":
            raise AssertionError(f"an unknown control sequence: {arguments}{end}")
