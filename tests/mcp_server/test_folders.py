"""A model may have pictures written and read only in the folders that the server's owner named."""

from __future__ import annotations

import os

import pytest

from tests.mcp_server.raw_client import texts
from tests.support.checks import DrawsSmall, small_png
from tests.support.lab import COMMAND

THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53"


@pytest.fixture
def outside(server, tmp_path):
    """A folder outside the roots; there are references in it, in the test's folder and in the folder for references."""
    refs = server.root.parent / "refs"
    for folder in (server.folder, refs, tmp_path / "outside"):
        folder.mkdir(exist_ok=True)
        (folder / "ref.png").write_bytes(small_png(folder.name))
    return tmp_path / "outside"


def test_paths_outside_the_roots_are_refused_as_usage(server, outside):
    folder = server.folder
    (folder / "link").symlink_to(outside)
    refs = server.root.parent / "refs"
    outs = [
        "../x.png", f"{outside}/x.png", f"{folder.name}/link/x.png", f"{refs}/x.png", f"{server.world.home}/x.png",
        "~/x.png", "~", "~/new/",
    ]  # fmt: skip
    refs = [
        "../refs/../ref.png",
        f"{outside}/ref.png",
        f"{folder}/link/ref.png",
        f"{outside}/none.png",
        "/etc/passwd",
        "~/x.png",
    ]
    answers = [server.call("generate_image", prompt="a", out=out, force=True) for out in outs]
    answers += [server.call("edit_image", prompt="a", refs=[ref]) for ref in refs]
    for answer in answers:
        assert answer["isError"]
        assert answer["structuredContent"]["error"]["code"] == "usage"
        assert "is outside" in texts(answer)
    assert all(server.call("recover_image", thread_id=THREAD, out=out, force=True)["isError"] for out in outs)
    assert server.world.standin.calls == []
    assert os.listdir(outside) == ["ref.png"]


@pytest.mark.real
def test_paths_inside_the_roots_are_written_and_read(server, outside):
    folder = server.folder
    refs = [f"{folder.name}/ref.png", str(server.root.parent / "refs" / "ref.png")]
    answer = server.call("edit_image", prompt="both", refs=refs, out=f"{folder.name}/new/fox.png")
    assert not answer["isError"], texts(answer)
    assert (folder / "new" / "fox.png").read_bytes() == small_png("both")


class Swaps(DrawsSmall):
    """While the picture is drawn, a link is created in the place of its folder."""

    def __init__(self, link, target):
        self.link, self.target = link, target

    def draw(self, prompt):
        os.symlink(self.target, self.link)
        return super().draw(prompt)


@pytest.mark.real
def test_link_that_is_created_while_codex_draws_is_not_followed(server, tmp_path):
    (tmp_path / "outside").mkdir()
    server.play(Swaps(server.folder / "new", tmp_path / "outside"))
    answer = server.call("generate_image", prompt="a red fox", out=server.path("new/fox.png"))
    error = answer["structuredContent"]["error"]
    assert (error["code"], error["spent"]) == ("out-unwritable", True)
    assert "leads outside" in texts(answer)
    assert list((tmp_path / "outside").iterdir()) == []
    thread = answer["structuredContent"]["thread_id"]
    again = server.call("recover_image", thread_id=thread, out=server.path("fox.png"))
    assert not again["isError"]
    assert (server.folder / "fox.png").read_bytes() == small_png("a red fox")


WRONG_OPTIONS = [
    (("--root", "none"), "--root 'none' is not a folder"),
    (("--root", ""), "--root '' is not a folder"),
    (("--ref-root", "none"), "--ref-root 'none' is not a folder"),
    (("--backend", "other"), "no backend 'other'"),
    (("--preview-kb", "-1"), "--preview-kb can't be -1"),
    (("--jobs", "0"), "--jobs can't be 0"),
]


def test_wrong_option_is_a_usage_error(lab):
    world = lab(offline=True)
    for arguments, message in WRONG_OPTIONS:
        done = world.call("mcp", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1), arguments
        assert message in done.err


@pytest.mark.parametrize("where", ["/", "HOME"])
def test_root_or_home_as_working_folder_is_refused_without_root_option(lab, where):
    """With --root it is accepted: the shared server of the other tests has such a working folder."""
    world = lab(offline=True)
    folder = world.environment["HOME"] if where == "HOME" else where
    done = world.run_argv(["env", "-C", folder, COMMAND, "mcp"])
    assert (done.code, done.out) == (2, b"")
    assert "--root DIR" in done.err


def test_folder_whose_name_is_not_unicode_is_refused_at_start(lab):
    """Its bytes would be in every path of an answer, and no message can contain them."""
    world = lab(offline=True)
    folder = world.work / "f\udcff"
    folder.mkdir()
    done = world.run("mcp", "--root", str(folder))
    assert (done.code, done.out) == (2, b"")
    assert "is not Unicode text" in done.err
