"""Measure the disk usage of a Codex home by the sizes that the file system reports; no file is opened."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from codex_imagegen.codex.sessions import fallback, layout

_ROLLOUTS = ("sessions", "archived_sessions")
_PICTURES = ("generated_images",)
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Files and their bytes. ``is_complete`` is False where the time limit ended the count."""

    rollouts: int
    rollout_bytes: int
    pictures: int
    picture_bytes: int
    is_complete: bool


def measure(codex_home: str, seconds: float) -> DiskUsage:
    """Count for about ``seconds`` at most. Links are not followed, and folders that can't be listed are left out."""
    deadline = time.monotonic() + seconds
    counts = []
    for names in (_PICTURES, _ROLLOUTS):
        files = size = 0
        for name in names:
            for length in _sizes(os.path.join(codex_home, name), _MAX_DEPTH, deadline):
                files, size = files + 1, size + length
        counts.append((files, size))
    (pictures, picture_bytes), (rollouts, rollout_bytes) = counts
    return DiskUsage(rollouts, rollout_bytes, pictures, picture_bytes, time.monotonic() <= deadline)


def count_pictures_since(codex_home: str, since: float, seconds: float) -> int:
    """Count the pictures that Codex saved since a Unix time of the last days, for ``seconds`` at most.

    Only threads of those days and of the days beside them are read, however long the history is. Builds that save no
    files (before 0.117, and 0.140 to 0.141) are not counted.
    """
    deadline, count = time.monotonic() + seconds, 0
    for folder in dict.fromkeys((*layout.list_day_folders(codex_home), *layout.list_day_folders(codex_home, since))):
        for thread in layout.list_thread_ids(folder):
            if time.monotonic() > deadline:
                return count
            files = fallback.list_saved_files(layout.pictures_folder(codex_home, thread))
            count += sum(status.st_mtime >= since for _path, status in files)
    return count


def _sizes(folder: str, depth: int, deadline: float) -> Iterator[int]:
    """Yield the size of every file below a folder, until the deadline."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path, depth - 1, deadline) if depth else ()
                elif entry.is_file(follow_symlinks=False):
                    yield from _size(entry)
    except OSError:
        return


def _size(entry: os.DirEntry[str]) -> Iterator[int]:
    """Yield a file's size, unless the file is gone."""
    with contextlib.suppress(OSError):
        yield entry.stat(follow_symlinks=False).st_size
