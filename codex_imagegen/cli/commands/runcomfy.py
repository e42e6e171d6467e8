"""``codex-imagegen runcomfy``: sign in to the paid backend, and follow its long jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import EVENTS, Group, Option, check_stdout, parse_timeout
from codex_imagegen.errors import ImagegenError, OutUnwritable, RunComfyRetry, UsageError
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC, Event, Request, Run

if TYPE_CHECKING:
    from codex_imagegen.interrupt import Interrupt
    from codex_imagegen.results import Warning_
    from codex_imagegen.runcomfy.client import Status
    from codex_imagegen.runcomfy.login import DeviceCode

_ANSWER_SEC = 60.0
"""The limit for a command of one request."""
_MAX_COMMANDS = 8
"""For more requests than this, no command is printed for each."""

_json = click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object on stdout, also for a failure.")
_events = click.option("--events", is_flag=True, expose_value=False, help=EVENTS)
_id = click.argument("request_id", metavar="ID")


@click.group(
    cls=Group,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]…",  # click's default differs between its versions
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Sign in to RunComfy, and follow requests that --no-wait submitted.

    RunComfy is a paid service. Its token comes from RUNCOMFY_TOKEN, else from the file that login writes, which
    RunComfy's own command line reads as well.
    """
    if ctx.invoked_subcommand is None:
        raise UsageError(
            "a subcommand is missing: status, wait, cancel, login or logout",
            hint="for help:\ncodex-imagegen runcomfy --help",
        )


@command.command()
@_id
@_json
def status(request_id: str, json_wanted: bool) -> None:
    """Print the status of a request."""
    from codex_imagegen.runcomfy import backend

    with console.defer_signals() as interrupt:
        run = _run(interrupt)
        status = backend.status(request_id, run)
    position = "" if status.position is None else f" (position {status.position})"
    fields = {"request_id": request_id, "status": status.name, "queue_position": status.position}
    _print(status.name + position, fields, run, json_wanted)
    if not json_wanted:
        console.advise(_next_step(status, request_id))


@command.command()
@_id
@click.option(
    "-o", "--out", cls=Option, metavar="FILE",
    help="File or folder; - is stdout. [image.png]",
)  # fmt: skip
@click.option(
    "--timeout-sec",
    type=parse_timeout,
    default=DEFAULT_TIMEOUT_SEC,
    metavar="N",
    help="Limit for the whole wait: seconds, or 90s, 5m. [300]",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--open", "open_wanted", is_flag=True, help="Open the picture in the system's viewer.")
@_json
@_events
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def wait(request_id: str, json_wanted: bool, quiet: bool, open_wanted: bool, **options: Any) -> int:
    """Wait for a request and fetch its picture, as often as you like.

    A timeout or Ctrl-C ends only the waiting, not the request; `runcomfy cancel` cancels that.
    """
    check_stdout(options["out"], json_wanted)
    from codex_imagegen.cli.progress import RequestProgress, print_result
    from codex_imagegen.generation import generate

    request = Request(prompt="", backend="runcomfy", request_id=request_id, **options)
    with console.defer_signals() as interrupt, RequestProgress(request, quiet=quiet) as progress:
        result = generate(request, interrupt=interrupt, on_event=progress.show)
    return print_result(result, json_wanted=json_wanted, open_wanted=open_wanted, progress=progress)


@command.command()
@_id
@_json
def cancel(request_id: str, json_wanted: bool) -> None:
    """Cancel a request and print the outcome. RunComfy allows this while the request is in the queue."""
    from codex_imagegen.runcomfy import backend

    with console.defer_signals() as interrupt:
        run = _run(interrupt)
        outcome = backend.cancel(request_id, run)
    if outcome is None:
        raise RunComfyRetry(
            f"it is unknown whether the request {request_id} was cancelled",
            hint=f"check with:\ncodex-imagegen runcomfy status {request_id}",
            spent=None,
        )
    _print(outcome, {"request_id": request_id, "outcome": outcome}, run, json_wanted)
    if outcome == "not_cancellable" and not json_wanted:
        console.advise(f"it is too late to cancel it; wait for the picture with:\n{_wait_commands([request_id])}")


@command.command()
@_json
def login(json_wanted: bool) -> None:
    """Sign in by confirming a code in a browser. The token is saved in a file that only you can read."""
    from codex_imagegen.runcomfy import settings, token
    from codex_imagegen.runcomfy.login import Login

    with console.defer_signals() as interrupt:
        run = _run(interrupt)
        path = token.save(Login(settings.web_base(), interrupt).run(_print_code))
    console.say(f"signed in to RunComfy; the token is in {path!r}.")
    _mention_token_variable()
    _print(None, {"token_file": path}, run, json_wanted)


@command.command()
@_json
def logout(json_wanted: bool) -> None:
    """Delete the token file."""
    from codex_imagegen.runcomfy import token

    with console.defer_signals() as interrupt:
        run = _run(interrupt)
        path = token.delete()
    message = "you were not signed in to RunComfy" if path is None else f"signed out of RunComfy; {path!r} is deleted"
    console.say(f"{message}.")
    _mention_token_variable()
    _print(None, {"token_file": path}, run, json_wanted)


def submit_only(request: Request, *, json_wanted: bool, quiet: bool = False) -> int:
    """Submit each requested picture and print the requests' ids: ``--no-wait`` of the default command.

    Raises :class:`UsageError` for options that contradict ``--no-wait``. If a later submit fails, its error names the
    ids that are already paid for.
    """
    check_no_wait(request)
    from codex_imagegen import generation
    from codex_imagegen.runcomfy import backend

    generation.check(request)
    ids: list[str] = []
    warnings: tuple[Warning_, ...] = ()
    with console.defer_signals() as interrupt:
        run = _run(interrupt, request.timeout_sec)
        try:
            for index in range(request.count):
                request_id, warnings = backend.submit_only(request, run)
                ids.append(request_id)
                console.emit(Event("started", index=index, request_id=ids[-1]))
        except ImagegenError as error:
            if ids:
                error.message, error.spent = f"{error.message}; submitted before: {' '.join(ids)}", True
                error.args = (error.message,)
                error.hint = render.join_hints(error.hint, f"for those before, wait with:\n{_wait_commands(ids)}")
            raise
    fields = {"request_id": ids[0] if len(ids) == 1 else None, "request_ids": ids}
    for warning in warnings:
        console.warn(warning, silent=json_wanted)
    _print("\n".join(ids), {**fields, "warnings": [asdict(warning) for warning in warnings]}, run, json_wanted)
    next_step = f"wait for the picture{'s' * (len(ids) > 1)} with:\n{_wait_commands(ids)}"
    if (broken := console.stdout_error()) is not None:
        message = f"submitted: {' '.join(ids)}, but stdout can't be written: {broken.strerror}"
        raise OutUnwritable(message, hint=next_step, spent=True, errno=broken.errno)
    if not json_wanted and not quiet:
        console.advise(next_step)
    return 0


def check_no_wait(request: Request) -> None:
    """Raise :class:`UsageError` for options that contradict ``--no-wait``."""
    if request.backend != "runcomfy":
        raise UsageError("--no-wait needs --backend runcomfy", hint="a Codex run can't be continued later")
    if request.out is not None:
        raise UsageError(
            "--no-wait and --out contradict each other",
            hint="leave --out out, and give it when you fetch the picture:\ncodex-imagegen runcomfy wait ID --out FILE",
        )


def _next_step(status: Status, request_id: str) -> str:
    """What to do after this status."""
    from codex_imagegen.runcomfy import responses

    if status.state == responses.CANCELLED:
        return "it was cancelled and makes no picture: submit a new one"
    does = {responses.SUCCEEDED: "fetch the picture", responses.FAILED: "see why"}.get(
        status.state, "wait for the picture"
    )
    hint = f"{does} with:\n{_wait_commands([request_id])}"
    if status.name == "in_queue":
        hint += f"\nor cancel it with:\ncodex-imagegen runcomfy cancel {request_id}"
    return hint


def _wait_commands(ids: Sequence[str]) -> str:
    """The command for each request; beyond a few requests, the pattern of it."""
    shown = ids if len(ids) <= _MAX_COMMANDS else ["ID"]
    return "\n".join(f"codex-imagegen runcomfy wait {request_id}" for request_id in shown)


def _print_code(code: DeviceCode) -> None:
    user_code, url = render.one_line(code.user_code), render.one_line(code.verify_url)
    console.say(f"open this page, and confirm that it shows the code {user_code}:\n{url}")


def _mention_token_variable() -> None:
    if os.environ.get("RUNCOMFY_TOKEN", "").strip():
        console.say("RUNCOMFY_TOKEN is set, and is used before the file.")


def _run(interrupt: Interrupt, seconds: float = _ANSWER_SEC) -> Run:
    now = time.monotonic()
    return Run(now, now + seconds, interrupt, lambda _event: None)


def _print(line: str | None, fields: Mapping[str, object], run: Run, json_wanted: bool) -> None:
    """Print a line, or with ``--json`` the envelope with these additional keys."""
    if json_wanted:
        console.out(render.envelope_json(fields, elapsed_sec=time.monotonic() - run.started, backend="runcomfy"))
    elif line is not None:
        for row in line.split("\n"):
            console.out(render.one_line(row))
