"""The table of failures: what goes wrong, the exit code, ``error.code``, its cost, and where the picture is then.

One test runs every row (tests/bridge/test_failures.py), with the newest build, and with the oldest one too where its
way differs. What CI adds is the other kind of model, and one build between of each kind of image tool.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.demo.standin import Script
from tests.support import builds, checks, scripts
from tests.support.checks import can, linux
from tests.support.faulty import FaultyRun
from tests.support.lab import Lab
from tests.support.outcome import Outcome

DELIVERED, RECOVERABLE, NONE = "delivered", "recoverable in one command", "none was made"
OLD, NEW, FUNCTION = "oldest", "newest", "newest with the function tool"
"""Which builds and models run a row by default."""

_MIB = 1024 * 1024
_SPAM_BYTES = 100 * _MIB
_MOST_MEMORY = 120 * _MIB
_FIRST_FUNCTION = (0, 144, 0)
"""From here on the image tool is a function, with an endpoint of its own; before, the back end's model runs it."""

_BETWEEN_HOSTED = [one for one in builds.BUILDS[1:-1] if builds.number(one) < _FIRST_FUNCTION]
_BETWEEN_FUNCTION = [one for one in builds.BUILDS[1:-1] if builds.number(one) >= _FIRST_FUNCTION]


def _call(run: FaultyRun) -> Outcome:
    return run.call()


@dataclass(frozen=True)
class Failure:
    """``bring`` runs the command so that it meets the failure, ``script`` is what the back end says meanwhile.

    ``code`` is ``error.code``, None for a success. ``spent`` is the error's, or ``...`` where it depends on the moment.
    ``says`` are words of the message or the hint, each of which is a line; MODEL in them is the model that was asked.
    ``calls`` are the turns that the model was asked for; ``stops``: Codex is stopped without waiting for a second one.
    ``resets_sec`` tells how exactly the end of a limit is told, in seconds. ``on`` are the builds and models of a
    default run; CI runs rows with a ``tool`` on other builds that have this kind of image tool, too.
    """

    name: str
    script: Callable[[], Script] = scripts.ActsWhileDrawing
    exit_code: int = 0
    code: str | None = None
    spent: bool | Any | None = ...
    picture: str = DELIVERED
    says: tuple[str, ...] = ()
    calls: int | None = None
    stops: bool = False
    resets_sec: int | None = None
    bring: Callable[[FaultyRun], Outcome] = _call
    on: tuple[str, ...] = (NEW,)
    tool: str | None = None
    only_ci: bool = False
    needs: Callable[[], str | None] | None = None
    has_stdout: bool = True

    def __post_init__(self) -> None:
        assert isinstance(self.says, tuple), f"{self.name}: of a bare string every letter would be looked for alone"


def back_end(
    name: str,
    script: Callable[[], Script],
    code: str,
    *,
    exit_code: int = 7,
    spent: bool | None = True,
    tool: str = "both",
    **more: Any,
) -> Failure:
    """A failure of the back end; CI runs it on more builds that have this ``tool`` (hosted, function, both)."""
    return Failure(name, script, exit_code, code, spent, NONE, tool=tool, **more)


def one_build(
    name: str, script: Callable[[], Script], code: str, *, spent: bool | None, on: str, **more: Any
) -> Failure:
    """The same where one build is enough, or where Codex tries again for some seconds."""
    return Failure(name, script, more.pop("exit_code", 7), code, spent, NONE, on=(on,), **more)


def variants() -> list[Any]:
    """(row, build, model) of every row; what only CI runs is marked ``every_build``."""
    found = []
    for index, row in enumerate(TABLE):
        default = [_variant(one) for one in row.on]
        for version, model in dict.fromkeys([*default, *_for_ci(row, index)]):
            left_out = row.only_ci or (version, model) not in default
            name = f"{row.name}-{version}{'-function' if model else ''}"
            marks = [pytest.mark.every_build] if left_out else []
            found.append(pytest.param(row, version, model, id=name, marks=marks))
    return found


def _variant(name: str) -> tuple[str, str | None]:
    if name == FUNCTION:
        return builds.NEWEST, builds.FUNCTION_MODEL
    return {OLD: builds.OLDEST, NEW: builds.NEWEST}.get(name, name), None


def _for_ci(row: Failure, index: int) -> Iterator[tuple[str, str | None]]:
    """The builds between take turns, so that each of them runs a third of the rows."""
    if row.tool in {"hosted", "both"}:
        yield _variant(OLD)
        yield _BETWEEN_HOSTED[index % len(_BETWEEN_HOSTED)], None
    if row.tool in {"function", "both"}:
        yield _variant(NEW)
        yield _BETWEEN_FUNCTION[index % len(_BETWEEN_FUNCTION)], builds.FUNCTION_MODEL if index % 2 else None


# How a row is brought about


def _while_drawing(act: Callable[[FaultyRun], None]) -> Callable[[FaultyRun], Outcome]:
    """Something happens while the picture is drawn, when we follow the rollout."""

    def act_in_time(run: FaultyRun) -> None:
        run.await_follower()
        act(run)

    return _at_once(act_in_time)


def _at_once(act: Callable[[FaultyRun], None]) -> Callable[[FaultyRun], Outcome]:
    """The same, before we may have found the rollout: a picture that comes sooner than any real one."""

    def bring(run: FaultyRun) -> Outcome:
        run.script.act = lambda: act(run)
        return run.call()

    return bring


def _with(*words: str, **env: str) -> Callable[[FaultyRun], Outcome]:
    """A run with these arguments, and this environment."""
    return lambda run: run.call(*words, env=env)


def _after_preparing(prepare: Callable[[Lab], None]) -> Callable[[FaultyRun], Outcome]:
    """A run in a lab that was changed before."""

    def bring(run: FaultyRun) -> Outcome:
        prepare(run.lab)
        return run.call()

    return bring


def _time_ends_at(request: int) -> Callable[[FaultyRun], Outcome]:
    """The run's time is up when Codex asks the model for the ``request``-th time: what came before has been told."""

    def bring(run: FaultyRun) -> Outcome:
        respond = run.script.respond

        def counting(call: Any) -> Any:
            if run.lab.model_calls >= request:
                run.end_time_and_hold()
            return respond(call)

        run.script.respond = counting
        return run.run_until_time_is_up()

    return bring


def _time_ends_while_drawing(run: FaultyRun) -> Outcome:
    run.script.act = lambda: (run.await_follower(), run.end_time_and_hold())
    return run.run_until_time_is_up()


# Login, plan and Codex's own configuration


def _log_out(lab: Lab) -> None:
    (lab.home / "auth.json").unlink()


def _use_key(lab: Lab) -> None:
    (lab.home / "auth.json").write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}))


def _use_free_plan(lab: Lab) -> None:
    lab.write_home(plan="free")


def _break_config(lab: Lab) -> None:
    (lab.home / "config.toml").write_text("[broken\n")


def _without_home(run: FaultyRun) -> Outcome:
    """What is missing is not made: it may be a disk that is not mounted."""
    shutil.rmtree(run.lab.home)
    done = run.call()
    assert not run.lab.home.exists()
    return done


def _block_sessions(lab: Lab) -> None:
    """As in a sandbox that takes writes to CODEX_HOME; the oldest build keeps its pictures nowhere else."""
    (lab.home / "sessions").write_text("no folder")


def _nobody_listens(run: FaultyRun) -> Outcome:
    """The time is up once Codex has told of its second try."""
    run.lab.standin.__exit__()  # its port takes no connections any more
    tells = 'exec {codex} "$@" | while IFS= read -r line; do printf "%s\\n" "$line"; '
    ends = f'case $line in *Reconnecting*2/5*|*"2/5"*) {run.end_time_command};; esac; done'
    return run.run_until_time_is_up(
        "--model", builds.FUNCTION_MODEL, codex=run.wrapped_codex(real=tells.removeprefix("exec ") + ends)
    )


# The picture can't be written


def _small_files(run: FaultyRun) -> Outcome:
    codex = run.wrapped_codex("ulimit -S -f unlimited")
    return run.run(codex=codex, below=run.restricted("--file-bytes", "8192"))


def _full_disk(run: FaultyRun) -> Outcome:
    return run.run(below=run.mounted(run.folder, "size=8k"))


def _remove_folder(run: FaultyRun) -> None:
    shutil.rmtree(run.folder)


def _put_file_in_the_folders_place(run: FaultyRun) -> None:
    shutil.rmtree(run.folder)
    run.folder.write_text("in the way")


def _make_folder_read_only(run: FaultyRun) -> Outcome:
    run.script.act = lambda: run.folder.chmod(0o555)
    return run.run(below=run.restricted("--powerless"))


def _write_output(run: FaultyRun) -> None:
    run.out.write_text("somebody else's")


# Codex's home


def _read_only_home(run: FaultyRun) -> Outcome:
    sessions = run.lab.home / "sessions"
    sessions.mkdir()
    for folder in (sessions, run.lab.home):
        folder.chmod(0o555)
    try:
        return run.run(below=run.restricted("--powerless"))
    finally:
        run.lab.home.chmod(0o755)


def _linked_home_on_other_file_system(run: FaultyRun) -> Outcome:
    elsewhere = Path("/dev/shm") / f"codex-imagegen-test-{os.getpid()}"
    shutil.copytree(run.lab.home, elsewhere)
    link = run.lab.work / "link"
    link.symlink_to(elsewhere)
    try:
        assert elsewhere.stat().st_dev != run.lab.work.stat().st_dev
        return run.call(env={"CODEX_HOME": str(link)})
    finally:
        shutil.rmtree(elsewhere)


def _shared_memory() -> str | None:
    return None if os.path.isdir("/dev/shm") else "there is no /dev/shm"


def _no_inotify(run: FaultyRun) -> Outcome:
    return run.run(below=_NO_INOTIFY)


# The rollout


def _truncate(run: FaultyRun) -> None:
    os.truncate(run.rollout(), 0)


def _replace(run: FaultyRun) -> None:
    copy = run.lab.work / "copy"
    shutil.copy(run.rollout(), copy)
    copy.replace(run.rollout())


def _delete(run: FaultyRun) -> None:
    run.rollout().unlink()


# Codex's process


def _kill_codex(run: FaultyRun) -> None:
    run.signal_codex(signal.SIGKILL)


def _suspend_codex(run: FaultyRun) -> Outcome:
    def act() -> None:
        run.await_follower()
        run.signal_codex(signal.SIGSTOP)
        run.end_time_and_hold()  # the picture does not come, even when Codex is let go on to be ended

    run.script.act = act
    return run.run_until_time_is_up()


def _kill_codex_in_a_line(run: FaultyRun) -> Outcome:
    """The kernel ends Codex in the middle of the line with the picture: it would be longer than a file may be."""
    limit = len(run.script.drawn_picture) * 7 // 6
    below = " ".join(run.restricted("--hard", "--file-bytes", str(limit)))
    return run.run(codex=run.wrapped_codex(real=f'exec {below} {{codex}} "$@"'))


def _spam(run: FaultyRun) -> Outcome:
    """Ten long lines on each stream, of bytes that are no text; every one is longer than what a pipe holds."""
    run.script.act = run.note_memory
    lines = f"for i in 1 2 3 4 5 6 7 8 9 10; do head -c {_SPAM_BYTES // 10} /dev/zero; printf '\\377\\033[2J\\n'; done"
    done = run.run(codex=run.wrapped_codex(r"printf '\377\376\n{\300\n\000\n'", lines, f"{{ {lines}; }} >&2"))
    assert 0 < run.peak_kib * 1024 < _MOST_MEMORY, run.peak_kib
    return done


def _swallow_stdout(run: FaultyRun) -> Outcome:
    return run.call(codex=run.wrapped_codex(real='exec {codex} "$@" >/dev/null'))


def _close_streams_and_live(run: FaultyRun) -> Outcome:
    lines = [
        "echo Reading prompt from stdin... >&2",
        "exec >&- 2>&-",
        "cat > /dev/null",
        run.end_time_command,
        "exec sleep 120",
    ]
    return run.run_until_time_is_up(codex=run.wrapped_codex(*lines, real=None))


# The clock


def _west_sec(hour: float) -> int:
    """How far west of Greenwich it is that hour now, half of the earth at most."""
    return int(time.time() - hour * 3600 + 43_200) % 86_400 - 43_200


def _zone(west_sec: int) -> str:
    sign, offset = "-" if west_sec < 0 else "", abs(west_sec)
    return f"XXX{sign}{offset // 3600}:{offset // 60 % 60:02}:{offset % 60:02}"


def _days(ours: float, codex_ahead: float) -> Callable[[FaultyRun], Outcome]:
    """It is one hour where we are, and Codex's clock is some hours ahead of ours, so that its day is another."""

    def bring(run: FaultyRun) -> Outcome:
        west = _west_sec(ours)
        codex_west = west - int(codex_ahead * 3600)
        days = [int(time.time() - seconds) // 86_400 for seconds in (codex_west, west)]
        assert days[0] - days[1] == (1 if codex_ahead > 0 else -1)
        return run.call(codex=run.wrapped_codex(f"export TZ={_zone(codex_west)}"), env={"TZ": _zone(west)})

    return bring


def _midnight_comes(run: FaultyRun) -> Outcome:
    """Codex starts on the day after the one on which we were started."""
    zone = _zone(_west_sec(24 - 2 / 3600))
    return run.run(codex=run.wrapped_codex("sleep 2"), env={"TZ": zone})


# The temporary folder


def _temporary_full(run: FaultyRun) -> Outcome:
    return run.run(below=run.mounted(run.lab.tmp, "nr_inodes=1"))


def _temporary_missing(run: FaultyRun) -> Outcome:
    return run.run(env={"TMPDIR": str(run.lab.tmp / "gone")})


def _temporary_read_only(run: FaultyRun) -> Outcome:
    run.lab.tmp.chmod(0o555)
    try:
        return run.run(below=run.restricted("--powerless"))
    finally:
        run.lab.tmp.chmod(0o755)


# Our own process


def _closed(*descriptors: str) -> Callable[[FaultyRun], Outcome]:
    def bring(run: FaultyRun) -> Outcome:
        return run.run(below=["sh", "-c", f'exec "$@" {" ".join(descriptors)}', "sh"])

    return bring


def _nobody_reads(*, out: str | None = None) -> Callable[[FaultyRun], Outcome]:
    """As in ``| head -0``: the other end of the pipe is closed before anything is written."""

    def bring(run: FaultyRun) -> Outcome:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return run.run(out=out, json_wanted=out is None, stdout=writer)
        finally:
            os.close(writer)

    return bring


def _killed_before_writing(run: FaultyRun) -> Outcome:
    """We are suspended while the picture arrives, and killed when Codex reports it to the model."""
    run.script.act = lambda: os.kill(run.pid, signal.SIGSTOP)
    run.script.act_after = lambda: os.kill(run.pid, signal.SIGKILL)
    done = run.run()
    checks.until(lambda: not run.groups(), "the Codex that is left behind to end")
    return done


_NAMESPACE = can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")
_NO_INOTIFY = ("unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh")
_HOUR = scripts.HOUR_SEC
_OPAQUE = {
    "message": "Transparent background is not supported for this model.", "type": "image_generation_user_error",
    "param": "background", "code": "invalid_value",
}  # fmt: skip
_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>%s</body></html>" % (b"x" * 3000)
_TOO_MANY = "TooManyRequests\nEncountered exception: <class 'oai_errors.errors.TooManyRequests'>"
_SERVER_ERROR = "ServerError\nEncountered exception: <class 'oai_errors.errors.ServerError'>"
_GUARDRAILS = "This prompt may violate our guardrails around third-party content."


def _answers(*answer: Any) -> Callable[[], Script]:
    return lambda: scripts.Answers(*answer)


def _hosted_says(words: str, where: str) -> Callable[[], Script]:
    return lambda: scripts.HostedToolSays(words, where)


_LIMITS = (
    back_end("usage limit that ends today", lambda: scripts.UsageLimit(resets_in=2 * _HOUR), "usage-limit", spent=False,
             resets_sec=60, bring=_with(TZ="Asia/Kolkata")),
    one_build("usage limit that ends days ahead", lambda: scripts.UsageLimit(resets_in=72 * _HOUR), "usage-limit",
              spent=False, resets_sec=60, bring=_with(TZ="America/New_York"), on=OLD),
    back_end("usage limit whose end is in a header", lambda: scripts.UsageLimit(headers=True), "usage-limit",
             spent=False, resets_sec=1),
    one_build("usage limit without an end", lambda: scripts.UsageLimit(resets_in=None), "usage-limit", spent=False,
              on=NEW, only_ci=True),
    one_build("plan without Codex", scripts.UsageNotIncluded, "usage-limit", spent=False, on=NEW, only_ci=True),
    one_build("workspace without credits", scripts.OutOfCredits, "usage-limit", spent=False, on=NEW, only_ci=True),
    back_end("quota exceeded", scripts.QuotaExceeded, "usage-limit", spent=False, only_ci=True),
    back_end("picture limit", scripts.PictureLimit, "usage-limit", tool="function", resets_sec=1, stops=True),
    one_build("picture limit of the hosted tool", scripts.PictureLimit, "usage-limit", spent=None, on=OLD,
              only_ci=True),
    back_end("rate limit", scripts.RateLimits, "rate-limited", spent=False),
    one_build("rate limit within a turn", scripts.RateLimitsInStream, "rate-limited", spent=False, on=OLD,
              only_ci=True),
    back_end("model overloaded", scripts.Overloaded, "rate-limited", spent=False, only_ci=True),
    back_end("picture rate limit", scripts.RateLimitsPictures, "rate-limited", tool="function", calls=2),
    back_end("too many pictures", scripts.TooManyPictures, "rate-limited", tool="function", on=(FUNCTION,)),
)  # fmt: skip

_MODEL_AND_TOOL = (
    back_end("prompt blocked", scripts.BlocksPrompt, "moderation", spent=None, on=(OLD,)),
    back_end("picture blocked", scripts.BlocksPicture, "moderation", tool="function", stops=True, on=(NEW, FUNCTION)),
    one_build("picture blocked by the hosted tool", scripts.BlocksPicture, "moderation", spent=None, on=OLD,
              only_ci=True),
    back_end("picture blocked and caught by a script", scripts.SwallowsError, "moderation", tool="function",
             stops=True),
    back_end("model refuses", scripts.Refuses, "refused", on=(FUNCTION, OLD),
             says=("\nthe model MODEL answered in words", "--model")),
    back_end("model says nothing", scripts.SaysNothing, "no-picture"),
    back_end("model calls a tool that is not offered", scripts.CallsToolThatIsNotOffered, "tool-unavailable",
             tool="hosted", on=(OLD,)),
    one_build("picture request rejected", scripts.RejectsPictureRequest, "generation-failed", spent=True, on=NEW,
              only_ci=True),
    back_end("no pictures in the answer", scripts.NoPictures, "generation-failed", on=(OLD,)),
    back_end("answer without JSON", scripts.NoJson, "generation-failed", tool="function",
             says=("failed to decode", "later")),
    back_end("picture without base64", scripts.NoBase64, "damaged-picture", on=(OLD,)),
    back_end("picture cut short", scripts.TearsPictures, "damaged-picture"),
    back_end("base64 cut short", scripts.TearsBase64, "damaged-picture", on=(OLD,)),
    back_end("picture of no bytes", scripts.BlankPicture, "no-picture", on=(FUNCTION, OLD)),
    one_build("picture endpoint forbids", _answers(403, b'{"detail": "Forbidden"}', "application/json"),
              "generation-failed", spent=True, on=NEW, says=("Forbidden", "account"), only_ci=True),
    one_build("picture endpoint missing", _answers(404, b"<html>404 Not Found</html>"), "generation-failed", spent=True,
              on=NEW, says=("HTTP 404 Not Found", "base URL")),
    one_build("picture request too large", _answers(413, b"<html>too large</html>"), "generation-failed", spent=True,
              on=NEW, says=("HTTP 413 Payload Too", "smaller references"), only_ci=True),
    one_build("transparency not supported", _answers(400, _OPAQUE), "generation-failed", spent=True, on=FUNCTION,
              says=("Transparent background", "leave --transparent out"), only_ci=True),
    one_build("picture rate limit without a body", _answers(429), "rate-limited", spent=True, on=FUNCTION,
              says=("HTTP 429 Too Many Requests", "wait a minute")),
    one_build("picture rate limit in a page", _answers(429, b"<html>slow down</html>"), "rate-limited", spent=True,
              on=NEW, says=("HTTP 429", "wait a minute"), only_ci=True),
    one_build("picture gateway out of order", _answers(502, _PAGE), "generation-failed", spent=True, on=NEW,
              says=("\nthe image tool failed: HTTP 502 Bad Gateway\nthat is on OpenAI's side: try again later",)),
    one_build("picture server error", scripts.PictureServerErrors, "generation-failed", spent=True, on=NEW,
              only_ci=True),
    back_end("hosted tool says too many", _hosted_says(_TOO_MANY, "words"), "rate-limited", tool="hosted", on=(OLD,)),
    back_end("hosted tool says guardrails", _hosted_says(_GUARDRAILS, "words"), "moderation", tool="hosted", on=(OLD,),
             only_ci=True),
    back_end("hosted result of a server error", _hosted_says(_SERVER_ERROR, "result"), "generation-failed",
             tool="hosted", on=(OLD,)),
    # Codex asks six times before it gives up; nobody knows what that cost
    one_build("hosted turn fails with guardrails", _hosted_says(_GUARDRAILS, "turn"), "moderation", spent=None,
              on="0.141.0", only_ci=True),
)  # fmt: skip

_LOGIN_AND_NETWORK = (
    back_end("token refused", scripts.TokenRefused, "not-logged-in", exit_code=5, spent=False),
    back_end("token refused for pictures", scripts.PictureTokenRefused, "not-logged-in", exit_code=5, tool="function",
             on=(FUNCTION,)),
    back_end("model unknown", scripts.UnknownModel, "codex-failed", exit_code=5, spent=False),
    # the real Codex asks six times without a login before it gives up
    one_build("login missing", scripts.NoLogin, "not-logged-in", exit_code=5, spent=False, on=NEW,
              says=("codex login",), bring=_after_preparing(_log_out), only_ci=True),
    one_build("login missing before a back end that answers", checks.Small, "not-logged-in", exit_code=5, spent=True,
              on=NEW, says=("\nCodex is not logged in\nrun: codex login\n",), bring=_after_preparing(_log_out)),
    one_build("login missing, with a model that has no code mode", checks.Small, "not-logged-in", exit_code=5,
              spent=True, on=FUNCTION, says=("\nCodex is not logged in\nrun: codex login\n",),
              bring=_after_preparing(_log_out), only_ci=True),
    one_build("login missing for a hosted tool", checks.Small, "not-logged-in", exit_code=5, spent=True, on="0.141.0",
              says=("\nCodex is not logged in\nrun: codex login\n",), bring=_after_preparing(_log_out), only_ci=True),
    one_build("free plan", checks.Small, "tool-unavailable", spent=True, on=NEW, bring=_after_preparing(_use_free_plan),
              says=("\nCodex was not offered the image tool\n",)),
    # nothing in the records of such a run tells that the tool was not offered: the hint names the plan
    one_build("free plan, with a model that has no code mode", checks.Small, "refused", spent=True, on=FUNCTION,
              bring=_after_preparing(_use_free_plan), says=("Free plan",)),
    one_build("API key", checks.Small, "tool-unavailable", spent=True, on=NEW, bring=_after_preparing(_use_key),
              says=("\nCodex was not offered the image tool: the login is an API key\n",)),
    one_build("stream cut", scripts.CutsStream, "network", exit_code=5, spent=None, on=NEW, only_ci=True),
    one_build("stream cut until the time is up", scripts.CutsStream, "network", exit_code=5, spent=None, on=NEW,
              says=("sandbox",), bring=_time_ends_at(3)),
    one_build("picture connections closed", scripts.ClosesPictureConnections, "network", exit_code=5, spent=True,
              on=NEW, only_ci=True),
    one_build("connections closed", scripts.ClosesConnections, "network", exit_code=5, spent=None, on=OLD,
              says=("sandbox",), bring=_time_ends_at(8), only_ci=True),
    one_build("nobody listens", checks.Small, "network", exit_code=5, spent=False, on=NEW, bring=_nobody_listens),
    one_build("server errors", scripts.ServerErrors, "network", exit_code=5, spent=None, on=NEW,
              bring=_time_ends_at(7), only_ci=True),
    one_build("model never answers", checks.Small, "timeout", exit_code=5, spent=None, on=OLD, says=("thinking",),
              bring=_time_ends_at(1)),
    one_build("picture never comes", scripts.ActsWhileDrawing, "timeout", exit_code=5, spent=True, on=NEW,
              says=("drawing",), bring=_time_ends_while_drawing),
)  # fmt: skip

_CODEX_AND_SYSTEM = (
    Failure("the output disk is full", exit_code=73, code="out-unwritable", picture=RECOVERABLE, bring=_full_disk,
            needs=_NAMESPACE),
    Failure("files may not be as large as the picture", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=_small_files),
    Failure("the output folder is removed", bring=_while_drawing(_remove_folder)),
    Failure("the output folder becomes a file", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=_while_drawing(_put_file_in_the_folders_place)),
    Failure("the output folder becomes read-only", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=_make_folder_read_only, needs=linux),
    Failure("the output appears", exit_code=73, code="out-exists", picture=RECOVERABLE,
            bring=_while_drawing(_write_output)),
    Failure("CODEX_HOME is read-only", exit_code=5, code="codex-failed", picture=NONE, bring=_read_only_home,
            needs=linux),
    Failure("CODEX_HOME is missing", exit_code=5, code="codex-failed", spent=False, picture=NONE,
            bring=_without_home, says=("does not exist",)),
    Failure("CODEX_HOME is a symlink to another file system", bring=_linked_home_on_other_file_system,
            needs=_shared_memory),
    Failure("config.toml is malformed", exit_code=5, code="codex-failed", spent=False, picture=NONE, on=(NEW, OLD),
            bring=_after_preparing(_break_config), says=("config.toml:1:8",)),
    Failure("an argument is unknown to Codex", exit_code=5, code="codex-failed", spent=False, picture=NONE,
            on=(OLD,), bring=_with("--codex-arg=--nonsense"), says=("--nonsense",)),
    Failure("the session can't be written", exit_code=6, code="session-missing", spent=True, picture=NONE, on=(OLD,),
            bring=_after_preparing(_block_sessions), says=("sandbox",)),
    Failure("the session can't be written, but the picture is saved", bring=_after_preparing(_block_sessions),
            only_ci=True),
    Failure("no session is wanted", exit_code=6, code="session-missing", spent=True, picture=NONE, on=(OLD,),
            bring=_with("--codex-arg=--ephemeral"), says=("--ephemeral",)),
    Failure("no session is wanted, but the picture is saved", bring=_with("--codex-arg=--ephemeral")),
    Failure("inotify is at its limit", bring=_no_inotify, needs=can(*_NO_INOTIFY, "true")),
    Failure("the rollout is truncated", bring=_while_drawing(_truncate), on=(NEW, OLD)),
    Failure("the rollout is truncated before a longer picture", lambda: scripts.ActsWhileDrawing(300),
            bring=_while_drawing(_truncate), on=(OLD,)),
    Failure("the rollout is truncated before it is found", bring=_at_once(_truncate), on=(OLD,)),
    Failure("the rollout is replaced", bring=_while_drawing(_replace), on=(OLD,)),
    Failure("the rollout is deleted", bring=_while_drawing(_delete), on=(OLD,)),
    Failure("Codex is killed", exit_code=5, code="codex-failed", picture=NONE, bring=_while_drawing(_kill_codex),
            needs=linux),
    Failure("Codex is killed in the middle of a line, and the picture is saved", lambda: scripts.ActsWhileDrawing(600),
            bring=_kill_codex_in_a_line),
    Failure("Codex is killed in the middle of a line", lambda: scripts.ActsWhileDrawing(400), 5, "codex-failed",
            picture=NONE, on=(OLD,), bring=_kill_codex_in_a_line),
    Failure("Codex is suspended", exit_code=5, code="timeout", picture=NONE, bring=_suspend_codex, needs=linux),
    Failure("Codex prints 100 MB that are not UTF-8 on stdout and on stderr", bring=_spam, needs=linux),
    Failure("Codex prints nothing on stdout", bring=_swallow_stdout),
    Failure("Codex closes its streams and lives on", exit_code=5, code="timeout", picture=NONE,
            bring=_close_streams_and_live),
    Failure("it is tomorrow for Codex", bring=_days(ours=23, codex_ahead=2)),
    Failure("it is yesterday for Codex", bring=_days(ours=1, codex_ahead=-2)),
    Failure("midnight comes before Codex starts", bring=_midnight_comes, only_ci=True),
    Failure("the temporary folder is full", exit_code=73, code="out-unwritable", picture=NONE, bring=_temporary_full,
            needs=_NAMESPACE),
    Failure("the temporary folder is missing", exit_code=73, code="out-unwritable", picture=NONE,
            bring=_temporary_missing),
    Failure("the temporary folder is read-only", exit_code=73, code="out-unwritable", picture=NONE,
            bring=_temporary_read_only, needs=linux),
    Failure("stdout is closed", bring=_closed(">&-"), has_stdout=False, only_ci=True),
    Failure("every stream is closed", bring=_closed("<&-", ">&-", "2>&-"), has_stdout=False),
    Failure("nobody reads stdout", bring=_nobody_reads(), has_stdout=False),
    Failure("nobody reads the picture from stdout", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=_nobody_reads(out="-"), has_stdout=False),
    Failure("we are killed before the picture is written", exit_code=-9, picture=RECOVERABLE,
            bring=_killed_before_writing, needs=linux, has_stdout=False),
)  # fmt: skip

TABLE = (*_LIMITS, *_MODEL_AND_TOOL, *_LOGIN_AND_NETWORK, *_CODEX_AND_SYSTEM)
