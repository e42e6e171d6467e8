"""Whose rollout it is: new or grown since the snapshot, named by the thread, and proven by its first record."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from codex_imagegen.codex import sessions

NO_THREAD_SEC = 2.0
"""How long the event stream is given to name the thread, before the working folder alone decides."""


@dataclass(frozen=True, slots=True)
class Ours:
    """The rollout of this run: its path, the byte at which this run begins in it, and what its first record says."""

    path: str
    offset: int
    owner: sessions.Owner


class Attribution:
    """Made before Codex starts, which is the moment of the snapshot.

    ``folder`` is the private working folder, absolute and without symlinks: no other run has it, and ``session_meta``
    names it.
    """

    def __init__(self, codex_home: str, folder: str) -> None:
        self._home, self._folder = codex_home, folder
        self._begun = time.monotonic()
        self._day_folders = sessions.folders(codex_home)
        self._before = sessions.snapshot(self._day_folders)
        self._foreign: set[str] = set()

    def find(self, thread_id: str | None, *, ended: bool) -> Ours | None:
        """The rollout, if it is there; without a thread id only once Codex has ``ended``, or was silent for long."""
        if thread_id:
            path = sessions.named(self._folders(thread_id), thread_id)
            return self._proven(path, self._before.get(path, 0), thread_id) if path else None
        if not ended and time.monotonic() - self._begun < NO_THREAD_SEC:
            return None
        grown = sessions.grown(self._folders(None), self._before)
        found = (self._proven(path, offset, None) for path, offset in grown if path not in self._foreign)
        return next((ours for ours in found if ours), None)

    def named(self, thread_id: str) -> str | None:
        """The new rollout that bears our thread's name, also where its first record was lost meanwhile."""
        path = sessions.named(self._folders(thread_id), thread_id)
        if path is None or self._before.get(path):
            return None  # a thread that is gone on with has older pictures, which are not this run's
        owner = sessions.owner(path)
        return path if owner is None or owner.thread_id == thread_id else None

    def _folders(self, thread_id: str | None) -> list[str]:
        """The day folders of the start and of now, and of the thread's own birth, which its id tells."""
        born = sessions.born(thread_id) if thread_id else None
        more = sessions.folders(self._home) + (sessions.folders(self._home, born) if born else [])
        return list(dict.fromkeys(self._day_folders + more))

    def _proven(self, path: str, offset: int, thread_id: str | None) -> Ours | None:
        owner = sessions.owner(path)
        if owner is None:
            return None  # not whole yet: asked again
        worked_here = owner.cwd is not None and os.path.realpath(owner.cwd) == self._folder
        # a thread that is gone on with (exec resume) has the folder of its first run, and was there before
        named = owner.thread_id == thread_id and (worked_here or offset > 0)
        if not (named if thread_id else worked_here):
            self._foreign.add(path)
            return None
        return Ours(path, offset, owner)
