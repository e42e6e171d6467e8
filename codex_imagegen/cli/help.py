"""The help pages: options in groups, a short page for ``-h``, and a layout for narrow terminals."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codex_imagegen.cli.options import Command

GROUPS = {
    "what": "What to draw",
    "where": "Where it goes",
    "look": "How it should look",
    "several": "Several pictures",
    "scripts": "For scripts",
    "advanced": "Advanced",
    "help": "Help",
}
"""The heading of each group of options, in the order of the page. An option names its group by the key."""

_MAX_COLUMNS = 80
_MIN_COLUMNS = 22
_MARGIN = 2
_MIN_TEXT_COLUMNS = 24
"""Columns that the text beside an option needs; with fewer, it is on the lines under the option."""
_MAX_TERM_COLUMNS = 28
_FIRST_EXAMPLES = """\b
codex-imagegen "a red fox in the snow"
codex-imagegen "the same fox, asleep" --last --out asleep.png
codex-imagegen "this room as a watercolour" --ref room.jpg --count 3"""
_FIRST_COMMANDS = (
    ("codex-imagegen doctor", "check everything that a picture needs"),
    ("codex-imagegen demo", "try it without an account"),
    ("codex-imagegen -h", "the options that people use most"),
    ("codex-imagegen --help", "all options and commands"),
)
_FIRST_SENTENCE = re.compile(r"^(.*?\.)(?: .*?)??( \[[^]]*\])?$")
"""What stays of an option's help on a short page, with the default in brackets."""
_COMMAND_WORD = re.compile(r"""(?:-\S+ (?!-))?(?:[^\s"']|"[^"]*"|'[^']*')+""")
"""A word of a command, with its quotes; an option and its value stay together."""
_IN_ASCII = {"…": "...", "×": "x"}


class HelpFormatter(click.HelpFormatter):
    """Breaks lines between words only, and fits terminals of any width (click's own needs 52 columns)."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        if width is None:
            columns = min(shutil.get_terminal_size().columns, max_width or _MAX_COLUMNS)
            width = max(columns, _MIN_COLUMNS) - _MARGIN
        super().__init__(indent_increment, width, max_width)

    def getvalue(self) -> str:
        """Return the page, in letters that stdout's encoding has."""
        text, encoding = super().getvalue(), getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = (
                "".join(_IN_ASCII.get(letter, letter) for letter in text).encode(encoding, "replace").decode(encoding)
            )
        return text

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line, which goes on with an indentation."""
        lines = _wrap(f"{prefix or 'Usage: '}{prog} {args}", self.width, "", "    ")
        self.write("\n".join(lines) + "\n")

    def write_text(self, text: str) -> None:
        r"""Write paragraphs; one that begins with ``\b`` keeps its lines, as far as they fit."""
        paragraphs = [self._lines(paragraph, self.current_indent) for paragraph in text.split("\n\n")]
        self.write("\n\n".join("\n".join(lines) for lines in paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _MAX_TERM_COLUMNS, col_spacing: int = 2) -> None:
        """Write options or commands beside what they mean or, where that column would be narrow, above it."""
        rows = list(rows)
        column = self.current_indent + min(max(len(term) for term, _ in rows), col_max) + col_spacing
        if self.width - column < _MIN_TEXT_COLUMNS:
            column = self.current_indent + 2 * self.indent_increment
        for term, text in rows:
            start = f"{'':{self.current_indent}}{term}"
            lines = self._lines(text, column)
            if lines and len(start) + col_spacing <= column:
                lines[0] = start + lines[0][len(start) :]
            else:
                lines.insert(0, start)
            self.write("\n".join(lines) + "\n")

    def _lines(self, paragraph: str, indent: int) -> list[str]:
        """Return a paragraph as lines that are indented and wrapped."""
        margin = " " * indent
        if paragraph.startswith("\b\n"):
            return [line for row in paragraph.split("\n")[1:] for line in self._wrap_example(margin + row)]
        return _wrap(" ".join(paragraph.split()), self.width, margin, margin)

    def _wrap_example(self, row: str) -> list[str]:
        """Return a line of an example; a long command is continued with backslashes, outside of quotes."""
        if len(row) <= self.width:
            return [row]
        margin = row[: len(row) - len(row.lstrip())]
        if not row.lstrip().startswith(("codex-imagegen ", "echo ")):
            return _wrap(row.strip(), self.width, margin, margin + "  ")
        lines = [margin]
        for word in _COMMAND_WORD.findall(row):
            if len(lines[-1]) + len(word) + 2 > self.width and lines[-1].strip():
                lines[-1] += "\\"
                lines.append(margin + "  ")
            lines[-1] += f"{word} "
        return [line.rstrip() for line in lines]


def write_options(command: Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write all options of a command in their groups or, where they name none, as one list."""
    groups: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ("Options", *GROUPS.values())}
    for option in _options(command, ctx):
        key = getattr(option, "group", None)
        heading = GROUPS[key] if key else GROUPS["help"] if command.has_groups else "Options"
        groups[heading].append(option.get_help_record(ctx) or ("", ""))
    for heading, rows in groups.items():
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


def short_page(command: Command, ctx: click.Context) -> str:
    """Return the page of ``-h``: examples, and the first sentence of each common option, or of all if none is."""
    formatter = ctx.make_formatter()
    command.format_usage(ctx, formatter)
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(inspect.cleandoc(command.brief or ""))
    options = [each for each in _options(command, ctx) if not {"-h", "--help"}.intersection(each.opts)]
    common = [option for option in options if getattr(option, "common", False)]
    with formatter.section("Options that people use most" if common else "Options"):
        records = [option.get_help_record(ctx) or ("", "") for option in common or options]
        formatter.write_dl([(names, _FIRST_SENTENCE.sub(r"\1\2", text)) for names, text in records])
    formatter.write_paragraph()
    command.format_more(ctx, formatter)
    return formatter.getvalue().rstrip("\n")


def no_arguments_page() -> str:
    """Return the ten lines that a person gets who runs the program with no arguments."""
    formatter = HelpFormatter()
    formatter.write_text("A prompt is missing. Write in quotes what to draw:")
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(_FIRST_EXAMPLES)
        formatter.write_paragraph()
        formatter.write_dl(_FIRST_COMMANDS)
    return formatter.getvalue().rstrip("\n")


def _options(command: click.Command, ctx: click.Context) -> list[click.Option]:
    return [each for each in command.get_params(ctx) if isinstance(each, click.Option) and not each.hidden]


def _wrap(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
