"""Thumbnails and previews: their size and format, and none for a damaged picture."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.sessions.reader import PromptContext, StoredImage
from codex_imagegen.gallery.entry import Entry, from_json, limit_entry
from codex_imagegen.gallery.thumbnails import MAX_REFERENCES, ImageFolder, make_entry
from tests.support import history
from tests.support.pictures import encoded, torn


@pytest.fixture
def folder(tmp_path):
    return ImageFolder(str(tmp_path / "pictures"))


def stored(data, *references):
    return StoredImage(
        data, b"\x01" * 32, "revised", PromptContext("prompt", tuple(map(history.data_url, references)), "model"), 1.5
    )


def files(folder):
    """The name and picture of each file in the folder."""
    names = sorted(os.listdir(folder.folder)) if os.path.isdir(folder.folder) else []
    return {name: Image.open(io.BytesIO(Path(folder.folder, name).read_bytes())) for name in names}


def test_large_picture_gets_preview_and_thumbnail(folder):
    target = io.BytesIO()
    Image.new("RGB", (1700, 340), "teal").save(target, "PNG")
    entry = make_entry(stored(target.getvalue()), None, folder, originals=False)
    assert (entry.width, entry.height, entry.format, entry.damage) == (1700, 340, "png", None)
    assert [image.size for image in files(folder).values()] == [(1600, 320), (512, 102)]
    assert {image.format for image in files(folder).values()} == {"WEBP"}
    assert set(files(folder)) == set(entry.file_names(originals=False))


def test_small_picture_is_not_enlarged(folder):
    make_entry(stored(encoded(40)), None, folder, originals=False)
    assert [image.size for image in files(folder).values()] == [(40, 40), (40, 40)]


@pytest.mark.parametrize(("mode", "transparent"), [("RGBA", True), ("RGB", False), ("L", False)])
def test_transparency_is_kept(folder, mode, transparent):
    entry = make_entry(stored(encoded(40, mode=mode)), None, folder, originals=False)
    assert entry.transparent == transparent
    assert {image.mode for image in files(folder).values()} == {"RGBA" if transparent else "RGB"}


def bomb():
    """A PNG of 100,000 × 100,000 pixels in a few hundred bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [torn(encoded(60)), b"", b"\x89PNG\r\n\x1a\n", bomb()])
def test_broken_picture_leaves_no_file(folder, data):
    entry = make_entry(stored(data), "thread", folder, originals=False)
    assert entry.damage
    assert (entry.prompt, entry.thread_id, entry.width) == ("prompt", "thread", 0)
    assert files(folder) == {}
    assert list(entry.file_names(originals=False)) == []


def test_whole_references_get_thumbnails(folder):
    entry = make_entry(
        stored(encoded(40), encoded(64), torn(encoded(70)), encoded(64), bomb()), None, folder, originals=False
    )
    assert (entry.reference_count, len(entry.references)) == (4, 1)
    assert f"{entry.references[0]}-thumbnail.webp" in files(folder)


def test_references_are_limited(folder):
    entry = make_entry(stored(encoded(40), *(encoded(9, n) for n in range(30))), None, folder, originals=False)
    assert (entry.reference_count, len(entry.references)) == (30, MAX_REFERENCES)


def test_entry_round_trips_through_json(folder):
    entry = make_entry(stored(encoded(40), encoded(64)), "thread", folder, originals=False)
    assert from_json(entry.to_json()) == entry


@pytest.mark.parametrize("when", [-1e9, 0.0, 1e12, float("inf"), float("nan")])
def test_impossible_time_becomes_zero(when):
    assert limit_entry(Entry("0", when, None)).time == 0.0


def test_long_text_is_cut():
    entry = limit_entry(
        Entry("0", 1.5, None, revised_prompt="x" * 1_000_000, model="y" * 10_000, codex_version="z" * 10_000)
    )
    assert (len(entry.revised_prompt), len(entry.model), len(entry.codex_version), entry.time) == (8000, 100, 100, 1.5)
