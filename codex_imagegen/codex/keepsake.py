"""What a past session still holds: its pictures, each once, and what it was asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing

from codex_imagegen.codex import net, rollout, sessions
from codex_imagegen.codex.asked import Asked
from codex_imagegen.codex.history import Past
from codex_imagegen.codex.rollout import Candidate
from codex_imagegen.codex.tail import HEAD, Tail
from codex_imagegen.pictures import blobs

_WORTH_READING = (b'"function_call"', b'"custom_tool_call"', b'"session_meta"', b"image_gen")


class Keepsake:
    """Reads one past session. Its attributes are known once :meth:`pictures` has ended.

    ``torn``: the rollout ends in the middle of a picture, or has one that is no whole base64, and no file of Codex's
    makes up for it. ``unreadable``: why the rollout could not be read to its end.
    """

    def __init__(self, codex_home: str, past: Past) -> None:
        self._home, self._past = codex_home, past
        self._asked = Asked()
        self._seen: set[bytes] = set()
        self.codex_version: str | None = None
        self.torn = False
        self.unreadable: str | None = None

    @property
    def prompt(self) -> str | None:
        """The beginning of what the session was asked first."""
        return self._asked.prompt

    def pictures(self) -> Iterator[Candidate]:
        """The pictures that the records say were made, in their order, then those that Codex saved besides."""
        records = rollout.Records()
        for line in self._lines():
            self._asked.read(line)
            if _may_hold(line):
                yield from self._new(records.read(line))
        self.codex_version = records.evidence.codex_version
        self.torn |= records.evidence.undecodable > 0
        for candidate in self._new(self._saved()):
            self.torn = False
            yield candidate

    def strays(self) -> Iterator[Candidate]:
        """What the safety net finds: asked where there are no pictures at all."""
        if self._past.path and not self._past.packed:
            yield from self._new(Candidate(data) for data in net.strays(self._past.path, 0))

    def _new(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        for candidate in candidates:
            if candidate.data is None:
                continue  # its file is in the thread's folder, which is read in any case
            digest = hashlib.sha256(candidate.data).digest()
            if digest not in self._seen:
                self._seen.add(digest)
                yield candidate

    def _saved(self) -> Iterator[Candidate]:
        """Files in the thread's own folder, whose name is proven to be an id: a path in a record is never followed."""
        if self._past.thread_id:
            folder = sessions.pictures_folder(self._home, self._past.thread_id)
            yield from (Candidate(data) for data in net.saved(folder))

    def _lines(self) -> Iterator[bytes]:
        """Every line, and what stands behind the last line feed: a killed Codex may have left it off."""
        if self._past.path is None or self._past.packed:
            return
        try:
            with closing(Tail(self._past.path)) as tail:
                yield from tail.lines()
                self.torn = rollout.tears_picture(tail.rest)
                yield tail.rest
        except OSError as error:
            self.unreadable = error.strerror or str(error)


def _may_hold(line: bytes) -> bool:
    """Whether a line can say something of a picture: most of a long session's lines can't, and are not parsed."""
    head = line[:HEAD]
    return any(word in head for word in _WORTH_READING) or any(magic in line for magic in blobs.MAGICS)
