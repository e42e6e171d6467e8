"""The folder beside the page: small files of names that are ours alone, each whole or not there at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.files import atomic

_OURS = re.compile(r"[0-9a-f]{32}-(?:thumbnail|preview)\.webp\Z")
"""What may be removed again: everything else in the folder, copies of originals among it, is left alone."""


class Shelf:
    """The files beside one page, by name; made with the first file. It may be used from several threads."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._sizes = _sizes(folder)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def put(self, name: str, data: bytes) -> None:
        """Write a file under one of our names; raises :class:`OutUnwritable`."""
        try:
            os.makedirs(self.folder, exist_ok=True)
            with atomic.unfinished(self.folder) as (file, temporary):
                file.write(data)
                file.flush()  # and no more: it can be made anew, and thousands of them are not worth the wait
                os.replace(temporary, os.path.join(self.folder, name))
        except OSError as error:
            told = f"{self.folder!r} can't be written: {error.strerror or error}"
            raise OutUnwritable(told, hint="choose another --out") from error
        self._sizes[name] = len(data)

    def bytes(self, names: Iterable[str]) -> int:
        """The size of these files together."""
        return sum(self._sizes.get(name, 0) for name in set(names))

    def sweep(self, wanted: Iterable[str]) -> None:
        """Remove what a page no longer shows, and what a killed run left unfinished."""
        atomic.sweep(self.folder)
        for name in set(filter(_OURS.match, self._sizes)).difference(wanted):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder, name))


def _sizes(folder: str) -> dict[str, int]:
    """The regular files that are there; an empty one is what a crash of the machine leaves, and does not count."""
    sizes = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    sizes[entry.name] = status.st_size
    return sizes
