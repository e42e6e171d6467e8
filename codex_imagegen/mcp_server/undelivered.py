"""Which picture ``recover_image`` means where no thread is named: one that this server was asked for and owes.

Several calls may be at work at once, of one agent or of several behind one host, and nothing in a request says whose it
is. So only what can't be mistaken is taken: the one picture that was asked for and not delivered, or else the only one
of the last call. Everything else is refused with the threads that may be meant.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.generation import NOTHING_MADE
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Result

_MAX_CALLS = 100
_PROMPT_CHARS = 40
_NO_PICTURE = "this server has made no picture yet, so there is no last one"
_THREAD_HINT = "give the thread_id; the user can run: codex-imagegen recover --list"


@dataclass(eq=False)
class Call:
    """One call that draws: the threads of its pictures by their index, and the indexes of those that it owes.

    ``beside`` are the numbers of the calls that were at work at the same time. RunComfy knows no threads: once such a
    call has ended it owes nothing that could be recovered.
    """

    number: int
    prompt: str
    owes: set[int]
    backend: str = "codex"
    beside: set[int] = field(default_factory=set)
    threads: dict[int, str] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    is_at_work: bool = True
    result: Result | None = None

    def hear(self, event: Event) -> None:
        """Note the thread that makes a picture."""
        if event.thread_id and event.index is not None:
            self.threads[event.index] = event.thread_id

    def answered(self) -> None:
        """Note that the result was given to who asked."""
        failures = self.result.failures if self.result else ()
        self.owes = {failure.index for failure in failures if self._may_owe(failure.index, failure.error)}
        self.is_at_work = False

    def failed(self, error: BaseException) -> None:
        """Note that the call brought nothing: it failed, or was cancelled, whatever was written by then."""
        told = error if isinstance(error, ImagegenError) else None
        self.owes = {index for index in self.owes if self._may_owe(index, told)}
        self.is_at_work = False

    def _may_owe(self, index: int, error: ImagegenError | ErrorInfo | None) -> bool:
        """Whether a picture that was not delivered may be there.

        Who was told that nothing was spent before there was a session looks for no picture. Who cancelled was told
        nothing: until it is clear which picture is meant, no other call's takes its place.
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
    """The calls of a server, of which the last hundred are remembered; it may be used from several threads."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._number = 0
        self._lock = threading.Lock()

    def begun(self, prompt: str, count: int, backend: str = "codex") -> Call:
        """Note a call, before it waits for its turn."""
        with self._lock:
            self._number += 1
            call = Call(self._number, prompt, set(range(count)), backend)
            for other in self._calls:
                if other.is_at_work:
                    other.beside.add(call.number)
                    call.beside.add(other.number)
            self._calls = [*self._calls, call][-_MAX_CALLS:]
        return call

    def settled(self, thread: str) -> None:
        """Note that the picture of a thread was fetched, or that none is there to be had."""
        for call in self._all():
            if not call.is_at_work:
                call.owes = {index for index in call.owes if call.threads.get(index) != thread}

    def thread(self) -> str:
        """The thread that is meant where none is named; raises :class:`UsageError` where that is not certain."""
        calls = [call for call in self._all() if call.owes or call.threads]  # the others were refused
        pictures = [_Picture(call, call.threads.get(index)) for call in calls for index in sorted(call.owes)]
        if not pictures and calls:
            last = [call for call in calls if call is calls[-1] or call.number in calls[-1].beside]
            pictures = [_Picture(call, thread) for call in last for thread in tuple(call.threads.values())]
        if len(pictures) == 1 and pictures[0].thread:
            return pictures[0].thread
        raise _ambiguous([picture for picture in pictures if picture.thread], len(pictures))

    def _all(self) -> list[Call]:
        with self._lock:
            return list(self._calls)


def _may_exist(error: ImagegenError | ErrorInfo) -> bool:
    """Whether a picture may have landed all the same: not where Codex never ran, or says that it made none."""
    was_refused = 2 <= error.exit_code <= 4 or (error.exit_code == 73 and error.spent is False)
    return error.code not in NOTHING_MADE and not was_refused


def _ambiguous(pictures: list[_Picture], number: int) -> UsageError:
    if not number:
        return UsageError(_NO_PICTURE, hint=_THREAD_HINT)
    if not pictures:
        told = "the picture that was not delivered has no session yet, or never had one"
        return UsageError(f"{told}, so there is nothing to recover", hint=_THREAD_HINT)
    told = f"which picture is meant is not certain: {number} that this server was asked for may be"
    return UsageError(told, hint=f"give the thread_id of yours: {'; '.join(_describe(pictures))}")


def _describe(pictures: list[_Picture]) -> Iterator[str]:
    for picture in reversed(pictures):
        prompt = " ".join(picture.call.prompt[: _PROMPT_CHARS * 4].split())
        short = prompt if len(prompt) <= _PROMPT_CHARS else prompt[:_PROMPT_CHARS].rstrip() + "…"
        asked = time.strftime("%H:%M:%S", time.localtime(picture.call.began))
        yield f'{picture.thread} (asked for at {asked}, "{short}")'
