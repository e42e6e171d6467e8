"""References are read once and decoded completely before anything is spent."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage
from codex_imagegen.images import references
from codex_imagegen.images.references import Reference, load
from tests.support.pictures import encoded, torn


def put(tmp_path, data: bytes, name: str = "a, fox.png") -> str:
    (tmp_path / name).write_bytes(data)
    return str(tmp_path / name)


@pytest.mark.parametrize(("format_", "name"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_reference_is_read_whatever_its_name(tmp_path, format_, name):
    data = encoded(format=format_)
    path = put(tmp_path, data, "fox, of no suffix")
    assert load(path) == Reference(path, data, name)


def test_reference_through_a_symlink_is_read(tmp_path):
    os.symlink(put(tmp_path, encoded()), tmp_path / "link.png")
    assert load(str(tmp_path / "link.png")).data == encoded()


@pytest.mark.parametrize("data", [b"", b"hello", torn(encoded(90)), b"GIF89a"])
def test_reference_that_is_no_picture_is_refused(tmp_path, data):
    with pytest.raises(ReferenceNotImage) as caught:
        load(put(tmp_path, data))
    assert "a, fox.png" in caught.value.message
    assert caught.value.spent is False


def test_missing_reference_is_refused(tmp_path):
    with pytest.raises(ReferenceMissing, match="No such file"):
        load(str(tmp_path / "none.png"))
    with pytest.raises(ReferenceMissing, match="NUL"):
        load("a\0b")


def test_reference_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ReferenceNotImage, match="not a file"):
        load(str(tmp_path))
    with pytest.raises(ReferenceNotImage, match="not a file"):
        load("/dev/null")


def test_reference_that_is_a_fifo_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(ReferenceNotImage, match="not a file"):
        load(str(tmp_path / "fifo.png"))


def test_huge_reference_is_not_read(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(references.MAX_BYTES + 1)
    with pytest.raises(ReferenceNotImage, match="67,108,865 bytes"):
        load(str(tmp_path / "huge.png"))


@pytest.mark.parametrize("url", ["https://example.com/fox.png", "HTTP://example.com/fox.png"])
def test_reference_that_is_an_address_is_named_as_one(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    for within in ((), (str(tmp_path),)):
        with pytest.raises(ReferenceMissing, match="is an address") as raised:
            load(url, within)
        assert "download it first" in str(raised.value.hint)


def test_file_named_like_an_address_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "https:" / "example.com").mkdir(parents=True)
    put(tmp_path / "https:" / "example.com", encoded(32, "fox"), "fox.png")
    assert load("https://example.com/fox.png").data == encoded(32, "fox")
