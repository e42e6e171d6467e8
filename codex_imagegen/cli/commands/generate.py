"""``codex-imagegen [generate]``: the default command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen.cli import console
from codex_imagegen.cli.options import (
    DefaultCommand,
    Option,
    PromptArgument,
    check_stdout,
    events_option,
    parse_timeout,
    version_option,
)
from codex_imagegen.errors import UsageError
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC, STDOUT, Event, Request

if TYPE_CHECKING:
    from codex_imagegen.results import ReferenceData, Warning_

_MAX_PROMPT_BYTES = 8 * 1024 * 1024
"""More bytes than Codex's limit of characters has in any script; of a longer prompt, the rest is not read."""

MAX_UNCONFIRMED = 20
"""Pictures that one command makes without asking."""

BRIEF = """\b
codex-imagegen "a red fox in the snow" --out fox.png
codex-imagegen "the same fox, asleep" --ref fox.png
"""
HELP = f"""{BRIEF}
Makes a picture with the ChatGPT plan that the Codex CLI is logged in with. Prints the picture's absolute path on
stdout, and everything else on stderr.

PROMPT is what to draw, in quotes; - reads it from stdin. A single word needs --prompt, so that a mistyped command
spends nothing.
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
        help="A reference picture, up to 5 (--ref before each). PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF; HEIC with the "
        "extra heic; - is stdin. RunComfy: up to 10, also https URLs.",
    ),
    _option(
        "--last", is_flag=True, group="what", common=True, help="Use the picture made last as the first reference."
    ),
    _option(
        "-o", "--out", metavar="FILE", group="where", common=True,
        help="File or folder; - is stdout. [named after the prompt]",
    ),
    _option("--force", is_flag=True, group="where", common=True, help="Replace the file if it exists."),
    _option("--show", is_flag=True, group="where", common=True, help="Show the picture in this terminal, too."),
    _option(
        "--open", "open_wanted", is_flag=True, group="where", common=True, help="Open it in the system's viewer.",
    ),
    _option(
        "--size", metavar="WxH", group="look", common=True,
        help="Requested width and height, such as 1024x1536.",
    ),
    _option(
        "--aspect-ratio", metavar="W:H", group="look", common=True,
        help="Requested ratio of width to height, such as 16:9.",
    ),
    _option(
        "--resolution", metavar="1k|2k|4k", group="look",
        help="Requested; only RunComfy guarantees it.",
    ),
    _option(
        "--quality", metavar="low|medium|high", group="look",
        help="Requested; only RunComfy guarantees it.",
    ),
    _option("--transparent", is_flag=True, group="look", common=True, help="Request a transparent background."),
    _option(
        "--format", metavar="png|jpeg|webp", group="look", help="Convert to this format. [by the suffix of --out]"
    ),
    _option(
        "--fit", is_flag=True, group="look", help="Scale and crop to exactly --size, centred."
    ),
    _option(
        "-n", "--count", type=int, default=1, metavar="N", group="several", common=True,
        help="How many pictures: fox-1.png, fox-2.png, … [1]",
    ),
    _option(
        "--jobs", type=int, metavar="N", group="several", help="How many are made at once. [2; RunComfy 8]"
    ),
    _option(
        "--skip-existing", is_flag=True, group="several", help="With --count and --out: make only what is missing."
    ),
    _option(
        "--timeout-sec", type=parse_timeout, default=DEFAULT_TIMEOUT_SEC, metavar="N", group="scripts",
        help="Limit for the whole run: seconds, or 90s, 5m. [300]",
    ),
    _option(
        "--yes", is_flag=True, group="several", help=f"Don't ask before making more than {MAX_UNCONFIRMED} pictures."
    ),
    _option(
        "--dry-run", is_flag=True, group="scripts",
        help="Check and show what would be made; spends nothing.",
    ),
    _option(
        "--json", "json_wanted", is_flag=True, group="scripts", common=True,
        help="Print one JSON object on stdout, also for a failure.",
    ),
    events_option("scripts"),
    _option("-q", "--quiet", is_flag=True, group="scripts", help="Show no progress."),
    _option(
        "--backend", metavar="codex|runcomfy", default="codex", group="advanced",
        help="Who makes the picture; RunComfy is paid. [codex]",
    ),
    _option(
        "--no-wait", is_flag=True, group="advanced", help="RunComfy: submit, and print the request's id."
    ),
    _option(
        "--full-turn", is_flag=True, group="advanced", help="Let Codex end its turn; take its largest picture."
    ),
    _option("--codex", metavar="FILE", group="advanced", help="Which Codex CLI to run. [codex on PATH]"),
    _option(
        "-m", "--model", metavar="NAME", group="advanced",
        help="The model that calls the image tool; RunComfy: a model id. [the backend's own]",
    ),
    _option(
        "--codex-arg", "codex_args", multiple=True, metavar="ARG", group="advanced",
        help="One more argument for codex exec.",
    ),
    _option("-v", "--verbose", is_flag=True, group="advanced", help="Show Codex's own output on stderr."),
]  # fmt: skip
"""Each option with its group, a key of :data:`codex_imagegen.cli.help.GROUPS`; the short page has the common ones."""


def generate(
    *,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
    show: bool,
    open_wanted: bool,
    last: bool,
    **options: Any,
) -> int:
    """Make the picture and print its path; returns the exit code."""
    check_stdout(options["out"], json_wanted)
    no_wait, yes, dry_run = (options.pop(name) for name in ("no_wait", "yes", "dry_run"))
    request = _request(**options)
    request, warnings = _add_last_picture(request, quiet=quiet) if last else (request, ())
    if dry_run:
        return _dry_run(request, warnings, no_wait=no_wait, json_wanted=json_wanted, verbose=verbose)
    if request.count > MAX_UNCONFIRMED and not yes:
        _confirm_count(request)
    if no_wait:
        from codex_imagegen.cli.commands.runcomfy import submit_only

        return submit_only(request, json_wanted=json_wanted, quiet=quiet)
    from codex_imagegen import generation
    from codex_imagegen.cli import progress as progresses

    progress = progresses.of_request(request, quiet=quiet, verbose=verbose, json_wanted=json_wanted)
    with console.defer_signals(until_exit=True) as interrupt, progress:
        on_stderr = progress.show_output if verbose else None
        result = generation.generate(request, interrupt=interrupt, on_event=progress.show, on_stderr=on_stderr)
    if warnings:
        result = replace(result, warnings=(*warnings, *result.warnings))
    if request.count > 1 and result.error is not None:
        from codex_imagegen.cli.next_command import add_rerun_hint

        result = add_rerun_hint(result, request)
    return progresses.print_result(
        result, json_wanted=json_wanted, show=show, open_wanted=open_wanted, progress=progress
    )


def _dry_run(
    request: Request, warnings: tuple[Warning_, ...], *, no_wait: bool, json_wanted: bool, verbose: bool
) -> int:
    """Print what the run would make and send, as a person reads it on stderr or as JSON on stdout."""
    from codex_imagegen import generation
    from codex_imagegen.cli.dry_run import plan_lines

    if no_wait:
        from codex_imagegen.cli.commands.runcomfy import check_no_wait

        check_no_wait(request)
    with console.defer_signals() as interrupt:
        result = generation.preview(request, wait=not no_wait, interrupt=interrupt)
    result = replace(result, warnings=(*warnings, *result.warnings))
    for line in () if json_wanted else plan_lines(result, request.prompt, verbose=verbose):
        # a path stands alone on its line, indented, and is never broken
        shown = line if line.startswith(" ") else console.wrapped(line)
        console.emit(Event("message", index=None, message=line.strip()), shown)
    from codex_imagegen.cli.progress import print_result

    return print_result(result, json_wanted=json_wanted)


def _confirm_count(request: Request) -> None:
    """Ask before many pictures are made; raises :class:`UsageError` where nobody can be asked, and for a no."""
    from codex_imagegen import generation

    count = generation.count_missing(request)
    if count <= MAX_UNCONFIRMED:
        return
    if not console.is_interactive():
        hint = "add --yes to make them, or --dry-run to see what would be made"
        raise UsageError(f"this would make {count} pictures; more than {MAX_UNCONFIRMED} need --yes", hint=hint)
    price = "RunComfy charges for each" if request.backend == "runcomfy" else "each counts toward the plan's limits"
    if not console.confirm(f"codex-imagegen: make {count} pictures? ({price})"):
        raise UsageError("not confirmed; no picture was made", hint="give a smaller --count, or add --yes")


def _request(*, words: tuple[str, ...], prompt: str | None, prompt_file: str | None, **options: Any) -> Request:
    """Return the options as a request. The prompt or a reference is read last, since it may come from a pipe."""
    from codex_imagegen.options import build_request

    if words or (prompt is None) == (prompt_file is None):
        from codex_imagegen.cli import arguments

        prompt = arguments.check_prompt(words, prompt, prompt_file)
    readers = [("the prompt", source) for source in (prompt, prompt_file)] + [("--ref", ref) for ref in options["refs"]]
    _check_stdin([name for name, source in readers if source == STDOUT])
    request = replace(build_request({"prompt": "", **options}), prompt=_prompt(prompt, prompt_file))
    return replace(request, refs=tuple(map(_read_reference, request.refs))) if STDOUT in request.refs else request


def _check_stdin(readers: list[str]) -> None:
    """Refuse stdin for more than one thing, and a terminal as a picture."""
    if len(readers) > 1:
        what = "two references" if set(readers) == {"--ref"} else "a reference and the prompt"
        raise UsageError(f"stdin can't be {what}", hint="give a file for one of them")
    if readers == ["--ref"] and console.is_stdin_terminal():
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
    console.emit(event, None if quiet else console.wrapped(f"codex-imagegen: {found.description}"))
    return found.request, found.warnings


def _prompt(text: str | None, file: str | None) -> str:
    if text is not None and text != STDOUT:
        return text
    source = file if text is None else text
    try:
        if source == STDOUT:
            console.announce_stdin()
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
    params=[PromptArgument(["words"], nargs=-1, metavar="[PROMPT]"), *OPTIONS, version_option()],
    callback=generate,
    help=HELP,
    brief=BRIEF,
)
