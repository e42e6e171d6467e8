"""``codex-imagegen [generate]``: the default command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen.cli import console
from codex_imagegen.cli.options import DefaultCommand, Option, check_stdout, events_option, version_option
from codex_imagegen.errors import UsageError
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC, STDOUT, Event, Request

if TYPE_CHECKING:
    from codex_imagegen.results import ReferenceData, Warning_

_MAX_PROMPT_BYTES = 8 * 1024 * 1024
"""More bytes than Codex's limit of characters has in any script; of a longer prompt, the rest is not read."""

EXAMPLES = """\b
codex-imagegen --prompt "a red fox in the snow" --out fox.png
codex-imagegen --prompt "the same fox, asleep" --ref fox.png --out asleep.png
"""

HELP = f"""{EXAMPLES}
Makes a picture with the ChatGPT plan that the Codex CLI is logged in with. Prints the picture's absolute path on
stdout, and everything else on stderr.
"""


def _option(*names: str, **attributes: Any) -> Option:
    return Option(list(names), **attributes)


OPTIONS = [
    _option(
        "-p", "--prompt", metavar="TEXT", group="what", common=True,
        help="What to draw, sent word for word; - reads stdin.",
    ),
    _option("--prompt-file", metavar="FILE", group="what", help="Read the prompt from a file; - reads stdin."),
    _option(
        "-r", "--ref", "refs", multiple=True, metavar="FILE", group="what", common=True,
        help="A reference picture, up to 5; - is stdin. runcomfy: 10, URLs too.",
    ),
    _option(
        "--last", is_flag=True, group="what", common=True, help="Use the picture made last as the first reference."
    ),
    _option(
        "-o", "--out", metavar="FILE", group="where", common=True,
        help="A file or a folder; - is stdout. [a new name made of the prompt]",
    ),
    _option("--force", is_flag=True, group="where", common=True, help="Replace --out if it exists."),
    _option("--show", is_flag=True, group="where", common=True, help="Show the picture in the terminal, too."),
    _option(
        "--size", metavar="WxH", group="look", common=True,
        help="Requested width and height in pixels, such as 1024x1536.",
    ),
    _option(
        "--aspect-ratio", metavar="W:H", group="look", common=True,
        help="Requested ratio of width to height, such as 16:9.",
    ),
    _option(
        "--resolution", metavar="1k|2k|4k", group="look",
        help="Requested resolution; only --backend runcomfy guarantees it.",
    ),
    _option(
        "--quality", metavar="low|medium|high", group="look",
        help="Requested quality; only --backend runcomfy guarantees it.",
    ),
    _option("--transparent", is_flag=True, group="look", common=True, help="Request a transparent background."),
    _option(
        "--format", metavar="png|jpeg|webp", group="look", help="Convert to this format. [by the suffix of --out]"
    ),
    _option(
        "--fit", is_flag=True, group="look", help="Scale and crop the picture to --size exactly, around its centre."
    ),
    _option(
        "-n", "--count", type=int, default=1, metavar="N", group="several", common=True,
        help="How many pictures: stem-1.png, stem-2.png, … [1]",
    ),
    _option(
        "--jobs", type=int, metavar="N", group="several", help="How many runs at once, with --count. [2; runcomfy 8]"
    ),
    _option(
        "--skip-existing", is_flag=True, group="several", help="With --count and --out: make only missing pictures."
    ),
    _option(
        "--timeout-sec", type=float, default=DEFAULT_TIMEOUT_SEC, metavar="N", group="scripts",
        help="The limit for the whole run, in seconds. [300]",
    ),
    _option(
        "--json", "json_wanted", is_flag=True, group="scripts", common=True,
        help="Print one JSON object on stdout, also for a failure.",
    ),
    events_option("scripts"),
    _option("-q", "--quiet", is_flag=True, group="scripts", help="Show no progress."),
    _option(
        "--backend", metavar="codex|runcomfy", default="codex", group="advanced",
        help="Which service makes the picture. [codex]",
    ),
    _option(
        "--no-wait", is_flag=True, group="advanced", help="RunComfy: submit, print the request's id, and exit."
    ),
    _option(
        "--full-turn", is_flag=True, group="advanced", help="Let Codex end its turn, and take its largest picture."
    ),
    _option("--codex", metavar="FILE", group="advanced", help="Which Codex CLI to run. [codex on PATH]"),
    _option(
        "-m", "--model", metavar="NAME", group="advanced",
        help="Which model calls the image tool; runcomfy: a model id. [the backend's own]",
    ),
    _option(
        "--codex-arg", "codex_args", multiple=True, metavar="ARG", group="advanced",
        help="One more argument for codex exec.",
    ),
    _option("-v", "--verbose", is_flag=True, group="advanced", help="Show Codex's own output on stderr."),
]  # fmt: skip
"""Each option with its group, a key of :data:`codex_imagegen.cli.help.GROUPS`; the short page has the common ones."""


def generate(*, json_wanted: bool, quiet: bool, verbose: bool, show: bool, last: bool, **options: Any) -> int:
    """Make the picture and print its path; returns the exit code."""
    check_stdout(options["out"], json_wanted)
    no_wait = options.pop("no_wait")
    request = _request(**options)
    request, warnings = _add_last_picture(request, quiet=quiet) if last else (request, ())
    if no_wait:
        from codex_imagegen.cli.commands.runcomfy import submit_only

        return submit_only(request, json_wanted=json_wanted)
    from codex_imagegen import generation
    from codex_imagegen.cli.progress import Progress

    with console.defer_signals(until_exit=True) as interrupt, Progress(quiet=quiet, verbose=verbose) as progress:
        on_stderr = progress.show_output if verbose else None
        result = generation.generate(request, interrupt=interrupt, on_event=progress.show, on_stderr=on_stderr)
    if warnings:
        result = replace(result, warnings=(*warnings, *result.warnings))
    if request.count > 1 and result.error is not None:
        from codex_imagegen.cli.next_command import add_rerun_hint

        result = add_rerun_hint(result, request)
    return console.print_result(result, json_wanted=json_wanted, show=show)


def _request(*, prompt: str | None, prompt_file: str | None, **options: Any) -> Request:
    """Return the options as a request. The prompt or a reference is read last, since it may come from a pipe."""
    from codex_imagegen.options import build_request

    readers = [("the prompt", source) for source in (prompt, prompt_file)] + [("--ref", ref) for ref in options["refs"]]
    _check_stdin([name for name, source in readers if source == STDOUT])
    request = replace(build_request({"prompt": "", **options}), prompt=_prompt(prompt, prompt_file))
    return replace(request, refs=tuple(map(_read_reference, request.refs))) if STDOUT in request.refs else request


def _check_stdin(readers: list[str]) -> None:
    """Refuse stdin for more than one thing, and a terminal as a picture."""
    if len(readers) > 1:
        what = "two references" if set(readers) == {"--ref"} else "a reference and the prompt"
        raise UsageError(f"stdin can't be {what}", hint="give a file for one of them")
    if readers == ["--ref"] and console.stdin_is_terminal():
        hint = "send a picture to it, such as:\ncodex-imagegen recover --last --out - | codex-imagegen --ref - …"
        raise UsageError("--ref - reads a picture from stdin, and stdin is a terminal", hint=hint)


def _read_reference(given: str | ReferenceData) -> str | ReferenceData:
    """Return the picture from stdin for ``-``; raises the errors of a file that can't be used."""
    if given != STDOUT:
        return given
    from codex_imagegen.images import references
    from codex_imagegen.results import ReferenceData

    data = b"".join(console.read_stdin(references.MAX_BYTES + 1))
    references.check_size("stdin", len(data))
    return ReferenceData("stdin", data)


def _add_last_picture(request: Request, *, quiet: bool) -> tuple[Request, tuple[Warning_, ...]]:
    """Return the request with the last picture as a reference, and say which one that is."""
    import os

    from codex_imagegen.recovery import search

    found = search.add_last_picture(request, os.environ)
    event = Event("message", index=None, message=found.description)
    console.emit(event, None if quiet else f"codex-imagegen: {found.description}")
    return found.request, found.warnings


def _prompt(text: str | None, file: str | None) -> str:
    if (text is None) == (file is None):
        raise UsageError("give exactly one of --prompt and --prompt-file", hint="for help:\ncodex-imagegen --help")
    if text is not None and text != STDOUT:
        return text
    source = file if text is None else text
    try:
        if source == STDOUT:
            data = b"".join(console.read_stdin(_MAX_PROMPT_BYTES))
        else:
            with open(str(source), "rb") as stream:
                data = stream.read(_MAX_PROMPT_BYTES)
        return data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the prompt is not valid UTF-8 text", hint="give it as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"the prompt file {source!r} can't be read: {reason}", hint="check the path given to --prompt-file"
        ) from error


command = DefaultCommand(
    "codex-imagegen",
    params=[*OPTIONS, version_option()],
    callback=generate,
    help=HELP,
    brief=EXAMPLES,
)
