"""What the rollout of a run has told so far: found, followed by its bytes, and every picture in it tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from codex_imagegen.codex import rollout, sessions
from codex_imagegen.codex.attribution import Attribution, Ours
from codex_imagegen.codex.landing import Landing
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.stream import Events
from codex_imagegen.codex.tail import Tail
from codex_imagegen.codex.watch import Watch
from codex_imagegen.model import Stage
from codex_imagegen.outcome import Picture

LARGE = 65_536
"""Bytes that, once the tool was called, arrive only where a picture is among them. Codex is held for nothing less: a
stop and a go interrupt system calls, and what it does not need should not happen to it."""


class Reading:
    """The records of one run, read as they are written. ``known`` are the bytes of the references; ``tell`` hears of
    each stage, and ``ring`` is rung when the rollout may have grown.
    """

    def __init__(
        self,
        process: Process,
        events: Events,
        attribution: Attribution,
        *,
        codex_home: str,
        full_turn: bool,
        known: Sequence[bytes],
        tell: Callable[[Stage], None],
        ring: Callable[[], None],
    ) -> None:
        self._process, self._events, self._attribution = process, events, attribution
        self._home, self._full_turn, self._tell, self._ring = codex_home, full_turn, tell, ring
        self._records = rollout.Records()
        self.evidence = self._records.evidence
        self.landing = Landing(full_turn=full_turn, known=known)
        self._ours: Ours | None = None
        self._tail: Tail | None = None
        self._watch: Watch | None = None

    def close(self) -> None:
        """Let go of the rollout."""
        for open_thing in (self._watch, self._tail):
            if open_thing is not None:
                open_thing.close()

    @property
    def found(self) -> bool:
        """Whether the rollout of this run is known."""
        return self._ours is not None

    @property
    def thread_id(self) -> str | None:
        """The thread, as Codex's output or the rollout names it."""
        return self._events.thread_id or (self._ours.owner.thread_id if self._ours else None)

    def look(self) -> None:
        """Read what is new."""
        if self._tail is None:
            self._tail = self._follow()
        if self.thread_id:
            self._tell("thread")
        if self._tail is None:
            return
        if self.evidence.tool_called and self._tail.unread > LARGE:
            self._hold()
        try:
            self._read(self._tail.lines())
        finally:
            self._process.release()

    def saved(self, revised_prompt: str | None = None) -> Picture | None:
        """The picture that Codex saved in the folder of this thread, where no record holds one."""
        thread = self.thread_id
        return self.landing.saved(sessions.pictures_folder(self._home, thread), revised_prompt) if thread else None

    def anew(self) -> Picture | None:
        """Read a rollout that was cut short or replaced under our eyes, or lacks its last line feed, once more."""
        thread = self.thread_id
        path = self._attribution.named(thread) if thread else None
        if path is None:
            return None
        from codex_imagegen.codex.history import Past
        from codex_imagegen.codex.keepsake import Keepsake

        for candidate in Keepsake(self._home, Past(thread, path)).pictures():
            if candidate.data:
                self.landing.add(candidate.data, candidate.revised_prompt)
        return self.landing.chosen

    def stray(self) -> Picture | None:
        """The safety net: a picture in a record of unknown shape."""
        return self.landing.stray(self._ours.path, self._ours.offset) if self._ours else None

    def _follow(self) -> Tail | None:
        """Begin to follow the rollout of this run, if it is there by now."""
        ours = self._attribution.find(self._events.thread_id, ended=self._process.exit_code is not None)
        if ours is None:
            return None
        try:
            tail = Tail(ours.path, ours.offset, rollout.wants)
        except OSError:  # gone again
            return None
        self._ours, self.evidence.codex_version = ours, ours.owner.codex_version
        self._watch = self._watch or Watch(os.path.dirname(ours.path), self._ring)
        return tail

    def _read(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            for candidate in self._records.read(line):
                self._consider(candidate)
            if self.evidence.tool_called:
                self._tell("drawing")
            if self.landing.enough:
                return

    def _consider(self, candidate: rollout.Candidate) -> None:
        """Decode a picture whole; the first whole one is what Codex was started for."""
        self._hold()
        if candidate.data is None:
            self.saved(candidate.revised_prompt)
        else:
            self.landing.add(candidate.data, candidate.revised_prompt)
        if self.landing.enough:
            self._process.ask()
        if self.landing.chosen:
            self._tell("drawing")
            self._tell("landed")

    def _hold(self) -> None:
        """Hold Codex still while we look at what may be its picture: it would spend a second model call on the news."""
        if not self._full_turn:
            self._process.hold()
