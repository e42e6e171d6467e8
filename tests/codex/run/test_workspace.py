"""The private folders of a run."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from codex_imagegen.codex.run import workspace as module
from codex_imagegen.codex.run.workspace import (
    PREFIX,
    choose_path,
    is_in_use,
    is_working_folder,
    lock_folder,
    may_be_in_use,
    remove_abandoned,
    workspace,
)
from codex_imagegen.errors import OutUnwritable
from codex_imagegen.images.references import Reference
from tests.support.pictures import encoded

ODD = Reference("/my, pictures/a fox.png", encoded(), "png")


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_workspace_is_an_empty_private_folder(temporary):
    with workspace() as (folder, copies):
        assert os.path.dirname(folder) == os.path.realpath(temporary)
        assert os.path.basename(folder).startswith(PREFIX)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert os.listdir(folder) == copies == []
    assert os.listdir(temporary) == []


def test_references_are_copied_beside_under_plain_names(temporary):
    jpeg = Reference("b.jpeg", encoded(format="JPEG"), "jpeg")
    webp = Reference("c", encoded(format="WEBP"), "webp")
    with workspace([ODD, jpeg, webp]) as (folder, copies):
        assert os.listdir(folder) == []
        assert [os.path.basename(path) for path in copies] == ["1.png", "2.jpg", "3.webp"]
        assert not any("," in path or " " in os.path.basename(path) for path in copies)
        assert Path(copies[0]).read_bytes() == ODD.data
        assert stat.S_IMODE(os.stat(os.path.dirname(copies[0])).st_mode) == 0o700
    assert os.listdir(temporary) == []


def test_workspace_is_removed_after_a_failure(temporary):
    def run() -> None:
        with workspace([ODD]) as (folder, _copies):
            os.makedirs(os.path.join(folder, "left", "behind"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert os.listdir(temporary) == []


def test_workspaces_differ():
    with workspace() as (first, _), workspace() as (second, _):
        assert first != second


def test_linked_temporary_folder_is_resolved(tmp_path, temporary, monkeypatch):
    (tmp_path / "link").symlink_to(temporary)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "link"))
    with workspace() as (folder, _):
        assert folder == os.path.realpath(folder)


def test_unwritable_temporary_folder_raises(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(OutUnwritable, match="no file can be created") as caught, workspace([ODD]):
        pass
    assert "TMPDIR" in str(caught.value.hint)


# Paths that Codex or its model can't take

ODD_NAMES = ["a,b", "a\nb", os.fsdecode(b"caf\xe9"), 'a">b', "a\\b", "a&b", "/".join(["x" * 200] * 6)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The folders that are taken instead of one with an odd path."""
    folder = tmp_path / "elsewhere"
    folder.mkdir(0o700)
    monkeypatch.setattr(module, "_FALLBACKS", (str(tmp_path / "none"), str(folder)))
    return folder


@pytest.mark.parametrize("name", ODD_NAMES)
def test_temporary_folder_with_an_odd_name_is_replaced(temporary, elsewhere, monkeypatch, name):
    (temporary / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary / name))
    with workspace([ODD]) as (folder, copies):
        assert os.path.dirname(folder) == str(elsewhere)
        assert is_working_folder(folder)
        for path in (folder, os.path.dirname(copies[0])):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert Path(copies[0]).read_bytes() == ODD.data
        assert copies[0].startswith(f"{elsewhere}/")
    assert os.listdir(elsewhere) == os.listdir(temporary / name) == []


@pytest.mark.parametrize("name", ["plain", "with space", "über 狐", "it's (1)"])
def test_temporary_folder_with_a_plain_name_is_used(temporary, elsewhere, monkeypatch, name):
    (temporary / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary / name))
    with workspace([ODD]) as (_folder, copies):
        assert copies[0].startswith(f"{temporary / name}/")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_references_without_a_plain_folder_are_refused(temporary, elsewhere, monkeypatch, name):
    elsewhere.chmod(0o777)  # others could move what lies there
    (temporary / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary / name))
    with pytest.raises(OutUnwritable, match="can't take the path") as caught, workspace([ODD]):
        pass
    assert caught.value.spent is False
    assert os.listdir(elsewhere) == os.listdir(temporary / name) == []


def test_comma_in_the_folder_is_accepted_without_references(temporary, elsewhere, monkeypatch):
    elsewhere.rmdir()
    (temporary / "a,b").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary / "a,b"))
    with workspace() as (folder, _copies):
        assert os.path.dirname(folder) == str(temporary / "a,b")


def test_working_folder_that_codex_cannot_use_is_refused(temporary, elsewhere, monkeypatch):
    elsewhere.rmdir()
    path = temporary / os.fsdecode(b"caf\xe9")
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    with pytest.raises(OutUnwritable), workspace():
        pass


def test_leftover_folder_elsewhere_is_removed(temporary, elsewhere, monkeypatch):
    (temporary / "a,b").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary / "a,b"))
    folder = choose_path()
    with workspace([ODD], folder):
        assert len(os.listdir(elsewhere)) == 2
        remove_abandoned(folder)
        assert os.listdir(elsewhere) == []


# Whether a killed run has left a Codex behind


def child(*keep: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=keep)


def test_folder_is_held_until_its_last_lock_is_released():
    folder = choose_path()
    with workspace(folder=folder):
        assert not may_be_in_use(folder)
        with lock_folder(folder) as lock:
            assert may_be_in_use(folder)
            heir = child(*lock)
        assert may_be_in_use(folder)
        assert heir.stdin is not None
        heir.stdin.close()
        heir.wait(10)
        assert not may_be_in_use(folder)
    assert not may_be_in_use(folder)


def test_chosen_folder_that_exists_raises(tmp_path):
    with pytest.raises(OutUnwritable), workspace(folder=str(tmp_path)):
        pass
    assert tmp_path.exists()


def test_leftover_folder_is_removed_once_nobody_works_there(temporary):
    folder = choose_path()
    with workspace([ODD], folder):
        shelf = next(path for path in temporary.iterdir() if str(path) != folder)
        with lock_folder(folder):
            remove_abandoned(folder)
            assert os.path.isdir(folder)
        remove_abandoned(folder)
        assert not os.path.exists(folder)
        assert not shelf.exists()


NAME = PREFIX + "0123456789abcdef"


def planted(parent: Path, name: str = NAME) -> Path:
    """A folder with a file of the user's, which a journal says is a run's."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    return folder


@pytest.mark.parametrize(
    "name", [NAME, PREFIX + "photos", PREFIX, NAME.upper(), NAME + "0", "x" + NAME, f"below/{NAME}", f"{NAME}/below"]
)
def test_folder_with_files_is_never_removed(temporary, name):
    folder = planted(temporary, name)
    remove_abandoned(str(folder))
    assert (folder / "mine.txt").exists()


def test_empty_folder_elsewhere_is_kept(temporary, tmp_path, monkeypatch):
    for parent in (tmp_path, temporary / "below"):
        (parent / NAME).mkdir(parents=True)
        remove_abandoned(str(parent / NAME))
        assert (parent / NAME).exists()
    (temporary / NAME).mkdir()
    for other in (f"{temporary}/below/../{NAME}", f"{temporary}/{NAME}/", NAME):
        remove_abandoned(other)
        assert (temporary / NAME).exists()
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # another one than the run had
    remove_abandoned(str(temporary / NAME))
    assert (temporary / NAME).exists()


def test_folder_of_another_user_is_kept(temporary, monkeypatch):
    (temporary / NAME).mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_abandoned(str(temporary / NAME))
    assert (temporary / NAME).exists()
    monkeypatch.undo()


def test_leftover_removal_takes_only_copies_of_references(temporary):
    folder = choose_path()
    os.mkdir(folder)
    shelf = planted(temporary, os.path.basename(folder).replace(PREFIX, "codex-imagegen-ref-"))
    (shelf / "1.png").write_bytes(b"a copy")
    remove_abandoned(folder)
    assert not os.path.exists(folder)
    assert [path.name for path in shelf.iterdir()] == ["mine.txt"]
    os.mkdir(folder)
    (shelf / "mine.txt").unlink()
    shelf.rmdir()
    shelf.symlink_to(planted(temporary, "elsewhere"))
    remove_abandoned(folder)
    assert (temporary / "elsewhere/mine.txt").exists()


def test_leftover_removal_takes_nothing_else(temporary):
    other = temporary / "mine"
    other.mkdir()
    for path in (str(other), "", "/", str(temporary / (PREFIX + "none"))):
        remove_abandoned(path)
    (temporary / (PREFIX + "link")).symlink_to(other)
    remove_abandoned(str(temporary / (PREFIX + "link")))
    assert other.exists()


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.ENOLCK, errno.EIO])
def test_without_locks_no_folder_counts_as_free(monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with workspace([ODD]) as (folder, copies), lock_folder(folder) as lock:
        assert lock == ()
        assert may_be_in_use(folder)
        assert is_in_use(folder) is None
        remove_abandoned(folder)
        assert os.path.isdir(folder)
        assert os.path.exists(copies[0])
    assert is_in_use(folder) is False


def test_without_descriptors_no_folder_counts_as_free(temporary):
    with workspace() as (folder, _copies):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            assert is_in_use(folder) is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_working_folder_is_known_by_its_whole_name():
    assert is_working_folder(choose_path())
    name = PREFIX + "0123456789abcdef"
    assert is_working_folder(f"/anywhere/{name}")
    for other in (
        name,
        f"/x/{name}/y",
        f"/x/{name}0",
        f"/x/{name}\n",
        f"/x/{name[:-1]}",
        f"/x/a{name}",
        f"/x/{name.upper()}",
    ):
        assert not is_working_folder(other), other
