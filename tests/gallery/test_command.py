"""The installed ``codex-imagegen gallery``: its output, the files it writes, and what it refuses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from codex_imagegen.gallery import index
from tests.gallery.page import FOX, OWL, REFERENCE, entries, page_path, picture_files, run_gallery, write_session
from tests.support import checks, history
from tests.support.checks import KEYS
from tests.support.lab import COMMAND
from tests.support.pictures import encoded, torn

NOW = time.time()
OWN_KEYS = ["path", "pictures", "broken", "sessions", "bytes", "codex_home"]


def test_gallery_prints_only_the_path(world):
    write_session(world, history.user_message())
    done = world.run("gallery")
    assert (done.code, done.text, done.err) == (0, f"{page_path(world)}\n", "")
    assert [name.split("-", 1)[1] for name in picture_files(world)] == ["preview.webp", "thumbnail.webp"]


def test_gallery_page_has_the_metadata(world):
    context = {"type": "turn_context", "payload": {"model": "gpt-5.2"}}
    thread = write_session(world, context, history.user_image(REFERENCE), history.user_message(), at=1760000000)
    assert run_gallery(world).code == 0
    (entry,) = entries(world)
    assert (entry["thread"], entry["prompt"], entry["revised"]) == (
        thread,
        history.PROMPT,
        f"{history.PROMPT}, revised",
    )
    assert (entry["date"], entry["when"]) == ("2025-10-09", "9 October 2025, 08:53")
    assert (entry["model"], entry["codex"], entry["size"], entry["referenceCount"]) == (
        "gpt-5.2",
        "0.169.0",
        "40 × 40",
        1,
    )
    assert f"{entry['references'][0]}-thumbnail.webp" in picture_files(world)


def test_gallery_orders_all_sources_newest_first(world):
    names = [
        write_session(world, data=OWL, at=NOW - 50),
        history.thread_of(world.history.rollout(history.generated_image(FOX), at=NOW - 100, archived=True)),
    ]
    alone = history.new_thread_id(NOW - 200)
    picture = world.history.saved(alone, encoded(20, "alone")) / "call_1.png"
    os.utime(picture, (NOW - 200, NOW - 200))
    done = run_gallery(world, "--json")
    assert [entry["thread"] for entry in entries(world)] == [*names, alone]
    assert (done.json["pictures"], done.json["sessions"]) == (3, 3)


def test_gallery_with_json_prints_one_object(world):
    write_session(world, history.user_message())
    answer = run_gallery(world, "--json").json
    assert list(answer) == KEYS + OWN_KEYS
    assert (answer["schema"], answer["ok"], answer["path"], answer["error"]) == (1, True, str(page_path(world)), None)
    beside = world.work / "codex-gallery-pictures"
    assert answer["bytes"] == page_path(world).stat().st_size + sum(path.stat().st_size for path in beside.iterdir())


def test_gallery_of_empty_home_succeeds(world):
    done = run_gallery(world)
    assert (done.code, done.text) == (0, f"{page_path(world)}\n")
    assert done.err == f"codex-imagegen: no picture was found in '{world.home}', so the page is empty.\n"
    assert run_gallery(world, CODEX_HOME=str(world.work / "nowhere")).code == 0
    assert picture_files(world) == []


def test_gallery_updates_its_own_page_and_refuses_others(world):
    write_session(world, history.user_message())
    assert run_gallery(world).code == 0
    write_session(world, data=OWL)
    assert run_gallery(world).code == 0
    assert len(entries(world)) == 2
    other = world.work / "mine.html"
    other.write_text("<p>codex-imagegen gallery</p>")
    done = run_gallery(world, "--out", "mine.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists")
    assert other.read_text() == "<p>codex-imagegen gallery</p>"
    assert not (world.work / "mine-pictures").exists()
    assert run_gallery(world, "--out", "mine.html", "--force").code == 0
    assert len(entries(world, "mine.html")) == 2


@pytest.mark.parametrize("name", ["page", "page.png", "-", ""])
def test_gallery_out_without_html_name_is_refused_as_usage(world, name):
    done = run_gallery(world, "--out", name, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert os.listdir(world.work) == []


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (Path.mkdir, "out-unwritable"),
        (os.mkfifo, "out-exists"),
        (lambda path: path.symlink_to("/dev/zero"), "out-exists"),
    ],
)
def test_gallery_out_that_is_no_file_is_refused(world, make, code):
    make(page_path(world))
    done = run_gallery(world, "--json")
    assert (done.code, done.json["error"]["exit_code"], done.json["error"]["code"]) == (73, 73, code)
    assert not stat.S_ISREG(page_path(world).lstat().st_mode)


def test_gallery_unwritable_folder_fails_first(world):
    (world.work / "file").write_bytes(b"")
    done = run_gallery(world, "--out", "file/page.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")
    (world.work / "page-pictures").write_bytes(b"")
    done = run_gallery(world, "--out", "page.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")


def test_gallery_out_in_new_folder_creates_it(world):
    write_session(world, history.user_message())
    assert run_gallery(world, "--out", "new/folder/page.html").text == f"{world.work}/new/folder/page.html\n"
    assert len(os.listdir(world.work / "new/folder/page-pictures")) == 2


def test_gallery_originals_are_copied_unchanged(world):
    write_session(world, history.user_message())
    assert run_gallery(world, "--originals").code == 0
    (entry,) = entries(world)
    assert (world.work / "codex-gallery-pictures" / entry["full"]).read_bytes() == FOX
    assert not any(name.endswith("-preview.webp") for name in picture_files(world))


@pytest.mark.parametrize("since", ["3d", "72h", "0.4w", time.strftime("%Y-%m-%d", time.gmtime(NOW - 2 * 86_400))])
def test_gallery_since_leaves_out_older_pictures(world, since):
    new = write_session(world, data=OWL, at=NOW - 86_400)
    write_session(world, at=NOW - 4 * 86_400)
    assert run_gallery(world, "--since", since).code == 0
    assert [entry["thread"] for entry in entries(world)] == [new]
    assert f"since {since}" in page_path(world).read_text()


def test_gallery_since_does_not_open_older_sessions(world):
    rollout = world.history.rollout(history.generated_image(FOX), at=NOW - 9 * 86_400)
    os.utime(rollout, (NOW - 9 * 86_400, NOW - 9 * 86_400))
    assert run_gallery(world, "--since", "1w", "--json").json["sessions"] == 0


@pytest.mark.parametrize("since", ["yesterday", "7", "d", "30m", "2026-13-01", "9999999d", "2999-01-01"])
def test_gallery_invalid_since_is_refused_as_usage(world, since):
    done = run_gallery(world, "--since", since, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_gallery_damaged_pictures_are_entries_and_a_warning(world):
    write_session(world, data=torn(OWL), at=NOW)
    write_session(world, history.user_message(), data=FOX, at=NOW - 9)
    half = world.history.rollout(
        history.user_message("half"), history.generated_image(encoded(50)), at=NOW - 20, end=b""
    )
    half.write_bytes(half.read_bytes()[:-60])
    done = run_gallery(world)
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "2 pictures are damaged" in done.err
    assert [bool(entry["damage"]) for entry in entries(world)] == [True, False, True]
    assert entries(world)[2]["prompt"] == "half"


def test_gallery_warns_of_compressed_rollouts_and_follows_no_links(world):
    thread = history.new_thread_id(NOW)
    packed = world.history.rollout(history.generated_image(OWL), thread_id=thread, at=NOW)
    packed.rename(f"{packed}.zst")
    world.history.saved(thread, FOX)
    moved = world.history.rollout(history.generated_image(OWL), at=NOW - 9)
    moved.symlink_to(moved.rename(world.work / "elsewhere.jsonl"))
    done = run_gallery(world, "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["rollout-compressed"]
    assert done.json["pictures"] == 1


def test_gallery_shows_odd_names_and_times(world):
    folder = world.history.saved(history.new_thread_id(), OWL)
    odd = (folder / "call_1.png").rename(folder / os.fsdecode(b"\xff\xfe.png"))
    os.utime(odd, (-5, -5))
    done = run_gallery(world, "--out", os.fsdecode(b"\xff.html"))
    assert (done.code, done.out) == (0, os.fsencode(world.work) + b"/\xff.html\n")
    text = (world.work / os.fsdecode(b"\xff.html")).read_text()
    assert "%FF%FE.png" in text
    assert 'data-folder="%FF-pictures/"' in text
    assert "<h2>Undated <span>1</span></h2>" in text


def test_gallery_writes_nothing_in_the_home(world):
    write_session(world, history.user_image(REFERENCE), history.user_message())
    world.history.saved(history.new_thread_id(), OWL)
    before = sorted((path, path.lstat().st_mtime_ns) for path in world.home.rglob("*"))
    assert run_gallery(world).code == 0
    assert sorted((path, path.lstat().st_mtime_ns) for path in world.home.rglob("*")) == before


def test_gallery_on_full_disk_keeps_the_old_page(world):
    write_session(world, history.user_message())
    assert run_gallery(world).code == 0
    before = page_path(world).read_bytes()
    write_session(world, data=encoded(300))
    line = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", COMMAND, "gallery", "--json"]
    environment = {**world.environment, "PYTHONDONTWRITEBYTECODE": "1"}  # Python would leave truncated .pyc files
    done = subprocess.run(line, cwd=world.work, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 73
    assert b"out-unwritable" in done.stdout
    assert page_path(world).read_bytes() == before
    assert [name for name in (*os.listdir(world.work), *picture_files(world)) if name.endswith(".tmp")] == []


def browser(world, body):
    path = world.work.parent / "browser"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return f"{path} %s &"


def cached_page(world):
    """The page that ``--open`` makes without ``--out``."""
    name = os.path.basename(index.index_path(os.path.realpath(world.home), world.environment))
    return world.tmp.parent / "cache" / "codex-imagegen" / name.removesuffix(".sqlite") / "codex-gallery.html"


def test_gallery_open_starts_the_browser_and_keeps_stdout_clean(world):
    opened = world.work.parent / "opened"
    done = world.run(
        "gallery",
        "--open",
        env={"BROWSER": browser(world, f'echo noise; echo "$1" > {opened}.part; mv {opened}.part {opened}')},
    )
    assert (done.code, done.text) == (0, f"{cached_page(world)}\n")
    checks.wait_until(opened.exists, "the browser")
    assert opened.read_text() == f"{cached_page(world).as_uri()}\n"


def test_gallery_open_without_browser_succeeds_with_one_sentence(world, tmp_path):
    write_session(world, history.user_message())
    empty = tmp_path / "empty"
    empty.mkdir()
    for more in ({"BROWSER": "/nowhere/browser"}, {}):
        done = world.run("gallery", "--open", env={"PATH": str(empty), "DISPLAY": "", "WAYLAND_DISPLAY": "", **more})
        page = cached_page(world)
        assert (done.code, done.text) == (0, f"{page}\n")
        assert done.err == f"codex-imagegen: no browser was found here; open '{page}' in one yourself.\n"


NO_BROWSER = {"PATH": "", "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "/nowhere/browser"}


def test_gallery_open_puts_the_page_into_a_private_folder_of_the_cache(world):
    write_session(world, history.user_message())
    before = os.umask(0o022)
    try:
        answer = run_gallery(world, "--open", "--json", **NO_BROWSER).json
    finally:
        os.umask(before)
    page = cached_page(world)
    assert (answer["path"], answer["pictures"], os.listdir(world.work)) == (str(page), 1, [])
    assert stat.S_IMODE(page.parent.stat().st_mode) == stat.S_IMODE(page.parent.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(page.parent)) == ["codex-gallery-pictures", "codex-gallery.html"]
    other = world.work.parent / "other home"
    history.History(other).rollout(history.generated_image(encoded(50)))
    assert run_gallery(world, "--open", "--json", CODEX_HOME=str(other), **NO_BROWSER).json["path"] != str(page)
    assert run_gallery(world, "--json").json["path"] == str(page_path(world))


def test_gallery_open_with_out_puts_the_page_there(world):
    done = run_gallery(world, "--open", "--out", "a.html", **NO_BROWSER)
    assert (done.code, done.text) == (0, f"{world.work / 'a.html'}\n")
    assert not cached_page(world).exists()


def test_gallery_open_without_a_writable_cache_fails(world, tmp_path):
    (tmp_path / "file").touch()
    done = run_gallery(world, "--open", "--json", XDG_CACHE_HOME=str(tmp_path / "file"), **NO_BROWSER)
    assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")
    assert "--out" in done.json["error"]["hint"]


def test_gallery_interrupted_keeps_what_was_read_and_writes_no_page(world):
    for number in range(6):
        write_session(world, data=encoded(20 + number), at=NOW - number)
    marker = world.tmp / "third"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS_AT_THE_THIRD, str(marker)], cwd=world.work, env=world.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    checks.wait_until(marker.exists, "the third session")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b'"interrupted"' in out
    assert b"interrupted before the page was written" in err
    assert not page_path(world).exists()
    read = process_reads(world)
    assert run_gallery(world, "--json").json["pictures"] == 6
    assert 0 < read < 6


def process_reads(world):
    """How many pictures the index has."""
    with contextlib.closing(sqlite3.connect(index.index_path(os.path.realpath(world.home), world.environment))) as base:
        return base.execute("SELECT count(*) FROM pictures").fetchone()[0]


WAITS_AT_THE_THIRD = """
import sys, time
from codex_imagegen import __main__
from codex_imagegen.cli import console
from codex_imagegen.gallery import collect

marker = sys.argv.pop()
sys.argv += ["gallery", "--json"]
read, count = collect.Collector._read, 0

def waits(self, source):
    global count
    count += 1
    if count == 3:
        self._store_finished(wait=True)
        open(marker, "w").close()
        while console._signals.interrupt.signum is None:
            time.sleep(0.01)
    read(self, source)

collect.Collector._read = waits
__main__.main()
"""
"""The gallery, waiting for a signal before the third session, when the first two are in the index."""


def terminal(world, *arguments, columns=80, term="xterm"):
    """What a user sees on stderr, a pseudo-terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [COMMAND, "gallery", *arguments], cwd=world.work, env={**world.environment, "TERM": term},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:  # the end of a pseudo-terminal on Linux
        pass
    process.communicate(timeout=30)
    os.close(leader)
    return seen.decode()


def test_gallery_on_a_terminal_prints_a_summary(world):
    write_session(world, history.user_message())
    seen = terminal(world)
    assert re.search(r"codex-imagegen: 1 picture of 1 session; [\d.]+ kB on disk", seen)
    assert "1 pictures" not in terminal(world, "--quiet")
    dumb = terminal(world, term="dumb")
    assert "\x1b" not in dumb
