"""Conversion of pictures to other formats."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.images.convert import convert
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.results import Picture
from tests.support.pictures import encoded, image


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.data))


def saved(source: Image.Image, format_: str, **options: object) -> Picture:
    target = io.BytesIO()
    source.save(target, format_, **options)
    return decode_picture(target.getvalue(), revised_prompt="a fox")


MODES = ("RGB", "RGBA", "L", "P", "LA", "I;16", "1")


@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("format_", "mode"), [*(("PNG", mode) for mode in MODES), ("JPEG", "RGB"), ("WEBP", "RGB")])
def test_conversion_between_all_formats_keeps_the_picture(wanted, format_, mode):
    source = image(24, mode="RGBA").convert("L").convert(mode) if mode in {"I;16", "1"} else image(24).convert(mode)
    done = convert(saved(source, format_), wanted)
    assert (done.format, done.width, done.height, done.revised_prompt) == (wanted, 24, 24, "a fox")
    assert decode_picture(done.data).format == wanted


def test_conversion_to_jpeg_puts_transparency_on_white():
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert opened(convert(saved(clear, "PNG"), "jpeg")).getpixel((8, 8)) == (255, 255, 255)
    palette = Image.new("P", (16, 16))
    palette.putpalette([0, 0, 0] * 256)
    assert opened(convert(saved(palette, "PNG", transparency=0), "jpeg")).getpixel((8, 8)) == (255, 255, 255)


def test_conversion_to_webp_is_lossless():
    source = image(40, mode="RGBA")
    source.putalpha(200)
    assert opened(convert(saved(source, "PNG"), "webp")).convert("RGBA").tobytes() == source.tobytes()


def test_conversion_keeps_provenance():
    exif = Image.Exif()
    exif[0x010E] = "made by a machine"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = saved(image(16), "PNG", exif=exif, icc_profile=profile)
    for wanted in ("jpeg", "webp"):
        done = opened(convert(source, wanted))
        assert done.getexif()[0x010E] == "made by a machine"
        assert done.info["icc_profile"] == profile


def test_conversion_of_a_picture_too_large_for_the_format_raises():
    wide = saved(Image.new("RGB", (16_384, 1)), "PNG")
    with pytest.raises(OutUnwritable, match="converted to webp") as caught:
        convert(wide, "webp")
    assert caught.value.spent is True


def test_encoded_is_what_the_tests_think():
    assert decode_picture(encoded(32)).width == 32
