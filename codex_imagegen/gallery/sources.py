"""What a session is read from, and how it is known that nothing of that has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import Past


@dataclass(frozen=True, slots=True)
class Source:
    """A past session: ``bytes`` that its rollout has, ``changed`` when anything of it was last written (Unix seconds).

    ``mark`` names path, size and time of change of its rollout and of each saved picture.
    """

    past: Past
    bytes: int
    changed: float
    mark: str


def sources(codex_home: str) -> Iterator[Source]:
    """Every session of a home, newest first; no contents are read."""
    for past in history.newest(codex_home):
        yield _source(codex_home, past)


def _source(codex_home: str, past: Past) -> Source:
    files = list(_files(codex_home, past))
    size = files[0][1].st_size if files and files[0][0] == past.path and not past.packed else 0
    changed = max([0.0, *(status.st_mtime for _path, status in files)])
    mark = json.dumps([(path, status.st_size, status.st_mtime_ns) for path, status in files])
    return Source(past, size, changed, mark)


def _files(codex_home: str, past: Past) -> Iterator[tuple[str, os.stat_result]]:
    if past.path:
        try:
            yield past.path, os.stat(past.path, follow_symlinks=False)
        except OSError:
            pass  # it is gone by now: what reads it will say so
    if past.thread_id:
        yield from fallback.files(layout.pictures_folder(codex_home, past.thread_id))
