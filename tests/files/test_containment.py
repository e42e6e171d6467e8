"""Allowed folders: no name and no link leads outside, not even a link that is made during the write."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.errors import OutExists, OutUnwritable, ReferenceMissing, UsageError
from codex_imagegen.files import containment
from codex_imagegen.images import output, references
from codex_imagegen.images.decode import decode_picture
from tests.support.pictures import encoded

PICTURE = decode_picture(encoded(), revised_prompt="a fox")


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """Two roots, and a folder outside with a picture in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("root", "other", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret.png").write_bytes(PICTURE.data)
    return str(tmp_path / "root"), str(tmp_path / "other")


@pytest.fixture
def outside(tmp_path):
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "outside").rglob("*")}
    yield tmp_path / "outside"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "outside").rglob("*")} == before


def put(name, roots, **more):
    (target,) = output.plan(name, within=roots, **more)
    return output.write(PICTURE, target).path


def test_relative_name_begins_in_the_first_root(roots):
    assert put("a/b/fox.png", roots) == f"{roots[0]}/a/b/fox.png"
    assert put(f"{roots[1]}/fox.png", roots) == f"{roots[1]}/fox.png"
    assert os.path.dirname(put(None, roots)) == roots[0]
    assert containment.resolve_inside("/etc/fox.png", ("/",), "output") == "/etc/fox.png"
    assert references.load("a/b/fox.png", roots).data == PICTURE.data


def test_existing_file_is_replaced_only_with_force(roots):
    put("fox.png", roots)
    os.chmod(f"{roots[0]}/fox.png", 0o640)
    with pytest.raises(OutExists):
        put("fox.png", roots)
    put("fox.png", roots, force=True)
    assert os.stat(f"{roots[0]}/fox.png").st_mode & 0o777 == 0o640
    assert os.listdir(roots[0]) == ["fox.png"]


def test_default_name_taken_meanwhile_gets_a_number(roots):
    (target,) = output.plan(None, within=roots)
    paths = [output.write(PICTURE, target).path for _ in range(2)]
    assert paths == [target.path, target.path.replace(".png", "-2.png")]


@pytest.mark.parametrize(
    "name", ["../outside/x.png", "a/../x.png", "..", "/etc/x.png", "{root}-not/x.png", "link/x.png", "link.png"]
)
def test_path_outside_the_roots_is_refused(roots, outside, name):
    os.symlink(outside, f"{roots[0]}/link")
    os.symlink(outside / "secret.png", f"{roots[0]}/link.png")
    for force in (False, True):
        with pytest.raises(UsageError, match="is outside"):
            put(name.format(root=roots[0]), roots, force=force)
    with pytest.raises(UsageError, match="is outside"):
        references.load(name.format(root=roots[0]), roots)


def test_folder_outside_the_roots_is_refused(roots, outside):
    os.symlink(outside, f"{roots[0]}/link")
    for out in (f"{outside}/", "../", "link", "link/", "/dev/stdout", "/dev/null"):
        with pytest.raises(UsageError, match="is outside"):
            output.plan(out, prompt="a fox", within=roots)


def test_pipe_inside_the_roots_is_a_taken_name(roots):
    os.mkfifo(f"{roots[0]}/pipe.png")
    for force in (False, True):
        with pytest.raises((OutExists, OutUnwritable)):
            output.plan("pipe.png", within=roots, force=force)


def test_link_inside_the_roots_is_followed(roots):
    os.symlink(roots[1], f"{roots[0]}/link")
    assert put("link/fox.png", roots) == f"{roots[0]}/link/fox.png"
    assert os.listdir(roots[1]) == ["fox.png"]
    assert references.load("link/fox.png", roots).data == PICTURE.data


@pytest.mark.parametrize("force", [False, True])
def test_folder_replaced_by_a_link_is_refused(roots, outside, force):
    (target,) = output.plan("a/b/fox.png", within=roots, force=force)
    os.symlink(outside, f"{roots[0]}/a")
    with pytest.raises(OutUnwritable, match="leads outside") as caught:
        output.write(PICTURE, target)
    assert caught.value.spent


@pytest.mark.parametrize("force", [False, True])
def test_folder_replaced_by_a_link_during_the_write_is_refused(roots, outside, force, monkeypatch):
    """It was a folder when it was checked; no link is followed when it is opened."""
    (target,) = output.plan("a/fox.png", within=roots, force=force)
    os.symlink(outside, f"{roots[0]}/a")
    monkeypatch.setattr(containment.os.path, "realpath", os.path.abspath)
    with pytest.raises(OutUnwritable):
        output.write(PICTURE, target)
    os.symlink(outside / "secret.png", f"{roots[0]}/ref.png")
    for path in ("a/secret.png", "ref.png"):
        with pytest.raises(ReferenceMissing):
            references.load(path, roots)


def test_name_replaced_by_a_link_during_the_write_is_overwritten(roots, outside, monkeypatch):
    (target,) = output.plan("fox.png", within=roots, force=True)
    os.symlink(outside / "secret.png", f"{roots[0]}/fox.png")
    monkeypatch.setattr(containment.os.path, "realpath", os.path.abspath)
    output.write(PICTURE, target)
    assert not os.path.islink(f"{roots[0]}/fox.png")


def test_write_leaves_no_descriptor_open(roots):
    def count():
        return len(os.listdir("/dev/fd"))

    before = count()
    for number in range(5):
        put(f"a/{number}/fox.png", roots)
        references.load(f"a/{number}/fox.png", roots)
        with pytest.raises(ReferenceMissing):
            references.load("none/fox.png", roots)
    assert count() == before
