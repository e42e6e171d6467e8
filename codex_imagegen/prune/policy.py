"""Decide which of this program's sessions may be removed; :mod:`run` checks each again just before its removal."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.sessions import fallback, inspect, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.reader import SessionReader
from codex_imagegen.files.opening import is_locked
from codex_imagegen.prune.scan import OwnSession

Reason = Literal["too-recent", "running", "unfinished", "continued", "forked", "only-copy", "unreadable"]
REASONS: dict[Reason, str] = {
    "too-recent": "not old enough",
    "running": "running, or written to a moment ago",
    "unfinished": "interrupted, and the working folder still exists",
    "continued": "continued later, with more than one turn",
    "forked": "another session is a fork of it",
    "only-copy": "has a picture that no file of generated_images has",
    "unreadable": "can't be read",
}
"""Why a session is kept."""

QUIET_SEC = 600.0
"""A session whose rollout was changed within this time counts as running."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be removed: sessions unchanged for ``older_than_sec``, with or without their pictures."""

    codex_home: str
    older_than_sec: float
    keep_pictures: bool = False


def find_reason(session: OwnSession, rule: Policy, forked: Set[str]) -> Reason | None:
    """Why this session is kept, or None if it may be removed. ``forked`` are the threads that have a fork."""
    if time.time() - session.changed_at < rule.older_than_sec:
        return "too-recent"
    if is_running(session, rule.codex_home):
        return "running"
    if any(os.path.lexists(folder) for folder in workspace.possible_paths(session.folder)):
        return "unfinished"
    return "forked" if session.thread_id in forked else _reason_in_rollout(session, rule)


def _reason_in_rollout(session: OwnSession, rule: Policy) -> Reason | None:
    """The reason that only the contents of the rollout show."""
    try:
        if inspect.has_multiple_turns(session.path):
            return "continued"
        return "only-copy" if rule.keep_pictures and _is_only_copy(rule.codex_home, session) else None
    except OSError:
        return "unreadable"


def is_running(session: OwnSession, codex_home: str) -> bool:
    """Whether a run, or a Codex that continues the session, may be using it."""
    is_quiet = time.time() - session.changed_at >= QUIET_SEC
    is_in_use = any(workspace.may_be_in_use(folder) for folder in workspace.possible_paths(session.folder))
    return not is_quiet or is_in_use or _is_written(codex_home, session.thread_id)


def has_changed(session: OwnSession) -> bool:
    """Whether the rollout has changed since the scan: written to, replaced, or behind a link."""
    try:
        now = os.lstat(session.path)
    except OSError:
        return True
    fields = ("st_ino", "st_dev", "st_size", "st_mtime_ns")
    return any(getattr(now, name) != getattr(session.status, name) for name in fields)


def _is_written(codex_home: str, thread_id: str) -> bool:
    """Whether a Codex has the thread open to write; from 0.149.0 on it holds a lock while it does."""
    path = os.path.join(codex_home, "thread-writer-locks", f"{thread_id}.lock")
    return is_locked(path, shared=True) is not False


def _is_only_copy(codex_home: str, session: OwnSession) -> bool:
    """Whether the rollout has a picture that is in none of the thread's files, byte for byte."""
    ref = SessionRef(session.thread_id, session.path)
    saved = {
        hashlib.sha256(data).digest()
        for data in fallback.read_saved_files(layout.pictures_folder(codex_home, session.thread_id))
    }
    return any(image.digest not in saved for image in SessionReader(codex_home, ref).pictures())
