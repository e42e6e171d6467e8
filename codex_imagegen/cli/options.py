"""Commands and options with help and completion, options that several commands share, and durations such as 7d."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen._version import __version__
from codex_imagegen.errors import UsageError
from codex_imagegen.request import is_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


PROGRAM = "codex-imagegen"
COMPLETION = "_CODEX_IMAGEGEN_COMPLETE"
"""The environment variable that only a shell's completion script sets."""
EVENTS = "Print JSON lines on stderr: each step, done or error."

_THIS_PAGE = "Show this page."
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([hdwy])")
_NO_NUMBER = re.compile(r"(.*) is not a valid integer\.", re.DOTALL)
_SECONDS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_557_600.0}


class Option(click.Option):
    """An option whose metavar says what it is: ``FILE``, ``DIR``, or ``this|that``.

    Its value is completed by that, and the leading ``~/`` of a path is the home folder. ``group`` is its place on the
    help page, a key of :data:`codex_imagegen.cli.help.GROUPS`. The short page of ``-h`` has those that are ``common``.
    """

    def __init__(
        self, names: Sequence[str] | None = None, *, group: str | None = None, common: bool = False, **attributes: Any
    ) -> None:
        super().__init__(names, **attributes)
        self.group, self.common = group, common

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value."""
        if isinstance(value, str) and value[:1] == "-":
            self._refuse_option(ctx, value)
        return _expand_home(self.metavar, super().type_cast_value(ctx, value))

    def _refuse_option(self, ctx: click.Context, value: str) -> None:
        """Refuse an option as the value: that of ``--prompt $TEXT --json`` in a shell, if TEXT is empty."""
        names = {name for each in ctx.command.params for name in each.opts}
        if value.partition("=")[0] in names:
            raise UsageError(
                f"{self.opts[-1]} has no value; {value!r} is an option", hint="give a value, or leave it out"
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the value."""
        return _complete_value(self.metavar, incomplete) or super().shell_complete(ctx, incomplete)


class Argument(click.Argument):
    """An argument whose metavar says what it is, as that of an :class:`Option` does."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value."""
        return _expand_home(self.metavar, super().type_cast_value(ctx, value))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the value."""
        return _complete_value(self.metavar, incomplete) or super().shell_complete(ctx, incomplete)


class PromptArgument(click.Argument):
    """The words that are no option of the default command: one prompt, or a mistake. The first may be a command."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete what the command completes where no argument is."""
        return ctx.command.shell_complete(ctx, incomplete)


def _complete_value(metavar: str | None, incomplete: str) -> list[CompletionItem]:
    """Return what a value may be: a file, a folder, or one of some words, as its ``metavar`` in the help says."""
    from click.shell_completion import CompletionItem

    if metavar is None:
        return []
    if "FILE" in metavar or metavar == "JOBS":
        return [CompletionItem(incomplete, type="file")]
    if metavar == "DIR":
        return [CompletionItem(incomplete, type="dir")]
    words = metavar.split("|") if "|" in metavar else []
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class HelpContext(click.Context):
    """The context of a command, whose help pages have this program's layout."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return what formats a help page."""
        from codex_imagegen.cli.help import HelpFormatter

        return HelpFormatter(width=self.terminal_width, max_width=self.max_content_width)


class Command(click.Command):
    """A command whose options may be in groups. With ``brief``, ``-h`` prints that text and the common options."""

    context_class: type[click.Context] = HelpContext

    def __init__(self, name: str | None, *, brief: str | None = None, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self.brief = brief
        if brief is not None:
            self.params.append(_short_help_option("help" if self.has_groups else None))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; name an option without its value, or with a wrong one, as every other mistake."""
        try:
            return super().parse_args(ctx, args)
        except (click.BadOptionUsage, click.BadParameter) as error:
            raise _explain_value(error, ctx) from error

    @property
    def has_groups(self) -> bool:
        """Whether the options name groups; each of them does then."""
        return any(getattr(option, "group", None) for option in self.params)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that prints the whole page."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = _THIS_PAGE if self.brief is None else "Show the whole page."
        return option

    def format_more(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write where the short page goes on."""
        formatter.write_text(f"More: {ctx.command_path} --help")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        from codex_imagegen.cli.help import write_options

        write_options(self, ctx, formatter)


def _explain_value(error: click.UsageError, ctx: click.Context) -> click.UsageError | UsageError:
    """Return click's error about a value in this program's words, or as it is, with the command."""
    error.ctx = error.ctx or ctx
    if isinstance(error, click.BadParameter):
        number = _NO_NUMBER.match(error.message)
        name = error.param.opts[-1] if error.param else None
        return UsageError(f"{name} can't be {number[1]}", hint="give a whole number") if name and number else error
    name = error.option_name if isinstance(error, click.BadOptionUsage) else ""
    if "does not take a value" in error.message:
        return UsageError(f"{name} takes no value", hint=f"leave the value out: {name}")
    if "requires an argument" not in error.message:
        return error
    option = next((each for each in ctx.command.params if name in each.opts), None)
    value = f" {option.metavar}" if option and option.metavar else " VALUE"
    return UsageError(f"{name} has no value", hint=f"write {name}{value}; for help:\n{ctx.command_path} --help")


class Group(click.Group):
    """A command with subcommands."""

    context_class: type[click.Context] = HelpContext
    command_class = Command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that prints the page."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = _THIS_PAGE
        return option

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands, each with the first sentence of its help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(1000)) for name, each in self.commands.items()])


class RepeatableCommand(Command):
    """A command that remembers its arguments, from which the hint to run it again is made."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember the arguments, and parse them."""
        ctx.meta["arguments"] = tuple(args)
        return super().parse_args(ctx, args)


class _DefaultContext(HelpContext):
    @property
    def command_path(self) -> str:
        """The program's name alone, also where ``generate`` was written."""
        return self.parent.command_path if self.parent else super().command_path


class DefaultCommand(RepeatableCommand):
    """The command that needs no name. Its help and its completion list the other commands, too."""

    context_class = _DefaultContext

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the list of commands."""
        if ctx.parent and isinstance(ctx.parent.command, click.Group):
            ctx.parent.command.format_commands(ctx.parent, formatter)

    def format_more(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the other commands, and the page that says what they do."""
        if ctx.parent and isinstance(ctx.parent.command, click.Group):
            names = [name for name in ctx.parent.command.list_commands(ctx.parent) if name != ctx.info_name]
            formatter.write_text(f"Other commands: {', '.join(names)}")
        formatter.write_text(f"All options and commands: {ctx.command_path} --help")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the first word to a command's name, too."""
        items = super().shell_complete(ctx, incomplete)
        if ctx.parent is None or ctx.meta["has_arguments"]:
            return items
        return [*ctx.parent.command.shell_complete(ctx.parent, incomplete), *items]


OPTION, VALUE, ARGUMENT = "option", "value", "argument"


def read_words(args: Sequence[str], with_value: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each word of a command line, and whether it is an option, the value of the one before, or an argument.

    ``with_value`` are the options that take the next word. Click itself reports no words among wrong arguments.
    """
    words = iter(args)
    for word in words:
        if word == "--":
            yield word, OPTION
            yield from ((each, ARGUMENT) for each in words)
        elif word == "-" or word[:1] != "-":
            yield word, ARGUMENT
        else:
            yield word, OPTION
            short = [f"-{letter}" in with_value for letter in word[1:]] if word[1:2] != "-" else []
            # the next word is the value, whatever it looks like; in -qp the last letter takes it, in -pq "q" is it
            if word in with_value or (any(short) and not any(short[:-1])):
                yield from ((value, VALUE) for value in [next(words, None)] if value is not None)


def options_with_value(command: click.Command) -> set[str]:
    """Return the options, those of subcommands too, that take the next word as their value."""
    options = (each for _, each in parameters_below(command, "") if isinstance(each, click.Option))
    return {name for option in options if not option.is_flag and not option.count for name in option.opts}


def long_options(command: click.Command) -> set[str]:
    """Return the long options of a command, those of subcommands too."""
    return {name for _, each in parameters_below(command, "") for name in each.opts if name[:2] == "--"}


def check_dashes(args: Sequence[str], command: click.Command) -> None:
    """Refuse ``-out`` and ``-o=fox.png``, which would mean ``-o ut`` and a file called ``=fox.png``."""
    from codex_imagegen.render import shell_join

    long, with_value = long_options(command) | {"--help"}, options_with_value(command)
    for word, kind in read_words(args, with_value):
        name, equals, value = word.partition("=")
        if kind != OPTION or word[:2] == "--" or len(word) < 3:
            continue
        if f"-{name}" in long:
            raise UsageError(f"there is no option {name!r}", hint=f"did you mean -{name}?")
        if equals and name in with_value:
            raise UsageError(f"{name} takes its value without a =", hint=f"did you mean {shell_join([name, value])}?")


def parameters_below(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    """Yield each parameter of a command and its subcommands, with the command's name below ``path``."""
    yield from ((path, parameter) for parameter in command.params)
    for name, each in command.commands.items() if isinstance(command, click.Group) else ():
        yield from parameters_below(each, f"{path} {name}")


def _expand_home(metavar: str | None, value: Any) -> Any:
    """Return a path, or several, with a leading ``~/`` as the home folder."""
    if isinstance(value, tuple):
        return tuple(_expand_home(metavar, each) for each in value)
    is_path = any(word in (metavar or "") for word in ("FILE", "DIR", "JOBS"))
    if not is_path or not isinstance(value, str) or value[:1] != "~":
        return value
    from codex_imagegen.options import expand_home

    return expand_home(value)


def parse_timeout(value: float | str) -> float:
    """Return the seconds of ``--timeout-sec``, which may be ``90s`` or ``5m``; raises :class:`UsageError`."""
    if isinstance(value, float):
        return value
    from codex_imagegen.options import parse_seconds

    try:
        return parse_seconds(value)
    except TypeError as error:
        raise UsageError(f"--timeout-sec can't be {value!r}", hint=f"give {error}") from error


def check_stdout(out: str | None, json_wanted: bool) -> None:
    """Refuse ``--json`` with ``--out -``, which both need stdout."""
    if json_wanted and is_stdout(out):
        raise UsageError("--json and --out - both write to stdout", hint="give --out a file name")


def events_option(group: str | None = None) -> Option:
    """Return ``--events``, which :mod:`codex_imagegen.cli.main` finds before the arguments are parsed."""
    return Option(["--events"], is_flag=True, expose_value=False, help=EVENTS, group=group)


def _short_help_option(group: str | None) -> Option:
    def show(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from codex_imagegen.cli.help import short_page

            click.echo(short_page(ctx.command, ctx))  # type: ignore[arg-type]  # only a Command has this option
            ctx.exit()

    text = "Show the short page."
    return Option(["-h"], is_flag=True, is_eager=True, expose_value=False, callback=show, help=text, group=group)


def version_option() -> Option:
    """Return ``--version``, which prints the version alone and reads no package metadata (31 ms)."""

    def show(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            click.echo(f"codex-imagegen {__version__}")
            ctx.exit()

    return Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version.",
        group="help",
    )


def parse_duration(text: str) -> float | None:
    """Return the seconds of a duration in hours, days, weeks or years, or None if the text is not a duration."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _SECONDS[match[2]] if match else None


def parse_since(text: str) -> float:
    """Return the Unix seconds that ``--since`` means: a duration before now, or a date from its local midnight on.

    Raises :class:`UsageError`.
    """
    from datetime import datetime

    now, duration = time.time(), parse_duration(text)
    if duration is not None:
        return max(0.0, now - duration)
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        hint = "give a date such as 2026-11-01, or a duration such as 12h, 7d or 2w"
        raise UsageError(f"--since {text!r} is neither a date nor a duration", hint=hint) from error
    if moment > now:
        raise UsageError(f"--since {text!r} is in the future", hint="no picture was made since then")
    return moment
