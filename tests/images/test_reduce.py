"""Smaller copies of large references, and references that are sent unchanged."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from codex_imagegen import render
from codex_imagegen.errors import Interrupted
from codex_imagegen.images import reduce
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.reduce import SizeLimits, reduce_to_fit
from codex_imagegen.images.references import Reference
from tests.support.pictures import encoded, image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduce, "_last_result", None)


def reference(data: bytes, given: str = "a.png") -> Reference:
    picture = decode_picture(data)
    return Reference(given, data, picture.format, (picture.width, picture.height))


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def opened(sent: Reference) -> Image.Image:
    found = Image.open(io.BytesIO(sent.data))
    found.load()
    return found


def smooth(side: int, mode: str = "RGB") -> Image.Image:
    """A picture with soft forms and a little grain, like a photograph: JPEG reduces it to a fifth."""
    return image(side // 16, "smooth", mode).resize((side, side), Image.Resampling.BICUBIC)


def one(data: bytes, each: int, **more: int) -> Reference:
    """Fit one reference into so many bytes."""
    sent, warnings = reduce_to_fit([reference(data)], SizeLimits(each, each, **more))
    assert [warning.code for warning in warnings] == ["reference-reduced"]
    assert len(sent[0].data) <= each
    assert sent[0].original == data
    assert set(sent[0].known) == {data, sent[0].data}
    assert sent[0].size == opened(sent[0]).size
    assert decode_picture(sent[0].data).format == sent[0].format
    return sent[0]


# What is cut, and by whom


def test_references_that_fit_are_unchanged_without_a_warning() -> None:
    refs = [reference(encoded(40, seed)) for seed in range(5)]
    limits = SizeLimits(len(refs[0].data), sum(len(ref.data) for ref in refs))
    assert reduce_to_fit(refs, limits) == (refs, ())
    assert all(sent is ref for sent, ref in zip(reduce_to_fit(refs, limits)[0], refs, strict=True))
    assert refs[0].known == (refs[0].data,)


def test_small_references_are_unchanged_beside_a_large_one() -> None:
    small, large = [reference(encoded(60, seed), f"{seed}.png") for seed in range(3)], reference(encoded(400), "l.png")
    limits = SizeLimits(10**9, 100_000)
    sent, warnings = reduce_to_fit([small[0], large, *small[1:]], limits)
    assert [sent[index] for index in (0, 2, 3)] == small
    assert sum(len(ref.data) for ref in sent) <= limits.total
    assert len(warnings) == 1
    assert "'l.png'" in warnings[0].message
    for size in (len(large.data), len(sent[1].data)):
        assert render.size(size) in warnings[0].message
    assert "400 × 400" in warnings[0].message


def test_large_references_are_reduced_to_one_size() -> None:
    refs = [reference(encoded(side, side)) for side in (300, 350, 400, 450)]
    sent, warnings = reduce_to_fit(refs, SizeLimits(10**9, 400_000))
    assert len(warnings) == 4
    assert all(50_000 < len(ref.data) <= 100_000 for ref in sent)


def test_bytes_saved_by_one_reference_go_to_the_others() -> None:
    """Two references of 480 KB, one of them badly compressed, fit into 500 KB: both keep every pixel."""
    flat, noise = saved(Image.new("RGB", (400, 400), "teal"), compress_level=0), encoded(400)
    sent, warnings = reduce_to_fit([reference(flat), reference(noise)], SizeLimits(10**9, len(noise) + 5_000))
    assert opened(sent[1]).tobytes() == image(400).tobytes()
    assert len(warnings) == 2
    assert list(opened(sent[0]).convert("RGB").getcolors() or []) == [(160_000, (0, 128, 128))]


def test_same_references_are_reduced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    work = reduce._reduce
    monkeypatch.setattr(reduce, "_reduce", lambda *what: calls.append(what) or work(*what))
    refs, limits = [reference(encoded(200))], SizeLimits(50_000, 50_000)
    first, again = reduce_to_fit(refs, limits), reduce_to_fit([reference(encoded(200), "another name.png")], limits)
    assert len(calls) == 1
    assert first[0][0].data == again[0][0].data
    assert "another name.png" in again[1][0].message
    reduce_to_fit(refs, SizeLimits(40_000, 40_000))
    assert len(calls) == 2


def test_reduction_stops_when_asked() -> None:
    def check() -> None:
        raise Interrupted("stop")

    with pytest.raises(Interrupted):
        reduce_to_fit([reference(encoded(200))], SizeLimits(50_000, 50_000), check)
    reduce_to_fit([reference(encoded(200))], SizeLimits(50_000, 50_000))  # and holds up nobody else


# How


def test_reduction_is_lossless_where_that_fits() -> None:
    picture = smooth(256)
    sent = one(saved(picture, compress_level=0), len(saved(picture, "WEBP", lossless=True)) + 2000)
    assert sent.format == "webp"
    assert opened(sent).convert("RGB").tobytes() == picture.tobytes()


def test_reduction_to_jpeg_keeps_colours_and_pixels() -> None:
    data = saved(smooth(512))
    sent = one(data, len(data) // 2)
    picture = opened(sent)
    assert (sent.format, picture.size) == ("jpeg", (512, 512))
    assert {layer[1:3] for layer in picture.layer} == {(1, 1)}  # type: ignore[attr-defined]
    assert picture.quantization[0][0] == 2  # type: ignore[attr-defined]  # what libjpeg makes of 95


def test_reduction_takes_pixels_last() -> None:
    sent = one(encoded(500), 100_000)
    assert sent.format == "jpeg"
    assert 150 < sent.size[0] == sent.size[1] < 500
    assert len(sent.data) > 60_000


def test_reduction_keeps_2048_pixels_where_that_fits() -> None:
    picture = image(150, "smooth").crop((0, 0, 150, 8)).resize((2400, 120), Image.Resampling.BICUBIC)
    data = saved(picture)
    fits = len(saved(picture.resize((2048, 102)), "JPEG", quality=95, subsampling=0))
    assert one(data, int(fits * 1.02)).size == (2048, 102)
    assert max(one(data, fits // 2).size) < 2048


def test_reduction_of_a_jpeg_is_a_jpeg() -> None:
    data = saved(image(400), "JPEG", quality=100, subsampling=0)
    sent = one(data, len(data) - 1)
    assert (sent.format, sent.size) == ("jpeg", (400, 400))


@pytest.mark.parametrize("share", [0.9, 0.3])
def test_reduction_keeps_transparency(share: float) -> None:
    picture = smooth(300, "RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((300, 300)))
    data = saved(picture)
    sent = one(data, int(len(data) * share))
    low, high = opened(sent).getchannel("A").getextrema()
    assert sent.format == "webp"
    assert (low, high) == (0, 255)


def test_reduction_drops_an_opaque_alpha_channel() -> None:
    assert one(saved(image(200).convert("RGBA")), 60_000).format == "jpeg"


def test_reduction_keeps_a_transparent_palette_colour() -> None:
    picture = image(300).quantize(64)
    data = saved(picture, transparency=3)
    sent = one(data, len(data) // 2)
    low, high = opened(sent).getchannel("A").getextrema()
    assert low < 150 < high


def test_reduction_of_too_many_pixels_is_made() -> None:
    sent = one(encoded(100), 10**6, pixels=5_000)
    assert sent.size == (70, 70)
    assert sent.format == "webp"  # without loss, but for that


# What is kept


@pytest.mark.parametrize("share", [0.95, 0.3])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_reduction_applies_the_orientation(kind: str, share: float) -> None:
    lying, exif = Image.new("RGB", (300, 200), "red"), Image.Exif()
    lying.paste(image(200), (100, 0))
    exif[ORIENTATION] = 6
    data = saved(lying, kind, exif=exif, **({"quality": 100} if kind == "JPEG" else {}))
    picture = opened(one(data, int(len(data) * share)))
    width, height = picture.size
    assert width * 3 == height * 2 or share < 0.5
    assert width < height
    red, green, _blue = picture.convert("RGB").getpixel((width // 2, height // 10))  # type: ignore[misc]
    assert (red > 240, green < 15) == (True, True)
    assert picture.getexif().get(ORIENTATION) in (None, 1)


@pytest.mark.parametrize("share", [0.95, 0.2])
def test_reduction_keeps_the_colour_profile(share: float) -> None:
    data = saved(smooth(300), icc_profile=SRGB, compress_level=0)
    assert opened(one(data, int(len(data) * share))).info["icc_profile"] == SRGB


def test_reduction_drops_a_large_or_wrong_profile() -> None:
    padded = SRGB + bytes(200_000)
    assert "icc_profile" not in opened(one(saved(image(300), "JPEG", quality=95, icc_profile=padded), 150_000)).info
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    assert "icc_profile" not in opened(one(saved(image(200), icc_profile=grey), 60_000)).info


def test_reduction_keeps_cmyk_with_its_profile() -> None:
    press = SRGB[:16] + b"CMYK" + SRGB[20:]
    data = saved(image(300).convert("CMYK"), "JPEG", quality=100, icc_profile=press)
    picture = opened(one(data, len(data) // 2))
    assert (picture.mode, picture.info["icc_profile"]) == ("CMYK", press)


def test_reduction_makes_8_bits_of_16_bit_grey() -> None:
    grain = iter(encoded(200))
    rows = b"".join(bytes((next(grain), row)) for row in range(256) for _ in range(256))
    picture = Image.frombytes("I;16", (256, 256), rows)
    data = saved(picture, compress_level=0)
    same = one(data, len(saved(picture)) + 100)
    assert (same.format, opened(same).tobytes()) == ("png", picture.tobytes())
    flat = opened(one(data, len(saved(picture)) // 2))
    assert flat.mode == "L"
    assert [flat.getpixel((128, row)) for row in (0, 128, 255)] == pytest.approx([0, 128, 255], abs=3)


def test_reduction_of_a_picture_too_long_for_webp_is_another_format() -> None:
    data = saved(Image.effect_noise((17_000, 10), 90).convert("RGB"), compress_level=0)
    assert one(data, len(saved(Image.open(io.BytesIO(data)))) + 100).size == (17_000, 10)
    assert one(data, 75_000).size[0] <= 16_383


def test_reduction_ignores_broken_exif() -> None:
    data = saved(image(200), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40)
    assert one(data, 40_000).format == "jpeg"
