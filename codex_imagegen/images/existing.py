"""A picture that is there already, and is left as it is."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from codex_imagegen.errors import OutExists, OutUnwritable
from codex_imagegen.images.decode import Broken, verify

if TYPE_CHECKING:
    from codex_imagegen.results import Image

_HINT = "move it away, or choose another --out"


def image(path: str) -> Image:
    """What is at ``path``, decoded whole; raises :class:`OutExists` where that is no picture."""
    from codex_imagegen.results import Image

    data = _read(path)
    try:
        found = verify(data)
    except Broken as error:
        raise OutExists(f"{path!r} is there already and is no picture: {error}", hint=_HINT) from error
    digest = hashlib.sha256(data).hexdigest()
    return Image(path, found.format, found.width, found.height, len(data), digest)


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo must not hang us
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OutExists(f"{path!r} is there already and is no picture", hint=_HINT)
        with open(descriptor, "rb") as file:
            return file.read()
    except OSError as error:
        raise OutUnwritable(f"{path!r} is there already and can't be read: {error.strerror}", hint=_HINT) from error
