"""What the rollout of a run has told so far: found, followed by its bytes, and every picture in it tried.

What has landed of a run: every candidate decoded whole before it counts, and one of them chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.run.attribution import Attribution, OwnedRollout
from codex_imagegen.codex.run.events import Events, Words
from codex_imagegen.codex.run.wake import FileWatcher
from codex_imagegen.codex.sessions import fallback, layout, rollout
from codex_imagegen.codex.sessions.tail import Tail
from codex_imagegen.images import decode
from codex_imagegen.images.structure import is_structurally_whole
from codex_imagegen.request import Stage
from codex_imagegen.results import Picture

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState


_IMAGE_TOOL = "image generation failed"
"""How the image tool's own errors begin in Codex's log: another tool's may quote anything."""

FINAL = ("moderation", "usage-limit")
"""What the image tool's failure may be that no second try of the model's can mend: Codex would spend a model call on
the news, and perhaps a picture."""


class RolloutFollower:
    """The records of one run, read as they are written. ``landing`` takes the pictures, ``tell`` hears of
    each stage, and ``ring`` is rung when the rollout may have grown. ``over``: there is nothing to wait for any more.
    """

    def __init__(
        self,
        process: Process,
        events: Events,
        words: Words,
        attribution: Attribution,
        landing: Candidates,
        *,
        codex_home: str,
        tell: Callable[[Stage], None],
        ring: Callable[[], None],
    ) -> None:
        self._process, self._events, self._words, self._attribution = process, events, words, attribution
        self._home, self._tell, self._ring = codex_home, tell, ring
        self._records = rollout.Records()
        self.evidence = self._records.evidence
        self.landing = landing
        self._failed = False
        self._ours: OwnedRollout | None = None
        self._tail: Tail | None = None
        self._watch: FileWatcher | None = None

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
        return self._events.thread_id or (self._ours.meta.thread_id if self._ours else None)

    @property
    def follows(self) -> bool:
        """Whether the rollout is being read, of which the system need not tell: to look at it costs one call of it."""
        return self._tail is not None

    @property
    def is_told(self) -> bool:
        """Whether the system tells of changes beside the rollout."""
        return self._watch is not None and self._watch.heard

    @property
    def over(self) -> bool:
        """Whether Codex has nothing left to do: the picture has landed, or none will."""
        return self.landing.enough or self._failed

    def look(self) -> None:
        """Read what is new."""
        if self._tail is None:
            self._tail = self._follow()
        if self.thread_id:
            self._tell("thread")
        if self._tail is not None:
            self._read(self._tail.lines())
        if not self.landing.full_turn and not self.over and self._has_failed():
            self._failed = True
            self._process.interrupt()

    def saved(self, revised_prompt: str | None = None) -> Picture | None:
        """The picture that Codex saved in the folder of this thread, where no record holds one."""
        thread = self.thread_id
        return self.landing.saved(layout.pictures_folder(self._home, thread), revised_prompt) if thread else None

    def anew(self) -> Picture | None:
        """Read this run's part of a rollout once more that was cut short or replaced, or lacks its last line feed."""
        thread, ours = self.thread_id, self._ours
        path, offset = (
            (ours.path, ours.offset) if ours else (self._attribution.find_by_name(thread) if thread else None, 0)
        )
        if path is None:
            return None
        records = rollout.Records()
        for line in fallback.lines(path, offset):
            for candidate in records.read(line):
                if candidate.data:
                    self.landing.add(candidate.data, candidate.revised_prompt)
        return self.landing.chosen

    def stray(self) -> Picture | None:
        """The safety net: a picture in a record of unknown shape.

        Not in a thread that is gone on with: what such a record repeats of the thread's history could not be told from
        what is new.
        """
        ours = None if self._attribution.before else self._ours
        return self.landing.stray(ours.path, ours.offset) if ours else None

    def _follow(self) -> Tail | None:
        """Begin to follow the rollout of this run, if it is there by now."""
        ours = self._attribution.find(self._events.thread_id, ended=self._process.exit_code is not None)
        if ours is None:
            return None
        try:
            tail = Tail(ours.path, ours.offset, rollout.wants)
        except OSError:  # gone again
            return None
        self._ours, self.evidence.codex_version = ours, ours.meta.codex_version
        self._watch = self._watch or FileWatcher(os.path.dirname(ours.path), self._ring)
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
        """Take a picture that decodes whole; the first one is what Codex was started for.

        Codex is asked to end as soon as all of the picture's parts are there: it would spend a second model call on the
        news, and decoding takes longer than it needs for that.
        """
        if candidate.data is None:
            self.saved(candidate.revised_prompt)
        else:
            if not self.landing.full_turn and self.landing.is_whole(candidate.data):
                self._process.interrupt()
            self.landing.add(candidate.data, candidate.revised_prompt)
        if self.landing.enough:
            self._process.interrupt()
        if self.landing.chosen:
            self._tell("drawing")
            self._tell("received")

    def _has_failed(self) -> bool:
        """Whether the image tool has failed for good, as the records tell, or a moment earlier Codex's log."""
        logged = error_patterns.tool_lines(self._words.text) if self._words.tool_failed else []
        told = [*self.evidence.tool_errors, *(text for text in logged if text.startswith(_IMAGE_TOOL))]
        found = (reason for text in told if (reason := error_patterns.of_tool(text)))
        limited = any(failure.get("type") == "usageLimitExceeded" for failure in self.evidence.failures)
        return limited or any(reason.code in FINAL for reason in found)


class Candidates:
    """The pictures so far. With ``full_turn`` the largest wins, else the first; ``known``: the references' bytes.

    ``before`` is what Codex had saved for the thread already, where this run goes on with one.
    """

    def __init__(self, *, full_turn: bool, known: Sequence[bytes] = (), before: ThreadState | None = None) -> None:
        self.damaged: str | None = None
        self.full_turn, self._known, self._before = full_turn, known, before
        self._pictures: list[Picture] = []

    @property
    def enough(self) -> bool:
        """Whether Codex has done what it was started for."""
        return bool(self._pictures) and not self.full_turn

    @property
    def chosen(self) -> Picture | None:
        """The picture that is delivered, if one has landed."""
        return _largest(self._pictures) if self.full_turn else next(iter(self._pictures), None)

    def is_whole(self, data: bytes) -> bool:
        """Whether a picture that is none of the references has all its parts, which takes some milliseconds to know."""
        return data not in self._known and is_structurally_whole(data)

    def add(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        """Take a picture that a record says was made, if it decodes whole and is none of the references."""
        picture = None if data in self._known else self._verified(data, revised_prompt)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def saved(self, folder: str, revised_prompt: str | None = None) -> Picture | None:
        """Take what Codex saved in the thread's own folder: the fallback where a record holds no picture."""
        new = fallback.saved(folder, self._before.has_not if self._before else None)
        whole = (picture for data in new if (picture := self._verified(data, revised_prompt)))
        picture = _largest(whole) if self.full_turn else next(whole, None)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def stray(self, path: str, offset: int) -> Picture | None:
        """The safety net: the largest picture in records of unknown shapes that is none of the references."""
        strays = (data for data in fallback.unrecognized_images(path, offset) if data not in self._known)
        return _largest(picture for data in strays if (picture := self._verified(data)))

    def _verified(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        try:
            return decode.decode_picture(data, revised_prompt=revised_prompt)
        except decode.DamagedImage as error:
            self.damaged = str(error)
            return None


def _largest(pictures: Iterable[Picture]) -> Picture | None:
    return max(pictures, key=lambda picture: len(picture.data), default=None)
