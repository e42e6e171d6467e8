"""Reading a growing file: complete lines, each once."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.sessions import tail as module
from codex_imagegen.codex.sessions.tail import HEAD, Tail


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rollout.jsonl"
    path.touch()
    return path


@pytest.fixture
def follow(file):
    tails = []

    def make(*args, **options) -> Tail:
        tails.append(Tail(str(file), *args, **options))
        return tails[-1]

    yield make
    for tail in tails:
        tail.close()


def append(file, data: bytes) -> None:
    with file.open("ab") as stream:
        stream.write(data)


def test_line_is_read_when_it_is_complete(file, follow):
    tail = follow()
    assert list(tail.lines()) == []
    append(file, b"one\ntw")
    assert list(tail.lines()) == [b"one"]
    assert tail.partial_line == b"tw"
    append(file, b"o\n\nthree\n")
    assert list(tail.lines()) == [b"two", b"", b"three"]
    assert (list(tail.lines()), tail.partial_line) == ([], b"")


def test_tail_begins_at_an_offset(file, follow):
    append(file, b"old\nnew\n")
    assert list(follow(4).lines()) == [b"new"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, HEAD - 1, HEAD, HEAD + 1, 10_000])
def test_tail_in_any_chunks_gives_the_same_lines(file, follow, monkeypatch, chunk):
    lines = [b"a" * length for length in (0, 1, HEAD - 1, HEAD, HEAD + 1, 3 * HEAD)]
    append(file, b"\n".join(lines) + b"\ntorn")
    monkeypatch.setattr(module, "_CHUNK", chunk)
    tail = follow()
    assert list(tail.lines()) == lines
    assert tail.partial_line == b"torn"


@pytest.mark.parametrize("chunk", [1, 5, 10_000])
def test_unwanted_line_is_not_kept(file, follow, monkeypatch, chunk):
    heads = []

    def wants(head: bytes) -> bool:
        heads.append(head)
        return not head.startswith(b"no")

    monkeypatch.setattr(module, "_CHUNK", chunk)
    append(file, b"no" + b"x" * 9000 + b"\nyes\nno\nno" + b"y" * 9000)
    tail = follow(wants=wants)
    assert list(tail.lines()) == [b"yes"]
    assert tail.partial_line == b""
    assert {len(head) for head in heads} == {HEAD, 3, 2}
    append(file, b"\nyes again\n")
    assert list(tail.lines()) == [b"yes again"]


def test_file_that_shrinks_is_read_again(file, follow):
    append(file, b"first line\ntorn")
    tail = follow()
    assert list(tail.lines()) == [b"first line"]
    file.write_bytes(b"new\n")
    assert list(tail.lines()) == [b"new"]


def test_removed_file_stays_readable(file, follow):
    tail = follow()
    append(file, b"one\n")
    file.unlink()
    assert list(tail.lines()) == [b"one"]


def test_close_releases_the_file(file):
    before = len(os.listdir("/dev/fd"))
    tail = Tail(str(file))
    tail.close()
    tail.close()
    assert len(os.listdir("/dev/fd")) == before


def test_missing_file_gives_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Tail(str(tmp_path / "none"))
