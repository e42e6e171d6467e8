"""stdout, stderr, signals and exit codes: nothing else in the program touches them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError, InternalError, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.platform import processes
from codex_imagegen.request import Event

if TYPE_CHECKING:
    from codex_imagegen.cli.event_stream import EventStream
    from codex_imagegen.results import ErrorInfo, Result, Warning_


HEARD = processes.EXIT_SIGNALS
"""The signals that are ours. Python's own answer to SIGQUIT would be to die and leave Codex behind, drawing."""

REPEAT_SEC = 1.0
"""A signal so soon after the one before is the same one: timeout(1) sends two, to the process and to its group."""


class _Signals:
    """What a signal does: it ends us at once, or, in the middle of a run, asks the run to clean up and end.

    The second one (see :data:`REPEAT_SEC`) ends every Codex at once, which ends the run, too; it still tells what came
    of it. The third one waits for nothing.
    """

    def __init__(self, last_words: Callable[[], None] = lambda: None) -> None:
        self.interrupt = Interrupt()
        self.running = False
        self._last_words, self._count, self._at = last_words, 0, -REPEAT_SEC

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._at < REPEAT_SEC:
            return
        self._at, self._count = now, self._count + 1
        if self._count == 1:
            self.interrupt.set(signum)
            if not self.running:
                raise self.interrupt.error()
        elif self._count == 2:
            _kill_all()
        else:
            self._last_words()
            os._exit(128 + (self.interrupt.signum or signum))


_TICK_SEC = 0.2
_MAX_ANSWER = 4096
_signals = _Signals()
_stdout_error: OSError | None = None
_answered = False
_lines: EventStream | None = None


@contextlib.contextmanager
def telling(events: bool, started: float) -> Iterator[None]:
    """A context in which stderr is JSON lines, where ``events`` are wanted; ``started`` is when the program began."""
    global _lines  # noqa: PLW0603 - stderr is the process's, too
    if not events or sys.stderr is None:
        yield
        return
    from codex_imagegen.cli.event_stream import EventStream

    before = sys.stderr
    sys.stderr = _lines = EventStream(before, started)
    try:
        yield
    finally:
        sys.stderr, _lines = before, None


@contextlib.contextmanager
def signals(*, json_wanted: bool = False, started: float = 0.0) -> Iterator[None]:
    """A context in which :data:`HEARD` are ours; those that our caller has us ignore stay ignored.

    ``json_wanted`` and ``started`` are for the object that is printed on the last way out.
    """
    global _signals  # noqa: PLW0603 - signal handlers are the process's, too
    _signals = _Signals(lambda: _last_words(json_wanted, started))
    before = {}
    for signum in HEARD:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            before[signum] = signal.signal(signum, _signals)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def running(*, to_the_end: bool = False) -> Iterator[Interrupt]:
    """A context in which a first signal only sets the flag that it gives; a second one ends every Codex at once.

    ``to_the_end``: from then on a signal comes too late, so that what came of the run is told and nothing else.
    """
    _signals.running = True
    try:
        yield _signals.interrupt
    finally:
        _signals.running = to_the_end


def tell(event: Event, line: str | None = None) -> None:
    """Print an event, where ``--events`` asks for it; else the line that says the same to a person."""
    if _lines is not None:
        _lines.put(event)
    elif line is not None:
        err(line)


def ended(code: int) -> int:
    """Tell that a command ended well, if it did, and give back its exit code; a signal comes too late from now on."""
    _signals.running = True
    if _stdout_error is not None and code == 0:
        return unprinted(_stdout_error)
    if code == 0:
        tell(Event("done", index=None))
    return code


def unprinted(error: OSError) -> int:
    """Tell that stdout took nothing, though all went well: whoever reads it would wait for the answer."""
    unwritable = OutUnwritable(
        f"stdout can't be written: {error.strerror}",
        hint="what was made is on disk; make room for the answer",
        spent=None,
    )
    sentence(render.error_info(unwritable))
    return unwritable.exit_code


def result(done: Result, *, json_wanted: bool, show: bool = False) -> int:
    """Print a result, ``show`` its pictures on a terminal, and give back the exit code; a signal comes too late now."""
    _signals.running = True
    if json_wanted:
        out(render.to_json(done))
    else:
        for image in done.images:
            if image.path != "-":
                out(shown(image.path))
    for warning in done.warnings:
        warn(warning, silent=json_wanted)
    if show:
        from codex_imagegen.cli.show_images import pictures

        pictures(done.images, json_wanted=json_wanted)
    if done.error:
        sentence(done.error, thread_id=done.thread_id, request_id=done.request_id)
    return 0 if done.ok else (done.error.exit_code if done.error else 1)


def warn(warning: Warning_, *, silent: bool = False) -> None:
    """Tell a warning, to a person unless that should be ``silent``."""
    tell(render.warning_event(warning), None if silent else render.warning_line(warning))


def shown(path: str) -> str:
    """The path as it is, unless a terminal would obey something in it."""
    return path if path.isprintable() or not sys.stdout or not sys.stdout.isatty() else render.plain(path)


def failure(error: ImagegenError, *, json_wanted: bool, started: float) -> int:
    """Print a failure, as a sentence and where it was asked for as JSON; gives back its exit code."""
    _signals.running = True
    failed = render.failed(error, elapsed_sec=time.monotonic() - started)
    if json_wanted:
        out(render.to_json(failed))
    for warning in failed.warnings:
        tell(render.warning_event(warning))
    sentence(render.error_info(error), thread_id=error.thread_id, request_id=error.request_id)
    return error.exit_code


def internal_error(error: Exception, *, json_wanted: bool, started: float) -> int:
    """A defect of ours: its traceback goes into a file, its name on stderr."""
    return failure(save_traceback(error), json_wanted=json_wanted, started=started)


def save_traceback(error: Exception) -> InternalError:
    """A defect of ours as an error of the tree, its traceback kept in a file."""
    where = _traceback_file(error)
    hint = f"please report it with {where}" if where else None
    return InternalError(f"a defect of this program: {type(error).__name__}", hint=hint, spent=None)


def sentence(error: ErrorInfo, **about: str | None) -> None:
    """Print the failure that ends us."""
    tell(render.error_event(error, **about), render.error_line(error))


def last(error: ErrorInfo) -> None:
    """Tell the failure that ends us, of which a person has been told already."""
    tell(render.error_event(error))


def err(line: str) -> None:
    """Print a line on stderr, if there is one."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def out(line: str) -> None:
    """Print a line on stdout, if anybody listens; that a disk is full is told when the command ends."""
    global _stdout_error, _answered  # noqa: PLW0603 - stdout is the process's, too
    _answered = True
    try:
        try:
            sys.stdout.write(line + "\n")
        except UnicodeEncodeError:  # a path that is no text: its own bytes are what the caller can use
            sys.stdout.buffer.write(os.fsencode(line + "\n"))
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError) as error:
        # a reader that has gone (`| head -0`) wants nothing more: the picture is on disk all the same. In either case
        # Python must not complain about the stream again when it exits
        if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EBADF}:
            _stdout_error = _stdout_error or error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            from codex_imagegen.platform import opening

            os.dup2(opening.open_null(), sys.stdout.fileno())


def stdin(limit: int) -> Iterator[bytes]:
    """Standard input in pieces.

    The tick is for a signal that falls just before a read: Python would handle it only when something has come.
    """
    if sys.stdin is None:
        return
    from codex_imagegen.platform import terminals

    descriptor = sys.stdin.fileno()
    while limit > 0:
        if not terminals.is_readable(descriptor, _TICK_SEC):
            continue
        piece = os.read(descriptor, min(limit, 65536))
        if not piece:
            return
        limit -= len(piece)
        yield piece


def confirm(question: str) -> bool:
    """Whether the person at the terminal says yes; where there is no terminal, or their input ends, nobody does."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = next(stdin(_MAX_ANSWER), None)
    if answer is None:
        err("")
    return (answer or b"").strip().lower() in {b"y", b"yes"}


def _kill_all() -> None:
    process = sys.modules.get("codex_imagegen.codex.process")
    if process is not None:
        process.kill_all()


def _last_words(json_wanted: bool, started: float) -> None:
    """Tell the failure from within a signal handler, where a stream may be in use and nothing may wait."""
    _kill_all()
    error = _signals.interrupt.error(spent=None)
    if json_wanted and not _answered:
        failed = render.failed(error, elapsed_sec=time.monotonic() - started)
        with contextlib.suppress(OSError):
            os.write(1, (render.to_json(failed) + "\n").encode())
    if _lines is not None:
        _lines.last_words(render.error_event(render.error_info(error)))


def _traceback_file(error: Exception) -> str | None:
    import tempfile
    import traceback

    with contextlib.suppress(OSError):
        descriptor, path = tempfile.mkstemp(prefix="codex-imagegen-defect-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
        return path
    return None
