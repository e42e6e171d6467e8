"""One run of Codex, from its start until it has gone: started, followed, and stopped once its picture has landed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex import net, rollout, sessions
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
"""Bytes that arrive at once only where a picture is among them."""

_NO_THREAD_SEC = 2.0


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
        self._environment, self._run, self._full_turn, self._known = environment, run, full_turn, known
        self._keep = keep
        self._wake = Wake()
        self._events, self._words = Events(), Words()
        self._records = rollout.Records()
        self._tail: Tail | None = None
        self._watch: Watch | None = None
        self._path: str | None = None
        self._offset = 0
        self._foreign: set[str] = set()
        self._pictures: list[Picture] = []
        self._damaged: str | None = None
        self._stages: set[Stage] = set()
        self._owned_thread: str | None = None
        self._timed_out = False

    def __enter__(self) -> Turn:
        self._day_folders = sessions.folders(self._home)
        self._before = sessions.snapshot(self._day_folders)
        self._unhook = self._run.interrupt.on_set(self._wake.ring)
        self._begun = time.monotonic()
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
        """Send the prompt, and wait for its picture; raises what went wrong, with what it may have cost."""
        self._process.send(prompt)
        verify.warm()  # while Codex starts
        try:
            return self._deliver(self._await())
        except ImagegenError as error:
            error.thread_id = error.thread_id or self._events.thread_id
            error.codex_version = error.codex_version or self._records.evidence.codex_version
            raise

    def _await(self) -> Picture | None:
        """The first whole picture; None when Codex has gone, or its time is up, without one landing before."""
        while True:
            gone = self._process.exit_code is not None
            self._look()
            if self._pictures and not self._full_turn:
                return self._pictures[0]
            if gone:
                return None
            if self._run.interrupt.signum is not None:
                raise self._interrupted()
            left = self._run.deadline - time.monotonic()
            if left <= 0:
                self._timed_out = True
                return None
            self._wake.sleep(min(TICK_SEC, left))

    def _deliver(self, picture: Picture | None) -> Made:
        if picture is None:
            self._process.stop()
            self._look()  # the last look, when nothing can be written any more, is the truth
            picture = self._largest() or self._file() if self._full_turn else self._first() or self._file()
        warnings: tuple[Warning_, ...] = ()
        if picture is None:
            picture = self._net()
            warnings = (net.WARNING,)
        if picture is None:
            from codex_imagegen.codex import failures

            raise failures.explain(self._evidence(timed_out=self._timed_out))
        self._tell("landed")
        evidence = self._records.evidence
        return Made(picture, self._thread_id, evidence.codex_version, warnings)

    @property
    def _thread_id(self) -> str | None:
        return self._events.thread_id or self._owned_thread

    def _look(self) -> None:
        if self._events.thread_id:
            self._tell("thinking")
        if self._tail is None and not self._find():
            return
        assert self._tail is not None  # noqa: S101 - _find() says so
        if self._tail.unread > LARGE:
            self._hold()
        try:
            self._read(self._tail.lines())
        finally:
            self._process.release()

    def _read(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            for candidate in self._records.read(line):
                self._consider(candidate)
            if self._records.evidence.tool_called:
                self._tell("drawing")
            if self._pictures and not self._full_turn:
                return

    def _hold(self) -> None:
        """Hold Codex still while we look at what may be its picture: it would spend a second model call on the news."""
        if not self._full_turn:
            self._process.hold()

    def _consider(self, candidate: rollout.Candidate) -> None:
        """Decode a picture whole; the first whole one is what Codex was started for."""
        self._hold()
        picture = self._verified(candidate.data, candidate.revised_prompt) if candidate.data else self._file()
        if picture is not None:
            self._pictures.append(picture)
            if not self._full_turn:
                self._process.ask()

    def _verified(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        try:
            return verify.verify(data, revised_prompt=revised_prompt)
        except verify.Broken as error:
            self._damaged = str(error)
            return None

    def _first(self) -> Picture | None:
        return self._pictures[0] if self._pictures else None

    def _largest(self) -> Picture | None:
        return max(self._pictures, key=lambda picture: len(picture.data), default=None)

    def _file(self) -> Picture | None:
        """The picture that Codex saved itself, where its records hold none."""
        thread = self._thread_id
        files = net.saved(sessions.pictures_folder(self._home, thread)) if thread else iter(())
        return self._chosen(files)

    def _net(self) -> Picture | None:
        strays: Iterator[bytes] = net.strays(self._path, self._offset) if self._path else iter(())
        whole = [p for data in strays if data not in self._known and (p := self._verified(data))]
        return max(whole, key=lambda picture: len(picture.data), default=None)

    def _chosen(self, files: Iterator[bytes]) -> Picture | None:
        whole = (picture for data in files if (picture := self._verified(data)))
        if self._full_turn:
            return max(whole, key=lambda picture: len(picture.data), default=None)
        return next(whole, None)

    def _find(self) -> bool:
        """Find the rollout of this run and begin to follow it, if it is there by now."""
        thread = self._events.thread_id
        if thread:
            path = sessions.named(self._folders(thread), thread)
            return path is not None and self._adopt(path, self._before.get(path, 0))
        if self._process.exit_code is None and time.monotonic() - self._begun < _NO_THREAD_SEC:
            return False
        for path, offset in sessions.grown(self._folders(None), self._before):
            if path not in self._foreign and self._adopt(path, offset):
                return True
        return False

    def _folders(self, thread: str | None) -> list[str]:
        """The day folders of the start and of now, and of the thread's own birth, which its id tells."""
        born = sessions.born(thread) if thread else None
        more = sessions.folders(self._home) + (sessions.folders(self._home, born) if born else [])
        return list(dict.fromkeys(self._day_folders + more))

    def _adopt(self, path: str, offset: int) -> bool:
        owner = sessions.owner(path)
        if owner is None:
            return False  # not whole yet
        thread = self._events.thread_id
        # a thread that is gone on with (exec resume) has the folder of its first run
        ours = owner.cwd is not None and os.path.realpath(owner.cwd) == self._folder
        if not (owner.thread_id == thread and (ours or offset) if thread else ours):
            self._foreign.add(path)
            return False
        self._owned_thread = owner.thread_id
        self._records.evidence.codex_version = owner.codex_version
        self._path, self._offset = path, offset
        self._tail = Tail(path, offset, rollout.wants)
        from codex_imagegen.codex.watch import Watch

        self._watch = Watch(os.path.dirname(path), self._wake.ring)
        return True

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
            session_found=self._path is not None,
            damaged=self._damaged,
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
