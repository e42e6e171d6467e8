"""Decode each picture once, and write its thumbnail and preview into the folder next to the page."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen.codex.sessions.reader import PromptContext, StoredImage
from codex_imagegen.errors import OutUnwritable
from codex_imagegen.files import atomic
from codex_imagegen.gallery.entry import Entry, thumbnail_name
from codex_imagegen.images import base64_images
from codex_imagegen.images.decode import open_image
from codex_imagegen.images.structure import DamagedImage

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


THUMBNAIL, PREVIEW = (512, 76), (1600, 82)
"""Longest side in pixels and WebP quality. The preview of a picture of 1254 × 1254 has every pixel."""
MAX_REFERENCES = 10
"""Maximum number of reference thumbnails for one picture; Codex's tool takes five references."""

_REMOVABLE = re.compile(r"[0-9a-f]{32}-(?:thumbnail|preview)\.webp\Z")
"""Files that may be removed; everything else in the folder, including copies of originals, is kept."""


def make_entry(stored: StoredImage, thread_id: str | None, folder: ImageFolder, *, originals: bool) -> Entry:
    """Write the files of a picture and return its entry; raises :class:`OutUnwritable`."""
    context = stored.context
    entry = Entry(
        digest=short_digest(stored.digest), time=stored.time, thread_id=thread_id, bytes=len(stored.data),
        prompt=context.prompt, revised_prompt=stored.revised_prompt, model=context.model,
        references=_references(context, folder), reference_count=len(context.references),
    )  # fmt: skip
    try:
        with open_image(stored.data) as (image, kind):
            entry = replace(
                entry, width=image.width, height=image.height, format=kind,
                transparent=bool(image.has_transparency_data),
            )  # fmt: skip
            _write_scaled(folder, thumbnail_name(entry.digest), image, THUMBNAIL)
            full_name = entry.full_name(originals=originals)
            if not originals:
                _write_scaled(folder, full_name, image, PREVIEW)
            elif full_name not in folder:
                folder.write(full_name, stored.data)
    except DamagedImage as error:
        return replace(entry, damage=str(error))
    return entry


def short_digest(digest: bytes) -> str:
    """The beginning of a SHA-256 in hex, for file names."""
    return digest.hex()[:32]


def _references(context: PromptContext, folder: ImageFolder) -> tuple[str, ...]:
    """Write the thumbnails of the references and return their digests, without damaged ones."""
    digests = (_reference(blob, folder) for blob in context.references[:MAX_REFERENCES])
    return tuple(dict.fromkeys(digest for digest in digests if digest))


def _reference(blob: base64_images.Base64Text, folder: ImageFolder) -> str | None:
    data = base64_images.decode(blob)
    if data is None:
        return None
    digest = short_digest(hashlib.sha256(data).digest())
    if thumbnail_name(digest) not in folder:
        try:
            with open_image(data) as (image, _kind):
                _write_scaled(folder, thumbnail_name(digest), image, THUMBNAIL)
        except DamagedImage:
            return None
    return digest


def _write_scaled(folder: ImageFolder, name: str, image: PillowImage, scale: tuple[int, int]) -> None:
    if name not in folder:
        folder.write(name, _scaled_webp(image, *scale))


def _scaled_webp(image: PillowImage, side: int, quality: int) -> bytes:
    """The picture as WebP, scaled down if its longest side has more than ``side`` pixels."""
    from PIL import Image, ImageOps

    scaled = ImageOps.exif_transpose(image)
    scaled = scaled.convert("RGBA" if scaled.has_transparency_data else "RGB")
    scaled.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=1.0)
    target = io.BytesIO()
    # measured at 1254 × 1254: method 1 takes a third of the time of Pillow's default 4, for the same size
    scaled.save(target, "WEBP", quality=quality, method=1, icc_profile=image.info.get("icc_profile") or b"")
    return target.getvalue()


class ImageFolder:
    """The folder next to a page, created with its first file. Each file is written atomically. Thread-safe."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._sizes = _sizes(folder)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def write(self, name: str, data: bytes) -> None:
        """Write a file; raises :class:`OutUnwritable`."""
        try:
            os.makedirs(self.folder, exist_ok=True)
            with atomic.temporary_file(self.folder) as (file, temporary):
                file.write(data)
                file.flush()  # no fsync: a lost file can be made again, and thousands of them would take long
                os.replace(temporary, os.path.join(self.folder, name))
        except OSError as error:
            message = f"{self.folder!r} can't be written: {error.strerror or error}"
            raise OutUnwritable(message, hint="choose another --out") from error
        self._sizes[name] = len(data)

    def total_bytes(self, names: Iterable[str]) -> int:
        """The total size of these files."""
        return sum(self._sizes.get(name, 0) for name in set(names))

    def remove_unused(self, used: Iterable[str]) -> None:
        """Remove files that the page no longer uses, and temporary files of a killed run."""
        atomic.remove_abandoned(self.folder)
        for name in set(filter(_REMOVABLE.match, self._sizes)).difference(used):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder, name))


def _sizes(folder: str) -> dict[str, int]:
    """The sizes of the regular files in the folder, without empty ones: a crash of the machine leaves these."""
    sizes = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    sizes[entry.name] = status.st_size
    return sizes
