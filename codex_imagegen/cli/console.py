"""Access to stdout, stderr, stdin and signals, and the exit codes of results; no other module does this."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.cli.status_line import StatusLine, terminal_columns
from codex_imagegen.errors import ImagegenError, InternalError, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.platform import processes
from codex_imagegen.request import Event

if TYPE_CHECKING:
    from codex_imagegen.cli.event_stream import EventStream
    from codex_imagegen.results import ErrorInfo, Image, Warning_


HANDLED_SIGNALS = processes.EXIT_SIGNALS
"""The signals that this program handles. By Python's default, SIGQUIT would end it and leave Codex running."""

REPEAT_SEC = 1.0
"""Seconds in which a further signal counts as the same: timeout(1) sends two, to the process and to its group."""

_TICK_SEC = 0.2
_MAX_ANSWER = 4096

status = StatusLine()
"""The line that says what the command is doing; all other output goes above it."""

_stdout_error: OSError | None = None
_answered = False
_has_written = False
"""Whether this command has written a picture."""
_events: EventStream | None = None


class _SignalHandler:
    """Handles a signal: it ends the program at once or, during a run, asks the run to clean up and end.

    The second signal (see :data:`REPEAT_SEC`) kills every Codex, which ends the run; its result is still printed. The
    third one calls ``before_exit`` and exits at once.
    """

    def __init__(self, before_exit: Callable[[], None] = lambda: None, *, makes_pictures: bool = True) -> None:
        self.interrupt = Interrupt(makes_pictures=makes_pictures)
        self.deferred = False
        self._before_exit, self._count, self._time = before_exit, 0, -REPEAT_SEC

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._time < REPEAT_SEC:
            return
        self._time, self._count = now, self._count + 1
        if self._count == 1:
            self.interrupt.set(signum)
            if not self.deferred:
                raise self.interrupt.error()
        elif self._count == 2:
            _kill_all()
        else:
            self._before_exit()
            os._exit(128 + (self.interrupt.signum or signum))


_signals = _SignalHandler()


@contextlib.contextmanager
def stderr_as_events(wanted: bool, started: float) -> Iterator[None]:
    """A context in which stderr is JSON lines, if ``wanted``. ``started`` is when the program began."""
    global _events  # noqa: PLW0603 - stderr belongs to the process, too
    if not wanted or sys.stderr is None:
        yield
        return
    from codex_imagegen.cli.event_stream import EventStream

    before = sys.stderr
    sys.stderr = _events = EventStream(before, started)
    try:
        yield
    finally:
        sys.stderr, _events = before, None


@contextlib.contextmanager
def handle_signals(*, json_wanted: bool = False, started: float = 0.0, makes_pictures: bool = True) -> Iterator[None]:
    """A context in which :data:`HANDLED_SIGNALS` are handled here, but those that the caller ignores stay ignored.

    ``json_wanted`` and ``started`` are for the object that is printed at the third signal. ``makes_pictures``: whether
    the message of an interrupt may speak of a picture.
    """
    global _signals  # noqa: PLW0603 - signal handlers belong to the process, too
    _signals = _SignalHandler(lambda: _report_and_kill(json_wanted, started), makes_pictures=makes_pictures)
    before = {}
    for signum in HANDLED_SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            before[signum] = signal.signal(signum, _signals)
    try:
        yield
    finally:
        for signum, handler in before.items():
            if signal.getsignal(signum) is _signals:
                signal.signal(signum, handler)


def exit_on_signals(code: int) -> None:
    """Exit with ``code`` at once when a signal comes: the command has ended, and its result is printed.

    The former handlers would let the program die of a signal between its result and its exit.
    """
    for signum in HANDLED_SIGNALS:
        if signal.getsignal(signum) is _signals:
            signal.signal(signum, lambda *_: os._exit(code))


@contextlib.contextmanager
def defer_signals(*, until_exit: bool = False) -> Iterator[Interrupt]:
    """A context in which a first signal only sets the flag that it yields; a second one kills every Codex.

    With ``until_exit`` signals stay deferred after the context, so that the result of the run is printed completely.
    """
    _signals.deferred = True
    try:
        yield _signals.interrupt
    finally:
        _signals.deferred = until_exit


def defer_until_exit() -> None:
    """Only set the flag at signals from now on, so that what is printed at the end is printed completely."""
    _signals.deferred = True


def emit(event: Event, line: str | None = None) -> None:
    """Print an event with ``--events``, and else the line with the same message for a person."""
    global _has_written  # noqa: PLW0603 - as stdout is the process's
    _has_written = _has_written or event.stage == "written"
    if _events is not None:
        _events.put(event)
    elif line is not None:
        err(line)


def finish(code: int) -> int:
    """Emit the last event of a command that succeeded, and return its exit code. Signals are deferred from now on."""
    _signals.deferred = True
    if _stdout_error is not None and code == 0:
        return print_stdout_error(_stdout_error)
    if code == 0:
        emit(Event("done", index=None))
    return code


def stdout_error() -> OSError | None:
    """Return why stdout could not be written, or None; a closed pipe is no error."""
    return _stdout_error


def print_stdout_error(error: OSError) -> int:
    """Report that stdout can't be written, as a failure: the reader did not get the answer."""
    unwritable = OutUnwritable(
        f"stdout can't be written: {error.strerror}", spent=None if _has_written else False, errno=error.errno
    )
    remedy = "free disk space for the output" if unwritable.is_full else "write the output elsewhere"
    unwritable.hint = f"the pictures are on disk; {remedy}" if _has_written else remedy
    print_error(render.error_info(unwritable))
    return unwritable.exit_code


def print_paths(images: Iterable[Image]) -> None:
    """Print the path of each picture that is in a file."""
    for image in images:
        if image.path != "-":
            out(printable(image.path))


def print_failure(error: ImagegenError, *, json_wanted: bool, started: float) -> int:
    """Print a failure as a sentence, with ``--json`` also as an object, and return the exit code."""
    _signals.deferred = True
    result = render.failure_result(error, elapsed_sec=time.monotonic() - started)
    if json_wanted:
        out(render.result_json(result))
    for warning in result.warnings:
        emit(render.warning_event(warning))
    print_error(render.error_info(error), thread_id=error.thread_id, request_id=error.request_id)
    return error.exit_code


def print_error(error: ErrorInfo, *, silent: bool = False, **ids: str | None) -> None:
    """Print the error that ends the command, and its event; ``silent`` prints the event alone."""
    emit(render.error_event(error, **ids), None if silent else error_text(error))


def say(text: str) -> None:
    """Print a sentence for a person; what to copy follows newlines, as in a hint."""
    columns, name = _columns(), "codex-imagegen: "
    err(f"{name}{render.hint_line(text)}" if columns is None else "\n".join(render.hint_lines(text, columns, name)))


def shares_terminal() -> bool:
    """Whether stdout and stderr both are terminals: what one shows need not be repeated on the other."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))


def advise(hint: str | None) -> None:
    """Print what to do next, for a person at a terminal only."""
    columns = _columns()
    if hint and columns is not None and _events is None:
        err("\n".join(render.hint_lines(hint, columns)))


def warn(warning: Warning_, *, silent: bool = False) -> None:
    """Print a warning, and its event; ``silent`` prints the event alone."""
    emit(render.warning_event(warning), None if silent else warning_text(warning))


def error_text(error: ErrorInfo) -> str:
    """Return an error as stderr shows it: in several lines on a terminal, else on one."""
    columns = _columns()
    return render.error_line(error) if columns is None else render.error_text(error, columns)


def warning_text(warning: Warning_) -> str:
    """Return a warning as stderr shows it: wrapped on a terminal, else on one line."""
    columns = _columns()
    return render.warning_line(warning) if columns is None else render.warning_text(warning, columns)


def wrapped(line: str) -> str:
    """Return a line of text as stderr shows it: broken at words to the width of a terminal."""
    columns = _columns()
    return line if columns is None else "\n".join(render.wrap(line, columns))


def _columns() -> int | None:
    """Return the width of the terminal that stderr is, or None if it is none."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    return terminal_columns()


def note(text: str, hint: str | None = None) -> None:
    """Print a sentence for a person, and a hint as errors have it; nothing with ``--events``."""
    if _events is not None:
        return
    columns = _columns()
    if columns is None:
        err(f"codex-imagegen: {render.one_line(text)}" + (f" ({render.hint_line(hint)})" if hint else ""))
    else:
        err("\n".join([*render.wrap(text, columns), *render.hint_lines(hint, columns)]))


def internal_error(error: Exception, *, json_wanted: bool, started: float) -> int:
    """Print the name of an uncaught exception, and save its traceback in a file."""
    return print_failure(save_traceback(error), json_wanted=json_wanted, started=started)


def save_traceback(error: Exception) -> InternalError:
    """Save an exception's traceback in a file, and return the error that names the file."""
    from codex_imagegen.files.atomic import write_traceback

    path = write_traceback(error)
    hint = f"please report it, with the file {path}" if path else None
    return InternalError(f"a defect of this program: {type(error).__name__}", hint=hint, spent=None)


def printable(path: str) -> str:
    """Return the path, without control characters if stdout is a terminal."""
    return path if path.isprintable() or not sys.stdout or not sys.stdout.isatty() else render.one_line(path)


def err(line: str) -> None:
    """Print a line on stderr, if there is one."""
    with status.above(), contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def out(line: str) -> None:
    """Print a line on stdout. A full disk is reported when the command ends; a closed pipe never is."""
    with status.above():
        _write_out(line)


def _write_out(line: str) -> None:
    global _stdout_error, _answered  # noqa: PLW0603 - stdout is the process's, too
    _answered = True
    try:
        try:
            sys.stdout.write(line + "\n")
        except UnicodeEncodeError:  # the path is not valid text: the caller can use its bytes
            sys.stdout.buffer.write(os.fsencode(line + "\n"))
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError) as error:
        # after a closed pipe (`| head -0`) the output is not wanted, and the picture is on disk. In either case Python
        # must not report the stream again when it exits
        if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EBADF}:
            _stdout_error = _stdout_error or error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            from codex_imagegen.platform import descriptors

            os.dup2(descriptors.open_null(), sys.stdout.fileno())


def read_stdin(limit: int) -> Iterator[bytes]:
    """Yield standard input in pieces, ``limit`` bytes at most.

    ``select`` has a timeout because of a signal just before it: Python would handle that only after the next input.
    """
    if sys.stdin is None:
        return
    from codex_imagegen.platform import terminals

    announce_stdin()
    descriptor = sys.stdin.fileno()
    while limit > 0:
        if not terminals.is_readable(descriptor, _TICK_SEC):
            continue
        piece = os.read(descriptor, min(limit, 65536))
        if not piece:
            return
        limit -= len(piece)
        yield piece


def announce_stdin() -> None:
    """Say that text is read now, where somebody has to type it."""
    if is_stdin_terminal():
        advise("type the text here; Ctrl-D on a line of its own ends it")


def is_stdin_terminal() -> bool:
    """Return whether somebody would have to type what is read from stdin."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_interactive() -> bool:
    """Return whether a person can answer: stdin and stderr are terminals."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def confirm(question: str) -> bool:
    """Return whether the person at the terminal says yes; no terminal and the end of input mean no."""
    if not is_interactive():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = None
    try:
        answer = next(read_stdin(_MAX_ANSWER), None)
    finally:
        if answer is None:  # the end of input, or a signal
            err("")
    return (answer or b"").strip().lower() in {b"y", b"yes"}


def _kill_all() -> None:
    process = sys.modules.get("codex_imagegen.codex.process")
    if process is not None:
        process.kill_all()


def _report_and_kill(json_wanted: bool, started: float) -> None:
    """Print the failure from a signal handler, where streams may be in use and blocking is not allowed."""
    _kill_all()
    status.erase_from_signal_handler()
    error = _signals.interrupt.error(spent=None)
    if json_wanted and not _answered:
        result = render.failure_result(error, elapsed_sec=time.monotonic() - started)
        with contextlib.suppress(OSError):
            os.write(1, (render.result_json(result) + "\n").encode())
    if _events is not None:
        _events.put_from_signal_handler(render.error_event(render.error_info(error)))
