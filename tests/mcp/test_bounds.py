"""Where a model may have pictures written and read: in the folders that the server's owner named."""

from __future__ import annotations

import os

import pytest

from tests.mcp import hosts
from tests.mcp.hosts import call, texts
from tests.support.checks import Small, made
from tests.support.lab import COMMAND


@pytest.fixture
def world(lab, tmp_path):
    there = lab(script=Small())
    for name in ("root", "refs", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ref.png").write_bytes(made(name))
    return there


def options(tmp_path):
    return "--root", str(tmp_path / "root"), "--ref-root", str(tmp_path / "refs")


def test_what_leads_outside_is_refused(world, tmp_path):
    os.symlink(tmp_path / "outside", tmp_path / "root" / "link")
    outside = str(tmp_path / "outside")
    outs = ["../x.png", f"{outside}/x.png", "link/x.png", f"{tmp_path}/refs/x.png", f"{world.work}/x.png"]
    refs = ["../outside/ref.png", f"{outside}/ref.png", "link/ref.png", f"{outside}/none.png", "/etc/passwd"]

    async def story(client):
        written = [
            await client.call_tool(tool, {**more, "out": out, "force": True})
            for out in outs
            for tool, more in (("generate_image", {"prompt": "a"}), ("recover_image", {"thread_id": THREAD}))
        ]
        read = [await client.call_tool("edit_image", {"prompt": "a", "refs": [ref]}) for ref in refs]
        return written[::2] + read, written[1::2]

    answers, recoveries = hosts.use(world, story, *options(tmp_path))
    for answer in answers:
        assert answer.is_error
        assert answer.structured_content["error"]["code"] == "usage"
        assert "is outside" in texts(answer)
    assert all(answer.is_error for answer in recoveries)
    assert world.standin.calls == []
    assert os.listdir(tmp_path / "outside") == ["ref.png"]


THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53"


@pytest.mark.real
def test_inside_all_is_well(world, tmp_path):
    refs = ["ref.png", str(tmp_path / "refs" / "ref.png")]
    answer = call(world, "edit_image", *options(tmp_path), prompt="both", refs=refs, out="new/fox.png")
    assert not answer.is_error, texts(answer)
    assert (tmp_path / "root" / "new" / "fox.png").read_bytes() == made("both")


class Swaps(Small):
    """While the picture is drawn, somebody puts a link where its folder would be."""

    def __init__(self, link, target):
        self.link, self.target = link, target

    def draw(self, prompt):
        os.symlink(self.target, self.link)
        return super().draw(prompt)


@pytest.mark.real
def test_a_link_that_is_made_while_codex_draws_is_not_followed(lab, tmp_path):
    world = lab()
    (tmp_path / "outside").mkdir()
    world.standin.script = Swaps(world.work / "new", tmp_path / "outside")
    answer = call(world, "generate_image", prompt="a red fox", out="new/fox.png")
    error = answer.structured_content["error"]
    assert (error["code"], error["spent"]) == ("out-unwritable", True)
    assert "leads outside" in texts(answer)
    assert list((tmp_path / "outside").iterdir()) == []
    again = call(world, "recover_image", thread_id=answer.structured_content["thread_id"], out="fox.png")
    assert not again.is_error
    assert (world.work / "fox.png").read_bytes() == made("a red fox")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--root", "none"), "--root 'none' is no folder"),
        (("--root", ""), "--root '' is no folder"),
        (("--ref-root", "none"), "--ref-root 'none' is no folder"),
        (("--backend", "other"), "no backend 'other'"),
        (("--preview-kb", "-1"), "--preview-kb can't be -1"),
        (("--jobs", "0"), "--jobs can't be 0"),
    ],
)
def test_settings_that_make_no_sense(lab, arguments, words):
    done = lab().run_argv([COMMAND, "mcp", *arguments])
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert words in done.err


@pytest.mark.parametrize("where", ["/", "HOME"])
def test_a_working_folder_that_bounds_nothing_is_refused(lab, where):
    world = lab()
    folder = world.environment["HOME"] if where == "HOME" else where
    done = world.run_argv(["env", "-C", folder, COMMAND, "mcp"])
    assert (done.code, done.out) == (2, b"")
    assert "--root DIR" in done.err
    assert world.run_argv(["env", "-C", folder, COMMAND, "mcp", "--root", str(world.work)]).code == 0
