"""The user's reference pictures, read and decoded before anything is spent.

A reference is a file, or bytes with a name (see :class:`~codex_imagegen.results.ReferenceData`): a picture from stdin,
or the last one that was made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BufferedReader
from typing import TYPE_CHECKING

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage, UsageError
from codex_imagegen.files import containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.images.reference_formats import ReferenceFormat, UnsupportedFormat, open_reference
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import STDOUT
from codex_imagegen.results import Picture, ReferenceData, Warning_

if TYPE_CHECKING:
    from codex_imagegen.results import PlannedReference

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is refused without being read: no picture API is known to accept more."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference picture: the path that the user gave, its bytes, format, and width and height in pixels.

    ``original`` is the content of the file if ``data`` is a converted or smaller copy (see
    :mod:`codex_imagegen.images.reduce`); ``format`` and ``size`` are those of ``data``.
    """

    given: str
    data: bytes = field(repr=False)
    format: ReferenceFormat
    size: tuple[int, int] = field(default=(0, 0), compare=False)
    original: bytes | None = field(default=None, repr=False)

    @property
    def known(self) -> tuple[bytes, ...]:
        """The data of this reference that a session may repeat; a new picture never has the same bytes."""
        return (self.data,) if self.original is None else (self.data, self.original)


def load(given: str | ReferenceData, within: tuple[str, ...] = ()) -> Reference:
    """Read and decode a reference; ``within`` are the folders a file must lie in, if any (see ``files.containment``).

    Raises :class:`ReferenceMissing` if it can't be read, :class:`ReferenceNotImage` if it is not a complete picture of
    a format that is read here, and :class:`~codex_imagegen.errors.UsageError` if it lies outside, or is ``-``.
    """
    name, data = (given, _read(given, within)) if isinstance(given, str) else (given.name, given.data)
    try:
        with open_reference(data) as (image, kind):
            return Reference(name, data, kind, image.size)
    except DamagedImage as error:
        hint = error.hint if isinstance(error, UnsupportedFormat) else "give a complete picture"
        raise ReferenceNotImage(f"the reference {name!r} can't be used: {error}", hint=hint) from error


def same_as_reference(picture: Picture, references: Iterable[Reference]) -> tuple[Warning_, ...]:
    """A warning if the picture is byte for byte one of the references, as they were given or sent."""
    for reference in references:
        if picture.data in reference.known:
            message = f"the picture is the reference {reference.given!r}, byte for byte: nothing was changed in it"
            return (Warning_("same-as-reference", message),)
    return ()


def check_size(name: str, size: int) -> None:
    """Raise :class:`ReferenceNotImage` for more bytes than :data:`MAX_BYTES`."""
    if size > MAX_BYTES:
        message = f"the reference {name!r} has {size:,} bytes, more than {MAX_BYTES:,}"
        raise ReferenceNotImage(message, hint="give a smaller copy of it")


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
    if path == STDOUT:
        raise UsageError("stdin can't be a reference here", hint="give a file; ./- is a file of that name")
    try:
        file = _open(path, within)
    except NotRegularFile as error:
        message = f"the reference {path!r} is not a file"
        raise ReferenceNotImage(message, hint="give a picture file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name has a NUL in it"
        raise ReferenceMissing(
            f"the reference {path!r} can't be read: {reason}", hint="check the path given to --ref"
        ) from error
    with file:
        check_size(path, os.fstat(file.fileno()).st_size)
        return file.read(MAX_BYTES + 1)
