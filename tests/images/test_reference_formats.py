"""References in other formats than those of results: recognized, decoded, and sent as a converted copy."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageFile, features

from codex_imagegen.errors import ReferenceNotImage
from codex_imagegen.images import pillow_decoder, reduce
from codex_imagegen.images.reduce import SizeLimits, reduce_to_fit
from codex_imagegen.images.references import Reference, load
from codex_imagegen.results import ReferenceData
from tests.support.pictures import image, torn

heif = pytest.importorskip("pillow_heif")
HAS_AVIF = "avif" in features.modules and features.check_module("avif")
AVIF = pytest.param("AVIF", marks=pytest.mark.skipif(not HAS_AVIF, reason="this Pillow can't read AVIF"))
FORMATS = ["GIF", "TIFF", "BMP", AVIF, "HEIF"]
KINDS = {"HEIF": "heic"}
LOSSLESS: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LARGE = SizeLimits(10**8, 10**9)
ORIENTATION, MAKE = 0x0112, 0x010F


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "_last_result", None)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    if kind == "HEIF":
        metadata = {key: picture.info.get(key) for key in ("exif", "icc_profile", "xmp")}
        options = {**LOSSLESS[kind], **metadata, **options}
        heif.encode(picture.mode, picture.size, picture.tobytes(), target, **options)
    else:
        picture.save(target, kind, **{**LOSSLESS.get(kind, {}), **options})
    return target.getvalue()


def read(data: bytes, name: str = "photo") -> Reference:
    return load(ReferenceData(name, data))


def sent(data: bytes) -> Image.Image:
    """The copy that is sent for a reference with this content, decoded."""
    (copy,), told = reduce_to_fit([read(data)], LARGE)
    assert (copy.format, told) == ("png", ())
    assert copy.known == (copy.data, data)
    found = Image.open(io.BytesIO(copy.data))
    assert found.size == copy.size
    found.load()
    return found


def corners(side: int = 64) -> Image.Image:
    """A picture whose four quarters have different colours, wider than high, so that each orientation shows."""
    picture = Image.new("RGB", (side * 2, side), "red")
    picture.paste("lime", (side, 0, side * 2, side // 2))
    picture.paste("blue", (0, side // 2, side, side))
    picture.paste("white", (side, side // 2, side * 2, side))
    return picture


def colours(picture: Image.Image) -> list[tuple[int, ...]]:
    """The colours near the four corners, clockwise from the upper left one."""
    width, height = picture.size
    rgb = picture.convert("RGB")
    places = [(4, 4), (width - 5, 4), (width - 5, height - 5), (4, height - 5)]
    return [tuple(round(band / 255) for band in rgb.getpixel(place)) for place in places]  # type: ignore[union-attr]


# Formats


@pytest.mark.parametrize("kind", FORMATS)
def test_reference_of_another_format_is_sent_as_png_with_its_pixels(kind: str) -> None:
    data = saved(corners(), kind)
    assert (read(data).format, read(data).size, read(data).data) == (KINDS.get(kind, kind.lower()), (128, 64), data)
    assert (sent(data).size, colours(sent(data))) == ((128, 64), [(1, 0, 0), (0, 1, 0), (1, 1, 1), (0, 0, 1)])


def test_lossless_formats_keep_every_pixel() -> None:
    for kind in ("TIFF", "BMP"):
        assert sent(saved(image(50), kind)).tobytes() == image(50).tobytes()


def test_png_jpeg_and_webp_are_sent_byte_for_byte() -> None:
    refs = [read(saved(image(20), kind)) for kind in ("PNG", "JPEG", "WEBP")]
    assert reduce_to_fit(refs, LARGE) == (refs, ())
    assert [ref.known for ref in refs] == [(ref.data,) for ref in refs]


def test_first_page_of_a_tiff_and_first_frame_of_a_gif_are_sent() -> None:
    pages = {"save_all": True, "append_images": [Image.new("RGB", (30, 30), "blue")]}
    for kind in ("TIFF", "GIF"):
        assert colours(sent(saved(Image.new("RGB", (30, 30), "red"), kind, **pages))) == [(1, 0, 0)] * 4


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow can't read AVIF")
def test_first_frame_of_an_animated_avif_is_sent() -> None:
    frames = {"save_all": True, "append_images": [Image.new("RGB", (64, 64), "blue")]}
    assert colours(sent(saved(Image.new("RGB", (64, 64), "red"), "AVIF", **frames))) == [(1, 0, 0)] * 4


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_is_recognized_by_each_brand(brand: bytes) -> None:
    data = saved(corners(), "HEIF")
    assert data[4:8] == b"ftyp"
    assert read(data[:8] + brand + data[12:]).format == "heic"


# Orientation, colours, transparency


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", AVIF, "HEIF"])
def test_converted_copy_is_upright(kind: str, orientation: int) -> None:
    upright = corners()
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what makes the stored pixels out of the upright ones
    stored = upright.transpose(Image.Transpose(turns[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.info["exif"] = exif.tobytes()
    data = saved(stored, kind, **({} if kind == "HEIF" else {"exif": exif}))
    found = sent(data)
    assert (found.size, colours(found)) == (upright.size, colours(upright))
    assert found.getexif().get(ORIENTATION) in (None, 1)


@pytest.mark.parametrize("kind", ["TIFF", AVIF, "HEIF"])
def test_converted_copy_keeps_the_colour_profile_and_no_other_metadata(kind: str) -> None:
    picture, exif = image(40), Image.Exif()
    exif[MAKE] = "camera"
    picture.info |= {"icc_profile": SRGB, "exif": exif.tobytes(), "xmp": b"<x:xmpmeta/>"}
    found = sent(saved(picture, kind, **({} if kind == "HEIF" else {"icc_profile": SRGB, "exif": exif})))
    assert found.info["icc_profile"] == SRGB
    assert (dict(found.getexif()), set(found.info)) == ({}, {"icc_profile"})


@pytest.mark.parametrize("kind", ["TIFF", AVIF, "HEIF"])
def test_converted_copy_keeps_the_alpha_channel(kind: str) -> None:
    picture = image(64).convert("RGBA")
    alpha = Image.new("L", (64, 64), 0)
    alpha.paste(128, (16, 0, 48, 64))
    alpha.paste(255, (48, 0, 64, 64))
    picture.putalpha(alpha)
    found = sent(saved(picture, kind)).getchannel("A")
    assert [found.getpixel((column, 30)) for column in (5, 32, 60)] == pytest.approx([0, 128, 255], abs=2)


def test_transparent_gif_and_its_animation_keep_their_transparency() -> None:
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (10, 10, 30, 30))
    for frames in ({}, {"save_all": True, "append_images": [image(40).convert("RGBA")], "disposal": 2}):
        found = sent(saved(picture, "GIF", **frames)).convert("RGBA")
        assert [found.getpixel(place)[3] for place in ((2, 2), (20, 20))] == [0, 255]  # type: ignore[index]
        assert found.getpixel((20, 20)) == (255, 0, 0, 255)


def test_bmp_with_alpha_keeps_it() -> None:
    picture = image(16).convert("RGBA")
    picture.putalpha(128)
    assert sent(saved(picture, "BMP")).mode in {"RGBA", "RGB"}


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
def test_picture_of_few_colours_keeps_its_pixels(mode: str) -> None:
    picture = corners().convert("L").convert(mode) if mode != "P" else corners().quantize(8)
    found = sent(saved(picture, "TIFF"))
    assert found.convert("RGBA").tobytes() == picture.convert("RGBA").tobytes()


def test_grey_of_16_bits_keeps_them_in_both_byte_orders() -> None:
    rows = b"".join(bytes((column, row)) for row in range(64) for column in range(64))
    picture = Image.frombytes("I;16", (64, 64), rows)
    big = Image.frombytes("I;16B", (64, 64), b"".join(bytes((rows[at + 1], rows[at])) for at in range(0, len(rows), 2)))
    for each in (picture, big):
        found = sent(saved(each, "TIFF"))
        assert [found.getpixel(place) for place in ((3, 60), (63, 63))] == [60 * 256 + 3, 63 * 256 + 63]


def test_colours_of_a_press_become_those_of_a_screen() -> None:
    found = sent(saved(corners().convert("CMYK"), "TIFF"))
    assert (found.mode, colours(found)) == ("RGB", colours(corners()))


def test_invalid_press_profile_is_ignored() -> None:
    press = SRGB[:16] + b"CMYK" + SRGB[20:]
    found = sent(saved(corners().convert("CMYK"), "TIFF", icc_profile=press))
    assert (colours(found), found.info.get("icc_profile")) == (colours(corners()), None)


def test_lab_colours_become_those_of_a_screen() -> None:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(corners(), to_lab)
    assert lab is not None
    assert colours(sent(saved(lab, "TIFF"))) == colours(corners())


# What is refused


REFUSED = {
    "a.psd": (b"8BPS\0\1" + bytes(100), "it is a PSD"),
    "a.pdf": (b"%PDF-1.7\n" + bytes(100), "it is a PDF"),
    "a.svg": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "it is an SVG"),
    "a.png": (b"<!DOCTYPE html><html>not found", "it is a web page"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100), "it is a PostScript file"),
    "a.jxl": (b"\xff\x0a" + bytes(100), "it is a JPEG XL"),
    "a.mp4": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(100), "it is an MP4"),
    "a.ico": (b"\0\0\1\0" + bytes(100), "it is an ICO"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 " + bytes(100), "it is a JPEG 2000"),
    "a.txt": (b"a red fox in the snow", "it is not a picture"),
    "empty": (b"", "it is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_kind_of_file_is_named_and_never_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, reason = REFUSED[name]
    monkeypatch.setattr(pillow_decoder, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ReferenceNotImage) as caught:
        read(data, name)
    assert repr(name) in caught.value.message
    assert reason in caught.value.message
    assert caught.value.hint


def test_raw_file_of_a_camera_is_refused_instead_of_its_preview() -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    with pytest.raises(ReferenceNotImage, match="a camera's raw file"):
        read(saved(image(20), "TIFF", tiffinfo=tags))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_tiff_of_measurements_is_refused(mode: str) -> None:
    with pytest.raises(ReferenceNotImage, match="floating-point") as caught:
        read(saved(image(20, mode="L").convert(mode), "TIFF"))
    assert "8 or 16 bits" in str(caught.value.hint)


COMPRESSIONS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("host_setting", [False, True])
@pytest.mark.parametrize("kind", [*FORMATS, *COMPRESSIONS])
def test_half_a_file_is_refused_whatever_the_host_allows(
    kind: str, host_setting: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", host_setting)
    data = saved(image(80), "TIFF", compression=kind) if kind in COMPRESSIONS else saved(image(80), kind)
    assert read(data).size == (80, 80)
    for part in (torn(data), data[: len(data) * 9 // 10], data[:100]):
        with pytest.raises(ReferenceNotImage):
            read(part)
    assert capfd.readouterr() == ("", "")


def test_half_a_compressed_bmp_is_refused() -> None:
    body = b"".join(bytes((8, row, 0, 0)) for row in range(8)) + b"\0\1"
    header = b"BM" + (54 + 1024 + len(body)).to_bytes(4, "little") + bytes(4) + (54 + 1024).to_bytes(4, "little")
    info = b"".join(number.to_bytes(4, "little") for number in (40, 8, 8))
    info += b"\1\0\x08\0" + b"".join(number.to_bytes(4, "little") for number in (1, len(body), 0, 0, 256, 0))
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
    data = header + info + palette + body
    assert read(data).size == (8, 8)
    with pytest.raises(ReferenceNotImage, match="a part of it is missing"):
        read(data[:-9])


@pytest.mark.parametrize("kind", FORMATS)
def test_picture_of_too_many_pixels_is_refused_before_it_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(image(80), kind)
    monkeypatch.setattr(pillow_decoder, "MAX_PIXELS", 80 * 79)
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("it was decoded"))
    with pytest.raises(ReferenceNotImage, match="pixels are more than"):
        read(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_plugins_of_the_host_are_not_asked(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(image(80), kind)
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("the host's plug-ins were asked"))
    assert read(data).size == (80, 80)


# Readers that are not installed


def test_heic_without_its_reader_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(image(80), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ReferenceNotImage, match="is a HEIC") as caught:
        read(data)
    hint = str(caught.value.hint)
    assert hint.endswith("\npip install pillow-heif")
    assert "pipx inject codex-imagegen pillow-heif" in hint


def test_avif_without_its_reader_names_what_to_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check_module", lambda _name: False)
    data = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100)
    with pytest.raises(ReferenceNotImage, match="is an AVIF") as caught:
        read(data)
    assert str(caught.value.hint).endswith("\npip install -U 'Pillow>=11.3'")


# Converted copies that are too large


def photograph(side: int) -> Image.Image:
    return image(side // 8, "photo").resize((side, side), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", ["TIFF", AVIF, pytest.param("HEIF", marks=pytest.mark.every_build)])
def test_converted_copy_that_is_too_large_is_reduced_with_both_sizes(kind: str) -> None:
    picture = photograph(512)
    limit = len(saved(picture, "PNG")) // 2
    data = saved(picture, kind)
    (copy,), (told,) = reduce_to_fit([read(data, "photo.x")], SizeLimits(limit, limit))
    assert copy.known == (copy.data, data)
    assert (len(copy.data) <= limit, told.code) == (True, "reference-reduced")
    assert f"({KINDS.get(kind, kind.lower()).upper()}, 512 × 512)" in told.message
    assert "'photo.x' is too large to send as a PNG" in told.message
    assert f"({copy.format.upper()}, {copy.size[0]} × {copy.size[1]})" in told.message


@pytest.mark.every_build
def test_photograph_far_too_large_as_png_is_not_encoded_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    formats, encode = [], reduce._encode
    monkeypatch.setattr(reduce, "_encode", lambda im, kind, *a, **b: formats.append(kind) or encode(im, kind, *a, **b))
    monkeypatch.setattr(reduce, "_SAMPLE_SIDE", 32)
    data = saved(image(200), "HEIF", quality=60)
    (copy,), _told = reduce_to_fit([read(data)], SizeLimits(60_000, 60_000))
    assert (copy.format, "png" in formats) == ("jpeg", False)


def test_wide_picture_of_another_format_is_scaled_down() -> None:
    (copy,), (told,) = reduce_to_fit([read(saved(image(100), "BMP"))], SizeLimits(10**6, 10**6, pixels=5_000))
    assert (copy.size, copy.format, told.code) == ((70, 70), "webp", "reference-reduced")


def test_same_conversion_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    work = reduce._to_png
    monkeypatch.setattr(reduce, "_to_png", lambda *what: calls.append(what) or work(*what))
    data = saved(image(40), "BMP")
    first, again = (reduce_to_fit([read(data)], LARGE)[0][0] for _ in range(2))
    assert (len(calls), first.data) == (1, again.data)
