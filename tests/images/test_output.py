"""Output names are checked before anything is spent; writes are whole or leave nothing."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import socket
import stat
import sys
import threading
import time

import pytest

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic
from codex_imagegen.files.atomic import remove_abandoned
from codex_imagegen.images import output
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.output import Target, check, number_names, plan, write
from codex_imagegen.platform import disk
from tests.support.pictures import encoded

PICTURE = decode_picture(encoded(), revised_prompt="a fox")


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refuse(monkeypatch, call: str, error: int) -> None:
    def failing(*_args: object, **_options: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(output.os, call, failing)


def test_path_is_absolute(work):
    assert plan("fox.png") == (Target(str(work / "fox.png"), "png"),)
    assert plan("../x/./fox.PNG")[0].path == str(work.parent / "x" / "fox.PNG")


@pytest.mark.parametrize(
    ("name", "format_"), [("a.png", "png"), ("a.JPG", "jpeg"), ("a.jpeg", "jpeg"), ("a.b.webp", "webp")]
)
def test_suffix_is_the_format(name, format_):
    assert plan(name)[0].format == format_
    assert plan(name, wanted=format_)[0].format == format_


@pytest.mark.parametrize("name", ["fox.gif", "fox.", ".png", "fox.png.txt", "new.d/.png", "a\0.png", "a\0", ""])
def test_name_without_a_meaning_is_refused(name, work):
    with pytest.raises(UsageError):
        plan(name)
    assert os.listdir(work) == []


@pytest.mark.parametrize(("wanted", "suffix"), [(None, ".png"), ("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_name_without_a_dot_gets_a_suffix(work, wanted, suffix):
    assert [(t.path, t.format) for t in plan("a.b/fox", wanted=wanted)] == [
        (f"{work}/a.b/fox{suffix}", wanted or "png")
    ]
    (work / f"fox{suffix}").touch()
    with pytest.raises(OutExists):
        plan("fox", wanted=wanted)


def test_suffix_that_contradicts_the_format_is_refused():
    with pytest.raises(UsageError, match="contradict"):
        plan("fox.png", wanted="webp")


@pytest.mark.parametrize("out", [None, ".", "./", "new/deep/", "new/.", "fox.png", "fox.png/", "..//work"])
def test_name_in_a_folder_is_made_of_the_prompt(work, out):
    (work / "fox.png").mkdir()
    (target,) = plan(out, prompt="Ein Fuchs, im Schnee.")
    folder = os.path.abspath(out or ".")
    paths = [write(PICTURE, target).path for _ in range(3)]
    assert paths == [f"{folder}/ein-fuchs-im-schnee{number}.png" for number in ("", "-2", "-3")]


@pytest.mark.parametrize(("wanted", "suffix"), [(None, ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_made_name_has_the_suffix_of_the_format(work, wanted, suffix):
    (work / "a-fox.gif").touch()
    (work / f"a-fox{suffix}").touch()
    (work / f"a-fox-3{suffix}").symlink_to("nowhere")
    (target,) = plan(None, prompt="a fox", wanted=wanted)
    paths = [os.path.basename(write(PICTURE, target).path) for _ in range(2)]
    assert paths == [f"a-fox-2{suffix}", f"a-fox-4{suffix}"]


def test_made_name_is_never_replaced_with_force(work):
    (target,) = plan("./", prompt="a fox", force=True)
    (work / "a-fox.png").write_text("of another run")
    assert write(PICTURE, target).path == str(work / "a-fox-2.png")
    assert (work / "a-fox.png").read_text() == "of another run"


def test_made_name_taken_before_its_folder_is_checked_is_not_refused(work):
    (target,) = plan(None, prompt="a fox")
    (work / "a-fox.png").write_text("of another run")
    check(target)
    assert write(PICTURE, target).path == str(work / "a-fox-2.png")


def test_made_name_after_many_others_is_still_found(work):
    (work / "a-fox.png").touch()
    for number in range(2, 12_000):
        os.link("a-fox.png", f"a-fox-{number}.png")
    assert plan(None, prompt="a fox")[0].path == str(work / "a-fox-12000.png")


@pytest.mark.parametrize(("there", "stem"), [
    ([], "fox"), (["fox.png", "fox-a.png", "fox-1.jpg", "fo-1.png"], "fox"), (["fox-2.png"], "fox-2"),
    (["fox-9.png"], "fox-2"), (["fox-1.png", "fox-2-7.png"], "fox-3"), (["fox-2-1.png"], "fox"),
    (["FOX-1.PNG"], "fox-2"),
])  # fmt: skip
def test_series_gets_the_first_stem_without_any_number(work, there, stem):
    for name in there:
        (work / name).touch()
    assert [os.path.basename(t.path) for t in plan("./", prompt="Fox", count=2)] == [f"{stem}-1.png", f"{stem}-2.png"]


def test_series_claimed_meanwhile_goes_on_after_its_last_number(work):
    first, second = (plan(None, prompt="fox", count=2) for _ in range(2))
    paths = [[write(PICTURE, target).path for target in targets] for targets in (first, second)]
    assert paths == [[f"{work}/fox-{n}.png" for n in numbers] for numbers in ((1, 2), (3, 4))]


def test_concurrent_writes_under_made_names_keep_every_picture(work):
    targets = [plan(None, prompt="a fox")[0] for _ in range(8)]
    paths: list[str] = []
    threads = [threading.Thread(target=lambda t=target: paths.append(write(PICTURE, t).path)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {"a-fox.png", *(f"a-fox-{n}.png" for n in range(2, 9))}
    assert len(paths) == 8
    assert set(map(os.path.basename, paths)) == set(os.listdir(work)) == names


def test_several_names_are_numbered():
    assert number_names("/a/fox.png", 1) == ("/a/fox.png",)
    assert number_names("/a/fox.png", 3) == ("/a/fox-1.png", "/a/fox-2.png", "/a/fox-3.png")
    assert [os.path.basename(target.path) for target in plan("fox.png", count=2)] == ["fox-1.png", "fox-2.png"]


def test_several_names_of_which_one_exists_are_refused(work):
    (work / "fox-2.png").touch()
    with pytest.raises(OutExists, match=r"fox-2\.png"):
        plan("fox.png", count=3)


def test_existing_file_is_replaced_only_with_force(work):
    (work / "fox.png").write_bytes(b"old")
    with pytest.raises(OutExists) as caught:
        plan("fox.png")
    assert "--force" in str(caught.value.hint)
    assert caught.value.spent is False
    (target,) = plan("fox.png", force=True)
    assert (work / "fox.png").read_bytes() == b"old"
    write(PICTURE, target)
    assert (work / "fox.png").read_bytes() == PICTURE.data


def test_broken_link_counts_as_existing(work):
    (work / "fox.png").symlink_to(work / "nowhere.png")
    with pytest.raises(OutExists):
        plan("fox.png")


def test_force_replaces_the_target_of_a_link(work, tmp_path):
    real = tmp_path / "real.png"
    real.write_bytes(b"old")
    (work / "fox.png").symlink_to(real)
    assert write(PICTURE, plan("fox.png", force=True)[0]).path == str(work / "fox.png")
    assert real.read_bytes() == PICTURE.data
    assert (work / "fox.png").is_symlink()


@pytest.mark.parametrize("force", [False, True])
def test_file_named_as_a_folder_is_refused(work, force):
    (work / "fox.png").touch()
    with pytest.raises(OutUnwritable, match="not a folder"):
        plan("fox.png/", force=force)


@pytest.mark.parametrize("name", ["pipe", "pipe.png", "pipe.gif"])
@pytest.mark.parametrize("force", [False, True])
def test_pipe_gets_the_bytes_and_stays(work, name, force):
    os.mkfifo(work / name)
    (target,) = plan(name, force=force)
    assert (target.path, target.format) == (str(work / name), "png" if name == "pipe.png" else None)
    reader = os.open(work / name, os.O_RDONLY | os.O_NONBLOCK)
    try:
        image = write(PICTURE, target)
        assert os.read(reader, 1_000_000) == PICTURE.data
    finally:
        os.close(reader)
    assert (image.path, image.replaced) == (str(work / name), False)
    assert stat.S_ISFIFO((work / name).stat().st_mode)


def test_pipe_without_a_reader_does_not_block(work):
    os.mkfifo(work / "pipe")
    with pytest.raises(OutUnwritable, match="no program reads") as caught:
        write(PICTURE, plan("pipe")[0])
    assert caught.value.spent is True


def test_pipe_takes_one_picture(work):
    os.mkfifo(work / "pipe")
    with pytest.raises(UsageError, match="one picture"):
        plan("pipe", count=2)
    os.mkfifo(work / "pipe.png")
    with pytest.raises(UsageError, match="contradict"):
        plan("pipe.png", wanted="webp")


def test_device_gets_the_bytes_and_no_suffix():
    (target,) = plan(os.devnull, wanted="webp")
    assert (target.path, target.format) == (os.devnull, "webp")
    assert write(PICTURE, target).path == os.devnull


def test_terminal_and_socket_are_refused(work):
    main, terminal = os.openpty()
    try:
        with pytest.raises(UsageError, match="terminal"):
            plan(os.ttyname(terminal))
    finally:
        os.close(main)
        os.close(terminal)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(OutUnwritable, match="regular file"):
            plan("socket", force=True)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_file_names_of_stdout_are_stdout(name):
    assert plan(name) == (Target("-", None),)


def test_replaced_file_is_reported(work):
    assert write(PICTURE, plan("fox.png", force=True)[0]).replaced is False
    assert write(PICTURE, plan("fox.png", force=True)[0]).replaced is True
    (work / "dangling.png").symlink_to("nowhere.png")
    assert write(PICTURE, plan("dangling.png", force=True)[0]).replaced is False


def test_folder_below_a_file_is_refused(work):
    (work / "file").touch()
    with pytest.raises(OutUnwritable, match="not a folder"):
        plan("file/deep/fox.png")


def test_missing_folders_are_made_on_write(work):
    (target,) = plan("a/b/fox.png")
    assert os.listdir(work) == []
    assert write(PICTURE, target).path == str(work / "a" / "b" / "fox.png")


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_unwritable_folder_is_refused(work, monkeypatch, error):
    refuse(monkeypatch, "open", error)
    with pytest.raises(OutUnwritable, match=os.strerror(error)) as caught:
        plan("fox.png")
    assert caught.value.spent is False


def test_check_leaves_no_file(work):
    plan("fox.png")
    check(Target("-", None))
    assert os.listdir(work) == []


def test_write_reports_path_size_and_hash(work):
    image = write(PICTURE, plan("fox.png")[0])
    assert (work / "fox.png").read_bytes() == PICTURE.data
    assert (image.path, image.format, image.width, image.height) == (str(work / "fox.png"), "png", 32, 32)
    assert image.bytes == len(PICTURE.data)
    assert image.sha256 == hashlib.sha256(PICTURE.data).hexdigest()
    assert (image.original, image.revised_prompt) == (True, "a fox")
    assert os.listdir(work) == ["fox.png"]


def test_permissions_come_from_the_umask_or_the_old_file(work):
    before = os.umask(0o027)
    try:
        write(PICTURE, plan("fox.png")[0])
        assert stat.S_IMODE((work / "fox.png").stat().st_mode) == 0o640
        (work / "fox.png").chmod(0o604)
        write(PICTURE, plan("fox.png", force=True)[0])
        assert stat.S_IMODE((work / "fox.png").stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_file_that_appears_meanwhile_is_kept(work):
    (target,) = plan("fox.png")
    (work / "fox.png").write_bytes(b"theirs")
    with pytest.raises(OutExists, match="left alone") as caught:
        write(PICTURE, target)
    assert caught.value.spent is True
    assert (work / "fox.png").read_bytes() == b"theirs"
    assert os.listdir(work) == ["fox.png"]


def test_folder_that_appears_meanwhile_is_kept(work):
    (target,) = plan("fox.png", force=True)
    (work / "fox.png").mkdir()
    with pytest.raises(OutUnwritable):
        write(PICTURE, target)
    assert os.listdir(work) == ["fox.png"]


def test_concurrent_writes_leave_one_whole_picture(work):
    target = plan("fox.png")[0]
    won: list[str] = []

    def run() -> None:
        try:
            won.append(write(PICTURE, target).path)
        except OutExists:
            pass

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (work / "fox.png").read_bytes() == PICTURE.data
    assert os.listdir(work) == ["fox.png"]


def without_links(monkeypatch, *, renames: bool) -> None:
    """A file system that has no hard links; ``renames``: it can refuse to replace a file when it renames another."""
    refuse(monkeypatch, "link", errno.EPERM)
    if not renames:
        monkeypatch.setattr(disk, "rename_without_replacing", lambda *_, **__: False)


@pytest.mark.parametrize("renames", [True, False])
def test_write_without_hard_links_delivers(work, monkeypatch, renames):
    without_links(monkeypatch, renames=renames)
    write(PICTURE, plan("fox.png")[0])
    assert (work / "fox.png").read_bytes() == PICTURE.data
    with pytest.raises(OutExists):
        write(PICTURE, Target(str(work / "fox.png"), "png"))
    assert os.listdir(work) == ["fox.png"]


@pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="no such renaming")
def test_write_without_hard_links_is_atomic(work, monkeypatch):
    """The system renames and refuses in one call: there is no moment in which a kill would leave an empty file."""
    without_links(monkeypatch, renames=True)
    monkeypatch.setattr(atomic, "_reserve", lambda *_: pytest.fail("it was taken by an empty file"))
    write(PICTURE, plan("fox.png")[0])
    (work / "dangling.png").symlink_to("nowhere")
    with pytest.raises(OutExists):
        write(PICTURE, Target(str(work / "dangling.png"), "png"))
    assert sorted(os.listdir(work)) == ["dangling.png", "fox.png"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_without_hard_links_leaves_nothing(work, monkeypatch, error):
    def fail(*_, **__):
        raise error

    without_links(monkeypatch, renames=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises((OutUnwritable, KeyboardInterrupt)):
            write(PICTURE, plan("fox.png")[0])
    assert os.listdir(work) == []
    write(PICTURE, plan("fox.png")[0])
    assert os.listdir(work) == ["fox.png"]


def test_write_without_hard_links_keeps_a_file_that_appears(work, monkeypatch):
    def fail(*_, **__):
        (work / "fox.png").write_bytes(b"mine")
        raise OSError(errno.EIO, "Input/output error")

    without_links(monkeypatch, renames=False)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutUnwritable):
        write(PICTURE, plan("fox.png")[0])
    assert (work / "fox.png").read_bytes() == b"mine"


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_full_disk_leaves_no_file(work, monkeypatch, call):
    refuse(monkeypatch, call, errno.ENOSPC)
    with pytest.raises(OutUnwritable, match="No space left") as caught:
        write(PICTURE, plan("fox.png")[0])
    assert caught.value.spent is True
    assert caught.value.is_full
    assert os.listdir(work) == []


def test_missing_stdout_is_refused_unspent(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutUnwritable, match="stdout") as caught:
        plan("-")
    assert caught.value.spent is False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_stdout_takes_one_picture_and_is_no_terminal(monkeypatch):
    with pytest.raises(UsageError, match="several"):
        plan("-", count=2)
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(UsageError, match="terminal"):
        plan("-")


def test_stdout_gets_the_bytes(capfdbinary):
    (target,) = plan("-", wanted="webp")
    assert target == Target("-", "webp")
    assert write(PICTURE, target).path == "-"
    assert capfdbinary.readouterr().out == PICTURE.data


def test_closed_stdout_is_reported(monkeypatch):
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(OutUnwritable, match="stdout"):
        write(PICTURE, Target("-", None))


def test_leftover_removal_takes_only_unfinished_files_nobody_writes(tmp_path):
    old, token = time.time() - 60, "0123456789abcdef"
    names = [f".codex-imagegen-{token}.tmp", f".codex-imagegen-{token}.png", f".codex-imagegen-probe-{token}.tmp"]
    kept = ["fox.png", ".codex-imagegen-batch.jsonl", f".codex-imagegen-{token}.txt", ".codex-imagegen-short.tmp"]
    for name in (*names, *kept):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (old, old))
    (tmp_path / f".codex-imagegen-{token[::-1]}.tmp").write_bytes(b"young")
    (tmp_path / f".codex-imagegen-{'1' * 16}.tmp").symlink_to(tmp_path / "fox.png")
    with (tmp_path / names[0]).open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        remove_abandoned(str(tmp_path))
        assert (tmp_path / names[0]).exists()
        assert not (tmp_path / names[1]).exists()
        assert not (tmp_path / names[2]).exists()
    remove_abandoned(str(tmp_path))
    left = {path.name for path in tmp_path.iterdir()} - {"own-home", "work"}
    assert left == {*kept, f".codex-imagegen-{token[::-1]}.tmp", f".codex-imagegen-{'1' * 16}.tmp"}
    remove_abandoned(str(tmp_path / "none"))
