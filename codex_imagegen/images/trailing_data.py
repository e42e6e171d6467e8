"""What stands behind a picture's end, where nothing should: a second file, perhaps (a polyglot), or provenance.

Such a picture is whole and was paid for, so it is delivered as it came: bytes are not taken out, since nobody could say
which of them were meant, and a stranger's data fits into a picture's own chunks as well. The caller is told, with the
warning ``trailing-data``; any conversion (a name that ends in another format's suffix, ``--fit``) leaves it out. A
JPEG is not asked: cameras and phones put previews and depth maps there, by a standard of their own (CIPA DC-007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_imagegen.images import structure

if TYPE_CHECKING:
    from codex_imagegen.results import Picture, Warning_


def remarks(picture: Picture) -> tuple[Warning_, ...]:
    """The warning, if bytes follow the picture's end."""
    size = trailing(picture)
    if not size:
        return ()
    from codex_imagegen.results import Warning_

    told = f"{size:,} bytes follow the picture's end and are no part of it; written as they came"
    return (Warning_("trailing-data", told),)


def trailing(picture: Picture) -> int:
    """How many bytes follow the end of a whole PNG or WebP; 0 for a JPEG."""
    data = picture.data
    if picture.format == "png":
        return len(data) - _png_end(data)
    if picture.format == "webp":
        size = int.from_bytes(data[4:8], "little") + 8
        return max(0, len(data) - size - size % 2)  # a RIFF file is padded to an even length
    return 0


def _png_end(data: bytes) -> int:
    """Where IEND ends."""
    return next((end for name, _start, end in structure.png_chunks(data) if name == b"IEND"), len(data))
