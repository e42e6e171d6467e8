"""The user's reference pictures, read and decoded before anything is spent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BufferedReader
from typing import TYPE_CHECKING

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage
from codex_imagegen.files import containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import PictureFormat

if TYPE_CHECKING:
    from codex_imagegen.results import PlannedReference

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is refused without being read: no picture API is known to accept more."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference picture: the path that the user gave, its bytes, format, and width and height in pixels.

    ``original`` is the content of the file if ``data`` is a smaller copy (see :mod:`codex_imagegen.images.reduce`).
    """

    given: str
    data: bytes
    format: PictureFormat
    size: tuple[int, int] = field(default=(0, 0), compare=False)
    original: bytes | None = None

    @property
    def known(self) -> tuple[bytes, ...]:
        """The data of this reference that a session may repeat; a new picture never has the same bytes."""
        return (self.data,) if self.original is None else (self.data, self.original)


def load(path: str, within: tuple[str, ...] = ()) -> Reference:
    """Read and decode a reference; ``within`` are the folders it must lie in, if any (see ``files.containment``).

    Raises :class:`ReferenceMissing` if it can't be read, :class:`ReferenceNotImage` if it is not a complete picture,
    and :class:`~codex_imagegen.errors.UsageError` if it lies outside.
    """
    data = _read(path, within)
    try:
        picture = decode_picture(data)
    except DamagedImage as error:
        raise ReferenceNotImage(
            f"the reference {path!r} can't be used: {error}", hint="give a complete PNG, JPEG or WebP"
        ) from error
    return Reference(path, data, picture.format, (picture.width, picture.height))


def describe(reference: Reference) -> PlannedReference:
    """The reference as it is sent, for a dry run."""
    from codex_imagegen.results import PlannedReference

    return PlannedReference(
        reference.given, reference.format, *reference.size, len(reference.data), copy=reference.original is not None
    )


def _open(path: str, within: tuple[str, ...]) -> BufferedReader:
    if not within:
        return open_regular(path)
    real = os.path.realpath(containment.resolve_inside(path, within, "reference"))
    if real in within:  # a folder of ``within`` itself, whose parent is outside
        return open_regular(real)
    with containment.open_inside(os.path.dirname(real), within) as at:
        return open_regular(os.path.basename(real), follow=False, at=at)


def _read(path: str, within: tuple[str, ...]) -> bytes:
    if path[:8].lower().startswith(("http://", "https://")) and not os.path.lexists(path):
        raise ReferenceMissing(
            f"the reference {path!r} is an address, but the Codex route accepts files only",
            hint="download it first, or use --backend runcomfy, which accepts https addresses and costs money",
        )
    try:
        file = _open(path, within)
    except NotRegularFile as error:
        message = f"the reference {path!r} is not a file"
        raise ReferenceNotImage(message, hint="give a PNG, JPEG or WebP file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name has a NUL in it"
        raise ReferenceMissing(
            f"the reference {path!r} can't be read: {reason}", hint="check the path given to --ref"
        ) from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise ReferenceNotImage(
                f"the reference {path!r} has {size:,} bytes, more than {MAX_BYTES:,}",
                hint="give a smaller copy of it",
            )
        return file.read(MAX_BYTES + 1)
