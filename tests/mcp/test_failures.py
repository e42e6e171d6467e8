"""What a call is refused or fails with: an error of the tool, with its code, its sentence, and what to do next."""

from __future__ import annotations

import json

import jsonschema
import pytest
from mcp.shared.exceptions import MCPError

from codex_imagegen.schemas.kinds import KINDS
from tests.mcp import hosts
from tests.mcp.hosts import call, texts
from tests.support import checks, scripts
from tests.support.checks import KEYS, Small, made


def assert_refused(answer, code, *words, spent=False):
    jsonschema.validate(json.loads(json.dumps(answer.structured_content)), KINDS["result"].schema("result"))
    error = answer.structured_content["error"]
    assert answer.is_error
    assert list(answer.structured_content)[: len(KEYS)] == KEYS
    assert (error["code"], error["spent"], len(answer.structured_content["images"])) == (code, spent, 0)
    assert texts(answer).startswith(f"{code}: ")
    assert texts(answer).isprintable() or "\n" in texts(answer)
    for word in words:
        assert word in texts(answer), texts(answer)


CASES = [
    ("generate_image", {}, "usage", "needs prompt"),
    ("generate_image", {"prompt": ""}, "usage", "needs prompt"),
    ("generate_image", {"prompt": "  \n"}, "usage", "prompt"),
    ("generate_image", {"prompt": 3}, "usage", "'prompt' must be a string"),
    ("generate_image", {"prompt": "a", "promt": "b"}, "usage", "did you mean 'prompt'"),
    ("generate_image", {"prompt": "a", "refs": ["a.png"]}, "usage", "no argument 'refs'"),
    ("generate_image", {"prompt": "a", "codex": "/bin/sh"}, "usage", "no argument 'codex'"),
    ("generate_image", {"prompt": "a", "codex_args": ["-c", "x"]}, "usage", "no argument 'codex_args'"),
    ("generate_image", {"prompt": "a", "backend": "runcomfy"}, "usage", "no argument 'backend'"),
    ("generate_image", {"prompt": "a", "size": "big"}, "usage", "--size can't be 'big'"),
    ("generate_image", {"prompt": "a", "count": 0}, "usage", "--count can't be 0"),
    ("generate_image", {"prompt": "a", "count": 11}, "usage", "from 1 to 10"),
    ("generate_image", {"prompt": "a", "count": 1.5}, "usage", "'count' must be a whole number"),
    ("generate_image", {"prompt": "a", "force": "yes"}, "usage", "'force' must be true or false"),
    ("generate_image", {"prompt": "a", "timeout_sec": -1}, "usage", "--timeout-sec can't be"),
    ("generate_image", {"prompt": "a", "out": "fox.gif"}, "usage", ".gif"),
    ("generate_image", {"prompt": "a", "out": "-"}, "usage", "suffix"),
    ("generate_image", {"prompt": "a", "out": "there.png"}, "out-exists", "there already"),
    ("edit_image", {"prompt": "a"}, "usage", "needs refs"),
    ("edit_image", {"prompt": "a", "refs": []}, "usage", "needs refs"),
    ("edit_image", {"prompt": "a", "refs": ["no.png"]}, "ref-missing", "no.png"),
    ("edit_image", {"prompt": "a", "refs": ["."]}, "ref-not-image", "not a file"),
    ("edit_image", {"prompt": "a", "refs": ["there.png"] * 6}, "usage", "at most 5"),
    ("recover_image", {"thread_id": "/etc/passwd"}, "usage", "no thread_id"),
    ("recover_image", {"thread_id": "rollout.jsonl"}, "usage", "no thread_id"),
    ("recover_image", {"thread_id": "0199a213-81c0-7800-8aa1-bbab2a035a53"}, "session-missing", "no session"),
    ("recover_image", {}, "usage", "no picture yet"),
]


def test_what_makes_no_sense_is_told_before_anything_is_spent(lab):
    world = lab(script=Small())
    (world.work / "there.png").write_bytes(made("there"))

    async def story(client):
        return [await client.call_tool(tool, arguments) for tool, arguments, _code, _words in CASES]

    for answer, (_tool, _arguments, code, words) in zip(hosts.use(world, story), CASES, strict=True):
        assert_refused(answer, code, words, "Nothing was spent")
    assert world.standin.calls == []
    assert (world.work / "there.png").read_bytes() == made("there")
    assert hosts.errors(world) == ""


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(lab):
    async def story(client):
        with pytest.raises(MCPError, match="no tool 'draw'; there are generate_image"):
            await client.call_tool("draw", {"prompt": "a"})
        return True

    assert hosts.use(lab(), story)


@pytest.mark.real
def test_a_limit_says_when_it_ends(lab):
    script = scripts.PictureLimit()
    world = lab(script=script)
    answer = call(world, "generate_image", prompt="a red fox", out="fox.png")
    assert_refused(answer, "usage-limit", str(script.resets_at), spent=True)
    assert answer.structured_content["error"]["resets_at"] == script.resets_at
    assert answer.structured_content["thread_id"] in texts(answer)
    checks.assert_clean(world)


@pytest.mark.real
def test_a_timeout_says_what_to_do(lab):
    world = lab(script=scripts.NeverAnswers())
    answer = call(world, "generate_image", prompt="a red fox", timeout_sec=3)
    assert_refused(answer, "timeout", "if a picture landed after all: call recover_image with thread_id", spent=None)
    assert "codex-imagegen recover" not in str(answer)
    checks.assert_clean(world)


@pytest.mark.real
def test_those_of_several_that_came_are_kept(lab):
    world = lab(script=OneOnly())
    answer = call(world, "generate_image", prompt="a red fox", out="fox.png", count=2)
    assert not answer.is_error
    assert answer.structured_content["ok"] is False
    assert len(answer.structured_content["failures"]) == len(answer.structured_content["images"]) == 1
    assert "1 of 2 are made" in texts(answer)
    assert "codex-imagegen recover" not in str(answer)


class OneOnly(Small):
    """The second picture is blocked."""

    def __init__(self):
        self.drawn = 0

    def picture(self, call):
        self.drawn += 1
        return super().picture(call) if self.drawn == 1 else scripts.BlocksPicture().picture(call)


def test_a_defect_is_told_and_kept(lab, monkeypatch):
    """In this process: the installed command has none that could be shown."""

    from codex_imagegen import generation
    from codex_imagegen.cli import console
    from codex_imagegen.server.calls import Calls
    from codex_imagegen.server.settings import Settings

    world = lab()
    monkeypatch.setenv("TMPDIR", str(world.tmp))
    monkeypatch.setattr("tempfile.tempdir", None)

    def broken(*_args, **_more):
        raise ZeroDivisionError

    async def silent(_elapsed, _message):
        pass

    async def main():
        calls = Calls(Settings((str(world.work),), (str(world.work),)), console.kept)
        return await calls.answer("generate_image", {"prompt": "a"}, silent)

    monkeypatch.setattr(generation, "generate", broken)
    answer = hosts.run(main)
    assert_refused(answer, "internal", "ZeroDivisionError", "codex-imagegen-defect-", spent=None)


def test_a_backend_that_the_owner_offers_may_be_chosen(lab):
    """Without a token for it: the request gets as far as that, and nothing is sent."""
    offered = ("--backend", "codex", "--backend", "runcomfy")
    answer = call(lab(), "generate_image", *offered, prompt="a red fox", backend="runcomfy")
    assert_refused(answer, "runcomfy-auth", "runcomfy login")
    assert answer.structured_content["backend"] == "runcomfy"
