"""One run of Codex, from its start to its end: start it, send the prompt, wait for the picture, stop it.

:class:`CodexRun` is the run. It polls a :class:`~codex_imagegen.codex.run.follow.RolloutFollower`, which reads what
Codex writes. If there is no picture, :mod:`~codex_imagegen.codex.run.failures` finds the reason.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from signal import SIGTERM
from typing import TYPE_CHECKING

from codex_imagegen.codex.process import EARLY_STOP_SIGNALS, STOP_SIGNALS, Process
from codex_imagegen.codex.run import command
from codex_imagegen.codex.run.attribution import Attribution
from codex_imagegen.codex.run.events import Events, StderrTail
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
"""Seconds between two polls without an event, before the rollout is found: each poll lists folders."""

FOLLOW_TICK_SEC = 0.03
"""The same once the rollout is followed: a poll is two system calls."""

NO_EVENTS_TICK_SEC = 0.01
"""The same once the image tool was called, where the system has sent no file event so far (macOS, NFS, WSL mounts):
nothing else wakes the run, and Codex makes its next model call 20 to 60 ms after a picture. It costs 2 % of a core."""

INDEXING_SEC = 2.0
"""If Codex prints nothing for so long, it is indexing the sessions of its home, as at its first start there."""

UNKNOWN_BUILD_SEC = 3.0
"""How long an untested build may take to print that it reads its prompt; after that it is sent the prompt anyway."""

_INDEXING = "indexing"


class CodexRun:
    """A context manager that starts Codex on entry, and stops it on exit.

    ``folder`` is the private working folder, which no other run has; ``reference_images`` are the bytes of the
    references; ``inherited`` are descriptors that Codex gets. ``before`` is the state of the thread that the run
    resumes. ``announces_stdin``: this build is known to print a line when it reads its prompt.
    ``reported`` are the stages that were reported already.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str,
        run: Run,
        full_turn: bool = False,
        reference_images: Sequence[bytes] = (),
        inherited: Sequence[int] = (),
        before: ThreadState | None = None,
        announces_stdin: bool = False,
    ) -> None:
        self._argv, self._folder, self._codex_home = argv, folder, layout.codex_home(run.environment)
        self._run, self._full_turn, self._inherited = run, full_turn, inherited
        self._reference_images, self._before, self._announces_stdin = reference_images, before, announces_stdin
        self._wake = WakeEvent()
        self._events, self._stderr = Events(), StderrTail()
        self._prompt_sent = False
        self._follower: RolloutFollower | None = None
        self.reported: set[str] = set()

    def __enter__(self) -> CodexRun:
        self._attribution = Attribution(self._codex_home, self._folder, self._before)
        self._unhook = self._run.interrupt.on_set(self._wake.set)
        try:
            self._process = Process(
                self._argv,
                folder=self._folder,
                environment=command.build_environment(self._run.environment),
                on_stdout=self._on_stdout,
                on_stderr=self._on_stderr,
                on_change=self._wake.set,
                inherited=self._inherited,
            )
        except BaseException:
            self._unhook()
            raise
        try:
            self._report_once("started")
        except BaseException:  # the caller's listener may raise
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop()
        finally:
            self._unhook()
            if self._follower is not None:
                self._follower.close()

    @property
    def may_have_spent(self) -> bool:
        """Whether Codex was sent the prompt or began a thread, so that quota may have been used."""
        return self._prompt_sent or self._events.thread_id is not None

    def draw(self, prompt: bytes) -> BackendResult:
        """Send the prompt and return its picture; raises the errors of the tree, with ``spent``.

        Codex may still be shutting down when this returns; the caller can write the picture meanwhile.
        """
        follower = self._follower = self._create_follower()
        try:
            timed_out = not self._send_prompt(prompt) or not self._wait_for_picture(follower)
            if not follower.candidates.is_decided:
                self._stop()
                follower.poll()  # the rollout is complete only after Codex has ended
            return self._result(follower, timed_out=timed_out)
        except ImagegenError as error:
            error.thread_id = error.thread_id or follower.thread_id
            error.codex_version = error.codex_version or follower.evidence.codex_version
            raise

    def _create_follower(self) -> RolloutFollower:
        """Create the follower. Its imports are done here, while Codex starts."""
        from codex_imagegen.codex.run.follow import Candidates, RolloutFollower
        from codex_imagegen.images import decode

        decode.preload()
        return RolloutFollower(
            self._process,
            self._events,
            self._stderr,
            self._attribution,
            Candidates(full_turn=self._full_turn, reference_images=self._reference_images, before=self._before),
            codex_home=self._codex_home,
            report=self._report_once,
            on_change=self._wake.set,
        )

    def _send_prompt(self, prompt: bytes) -> bool:
        """Send the prompt once Codex reads it, unless it ends first; False if the time is up before that."""
        started_at = time.monotonic()
        while True:
            if self._process.exit_code is not None:
                return True
            if self._run.interrupt.signum is not None:
                raise self._run.interrupt.error(spent=False)
            now = time.monotonic()
            if now >= self._run.deadline:
                return False
            if self._is_ready(now - started_at):
                break
            if self._announces_stdin and now - started_at > INDEXING_SEC and _INDEXING not in self.reported:
                self.reported.add(_INDEXING)
                self._report("started", "Codex is indexing its sessions, which it does once")
            self._wake.wait(min(TICK_SEC, self._run.deadline - now))
        self._prompt_sent = True
        self._process.send(prompt)
        return True

    def _is_ready(self, elapsed_sec: float) -> bool:
        """Whether Codex reads its prompt, has begun a thread without it, or is of a build that may print neither."""
        if self._stderr.reads_stdin or self._events.thread_id is not None:
            return True
        return not self._announces_stdin and elapsed_sec > UNKNOWN_BUILD_SEC

    def _wait_for_picture(self, follower: RolloutFollower) -> bool:
        """Poll until there is a picture, none can follow, or Codex has ended; False if the time is up before that."""
        while True:
            has_ended = self._process.exit_code is not None
            follower.poll()
            if follower.is_done or has_ended or self._events.missing_host:
                return True
            if self._run.interrupt.signum is not None:
                raise self._interrupted(follower)
            left_sec = self._run.deadline - time.monotonic()
            if left_sec <= 0:
                return False
            self._wake.wait(min(_tick(follower), left_sec))

    def _result(self, follower: RolloutFollower, *, timed_out: bool) -> BackendResult:
        """The result, with the picture of a record, the saved file, a second reading, or an unrecognized record.

        A reference that Codex reports as made comes before the latter, which may be anything.
        """
        from codex_imagegen.codex.sessions import fallback
        from codex_imagegen.results import BackendResult

        warnings: tuple[Warning_, ...] = ()
        picture = follower.candidates.best or follower.take_saved_file() or follower.reread()
        picture = picture or follower.candidates.unchanged
        if picture is None:
            picture, warnings = follower.find_unrecognized(), (fallback.UNKNOWN_RECORD,)
        if picture is None:
            from codex_imagegen.codex.run import failures

            raise failures.explain(self._evidence(follower, timed_out=timed_out))
        self._report_once("received")
        return BackendResult(picture, follower.thread_id, follower.evidence.codex_version, warnings)

    def _interrupted(self, follower: RolloutFollower) -> Interrupted:
        """Stop Codex, and return the error, with what the run may have spent."""
        from codex_imagegen.codex.run import failures

        self._stop()
        follower.poll()  # as after a timeout: only a complete rollout shows what was made and spent
        return self._run.interrupt.error(spent=failures.has_spent(self._evidence(follower, timed_out=False)))

    def _evidence(self, follower: RolloutFollower, *, timed_out: bool) -> failures.Evidence:
        from codex_imagegen.codex.install import login
        from codex_imagegen.codex.run import failures
        from codex_imagegen.platform import disk

        return failures.Evidence(
            exit_code=self._process.exit_code,
            timed_out=timed_out,
            timeout_sec=self._run.deadline - self._run.started,
            thread_id=follower.thread_id,
            session_found=follower.has_rollout,
            damaged=follower.candidates.damaged,
            events=self._events,
            stderr=self._stderr.text,
            records=follower.evidence,
            prompt_sent=self._prompt_sent,
            is_indexing=_INDEXING in self.reported and not self._prompt_sent,
            free_bytes=disk.free_bytes(self._codex_home),
            login=lambda: login.read_status_after_failure(
                self._argv[0], command.build_environment(self._run.environment)
            ),
        )

    def _stop(self) -> None:
        """Stop Codex in the way that its state allows.

        Before it reads its prompt, it may be indexing the sessions of its home and hold a lease for that. If it is
        killed then, every later Codex waits for 30 s. So it gets no prompt and no signal, and ends by itself.
        """
        if not self._prompt_sent and self._process.exit_code is None:
            self._process.detach()
        else:
            self._process.stop(STOP_SIGNALS if self._events.turn_started else EARLY_STOP_SIGNALS)

    def _on_stdout(self, chunk: bytes) -> None:
        self._events.feed(chunk)
        if self._events.missing_host and not self._events.turn_started and self._prompt_sent:
            # not at the next poll: the turn begins some 10 ms later, and costs two model calls
            self._process.send_signal(SIGTERM)

    def _on_stderr(self, chunk: bytes) -> None:
        self._stderr.feed(chunk)
        if self._run.on_stderr is not None:
            self._run.on_stderr(chunk)

    def _report_once(self, stage: Stage) -> None:
        if stage not in self.reported:
            self.reported.add(stage)
            self._report(stage)

    def _report(self, stage: Stage, message: str | None = None) -> None:
        thread_id = self._follower.thread_id if self._follower else self._events.thread_id
        self._run.on_event(Event(stage, time.monotonic() - self._run.started, thread_id=thread_id, message=message))


def _tick(follower: RolloutFollower) -> float:
    """Seconds until the next poll, if no event wakes the run."""
    if not follower.is_following:
        return TICK_SEC
    if follower.evidence.tool_called and not follower.gets_file_events:
        return NO_EVENTS_TICK_SEC
    return FOLLOW_TICK_SEC
