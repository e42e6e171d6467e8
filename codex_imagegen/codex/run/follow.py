"""Read the rollout of a run while Codex writes it, and choose its picture.

:class:`RolloutFollower` finds the rollout, reads its new records at each poll, and interrupts Codex as soon as it has
the picture. :class:`Candidates` decodes the pictures, and chooses the one to deliver.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.run.attribution import Attribution, OwnedRollout
from codex_imagegen.codex.run.events import Events, StderrTail
from codex_imagegen.codex.run.wake import FileWatcher
from codex_imagegen.codex.sessions import fallback, layout, rollout
from codex_imagegen.codex.sessions.tail import Tail
from codex_imagegen.images import decode
from codex_imagegen.images.structure import DamagedImage, is_complete
from codex_imagegen.request import Stage
from codex_imagegen.results import Picture

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState


_IMAGE_TOOL_ERROR = "image generation failed"
"""The beginning of the image tool's own errors in Codex's log; another tool's error may quote any text."""

FINAL_FAILURES = ("moderation", "usage-limit")
"""Failures of the image tool that a second try of the model can't repair. The model would spend a call on reading the
error, and perhaps another picture."""


class RolloutFollower:
    """Reads the records of one run as they are written, into ``candidates`` and ``evidence``.

    ``report`` is called with each stage that is reached, and ``on_change`` when the rollout may have grown.
    """

    def __init__(
        self,
        process: Process,
        events: Events,
        stderr: StderrTail,
        attribution: Attribution,
        candidates: Candidates,
        *,
        codex_home: str,
        report: Callable[[Stage], None],
        on_change: Callable[[], None],
    ) -> None:
        self._process, self._events, self._stderr, self._attribution = process, events, stderr, attribution
        self._codex_home, self._report, self._on_change = codex_home, report, on_change
        self._records = rollout.RecordReader()
        self.evidence = self._records.evidence
        self.candidates = candidates
        self._has_failed = False
        self._owned: OwnedRollout | None = None
        self._tail: Tail | None = None
        self._watcher: FileWatcher | None = None

    def close(self) -> None:
        """Stop watching, and close the rollout."""
        for resource in (self._watcher, self._tail):
            if resource is not None:
                resource.close()

    @property
    def thread_id(self) -> str | None:
        """The thread, as Codex's output or the rollout names it."""
        return self._events.thread_id or (self._owned.meta.thread_id if self._owned else None)

    @property
    def has_rollout(self) -> bool:
        """Whether the rollout of this run was found."""
        return self._owned is not None

    @property
    def is_following(self) -> bool:
        """Whether the rollout is open, so that a poll is cheap and needs no file event."""
        return self._tail is not None

    @property
    def gets_file_events(self) -> bool:
        """Whether the system has reported a change in the rollout's folder."""
        return self._watcher is not None and self._watcher.has_reported

    @property
    def is_done(self) -> bool:
        """Whether Codex has nothing left to do: there is a picture, or none will follow."""
        return self.candidates.is_decided or self._has_failed

    def poll(self) -> None:
        """Read what is new, and interrupt Codex when it has nothing left to do."""
        if self._tail is None:
            self._tail = self._open_rollout()
        if self.thread_id:
            self._report("thread")
        if self._tail is not None:
            self._read(self._tail.lines())
        if not self.candidates.full_turn and not self.is_done and self._is_final_failure():
            self._has_failed = True
            self._process.interrupt()

    def _open_rollout(self) -> Tail | None:
        """Begin to follow the rollout of this run, if it exists by now."""
        owned = self._attribution.find(self._events.thread_id, ended=self._process.exit_code is not None)
        if owned is None:
            return None
        try:
            tail = Tail(owned.path, owned.offset, rollout.is_relevant)
        except OSError:  # deleted meanwhile
            return None
        self._owned, self.evidence.codex_version = owned, owned.meta.codex_version
        self._watcher = self._watcher or FileWatcher(os.path.dirname(owned.path), self._on_change)
        return tail

    def _read(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            for candidate in self._records.read(line):
                self._take(candidate)
            if self.evidence.tool_called:
                self._report("drawing")
            if self.candidates.is_decided:
                return

    def _take(self, candidate: rollout.Candidate) -> None:
        """Take a picture that can be decoded; without ``full_turn`` the first one ends the run.

        Codex is interrupted as soon as the picture has all its parts. It would spend a second model call on reading the
        result, and begin that call before the picture is decoded.
        """
        if candidate.data is None:
            self.take_saved_file(candidate.revised_prompt)
        else:
            if not self.candidates.full_turn and self.candidates.is_deliverable(candidate.data):
                self._process.interrupt()
            self.candidates.add(candidate.data, candidate.revised_prompt)
        if self.candidates.is_decided:
            self._process.interrupt()
        if self.candidates.best:
            self._report("drawing")
            self._report("received")

    def _is_final_failure(self) -> bool:
        """Whether the image tool has failed for good, by the records or, a moment earlier, by Codex's log."""
        logged = error_patterns.find_tool_errors(self._stderr.text) if self._stderr.tool_failed else []
        messages = [*self.evidence.tool_errors, *(text for text in logged if text.startswith(_IMAGE_TOOL_ERROR))]
        reasons = (reason for text in messages if (reason := error_patterns.classify_tool_error(text)))
        is_limited = any(failure.get("type") == "usageLimitExceeded" for failure in self.evidence.failures)
        return is_limited or any(reason.code in FINAL_FAILURES for reason in reasons)

    def take_saved_file(self, revised_prompt: str | None = None) -> Picture | None:
        """Take the picture that Codex saved in this thread's folder, if no record has one."""
        if self.thread_id is None:
            return None
        return self.candidates.add_saved_file(layout.pictures_folder(self._codex_home, self.thread_id), revised_prompt)

    def reread(self) -> Picture | None:
        """Read this run's part of the rollout again: it may have been truncated or replaced, or lack its line feed."""
        path, offset = self._rollout_part()
        if path is None:
            return None
        records = rollout.RecordReader()
        for line in fallback.read_lines(path, offset):
            for candidate in records.read(line):
                if candidate.data:
                    self.candidates.add(candidate.data, candidate.revised_prompt)
        return self.candidates.best

    def _rollout_part(self) -> tuple[str | None, int]:
        """The path of this run's rollout, and the offset at which the run begins in it."""
        if self._owned is not None:
            return self._owned.path, self._owned.offset
        return (self._attribution.find_by_name(self.thread_id) if self.thread_id else None), 0

    def find_unrecognized(self) -> Picture | None:
        """A picture in a record of unknown shape, as the last resort.

        There is none for a resumed thread: such a record may repeat a picture of the thread's history, which can't be
        distinguished from a new one.
        """
        owned = None if self._attribution.before else self._owned
        return self.candidates.find_unrecognized(owned.path, owned.offset) if owned else None


class Candidates:
    """The pictures of a run. With ``full_turn`` the largest is delivered, else the first.

    ``reference_images`` are the bytes of the references, which are not delivered. If Codex reports one of them as made
    (the tool gave it back unchanged), it is ``unchanged``: delivered with a warning, if the run has nothing else.
    ``before`` is what Codex had already saved for the thread, where this run resumes one. ``damaged`` says what was
    wrong with a damaged picture.
    """

    def __init__(
        self, *, full_turn: bool, reference_images: Sequence[bytes] = (), before: ThreadState | None = None
    ) -> None:
        self.damaged: str | None = None
        self.unchanged: Picture | None = None
        self.full_turn, self._reference_images, self._before = full_turn, reference_images, before
        self._pictures: list[Picture] = []

    @property
    def best(self) -> Picture | None:
        """The picture to deliver, if there is one so far."""
        return _largest(self._pictures) if self.full_turn else next(iter(self._pictures), None)

    @property
    def is_decided(self) -> bool:
        """Whether no later picture can be better."""
        return bool(self._pictures) and not self.full_turn

    def is_deliverable(self, data: bytes) -> bool:
        """Whether a picture has all its parts and is not a reference; takes some milliseconds, and decodes nothing."""
        return data not in self._reference_images and is_complete(data)

    def add(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        """Add a picture from a record, unless it can't be decoded or is one of the references."""
        picture = self._accept(data, revised_prompt)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def add_saved_file(self, folder: str, revised_prompt: str | None = None) -> Picture | None:
        """Add a picture that Codex saved in the thread's own folder: the fallback if no record has one."""
        files = fallback.read_saved_files(folder, self._before.is_new if self._before else None)
        pictures = (picture for data in files if (picture := self._accept(data, revised_prompt)))
        picture = _largest(pictures) if self.full_turn else next(pictures, None)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def find_unrecognized(self, path: str, offset: int) -> Picture | None:
        """The largest picture in records of unknown shapes that is not a reference: the last resort."""
        images = fallback.find_unrecognized_images(path, offset)
        new = (data for data in images if data not in self._reference_images)
        return _largest(picture for data in new if (picture := self._decode(data)))

    def _accept(self, data: bytes, revised_prompt: str | None) -> Picture | None:
        """The picture, unless it can't be decoded or is one of the references, which is noted."""
        picture = self._decode(data, revised_prompt)
        if data in self._reference_images:
            self.unchanged = self.unchanged or picture
            return None
        return picture

    def _decode(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        try:
            return decode.decode_picture(data, revised_prompt=revised_prompt)
        except DamagedImage as error:
            self.damaged = str(error)
            return None


def _largest(pictures: Iterable[Picture]) -> Picture | None:
    return max(pictures, key=lambda picture: len(picture.data), default=None)
