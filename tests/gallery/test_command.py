"""``codex-imagegen gallery`` as it is installed: what it prints, where it writes, what it refuses, what it leaves."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import stat
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.gallery.worlds import FOX, OWL, REFERENCE
from tests.support import history
from tests.support.checks import KEYS
from tests.support.lab import COMMAND
from tests.support.pictures import encoded, torn

NOW = time.time()
OWN_KEYS = ["path", "pictures", "broken", "sessions", "bytes", "codex_home"]


def test_the_path_is_all_that_stdout_has(world):
    world.made(history.user_message())
    done = world.gallery()
    assert (done.code, done.text, done.err) == (0, f"{world.page}\n", "")
    assert [name.split("-", 1)[1] for name in world.files] == ["preview.webp", "thumbnail.webp"]


def test_what_the_page_knows(world):
    context = {"type": "turn_context", "payload": {"model": "gpt-5.2"}}
    thread = world.made(context, history.user_image(REFERENCE), history.user_message(), at=1760000000)
    assert world.gallery().code == 0
    (entry,) = world.entries()
    assert (entry["thread"], entry["prompt"], entry["revised"]) == (
        thread,
        history.PROMPT,
        f"{history.PROMPT}, revised",
    )
    assert (entry["date"], entry["when"]) == ("2025-10-09", "9 October 2025, 08:53")
    assert (entry["model"], entry["codex"], entry["size"], entry["shown"]) == ("gpt-5.2", "0.169.0", "40 × 40", 1)
    assert f"{entry['references'][0]}-thumbnail.webp" in world.files


def test_sessions_archives_and_folders_newest_first(world):
    names = [
        world.made(data=OWL, at=NOW - 50),
        history.thread_of(world.past.rollout(history.generated_image(FOX), at=NOW - 100, archived=True)),
    ]
    alone = history.new_thread_id(NOW - 200)
    picture = world.past.saved(alone, encoded(20, "alone")) / "call_1.png"
    os.utime(picture, (NOW - 200, NOW - 200))
    done = world.gallery("--json")
    assert [entry["thread"] for entry in world.entries()] == [*names, alone]
    assert (done.json["pictures"], done.json["sessions"]) == (3, 3)


def test_json_is_one_object(world):
    world.made(history.user_message())
    answer = world.gallery("--json").json
    assert list(answer) == KEYS + OWN_KEYS
    assert (answer["schema"], answer["ok"], answer["path"], answer["error"]) == (1, True, str(world.page), None)
    beside = world.work / "codex-gallery-pictures"
    assert answer["bytes"] == world.page.stat().st_size + sum(path.stat().st_size for path in beside.iterdir())


def test_an_empty_home_is_no_failure(world):
    done = world.gallery()
    assert (done.code, done.text) == (0, f"{world.page}\n")
    assert done.err == f"codex-imagegen: no picture was found in '{world.home}', so the page is empty.\n"
    assert world.gallery(CODEX_HOME=str(world.work / "nowhere")).code == 0
    assert world.files == []


def test_our_own_page_is_renewed_and_a_strangers_is_not_touched(world):
    world.made(history.user_message())
    assert world.gallery().code == 0
    world.made(data=OWL)
    assert world.gallery().code == 0
    assert len(world.entries()) == 2
    other = world.work / "mine.html"
    other.write_text("<p>codex-imagegen gallery</p>")
    done = world.gallery("--out", "mine.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists")
    assert other.read_text() == "<p>codex-imagegen gallery</p>"
    assert not (world.work / "mine-pictures").exists()
    assert world.gallery("--out", "mine.html", "--force").code == 0
    assert len(world.entries("mine.html")) == 2


@pytest.mark.parametrize("name", ["page", "page.png", "-", ""])
def test_a_name_that_is_no_page_is_a_usage_error(world, name):
    done = world.gallery("--out", name, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert os.listdir(world.work) == []


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_written_to(world, make):
    make(world.page)
    done = world.gallery("--json")
    assert (done.code, done.json["error"]["exit_code"]) == (73, 73)
    assert not stat.S_ISREG(world.page.lstat().st_mode)


def test_a_folder_that_takes_no_files_is_told_first(world):
    (world.work / "file").write_bytes(b"")
    done = world.gallery("--out", "file/page.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")
    (world.work / "page-pictures").write_bytes(b"")
    done = world.gallery("--out", "page.html", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")


def test_a_new_folder_is_made_for_the_page(world):
    world.made(history.user_message())
    assert world.gallery("--out", "new/folder/page.html").text == f"{world.work}/new/folder/page.html\n"
    assert len(os.listdir(world.work / "new/folder/page-pictures")) == 2


def test_originals_are_copied_as_they_are(world):
    world.made(history.user_message())
    assert world.gallery("--originals").code == 0
    (entry,) = world.entries()
    assert (world.work / "codex-gallery-pictures" / entry["full"]).read_bytes() == FOX
    assert not any(name.endswith("-preview.webp") for name in world.files)


@pytest.mark.parametrize("since", ["3d", "72h", "0.4w", time.strftime("%Y-%m-%d", time.gmtime(NOW - 2 * 86_400))])
def test_since_leaves_out_what_is_older(world, since):
    new = world.made(data=OWL, at=NOW - 86_400)
    world.made(at=NOW - 4 * 86_400)
    assert world.gallery("--since", since).code == 0
    assert [entry["thread"] for entry in world.entries()] == [new]
    assert f"since {since}" in world.page.read_text()


def test_a_session_that_is_not_written_to_any_more_is_not_opened_for_since(world):
    rollout = world.past.rollout(history.generated_image(FOX), at=NOW - 9 * 86_400)
    os.utime(rollout, (NOW - 9 * 86_400, NOW - 9 * 86_400))
    assert world.gallery("--since", "1w", "--json").json["sessions"] == 0


@pytest.mark.parametrize("since", ["yesterday", "7", "d", "30m", "2026-13-01", "9999999d", "2999-01-01"])
def test_a_since_that_is_none_is_a_usage_error(world, since):
    done = world.gallery("--since", since, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")


def test_what_is_damaged_is_a_tile_and_a_warning(world):
    world.made(data=torn(OWL), at=NOW)
    world.made(history.user_message(), data=FOX, at=NOW - 9)
    half = world.past.rollout(history.user_message("half"), history.generated_image(encoded(50)), at=NOW - 20, end=b"")
    half.write_bytes(half.read_bytes()[:-60])
    done = world.gallery()
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "2 pictures are damaged" in done.err
    assert [bool(entry["broken"]) for entry in world.entries()] == [True, False, True]
    assert world.entries()[2]["prompt"] == "half"


def test_compressed_rollouts_are_told_and_links_are_not_followed(world):
    thread = history.new_thread_id(NOW)
    packed = world.past.rollout(history.generated_image(OWL), thread_id=thread, at=NOW)
    packed.rename(f"{packed}.zst")
    world.past.saved(thread, FOX)
    moved = world.past.rollout(history.generated_image(OWL), at=NOW - 9)
    moved.symlink_to(moved.rename(world.work / "elsewhere.jsonl"))
    done = world.gallery("--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["rollout-compressed"]
    assert done.json["pictures"] == 1


def test_odd_names_and_times_are_shown_all_the_same(world):
    folder = world.past.saved(history.new_thread_id(), OWL)
    odd = (folder / "call_1.png").rename(folder / os.fsdecode(b"\xff\xfe.png"))
    os.utime(odd, (-5, -5))
    done = world.gallery("--out", os.fsdecode(b"\xff.html"))
    assert (done.code, done.out) == (0, os.fsencode(world.work) + b"/\xff.html\n")
    page = (world.work / os.fsdecode(b"\xff.html")).read_text()
    assert "%FF%FE.png" in page
    assert 'data-folder="%FF-pictures/"' in page
    assert "<h2>Undated <span>1</span></h2>" in page


def test_nothing_is_written_in_the_home(world):
    world.made(history.user_image(REFERENCE), history.user_message())
    world.past.saved(history.new_thread_id(), OWL)
    before = sorted((path, path.lstat().st_mtime_ns) for path in world.home.rglob("*"))
    assert world.gallery().code == 0
    assert sorted((path, path.lstat().st_mtime_ns) for path in world.home.rglob("*")) == before


def test_a_full_disk_leaves_the_page_that_was_there(world):
    world.made(history.user_message())
    assert world.gallery().code == 0
    before = world.page.read_bytes()
    world.made(data=encoded(300))
    line = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", COMMAND, "gallery", "--json"]
    done = subprocess.run(line, cwd=world.work, env=world.environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 73
    assert b"out-unwritable" in done.stdout
    assert world.page.read_bytes() == before
    assert [name for name in (*os.listdir(world.work), *world.files) if name.endswith(".tmp")] == []


def browser(world, body):
    path = world.work.parent / "browser"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return f"{path} %s &"


def test_open_shows_the_page_and_keeps_stdout_clean(world):
    told = world.work.parent / "told"
    done = world.gallery(
        "--open", BROWSER=browser(world, f'echo noise; echo "$1" > {told}.part; mv {told}.part {told}')
    )
    assert (done.code, done.text) == (0, f"{world.page}\n")
    deadline = time.monotonic() + 20
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told.read_text() == f"{world.page.as_uri()}\n"


def test_open_without_a_browser_is_one_sentence_and_no_failure(world, tmp_path):
    world.made(history.user_message())
    empty = tmp_path / "empty"
    empty.mkdir()
    for more in ({"BROWSER": "/nowhere/browser"}, {}):
        done = world.gallery("--open", PATH=str(empty), DISPLAY="", WAYLAND_DISPLAY="", **more)
        assert (done.code, done.text) == (0, f"{world.page}\n")
        assert done.err == f"codex-imagegen: no browser was found here; open '{world.page}' in one yourself.\n"


def test_an_interruption_keeps_what_was_read_and_writes_no_page(world):
    for number in range(60):
        world.made(data=encoded(700, number), at=NOW - number)
    process = subprocess.Popen(
        [COMMAND, "gallery", "--json"], cwd=world.work, env=world.environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not world.files and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert process.returncode == 143
    assert b'"interrupted"' in out
    assert b"interrupted before the page was made" in err
    assert not world.page.exists()
    assert world.gallery("--json").json["pictures"] == 60


def terminal(world, *arguments, columns=80, term="xterm"):
    """What a person sees: stderr (and stdout) on a pseudo-terminal."""
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


def test_a_person_is_told_what_the_page_holds(world):
    world.made(history.user_message())
    seen = terminal(world)
    assert "codex-imagegen: 1 picture of 1 session; 0.0 MB on disk" in seen
    assert "1 pictures" not in terminal(world, "--quiet")
    dumb = terminal(world, term="dumb")
    assert "\x1b" not in dumb
