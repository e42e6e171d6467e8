"""One run of Codex, from its start until it has gone: started, followed, and stopped once its picture has landed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex import net, rollout, sessions
from codex_imagegen.codex.attribution import Attribution, Ours
from codex_imagegen.codex.landing import Landing
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.stream import Events, Words
from codex_imagegen.codex.tail import Tail
from codex_imagegen.codex.wake import Wake
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.model import Event, Made, Picture, Run, Stage, Warning_
from codex_imagegen.pictures import verify

if TYPE_CHECKING:
    from codex_imagegen.codex import failures
    from codex_imagegen.codex.watch import Watch

TICK_SEC = 0.2
"""How long a change that nobody rang for may stay unseen."""

LARGE = 65_536
"""Bytes that, once the tool was called, arrive only where a picture is among them. Codex is held for nothing less: a
stop and a go interrupt system calls, and what it does not need should not happen to it."""


class Turn:
    """A context: entered, Codex is running; left, it has gone, whatever happened.

    ``folder`` is the private working folder, which no other run has; ``known`` are the bytes of the references;
    ``keep`` are descriptors that Codex inherits.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str,
        codex_home: str,
        environment: Mapping[str, str],
        run: Run,
        full_turn: bool = False,
        known: Sequence[bytes] = (),
        keep: Sequence[int] = (),
    ) -> None:
        self._argv, self._folder, self._home = argv, os.path.realpath(folder), codex_home
        self._environment, self._run, self._full_turn, self._keep = environment, run, full_turn, keep
        self._wake = Wake()
        self._events, self._words = Events(), Words()
        self._records = rollout.Records()
        self._landing = Landing(full_turn=full_turn, known=known)
        self._ours: Ours | None = None
        self._tail: Tail | None = None
        self._watch: Watch | None = None
        self._stages: set[Stage] = set()

    def __enter__(self) -> Turn:
        self._attribution = Attribution(self._home, self._folder)
        self._unhook = self._run.interrupt.on_set(self._wake.ring)
        try:
            self._process = Process(
                self._argv,
                folder=self._folder,
                environment=self._environment,
                on_stdout=self._events.feed,
                on_stderr=self._stderr,
                on_change=self._wake.ring,
                keep=self._keep,
            )
        except BaseException:
            self._unhook()
            raise
        self._tell("starting")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.stop()
        finally:
            self._unhook()
            for open_thing in (self._watch, self._tail):
                if open_thing is not None:
                    open_thing.close()

    def made(self, prompt: bytes) -> Made:
        """Send the prompt, and wait for its picture; raises what went wrong, with what it may have cost.

        When this returns, Codex may still be shutting down: the picture can be written meanwhile.
        """
        self._process.send(prompt)
        verify.warm()  # while Codex starts
        try:
            timed_out = self._follow()
            if not self._landing.enough:
                self._process.stop()
                self._look()  # the last look, when nothing can be written any more, is the truth
            return self._made(timed_out=timed_out)
        except ImagegenError as error:
            error.thread_id = error.thread_id or self._thread_id
            error.codex_version = error.codex_version or self._records.evidence.codex_version
            raise

    def _follow(self) -> bool:
        """Look at every wake-up until there is a picture, or Codex has gone, or its time is up (True)."""
        while True:
            gone = self._process.exit_code is not None
            self._look()
            if self._landing.enough or gone:
                return False
            if self._run.interrupt.signum is not None:
                raise self._interrupted()
            left = self._run.deadline - time.monotonic()
            if left <= 0:
                return True
            self._wake.sleep(min(TICK_SEC, left))

    def _made(self, *, timed_out: bool) -> Made:
        version = self._records.evidence.codex_version
        warnings: tuple[Warning_, ...] = ()
        picture = self._landing.chosen or self._saved() or self._anew()
        if picture is None and self._ours is not None:
            picture, warnings = self._landing.stray(self._ours.path, self._ours.offset), (net.WARNING,)
        if picture is None:
            from codex_imagegen.codex import failures

            raise failures.explain(self._evidence(timed_out=timed_out))
        self._tell("landed")
        return Made(picture, self._thread_id, version, warnings)

    def _look(self) -> None:
        if self._events.thread_id:
            self._tell("thinking")
        if self._tail is None:
            self._tail = self._found()
        if self._tail is None:
            return
        if self._records.evidence.tool_called and self._tail.unread > LARGE:
            self._hold()
        try:
            self._read(self._tail.lines())
        finally:
            self._process.release()

    def _found(self) -> Tail | None:
        """Begin to follow the rollout of this run, if it is there by now."""
        ours = self._attribution.find(self._events.thread_id, ended=self._process.exit_code is not None)
        if ours is None:
            return None
        from codex_imagegen.codex.watch import Watch

        try:
            tail = Tail(ours.path, ours.offset, rollout.wants)
        except OSError:  # gone again
            return None
        self._ours, self._records.evidence.codex_version = ours, ours.owner.codex_version
        self._watch = self._watch or Watch(os.path.dirname(ours.path), self._wake.ring)
        return tail

    def _read(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            for candidate in self._records.read(line):
                self._consider(candidate)
            if self._records.evidence.tool_called:
                self._tell("drawing")
            if self._landing.enough:
                return

    def _consider(self, candidate: rollout.Candidate) -> None:
        """Decode a picture whole; the first whole one is what Codex was started for."""
        self._hold()
        if candidate.data is None:
            self._saved(candidate.revised_prompt)
        else:
            self._landing.add(candidate.data, candidate.revised_prompt)
        if self._landing.enough:
            self._process.ask()

    def _hold(self) -> None:
        """Hold Codex still while we look at what may be its picture: it would spend a second model call on the news."""
        if not self._full_turn:
            self._process.hold()

    def _saved(self, revised_prompt: str | None = None) -> Picture | None:
        thread = self._thread_id
        return self._landing.saved(sessions.pictures_folder(self._home, thread), revised_prompt) if thread else None

    def _anew(self) -> Picture | None:
        """Read a rollout that was cut short or replaced under our eyes, or lacks its last line feed, once more."""
        thread = self._thread_id
        path = self._attribution.named(thread) if thread else None
        if path is None:
            return None
        from codex_imagegen.codex.history import Past
        from codex_imagegen.codex.keepsake import Keepsake

        for candidate in Keepsake(self._home, Past(thread, path)).pictures():
            if candidate.data:
                self._landing.add(candidate.data, candidate.revised_prompt)
        return self._landing.chosen

    @property
    def _thread_id(self) -> str | None:
        return self._events.thread_id or (self._ours.owner.thread_id if self._ours else None)

    def _interrupted(self) -> Interrupted:
        from codex_imagegen.codex import failures

        return self._run.interrupt.error(spent=failures.spent(self._evidence(timed_out=False)))

    def _evidence(self, *, timed_out: bool) -> failures.Evidence:
        from codex_imagegen.codex import failures

        return failures.Evidence(
            exit_code=self._process.exit_code,
            timed_out=timed_out,
            timeout_sec=self._run.deadline - self._run.started,
            thread_id=self._thread_id,
            session_found=self._ours is not None,
            damaged=self._landing.damaged,
            events=self._events,
            stderr=self._words.text,
            records=self._records.evidence,
        )

    def _stderr(self, chunk: bytes) -> None:
        self._words.feed(chunk)
        if self._run.words is not None:
            self._run.words(chunk)

    def _tell(self, stage: Stage) -> None:
        if stage not in self._stages:
            self._stages.add(stage)
            self._run.tell(Event(stage, time.monotonic() - self._run.started, thread_id=self._events.thread_id))
