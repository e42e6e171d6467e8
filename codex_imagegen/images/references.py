"""The user's reference pictures, read and decoded before anything is spent.

A reference is a file, or bytes with a name (see :class:`~codex_imagegen.results.ReferenceData`): a picture from stdin,
or the last one that was made.

Its format is recognized by the first bytes, and only the decoder of that format is called; for every other kind of file
(a document, a vector graphic, a camera's raw file) no decoder is called at all. Of an animation or a file of several
pages, the first picture is used. As in :mod:`pillow_decoder`, each decoder is called by its own class, so that plug-ins
and settings of a host program have no effect, and the number of pixels is checked before anything is decoded.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage, UsageError
from codex_imagegen.files import containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.images.decode import FORMATS, open_image
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import STDOUT
from codex_imagegen.results import Picture, ReferenceData, Warning_

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.results import PlannedReference

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is refused without being read: no picture API is known to accept more."""

ReferenceFormat = Literal["png", "jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic"]

LOSSY: tuple[ReferenceFormat, ...] = ("jpeg", "avif", "heic")
"""Formats of photographs: a lossless copy of one is many times larger, and no better."""

HEIC_HINT = (
    "save it as a PNG or JPEG; or add pillow-heif to this program, with pipx:\npipx inject codex-imagegen pillow-heif\n"
    "with uv, in a clone of it:\nuv tool install --with pillow-heif .\nwith pip:\npip install pillow-heif"
)

_HEAD = 4096
_BRANDS: dict[ReferenceFormat, frozenset[bytes]] = {
    "avif": frozenset({b"avif", b"avis"}),
    "heic": frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}),
}
"""The brands in the first box of a file of the HEIF family, the main one or a compatible one."""

_MIME_TYPES: dict[str, ReferenceFormat] = {
    **FORMATS,
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
}
_PLAIN_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})
"""Pillow's modes that a PNG can hold."""

_SUBFILE, _SUBFILES, _DNG_VERSION = 254, 330, 50706
"""Tags of a TIFF: what its first picture is, where others are nested, and the version of a camera's raw format."""

_TEXTS = ((rb"<svg[\s>]", "an SVG"), (rb"<!doctype html|<html[\s>]", "a web page"), (rb"%!PS", "a PostScript file"))
_MAGICS = {
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000",
}
_VOWELS = "AEFHILMNORSX"
"""The letters whose names begin with a vowel, as in "an MP4"."""


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


def _open(path: str, within: tuple[str, ...]) -> io.BufferedReader:
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
        # a path of an MCP call is not looked at outside the allowed folders
        files = [] if within else path.replace(",", " ").split()
        is_several = len(files) > 1 and all(map(os.path.isfile, files))
        hint = "give each file its own --ref" if is_several else "check the path given to --ref"
        raise ReferenceMissing(f"the reference {path!r} can't be read: {reason}", hint=hint) from error
    with file:
        check_size(path, os.fstat(file.fileno()).st_size)
        return file.read(MAX_BYTES + 1)


class UnsupportedFormat(DamagedImage):
    """A file of a kind that is never opened here; ``hint`` says what helps."""

    def __init__(self, message: str, hint: str = "save it as a PNG or JPEG, and give that one") -> None:
        super().__init__(message)
        self.hint = hint


def detect_format(data: bytes) -> ReferenceFormat:
    """The format that the first bytes name; raises :class:`UnsupportedFormat` for any other kind of file."""
    import filetype

    head = data[:_HEAD]
    if not head:
        raise UnsupportedFormat("it is empty", "give a complete picture")
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, int.from_bytes(head[:4], "big"), 4))}
        for kind, known in _BRANDS.items():
            if known & brands:
                return kind
    found = filetype.guess(head)
    if found and found.mime in _MIME_TYPES:
        return _MIME_TYPES[cast(str, found.mime)]
    name = _describe(head) or (_with_article(cast(str, found.extension).upper()) if found else None)
    if name is None:
        raise UnsupportedFormat("it is not a picture", "give a PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF or HEIC")
    raise UnsupportedFormat(f"it is {name}, which is never opened")


class open_reference:  # noqa: N801 - used like a function
    """A context manager of (Pillow image with loaded pixels, format), as :class:`decode.open_image` for results.

    Raises :class:`DamagedImage`. The modes of the other formats are those of a PNG, and colours of a printing press are
    converted to those of a screen. The image may still have an orientation in its EXIF.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.kind = data, detect_format(data)
        self._opened = open_image(data) if self.kind in FORMATS.values() else None

    def __enter__(self) -> tuple[PillowImage, ReferenceFormat]:
        if self._opened is not None:
            return self._opened.__enter__()
        try:
            self.image = _to_plain_mode(_decode(self.data, self.kind))
        except DamagedImage:
            raise
        except Exception as error:
            raise DamagedImage(f"it can't be decoded completely: {error}") from error
        return self.image, self.kind

    def __exit__(self, *_: object) -> None:
        (self._opened or self.image).__exit__()


def _describe(head: bytes) -> str | None:
    """What a file is that ``filetype`` does not know."""
    texts = (name for pattern, name in _TEXTS if re.search(pattern, head[:1024], re.IGNORECASE))
    return next(texts, None) or next((name for magic, name in _MAGICS.items() if head.startswith(magic)), None)


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in _VOWELS else 'a'} {name}"


def _decode(data: bytes, kind: ReferenceFormat) -> PillowImage:
    from codex_imagegen.images import pillow_decoder

    if kind == "heic":
        return _decode_heic(data)
    if kind == "gif":
        from PIL.GifImagePlugin import GifImageFile

        return pillow_decoder.load(GifImageFile(io.BytesIO(data)))
    if kind == "bmp":
        from PIL.BmpImagePlugin import BmpImageFile

        _check_bmp(data)
        return pillow_decoder.load(BmpImageFile(io.BytesIO(data)))
    return _decode_tiff(data) if kind == "tiff" else _decode_avif(data)


def _decode_tiff(data: bytes) -> PillowImage:
    """Decode the first picture of a TIFF, unless it is only the preview in a camera's raw file."""
    from PIL.TiffImagePlugin import TiffImageFile

    from codex_imagegen.images import pillow_decoder

    image = TiffImageFile(io.BytesIO(data))
    tags = image.tag_v2
    if _DNG_VERSION in tags or (_SUBFILES in tags and int(tags.get(_SUBFILE, 0)) & 1):
        raise UnsupportedFormat("it is a camera's raw file, which is never opened")
    if image.mode in {"I", "F"}:
        raise UnsupportedFormat(
            "its pixels are signed, 32-bit or floating-point numbers", "save it as a PNG of 8 or 16 bits a channel"
        )
    return pillow_decoder.load(image)


def _decode_avif(data: bytes) -> PillowImage:
    """Decode an AVIF; Pillow can from 11.3 on, and where it was built with libavif."""
    from PIL import features

    from codex_imagegen.images import pillow_decoder

    if "avif" not in features.modules or not features.check_module("avif"):
        raise UnsupportedFormat(
            "it is an AVIF, which this Pillow can't read",
            "save it as a PNG or JPEG, or update Pillow with:\npip install -U 'Pillow>=11.3'",
        )
    from PIL.AvifImagePlugin import AvifImageFile

    return pillow_decoder.load(AvifImageFile(io.BytesIO(data)))


def _decode_heic(data: bytes) -> PillowImage:
    try:
        import pillow_heif
    except ImportError as error:
        raise UnsupportedFormat(
            "it is a HEIC, and pillow-heif, which reads those, is not installed", HEIC_HINT
        ) from error
    from codex_imagegen.images import pillow_decoder

    opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    pillow_decoder.check_size(opened.size)
    image: PillowImage = opened.to_pillow()  # upright, and its EXIF says so
    return image


def _check_bmp(data: bytes) -> None:
    """Raise :class:`DamagedImage` for a compressed BMP whose end is missing: Pillow would fill the rest with black."""
    compression = int.from_bytes(data[30:34], "little")
    size = int.from_bytes(data[34:38], "little")
    if compression in {1, 2} and int.from_bytes(data[10:14], "little") + size > len(data):
        raise DamagedImage("it can't be decoded completely: a part of it is missing")


def _to_plain_mode(image: PillowImage) -> PillowImage:
    """The image in a mode that a PNG can hold, with the same colours and transparency."""
    if image.mode in _PLAIN_MODES:
        return image
    if image.mode.startswith("I;16"):
        return image.convert("I").convert("I;16")
    if image.mode in {"CMYK", "LAB"}:
        return _to_screen_colours(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _to_screen_colours(image: PillowImage) -> PillowImage:
    """The image in sRGB, by its colour profile; without one, by Pillow's plain formula."""
    profile = image.info.get("icc_profile")
    with suppress(Exception):  # an invalid profile, or a Pillow without littlecms
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if converted is not None:
            return converted
    converted = image.convert("RGB")
    converted.info.pop("icc_profile", None)
    return converted
