"""Previews that are small enough for a message."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.mcp_server.results import make_preview
from tests.support.pictures import encoded


def opened(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(("kind", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_preview_of_a_small_picture_is_the_picture(kind, mime):
    data = encoded(64, format=kind)
    assert make_preview(data, 700_000) == (base64.b64encode(data).decode(), mime)


def test_preview_of_a_large_picture_is_scaled_to_its_limit():
    data = encoded(1030)
    for limit in (700_000, 20_000, 3_000):
        text, mime = make_preview(data, limit)
        assert (len(text) <= limit, mime) == (True, "image/jpeg")
        with opened(text) as copy:
            assert copy.width == copy.height <= 1024


def test_preview_keeps_transparency():
    text, mime = make_preview(encoded(300, mode="RGBA"), 50_000)
    assert (len(text) <= 50_000, mime) == (True, "image/png")
    with opened(text) as copy:
        assert copy.mode == "RGBA"


def test_preview_keeps_the_aspect_ratio():
    target = io.BytesIO()
    Image.new("L", (2000, 500), 90).save(target, "PNG")
    text, _mime = make_preview(target.getvalue(), 700_000)
    with opened(text) as copy:
        assert copy.size == (1024, 256)


def test_preview_without_room_is_none():
    assert make_preview(encoded(300), 100) is None


def test_preview_of_no_picture_is_none():
    with pytest.raises(DamagedImage):
        make_preview(b"nothing", 100)
