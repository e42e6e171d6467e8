"""Copies that are small enough for a message."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from codex_imagegen.pictures.preview import preview
from codex_imagegen.pictures.verify import Broken
from tests.support.pictures import encoded


def opened(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(("kind", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_a_small_picture_is_its_own(kind, mime):
    data = encoded(64, format=kind)
    assert preview(data, 700_000) == (base64.b64encode(data).decode(), mime)


def test_a_large_one_is_scaled_until_it_is_small_enough():
    data = encoded(1030)
    for limit in (700_000, 20_000, 3_000):
        text, mime = preview(data, limit)
        assert (len(text) <= limit, mime) == (True, "image/jpeg")
        with opened(text) as copy:
            assert copy.width == copy.height <= 1024


def test_what_shines_through_still_does():
    text, mime = preview(encoded(300, mode="RGBA"), 50_000)
    assert (len(text) <= 50_000, mime) == (True, "image/png")
    with opened(text) as copy:
        assert copy.mode == "RGBA"


def test_its_shape_stays():
    target = io.BytesIO()
    Image.new("L", (2000, 500), 90).save(target, "PNG")
    text, _mime = preview(target.getvalue(), 700_000)
    with opened(text) as copy:
        assert copy.size == (1024, 256)


def test_there_is_none_where_none_is_small_enough():
    assert preview(encoded(300), 100) is None


def test_what_is_no_picture():
    with pytest.raises(Broken):
        preview(b"nothing", 100)
