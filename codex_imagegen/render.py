"""Render results, errors and events as JSON or as text; pure functions, independent of files and click."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codex_imagegen.request import Event

if TYPE_CHECKING:
    from codex_imagegen.errors import ImagegenError
    from codex_imagegen.results import ErrorInfo, Gallery, Result, Session, Warning_

STAGES = {
    "started": "starting Codex",
    "queued": "waiting in the queue",
    "thread": "thinking",
    "drawing": "drawing",
    "received": "received",
    "written": "written",
    "failed": "failed",
}
"""The stages of a run as text."""
_PROMPT_CHARS = 80
"""The characters of a prompt that a list shows."""

_KEY = re.compile(r"\b(?:(?:sk|sess)-|eyJ)[-_A-Za-z0-9.*]{6,}")
_SECRET = re.compile(r"(?i)(?<=[?&])((?:api[-_]?|access[-_]?)?(?:key|token)|code|password|secret|sig)=[^&\s'\"<>]+")
_LOGIN = re.compile(r"://(?:[^/\s'\"<>]*|[^/:\s'\"<>]*:(?!\d*(?:[/?#]|$))[^\s'\"<>]*)@")
"""The user name and password in an address; the second alternative is for a password with a slash."""

_BARE_LOGIN = re.compile(r"(?<![\w/.@:-])[^\s/:@'\"<>()]+:[^\s/@'\"<>()]+@(?=[\w\[])")
"""The same in an address without a scheme, as Codex prints one that it can't use."""

ENVELOPE_KEYS = (
    "schema", "ok", "backend", "images", "failures", "error", "thread_id", "codex_version", "elapsed_sec", "warnings",
    "last",
)  # fmt: skip
RUNCOMFY_KEYS = ("cost_usd", "request_id")


def envelope(result: Result) -> dict[str, Any]:
    """The result as the promised JSON object, with every key in the promised order."""
    data = asdict(result)
    return {key: data[key] for key in (*ENVELOPE_KEYS, *(RUNCOMFY_KEYS if result.backend == "runcomfy" else ()))}


def result_json(result: Result) -> str:
    """The envelope as one line of ASCII, which is safe in every terminal and pipe."""
    return json.dumps(envelope(result))


def envelope_json(fields: Mapping[str, object], *, elapsed_sec: float, backend: str = "codex") -> str:
    """The envelope of a command that makes no picture, with its own ``fields``, as one line."""
    from codex_imagegen.results import Result

    return json.dumps(envelope(Result(ok=True, backend=backend, elapsed_sec=round(elapsed_sec, 3))) | dict(fields))


def error_info(error: ImagegenError) -> ErrorInfo:
    """An error as data."""
    from codex_imagegen.results import ErrorInfo

    message, hint = hide_logins(error.message), error.hint and hide_logins(error.hint)
    return ErrorInfo(error.code, error.exit_code, message, hint, error.spent, error.resets_at)


def failure_result(error: ImagegenError, *, elapsed_sec: float = 0.0) -> Result:
    """The result of a failed request for one picture."""
    from codex_imagegen.results import Failure, Result, Warning_

    info = error_info(error)
    return Result(
        ok=False,
        backend=error.backend or "codex",
        failures=(Failure(0, info),),
        error=info,
        thread_id=error.thread_id,
        codex_version=error.codex_version,
        request_id=error.request_id,
        last=error.last,
        elapsed_sec=round(elapsed_sec, 3),
        warnings=tuple(Warning_(code, message) for code, message in error.warnings),
    )


def sessions_json(sessions: Iterable[Session], *, elapsed_sec: float) -> str:
    """A list of past sessions as one JSON object on one line."""
    return envelope_json({"sessions": [_session(session) for session in sessions]}, elapsed_sec=elapsed_sec)


def session_cells(session: Session) -> tuple[str, str, str, str, str]:
    """Local time, thread, number of pictures, their bytes, and the beginning of the prompt; safe to print."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.time)) if session.time else "?"
    name = one_line(session.thread_id or session.path)
    return when, name, str(session.pictures), str(session.bytes), clip_prompt(session.prompt or "")


def clip_prompt(prompt: str) -> str:
    """The beginning of a prompt, on one line that is safe to print."""
    text = one_line(prompt)
    return text if len(text) <= _PROMPT_CHARS else text[: _PROMPT_CHARS - 1] + "…"


def age(seconds: float) -> str:
    """A time in one rounded unit: ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    for unit, length, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * length:
            return f"{max(0, seconds) / length:.0f} {unit}"
    return plural(round(seconds / 86_400), "day")


def gallery_json(gallery: Gallery) -> str:
    """A gallery page as one JSON object on one line."""
    return envelope_json(asdict(gallery), elapsed_sec=gallery.elapsed_sec)


def gallery_line(gallery: Gallery) -> str:
    """The contents of a gallery page, on one line that is safe to print."""
    if not gallery.pictures:
        return one_line(f"codex-imagegen: no picture was found in {gallery.codex_home!r}, so the page is empty.")
    contents = f"{plural(gallery.pictures, 'picture')} of {plural(gallery.sessions, 'session')}"
    return f"codex-imagegen: {contents}; {size(gallery.bytes)} on disk, in {gallery.elapsed_sec:.0f} s."


def _session(session: Session) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.time)) if session.time else None
    return {
        "thread_id": session.thread_id, "time": when, "prompt": session.prompt, "pictures": session.pictures,
        "bytes": session.bytes, "path": session.path,
    }  # fmt: skip


def size(count: float) -> str:
    """A number of bytes in decimal units: ``999 B``, ``1.5 kB``, ``150 kB``, ``1.0 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """A number of things: ``1 picture``, ``2,000 pictures``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def partial_failure(failed: int, total: int, noun: str, first: str, *, verb: str = "failed") -> str:
    """The message when some of several things failed: ``2 of 3 pictures failed; the first: …``."""
    return f"{failed:,} of {plural(total, noun)} {verb}; the first: {first}"


def error_line(error: ErrorInfo) -> str:
    """The message and the hint, on one line that is safe to print."""
    hint = f" ({error.hint.rstrip('.')})" if error.hint else ""
    return one_line(f"codex-imagegen: {_end_sentence(error.message)}{hint}")


def _end_sentence(message: str) -> str:
    return message if message.endswith("?") else f"{message.rstrip('.')}."


def warning_line(warning: Warning_) -> str:
    """A warning, on one line that is safe to print."""
    return one_line(f"codex-imagegen: warning: {_end_sentence(warning.message)}")


def error_event(error: ErrorInfo, **about: Any) -> Event:
    """The failure that ends a run, as an event."""
    return Event("error", index=None, message=error.message, error=error, **about)


def warning_event(warning: Warning_, **about: Any) -> Event:
    """A warning as an event."""
    return Event("warning", index=None, message=warning.message, warning=warning, **about)


def event_line(event: Event) -> str:
    """The stage of a run and the seconds since its start."""
    return f"{stage_text(event)}  {event.elapsed_sec:.0f} s"


def stage_text(event: Event) -> str:
    """The stage of a run."""
    return one_line(f"{STAGES[event.stage]} · {event.message}" if event.message else STAGES[event.stage])


def event_json(event: Event) -> str:
    """An event as one line of JSON with every key, in ASCII, which is safe in every terminal and pipe."""
    from codex_imagegen.results import SCHEMA

    data = asdict(event)
    return json.dumps({"schema": SCHEMA, "event": data.pop("stage"), **data})


def hide_secrets(text: str) -> str:
    """The text without strings that look like keys (an API key's 401 repeats the key), passwords or tokens."""
    text = _BARE_LOGIN.sub("(hidden)@", hide_logins(text))
    return _KEY.sub("(key)", _SECRET.sub(r"\1=(hidden)", text))


def hide_logins(text: str) -> str:
    """The text without user names and passwords in addresses, such as ``https://name:password@host``."""
    return _LOGIN.sub("://(hidden)@", text) if "://" in text else text


def one_line(text: str) -> str:
    """The text on one line without terminal control characters; each run of white space becomes one space."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """The text without characters that move the cursor, reverse or break a line.

    Control, format (bidirectional marks among them), surrogate and private characters become ``?``; white space of
    every kind becomes a space.
    """
    return "".join(" " if c.isspace() else "?" if unicodedata.category(c).startswith("C") else c for c in text)
