"""From bytes to files: small, whole, and of nothing that is no picture."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.sessions.reader import Setting, StoredImage
from codex_imagegen.gallery.entry import Entry, bounded, from_json
from codex_imagegen.gallery.thumbnails import MAX_REFERENCES, ImageFolder, make_entry
from tests.support import history
from tests.support.pictures import encoded, torn


@pytest.fixture
def shelf(tmp_path):
    return ImageFolder(str(tmp_path / "shelf"))


def kept(data, *references):
    return StoredImage(
        data, b"\x01" * 32, "revised", Setting("prompt", tuple(map(history.data_url, references)), "model"), 1.5
    )


def files(shelf):
    """Name and picture of each file on the shelf."""
    names = sorted(os.listdir(shelf.folder)) if os.path.isdir(shelf.folder) else []
    return {name: Image.open(io.BytesIO(Path(shelf.folder, name).read_bytes())) for name in names}


def test_large_picture_gets_preview_and_thumbnail(shelf):
    target = io.BytesIO()
    Image.new("RGB", (1700, 340), "teal").save(target, "PNG")
    entry = make_entry(kept(target.getvalue()), None, shelf, originals=False)
    assert (entry.width, entry.height, entry.format, entry.broken) == (1700, 340, "png", None)
    assert [one.size for one in files(shelf).values()] == [(1600, 320), (512, 102)]
    assert {one.format for one in files(shelf).values()} == {"WEBP"}
    assert set(files(shelf)) == set(entry.files(originals=False))


def test_small_picture_is_not_enlarged(shelf):
    make_entry(kept(encoded(40)), None, shelf, originals=False)
    assert [one.size for one in files(shelf).values()] == [(40, 40), (40, 40)]


@pytest.mark.parametrize(("mode", "transparent"), [("RGBA", True), ("RGB", False), ("L", False)])
def test_transparency_is_kept(shelf, mode, transparent):
    entry = make_entry(kept(encoded(40, mode=mode)), None, shelf, originals=False)
    assert entry.transparent == transparent
    assert {one.mode for one in files(shelf).values()} == {"RGBA" if transparent else "RGB"}


def bomb():
    """A PNG of a hundred thousand pixels squared in a few hundred bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [torn(encoded(60)), b"", b"\x89PNG\r\n\x1a\n", bomb()])
def test_broken_picture_leaves_no_file(shelf, data):
    entry = make_entry(kept(data), "thread", shelf, originals=False)
    assert entry.broken
    assert (entry.prompt, entry.thread_id, entry.width) == ("prompt", "thread", 0)
    assert files(shelf) == {}
    assert list(entry.files(originals=False)) == []


def test_whole_references_get_thumbnails(shelf):
    entry = make_entry(
        kept(encoded(40), encoded(64), torn(encoded(70)), encoded(64), bomb()), None, shelf, originals=False
    )
    assert (entry.shown, len(entry.references)) == (4, 1)
    assert f"{entry.references[0]}-thumbnail.webp" in files(shelf)


def test_references_are_limited(shelf):
    entry = make_entry(kept(encoded(40), *(encoded(9, n) for n in range(30))), None, shelf, originals=False)
    assert (entry.shown, len(entry.references)) == (30, MAX_REFERENCES)


def test_entry_round_trips_through_json(shelf):
    entry = make_entry(kept(encoded(40), encoded(64)), "thread", shelf, originals=False)
    assert from_json(entry.to_json()) == entry


@pytest.mark.parametrize("when", [-1e9, 0.0, 1e12, float("inf"), float("nan")])
def test_impossible_time_becomes_zero(when):
    assert bounded(Entry("0", when, None)).time == 0.0


def test_long_text_is_cut():
    entry = bounded(
        Entry("0", 1.5, None, revised_prompt="x" * 1_000_000, model="y" * 10_000, codex_version="z" * 10_000)
    )
    assert (len(entry.revised_prompt), len(entry.model), len(entry.codex_version), entry.time) == (8000, 100, 100, 1.5)
