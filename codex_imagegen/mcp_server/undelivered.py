"""Undelivered images: which picture ``recover_image`` means if no thread is named.

Several calls may run at once, of one agent or of several behind one host, and requests do not identify the agent. So a
picture is chosen only if it is unambiguous: the one picture that was requested and not delivered, or else the only
picture of the last call. Otherwise the error lists the threads that may be meant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.generation import NO_PICTURE_CODES
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Result

_MAX_CALLS = 100
_PROMPT_CHARS = 40
_NO_PICTURE = "this server has made no picture yet, so there is no last one"
_THREAD_HINT = "give the thread_id; the user can list them with:\ncodex-imagegen recover --list"


@dataclass(eq=False)
class Call:
    """One call for pictures: their threads by index, and the indexes of those that are not delivered.

    ``concurrent`` has the numbers of the calls that ran at the same time. RunComfy has no threads: once such a call has
    ended, nothing of it can be recovered.
    """

    number: int
    prompt: str
    undelivered: set[int]
    backend: str = "codex"
    concurrent: set[int] = field(default_factory=set)
    threads: dict[int, str] = field(default_factory=dict)
    started_at: float = field(default_factory=time.time)
    is_running: bool = True
    result: Result | None = None

    def record(self, event: Event) -> None:
        """Record the thread that makes a picture."""
        if event.thread_id and event.index is not None:
            self.threads[event.index] = event.thread_id

    def finish(self) -> None:
        """Record that the result was delivered to the client."""
        failures = self.result.failures if self.result else ()
        self.undelivered = {failure.index for failure in failures if self._may_have(failure.index, failure.error)}
        self.is_running = False

    def fail(self, error: BaseException) -> None:
        """Record that nothing was delivered: the call failed or was cancelled, whatever it had written by then."""
        known_error = error if isinstance(error, ImagegenError) else None
        self.undelivered = {index for index in self.undelivered if self._may_have(index, known_error)}
        self.is_running = False

    def _may_have(self, index: int, error: ImagegenError | ErrorInfo | None) -> bool:
        """Whether a picture that was not delivered may exist.

        A client that was informed that nothing was spent, before there was a session, expects no picture. A client that
        cancelled was informed of nothing: its picture stays ambiguous, and no other call's picture replaces it.
        """
        if self.backend == "runcomfy":
            return False
        if error is None or error.code == Interrupted.code:
            return True
        return _may_exist(error) and (index in self.threads or error.spent is not False)


@dataclass(frozen=True)
class _Picture:
    call: Call
    thread: str | None


class UndeliveredImages:
    """The last hundred calls of a server, and the pictures that they did not deliver; thread-safe."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._number = 0
        self._lock = threading.Lock()

    def add(self, prompt: str, count: int, backend: str = "codex") -> Call:
        """Add a call, before it waits for its turn."""
        with self._lock:
            self._number += 1
            call = Call(self._number, prompt, set(range(count)), backend)
            for other in self._calls:
                if other.is_running:
                    other.concurrent.add(call.number)
                    call.concurrent.add(other.number)
            self._calls = [*self._calls, call][-_MAX_CALLS:]
        return call

    def remove(self, thread: str) -> None:
        """Remove the picture of a thread: it was fetched, or does not exist."""
        for call in self._copy():
            if not call.is_running:
                call.undelivered = {index for index in call.undelivered if call.threads.get(index) != thread}

    def find_thread(self) -> str:
        """The thread that is meant if none is named; raises :class:`UsageError` if that is ambiguous."""
        calls = [call for call in self._copy() if call.undelivered or call.threads]  # the others were refused
        pictures = [_Picture(call, call.threads.get(index)) for call in calls for index in sorted(call.undelivered)]
        if not pictures and calls:
            last = [call for call in calls if call is calls[-1] or call.number in calls[-1].concurrent]
            pictures = [_Picture(call, thread) for call in last for thread in tuple(call.threads.values())]
        if len(pictures) == 1 and pictures[0].thread:
            return pictures[0].thread
        raise _ambiguous([picture for picture in pictures if picture.thread], len(pictures))

    def _copy(self) -> list[Call]:
        with self._lock:
            return list(self._calls)


def _may_exist(error: ImagegenError | ErrorInfo) -> bool:
    """Whether a picture may exist after this error: not if Codex never ran, or reports that it made none."""
    was_refused = 2 <= error.exit_code <= 4 or (error.exit_code == 73 and error.spent is False)
    return error.code not in NO_PICTURE_CODES and not was_refused


def _ambiguous(pictures: list[_Picture], count: int) -> UsageError:
    if not count:
        return UsageError(_NO_PICTURE, hint=_THREAD_HINT)
    if not pictures:
        message = "the picture that was not delivered has no session yet, or never had one"
        return UsageError(f"{message}, so there is nothing to recover", hint=_THREAD_HINT)
    message = f"it is not certain which picture is meant: {count} that were requested from this server may be"
    return UsageError(message, hint=f"give the thread_id of yours: {'; '.join(_describe(pictures))}")


def _describe(pictures: list[_Picture]) -> Iterator[str]:
    for picture in reversed(pictures):
        prompt = " ".join(picture.call.prompt[: _PROMPT_CHARS * 4].split())
        short = prompt if len(prompt) <= _PROMPT_CHARS else prompt[:_PROMPT_CHARS].rstrip() + "…"
        started_at = time.strftime("%H:%M:%S", time.localtime(picture.call.started_at))
        yield f'{picture.thread} (requested at {started_at}, "{short}")'
