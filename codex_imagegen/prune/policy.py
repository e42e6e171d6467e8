"""Which of our sessions may go, and why the others stay; asked again of each just before it goes."""

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
from codex_imagegen.files.locks import is_locked
from codex_imagegen.prune.scan import OwnSession

Reason = Literal["too-recent", "running", "unfinished", "continued", "forked", "only-copy", "unreadable"]
REASONS: dict[Reason, str] = {
    "too-recent": "not old enough",
    "running": "at work, or written to a moment ago",
    "unfinished": "cut off, and its working folder is still there",
    "continued": "somebody went on with it",
    "forked": "another session goes on from it",
    "only-copy": "holds a picture that is in no file of generated_images",
    "unreadable": "can't be read",
}
"""Why a session stays, in the order in which it is asked."""

QUIET_SEC = 600.0
"""A rollout that was written to in this time may be at work, whatever else there is to see."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may go: sessions to which nothing has become for ``older_than_sec``; with or without their pictures."""

    codex_home: str
    older_than_sec: float
    keep_pictures: bool = False


def reason(own: OwnSession, rule: Policy, forked: Set[str]) -> Reason | None:
    """Why this session stays, or None: it may go. ``forked`` are the threads that others go on from."""
    if time.time() - own.changed < rule.older_than_sec:
        return "too-recent"
    if is_running(own, rule.codex_home):
        return "running"
    if any(os.path.lexists(folder) for folder in workspace.places(own.folder)):
        return "unfinished"
    return "forked" if own.thread_id in forked else _within(own, rule)


def _within(own: OwnSession, rule: Policy) -> Reason | None:
    """What only the rollout itself can say."""
    try:
        if inspect.has_multiple_turns(own.path):
            return "continued"
        return "only-copy" if rule.keep_pictures and _is_only_copy(rule.codex_home, own) else None
    except OSError:
        return "unreadable"


def is_running(own: OwnSession, codex_home: str) -> bool:
    """Whether a run, or somebody who goes on with the session, may be at work on it."""
    quiet = time.time() - own.changed >= QUIET_SEC
    held = any(workspace.is_held(folder) for folder in workspace.places(own.folder))
    return not quiet or held or _is_written(codex_home, own.thread_id)


def has_changed(own: OwnSession) -> bool:
    """Whether the rollout is another than it was when we looked: written to, replaced, or gone behind a link."""
    try:
        now = os.lstat(own.path)
    except OSError:
        return True
    same = ("st_ino", "st_dev", "st_size", "st_mtime_ns")
    return any(getattr(now, name) != getattr(own.status, name) for name in same)


def _is_written(codex_home: str, thread_id: str) -> bool:
    """Whether a Codex has the thread open to write; from 0.149.0 on it holds a lock while it does."""
    path = os.path.join(codex_home, "thread-writer-locks", f"{thread_id}.lock")
    return is_locked(path, shared=True) is not False


def _is_only_copy(codex_home: str, own: OwnSession) -> bool:
    """Whether the rollout holds a picture that is in none of the thread's files, byte for byte."""
    past = SessionRef(own.thread_id, own.path)
    saved = {_digest(data) for data in fallback.saved(layout.pictures_folder(codex_home, own.thread_id))}
    held = (candidate.data for candidate in SessionReader(codex_home, past).pictures())
    return any(data is not None and _digest(data) not in saved for data in held)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
