"""Render results, errors and events as JSON or as text; pure functions, independent of files and click."""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codex_imagegen.request import Event

if TYPE_CHECKING:
    from codex_imagegen.errors import ImagegenError
    from codex_imagegen.results import ErrorInfo, Result, Session, Warning_

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
"""The columns of a prompt that a list in a pipe shows."""
_HOURS_OF_A_DAY = 24
_MAX_NUMBERS = 5
"""How many of the numbers of failed things are listed."""
_WRONG_LINE = re.compile(r"(?<=;) (?=lines? \d+\b[^:;]*: |and \d[\d,]* more lines?\.$)")
"""Before the error of one of several lines of a job file: each stands on its own line of a terminal."""

_KEY = re.compile(r"\b(?:(?:sk|sess)-|eyJ)[-_A-Za-z0-9.*]{6,}")
_SECRET = re.compile(r"(?i)(?<=[?&])((?:api[-_]?|access[-_]?)?(?:key|token)|code|password|secret|sig)=[^&\s'\"<>]+")
_LOGIN = re.compile(r"://(?:[^/\s'\"<>]*|[^/:\s'\"<>]*:(?!\d*(?:[/?#]|$))[^\s'\"<>]*)@")
"""The user name and password in an address; the second alternative is for a password with a slash."""

_BARE_LOGIN = re.compile(r"(?<![\w/.@:-])[^\s/:@'\"<>()]+:[^\s/@'\"<>()]+@(?=[\w\[])")
"""The same in an address without a scheme, as Codex prints one that it can't use."""

ENVELOPE_KEYS = (
    "schema", "ok", "backend", "images", "failures", "error", "thread_id", "codex_version", "elapsed_sec", "warnings",
    "dry_run", "planned", "last",
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
        dry_run=error.is_dry_run,
        warnings=tuple(Warning_(code, message) for code, message in error.warnings),
    )


def sessions_json(sessions: Iterable[Session], *, elapsed_sec: float) -> str:
    """A list of past sessions as one JSON object on one line."""
    return envelope_json({"sessions": [_session(session) for session in sessions]}, elapsed_sec=elapsed_sec)


def session_cells(session: Session) -> tuple[str, str, str, str, str]:
    """Local time, thread, number of pictures, their bytes, and the beginning of the prompt; safe to print."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.time)) if session.time else "?"
    thread, prompt = one_line(session.thread_id or session.session), one_line(session.prompt or "")
    return when, thread, str(session.pictures), str(session.bytes), short_prompt(prompt)


def short_prompt(prompt: str) -> str:
    """The beginning of a prompt, as a list in a pipe and JSON show it."""
    return cut(prompt, _PROMPT_CHARS)


def cut(text: str, columns: int) -> str:
    """The text in at most so many columns of a terminal: cut after a word, or within one that is long."""
    if columns < 1 or width(text) <= columns:
        return text if columns > 0 else ""
    end, used = 0, 1  # the ellipsis
    while (used := used + width(text[end])) <= columns:
        end += 1
    word_end = end if text[end] == " " else text.rfind(" ", 0, end)
    return text[: word_end if 3 * word_end > 2 * end else end].rstrip() + "…"


def _session(session: Session) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.time)) if session.time else None
    return {
        "thread_id": session.thread_id, "time": when, "prompt": session.prompt, "pictures": session.pictures,
        "bytes": session.bytes, "session": session.session,
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


def until(unix_seconds: float, now: float | None = None) -> str:
    """When a time comes, local and in whole minutes: ``at 13:47 (in 58 min)``, ``on 2026-11-24 at 13:47 (in 3 days)``.

    It is rounded up: what ends then has ended at the minute that is named. ``now`` stands for a time that has passed.
    """
    seconds = unix_seconds - (time.time() if now is None else now)
    if seconds <= 0:
        return "now"
    minute = time.localtime(-(-unix_seconds // 60) * 60)
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    if hours >= _HOURS_OF_A_DAY:
        return f"{time.strftime('on %Y-%m-%d at %H:%M', minute)} (in {plural(round(hours / _HOURS_OF_A_DAY), 'day')})"
    parts = [f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min")) if number]
    return f"{time.strftime('at %H:%M', minute)} (in {' '.join(parts)})"


def partial_failure(
    failed: int, total: int, noun: str, first: str, *, verb: str = "failed", numbers: Sequence[int] = ()
) -> str:
    """The message when some of several things failed: ``2 of 3 pictures failed (numbers 1, 3); the first: …``."""
    which = f" ({number_list('number', numbers)})" if numbers else ""
    return f"{failed:,} of {plural(total, noun)} {verb}{which}; the first: {first}"


def number_list(noun: str, numbers: Sequence[int]) -> str:
    """The numbers of things, the first ones of many: ``line 3``, ``lines 3, 7``, ``lines 1, 2, 3, 4, 5 and 9 more``."""
    if len(numbers) == 1:
        return f"{noun} {numbers[0]}"
    more = len(numbers) - _MAX_NUMBERS
    return f"{noun}s {', '.join(map(str, numbers[:_MAX_NUMBERS]))}" + (f" and {more:,} more" if more > 0 else "")


def error_line(error: ErrorInfo) -> str:
    """The message and the hint, on one line that is safe to print."""
    hint = f" ({hint_line(error.hint)})" if error.hint else ""
    return f"{_message_line(error)}{hint}"


def error_text(error: ErrorInfo, columns: int) -> str:
    """The message and the hint for a terminal: text wrapped at words, each command alone on its line and never cut."""
    parts = _WRONG_LINE.split(_message_line(error))
    return "\n".join([line for part in parts for line in wrap(part, columns)] + hint_lines(error.hint, columns))


def _message_line(error: ErrorInfo) -> str:
    return one_line(f"codex-imagegen: {_end_sentence(error.message)}")


def join_hints(first: str | None, second: str) -> str:
    """Two hints as one, in which commands still stand at the end of their text."""
    if not first:
        return second
    if "\n" not in first:
        return f"{first}; {second}"
    return f"{first}\n{second}" if "\n" in second else f"{second}; {first}"


def hint_line(hint: str) -> str:
    """A hint on one line that is safe to print: a command follows its text, and ``;`` what comes after a command."""
    line = ""
    for is_command, part in hint_parts(hint):
        line += (
            f"{' ' if line.endswith(':') else '; ' if line else ''}{printable(part) if is_command else one_line(part)}"
        )
    return line


def hint_lines(hint: str | None, columns: int, prefix: str = "hint: ") -> list[str]:
    """A hint for a terminal: its text wrapped, and each command on a line of its own."""
    lines: list[str] = []
    for is_command, part in hint_parts(hint or ""):
        lines += [f"  {printable(part)}"] if is_command else wrap(f"{'' if lines else prefix}{one_line(part)}", columns)
    return lines


def hint_parts(hint: str) -> Iterator[tuple[bool, str]]:
    """The lines of a hint, each with whether it is a command.

    A hint is text; after a newline at its end comes each command to copy. Where more text follows, it ends with a colon
    and has its own commands below it.
    """
    follows_text = False
    for index, line in enumerate(hint.split("\n") if hint else ()):
        follows_text = index == 0 or (not follows_text and line.endswith(":"))
        yield not follows_text, line


def wrap(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many columns, broken at spaces only: a long word keeps its line."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def width(text: str) -> int:
    """The columns that a printable text takes: two for a wide letter, none for a combining mark."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shell_join(words: Iterable[str]) -> str:
    """The command line of these words, for a shell.

    A word that can't be printed as it is (a newline, a control character) becomes ``$'…'``, as bash and zsh read it.
    """
    return " ".join(map(_quote_word, words))


def _quote_word(word: str) -> str:
    import shlex

    if printable(word) != word:
        return f"$'{''.join(map(_escape_letter, word))}'"
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!]', word) else shlex.quote(word)


def _escape_letter(letter: str) -> str:
    if letter in "\\'\n\t":
        return {"\n": r"\n", "\t": r"\t"}.get(letter, f"\\{letter}")
    if printable(letter) == letter:
        return letter
    how = "surrogateescape" if "\udc80" <= letter <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", how))


def _end_sentence(message: str) -> str:
    return message if message.endswith("?") else f"{message.rstrip('.')}."


def warning_line(warning: Warning_) -> str:
    """A warning, on one line that is safe to print."""
    return one_line(f"codex-imagegen: warning: {_end_sentence(warning.message)}")


def warning_text(warning: Warning_, columns: int) -> str:
    """A warning for a terminal, wrapped at words."""
    return "\n".join(wrap(warning_line(warning), columns))


def error_event(error: ErrorInfo, **about: Any) -> Event:
    """The failure that ends a run, as an event."""
    return Event("error", index=None, message=error.message, error=error, **about)


def warning_event(warning: Warning_, **about: Any) -> Event:
    """A warning as an event."""
    return Event("warning", index=None, message=warning.message, warning=warning, **about)


def event_line(event: Event, outlook: str = "") -> str:
    """The stage of a run, the seconds since its start, and more about the stage, such as what is to be expected."""
    more = event.message or outlook
    return one_line(f"{stage_name(event)} · {event.elapsed_sec:.0f} s" + (f" ({more})" if more else ""))


def stage_text(event: Event) -> str:
    """The stage of a run."""
    return one_line(f"{stage_name(event)} · {event.message}" if event.message else stage_name(event))


def stage_name(event: Event) -> str:
    """The stage of a run, without its message."""
    return "sent to RunComfy" if event.stage == "started" and event.request_id else STAGES[event.stage]


def cost(usd: float) -> str:
    """A cost in US dollars: ``$0.04``; below one cent with more digits."""
    return f"${usd:.2f}" if usd >= 0.01 or not usd else f"${usd:.2g}"


def duration(seconds: float) -> str:
    """A time in the two units that matter: ``66 s``, ``2 min 11 s``, ``1 h 4 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if seconds >= 100 else f"{round(seconds)} s"


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
