"""Find the rollout that belongs to a run, by the thread's id, and verify it by its first record.

Usually a run has a rollout of its own, which is new and names the run's working folder. A run that resumes a thread
owns what it appends to that thread's rollout.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_imagegen.codex.sessions import layout

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState

NO_THREAD_SEC = 2.0
"""How long the event stream may take to name the thread; after that the working folder alone identifies the rollout."""


@dataclass(frozen=True, slots=True)
class OwnedRollout:
    """The rollout of this run: its path, the offset at which this run begins in it, and its first record."""

    path: str
    offset: int
    meta: layout.SessionMeta


class Attribution:
    """Finds the rollout of a run. Create it before Codex starts: it lists the rollouts that exist by then.

    ``folder`` is the private working folder: its name is random, no other run has it, and ``session_meta`` names it.
    ``before`` is the state of the threads that this run may resume; None where it starts a thread of its own.
    """

    def __init__(self, codex_home: str, folder: str, before: ThreadState | None = None) -> None:
        self._codex_home, self._folder_name = codex_home, os.path.basename(folder)
        self.before = before
        self._started = time.monotonic()
        self._day_folders = layout.list_day_folders(codex_home)
        self._existing = layout.snapshot(self._day_folders)
        self._foreign: set[str] = set()

    def find(self, thread_id: str | None, *, ended: bool) -> OwnedRollout | None:
        """The rollout, if it exists. Without a thread id: only after a while, or once Codex has ended."""
        if thread_id:
            resumed = self.before.rollouts.get(thread_id.lower()) if self.before else None
            if resumed is not None:
                return self._resumed(*resumed, thread_id)
            path = layout.find_rollout(self._folders(thread_id), thread_id)
            return self._check_owner(path, thread_id) if path else None
        if not ended and time.monotonic() - self._started < NO_THREAD_SEC:
            return None
        new = (
            path for path, _size in layout.find_grown(self._folders(None), self._existing) if path not in self._foreign
        )
        return next((owned for path in new if (owned := self._check_owner(path, None))), None)

    def find_by_name(self, thread_id: str) -> str | None:
        """The new rollout with the thread's id in its name, even if its first record was lost meanwhile."""
        path = layout.find_rollout(self._folders(thread_id), thread_id)
        if path is None or self.before is not None or path in self._existing:
            return None
        meta = layout.read_meta(path)
        return path if meta is None or meta.thread_id == thread_id else None

    def _folders(self, thread_id: str | None) -> list[str]:
        """The day folders of the run's start, of now, and of the thread's creation, whose time is in its id."""
        created_at = layout.created_at(thread_id) if thread_id else None
        thread_folders = layout.list_day_folders(self._codex_home, created_at) if created_at else []
        return list(dict.fromkeys([*self._day_folders, *layout.list_day_folders(self._codex_home), *thread_folders]))

    def _resumed(self, path: str, size: int, thread_id: str) -> OwnedRollout | None:
        """The rollout of a resumed thread, from its former size on: it names the folder of its first run."""
        meta = layout.read_meta(path)
        if meta is None or meta.thread_id.lower() != thread_id.lower():
            return None
        return OwnedRollout(path, size, meta)

    def _check_owner(self, path: str, thread_id: str | None) -> OwnedRollout | None:
        """The rollout, if it is this run's own by the random name of the folder, however the path is spelled."""
        meta = layout.read_meta(path)
        if meta is None:
            return None  # its first record is incomplete: checked again later
        worked_here = os.path.basename(meta.cwd or "") == self._folder_name
        if not worked_here or thread_id not in {None, meta.thread_id}:
            self._foreign.add(path)
            return None
        return OwnedRollout(path, 0, meta)
