"""One run of Codex, from its start until it has gone: started, followed, and stopped once its picture has landed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex.attribution import Attribution
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.stream import Events, Words
from codex_imagegen.codex.wake import Wake
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.model import Event, Run, Stage

if TYPE_CHECKING:
    from codex_imagegen.codex import failures
    from codex_imagegen.codex.reading import Reading
    from codex_imagegen.outcome import Made, Warning_

TICK_SEC = 0.2
"""How long a change that nobody rang for may stay unseen."""


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
        self._known = known
        self._reading: Reading | None = None
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
        self._tell("started")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.stop()
        finally:
            self._unhook()
            if self._reading is not None:
                self._reading.close()

    def made(self, prompt: bytes) -> Made:
        """Send the prompt, and wait for its picture; raises what went wrong, with what it may have cost.

        When this returns, Codex may still be shutting down: the picture can be written meanwhile.
        """
        self._process.send(prompt)
        reading = self._reading = self._read()
        try:
            timed_out = self._follow(reading)
            if not reading.landing.enough:
                self._process.stop()
                reading.look()  # the last look, when nothing can be written any more, is the truth
            return self._made(reading, timed_out=timed_out)
        except ImagegenError as error:
            error.thread_id = error.thread_id or reading.thread_id
            error.codex_version = error.codex_version or reading.evidence.codex_version
            raise

    def _read(self) -> Reading:
        """What reads the rollout, and all that it needs: imported while Codex starts."""
        from codex_imagegen.codex.reading import Reading
        from codex_imagegen.pictures import verify

        verify.warm()
        return Reading(
            self._process,
            self._events,
            self._attribution,
            codex_home=self._home,
            full_turn=self._full_turn,
            known=self._known,
            tell=self._tell,
            ring=self._wake.ring,
        )

    def _follow(self, reading: Reading) -> bool:
        """Look at every wake-up until there is a picture, or Codex has gone, or its time is up (True)."""
        while True:
            gone = self._process.exit_code is not None
            reading.look()
            if reading.landing.enough or gone:
                return False
            if self._run.interrupt.signum is not None:
                raise self._interrupted(reading)
            left = self._run.deadline - time.monotonic()
            if left <= 0:
                return True
            self._wake.sleep(min(TICK_SEC, left))

    def _made(self, reading: Reading, *, timed_out: bool) -> Made:
        from codex_imagegen.codex import net
        from codex_imagegen.outcome import Made

        warnings: tuple[Warning_, ...] = ()
        picture = reading.landing.chosen or reading.saved() or reading.anew()
        if picture is None:
            picture, warnings = reading.stray(), (net.WARNING,)
        if picture is None:
            from codex_imagegen.codex import failures

            raise failures.explain(self._evidence(reading, timed_out=timed_out))
        self._tell("landed")
        return Made(picture, reading.thread_id, reading.evidence.codex_version, warnings)

    def _interrupted(self, reading: Reading) -> Interrupted:
        from codex_imagegen.codex import failures

        return self._run.interrupt.error(spent=failures.spent(self._evidence(reading, timed_out=False)))

    def _evidence(self, reading: Reading, *, timed_out: bool) -> failures.Evidence:
        from codex_imagegen.codex import failures, login, usage

        return failures.Evidence(
            exit_code=self._process.exit_code,
            timed_out=timed_out,
            timeout_sec=self._run.deadline - self._run.started,
            thread_id=reading.thread_id,
            session_found=reading.found,
            damaged=reading.landing.damaged,
            events=self._events,
            stderr=self._words.text,
            records=reading.evidence,
            reference_bytes=sum(map(len, self._known)),
            free_bytes=usage.free_bytes(self._home),
            login=lambda: login.after_failure(self._argv[0], self._environment),
        )

    def _stderr(self, chunk: bytes) -> None:
        self._words.feed(chunk)
        if self._run.words is not None:
            self._run.words(chunk)

    def _tell(self, stage: Stage) -> None:
        if stage not in self._stages:
            self._stages.add(stage)
            thread_id = self._reading.thread_id if self._reading else self._events.thread_id
            self._run.tell(Event(stage, time.monotonic() - self._run.started, thread_id=thread_id))
