"""One run of Codex, from its start until it has gone: started, followed, and stopped once its picture has landed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from signal import SIGTERM
from typing import TYPE_CHECKING

from codex_imagegen.codex.process import EARLY_STOP_SIGNALS, STOP_SIGNALS, Process
from codex_imagegen.codex.run import command
from codex_imagegen.codex.run.attribution import Attribution
from codex_imagegen.codex.run.events import Events, Words
from codex_imagegen.codex.run.wake import WakeEvent
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.request import Event, Run, Stage

if TYPE_CHECKING:
    from codex_imagegen.codex.run import failures
    from codex_imagegen.codex.run.follow import RolloutFollower
    from codex_imagegen.codex.run.resume import ThreadState
    from codex_imagegen.results import BackendResult, Warning_

TICK_SEC = 0.2
"""How long a change that nobody rang for may stay unseen before the rollout is found, for which folders are listed."""

FOLLOW_TICK_SEC = 0.03
"""The same once it is followed, which takes two system calls."""

BLIND_TICK_SEC = 0.01
"""The same once the image tool was called, where the system has told of no change so far (macOS, NFS, WSL mounts):
nothing else wakes us, and Codex makes its next model call 20 to 60 ms after a picture. It costs 2 % of a core."""

INDEXING_SEC = 2.0
"""After so long without a word Codex is indexing the sessions of its home, as at its first start there."""

UNKNOWN_BUILD_SEC = 3.0
"""How long a build that no test has run is given to say that it reads its prompt, before it gets it all the same."""

_INDEXING = "indexing"


class CodexRun:
    """A context: entered, Codex is running; left, it has gone, whatever happened.

    ``folder`` is the private working folder, which no other run has; ``known`` are the bytes of the references;
    ``inherited`` are descriptors that Codex gets. ``before`` is what there was of a thread that the run goes on with.
    ``says_when``: this build is known to say when it reads its prompt, however long that takes. ``told`` are the stages
    that were told of.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str,
        run: Run,
        full_turn: bool = False,
        known: Sequence[bytes] = (),
        inherited: Sequence[int] = (),
        before: ThreadState | None = None,
        says_when: bool = False,
    ) -> None:
        self._argv, self._folder, self._home = argv, folder, layout.codex_home(run.environment)
        self._run, self._full_turn, self._inherited = run, full_turn, inherited
        self._wake = WakeEvent()
        self._events, self._words = Events(), Words()
        self._known, self._before, self._says_when = known, before, says_when
        self._sent = False
        self._reading: RolloutFollower | None = None
        self.told: set[str] = set()

    def __enter__(self) -> CodexRun:
        self._attribution = Attribution(self._home, self._folder, self._before)
        self._unhook = self._run.interrupt.on_set(self._wake.set)
        try:
            self._process = Process(
                self._argv,
                folder=self._folder,
                environment=command.environment_of(self._run.environment),
                on_stdout=self._stdout,
                on_stderr=self._stderr,
                on_change=self._wake.set,
                inherited=self._inherited,
            )
        except BaseException:
            self._unhook()
            raise
        try:
            self._tell("started")
        except BaseException:  # whoever listens may raise
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._unhook()
            if self._reading is not None:
                self._reading.close()

    def made(self, prompt: bytes) -> BackendResult:
        """Send the prompt, and wait for its picture; raises what went wrong, with what it may have cost.

        When this returns, Codex may still be shutting down: the picture can be written meanwhile.
        """
        reading = self._reading = self._read()
        try:
            timed_out = not self._hand_over(prompt) or not self._follow(reading)
            if not reading.landing.enough:
                self._stop()
                reading.look()  # the last look, when nothing can be written any more, is the truth
            return self._made(reading, timed_out=timed_out)
        except ImagegenError as error:
            error.thread_id = error.thread_id or reading.thread_id
            error.codex_version = error.codex_version or reading.evidence.codex_version
            raise

    @property
    def has_begun(self) -> bool:
        """Whether Codex came so far that something may have been spent."""
        return self._sent or self._events.thread_id is not None

    def _stop(self) -> None:
        """End Codex as its state asks for it, and return when it has gone.

        Before it reads its prompt it may be indexing the sessions of its home, and holds a lease on that: one that is
        killed then leaves every later Codex waiting for 30 s. So it gets no prompt and no signal, and ends by itself.
        """
        if not self._sent and self._process.exit_code is None:
            self._process.detach()
        else:
            self._process.stop(STOP_SIGNALS if self._events.turn_started else EARLY_STOP_SIGNALS)

    def _hand_over(self, prompt: bytes) -> bool:
        """Send the prompt when Codex reads it; False where the run's time is up before that."""
        began = time.monotonic()
        while True:
            if self._process.exit_code is not None:
                return True
            if self._run.interrupt.signum is not None:
                raise self._run.interrupt.error(spent=False)
            now = time.monotonic()
            if now >= self._run.deadline:
                return False
            if self._reads(began):
                break
            if self._says_when and now - began > INDEXING_SEC and _INDEXING not in self.told:
                self.told.add(_INDEXING)
                self._tell_now("started", "Codex indexes the sessions of its home, once")
            self._wake.wait(min(TICK_SEC, self._run.deadline - now))
        self._sent = True
        self._process.send(prompt)
        return True

    def _reads(self, began: float) -> bool:
        """Whether Codex reads its prompt, has begun without one, or is of a build that may never say so."""
        said = self._words.reads_stdin or self._events.thread_id is not None
        return said or (not self._says_when and time.monotonic() - began > UNKNOWN_BUILD_SEC)

    def _read(self) -> RolloutFollower:
        """What reads the rollout, and all that it needs: imported while Codex starts."""
        from codex_imagegen.codex.run.follow import Candidates, RolloutFollower
        from codex_imagegen.images import decode

        decode.warm()
        return RolloutFollower(
            self._process,
            self._events,
            self._words,
            self._attribution,
            Candidates(full_turn=self._full_turn, known=self._known, before=self._before),
            codex_home=self._home,
            tell=self._tell,
            ring=self._wake.set,
        )

    def _follow(self, reading: RolloutFollower) -> bool:
        """Look at every wake-up until a picture is there, or none will come, or Codex has gone; False: time is up."""
        while True:
            gone = self._process.exit_code is not None
            reading.look()
            if reading.over or gone or self._events.incomplete:
                return True
            if self._run.interrupt.signum is not None:
                raise self._interrupted(reading)
            left = self._run.deadline - time.monotonic()
            if left <= 0:
                return False
            self._wake.wait(min(_tick(reading), left))

    def _made(self, reading: RolloutFollower, *, timed_out: bool) -> BackendResult:
        from codex_imagegen.codex.sessions import fallback
        from codex_imagegen.results import BackendResult

        warnings: tuple[Warning_, ...] = ()
        picture = reading.landing.chosen or reading.saved() or reading.anew()
        if picture is None:
            picture, warnings = reading.stray(), (fallback.WARNING,)
        if picture is None:
            from codex_imagegen.codex.run import failures

            raise failures.explain(self._evidence(reading, timed_out=timed_out))
        self._tell("received")
        return BackendResult(picture, reading.thread_id, reading.evidence.codex_version, warnings)

    def _interrupted(self, reading: RolloutFollower) -> Interrupted:
        from codex_imagegen.codex.run import failures

        self._stop()
        reading.look()  # as after a timeout: what was made and spent is known when nothing can be written any more
        return self._run.interrupt.error(spent=failures.spent(self._evidence(reading, timed_out=False)))

    def _evidence(self, reading: RolloutFollower, *, timed_out: bool) -> failures.Evidence:
        from codex_imagegen.codex.install import login
        from codex_imagegen.codex.run import failures
        from codex_imagegen.platform import disk

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
            sent=self._sent,
            indexing=_INDEXING in self.told and not self._sent,
            free_bytes=disk.free_bytes(self._home),
            login=lambda: login.after_failure(self._argv[0], command.environment_of(self._run.environment)),
        )

    def _stdout(self, chunk: bytes) -> None:
        self._events.feed(chunk)
        if self._events.incomplete and not self._events.turn_started and self._sent:
            # here and now: its turn begins some 10 ms later, and costs two model calls
            self._process.send_signal(SIGTERM)

    def _stderr(self, chunk: bytes) -> None:
        self._words.feed(chunk)
        if self._run.words is not None:
            self._run.words(chunk)

    def _tell(self, stage: Stage) -> None:
        if stage not in self.told:
            self.told.add(stage)
            self._tell_now(stage)

    def _tell_now(self, stage: Stage, message: str | None = None) -> None:
        thread_id = self._reading.thread_id if self._reading else self._events.thread_id
        self._run.tell(Event(stage, time.monotonic() - self._run.started, thread_id=thread_id, message=message))


def _tick(reading: RolloutFollower) -> float:
    """How long a change may stay unseen, in seconds."""
    if not reading.follows:
        return TICK_SEC
    return BLIND_TICK_SEC if reading.evidence.tool_called and not reading.is_told else FOLLOW_TICK_SEC
