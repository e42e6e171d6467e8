"""A refused or failed call is an error of the tool, with its code, its message, and what to do next."""

from __future__ import annotations

from types import SimpleNamespace

import jsonschema
import pytest

from codex_imagegen.errors import OutUnwritable, UsageLimit
from codex_imagegen.mcp_server import results
from codex_imagegen.schemas import load_schemas
from tests.mcp_server.client import run_async
from tests.mcp_server.raw_client import texts
from tests.support import scripts
from tests.support.checks import KEYS, DrawsSmall, small_png

SCHEMA = jsonschema.Draft202012Validator(load_schemas()["result"])


def assert_refused(answer, code, *excerpts, spent=False):
    envelope = answer["structuredContent"]
    SCHEMA.validate(envelope)
    error = envelope["error"]
    assert answer["isError"]
    assert list(envelope)[: len(KEYS)] == KEYS
    assert (error["code"], error["spent"], len(envelope["images"])) == (code, spent, 0), answer
    assert texts(answer).startswith(f"{code}: ")
    assert texts(answer).isprintable() or "\n" in texts(answer)
    for excerpt in excerpts:
        assert excerpt in texts(answer), texts(answer)


CASES = [
    ("generate_image", {}, "usage", "needs prompt"),
    ("generate_image", {"prompt": ""}, "usage", "needs prompt"),
    ("generate_image", {"prompt": "  \n"}, "usage", "prompt"),
    ("generate_image", {"prompt": 3}, "usage", "'prompt' must be a string"),
    ("generate_image", {"prompt": "a", "promt": "b"}, "usage", "did you mean 'prompt'"),
    ("generate_image", {"prompt": "a", "refs": ["a.png"]}, "usage", "no argument 'refs'"),
    ("generate_image", {"prompt": "a", "codex": "/bin/sh"}, "usage", "no argument 'codex'"),
    ("generate_image", {"prompt": "a", "codex_args": ["-c", "x"]}, "usage", "no argument 'codex_args'"),
    ("generate_image", {"prompt": "a", "backend": "other"}, "usage", "'other'"),
    ("generate_image", {"prompt": "a", "size": "big"}, "usage", "--size can't be 'big'"),
    ("generate_image", {"prompt": "a", "count": 0}, "usage", "--count can't be 0"),
    ("generate_image", {"prompt": "a", "count": 11}, "usage", "from 1 to 10"),
    ("generate_image", {"prompt": "a", "count": 1.5}, "usage", "'count' must be a whole number"),
    ("generate_image", {"prompt": "a", "force": "yes"}, "usage", "'force' must be true or false"),
    ("generate_image", {"prompt": "a", "timeout_sec": -1}, "usage", "--timeout-sec can't be"),
    ("generate_image", {"prompt": "a", "out": "fox.gif"}, "usage", ".gif"),
    ("generate_image", {"prompt": "a", "out": "-"}, "usage", "stdout"),
    ("generate_image", {"prompt": "a", "out": "there.png"}, "out-exists", "already exists"),
    ("edit_image", {"prompt": "a"}, "usage", "needs refs"),
    ("edit_image", {"prompt": "a", "refs": []}, "usage", "needs refs"),
    ("edit_image", {"prompt": "a", "refs": ["no.png"]}, "ref-missing", "no.png"),
    ("edit_image", {"prompt": "a", "refs": ["."]}, "ref-not-image", "not a file"),
    ("edit_image", {"prompt": "a", "refs": ["there.png"] * 6}, "usage", "at most 5"),
    ("recover_image", {"thread_id": "/etc/passwd"}, "usage", "is not a thread_id"),
    ("recover_image", {"thread_id": "rollout.jsonl"}, "usage", "is not a thread_id"),
    ("recover_image", {"thread_id": "0199a213-81c0-7800-8aa1-bbab2a035a53"}, "session-missing", "no session"),
]


def test_wrong_arguments_are_refused_before_anything_is_spent(server):
    (server.root / "there.png").write_bytes(small_png("there"))
    for tool, arguments, code, excerpt in CASES:
        assert_refused(server.call(tool, **arguments), code, excerpt, "Nothing was spent")
    assert server.world.standin.calls == []
    assert (server.root / "there.png").read_bytes() == small_png("there")


def test_unknown_tool_is_an_error_of_the_protocol(server):
    server.client.start_call("draw", {"prompt": "a"}, id="unknown")
    error = server.client.wait_answer("unknown")["error"]
    assert "no tool 'draw'; there are generate_image" in error["message"]


@pytest.mark.real
def test_usage_limit_says_when_it_ends(server):
    script = scripts.PictureLimit()
    server.play(script)
    answer = server.call("generate_image", prompt="a red fox", out=server.path("fox.png"))
    assert_refused(answer, "usage-limit", "try again at", "(in 2 h)", spent=True)
    assert answer["structuredContent"]["error"]["resets_at"] == script.resets_at
    assert answer["structuredContent"]["thread_id"] in texts(answer)
    server.assert_clean()


@pytest.mark.every_build
@pytest.mark.real
def test_timeout_names_the_tool_and_the_thread(server):
    server.play(scripts.NeverAnswers())
    answer = server.call("generate_image", prompt="a red fox", timeout_sec=3)
    assert_refused(
        answer,
        "timeout",
        "if a picture was made all the same, fetch it with: recover_image(thread_id=",
        spent=None,
    )
    assert "codex-imagegen recover" not in str(answer)
    server.assert_clean()


def test_commands_for_which_there_is_a_tool_become_a_call_of_it():
    thread = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    settings = SimpleNamespace(preview_kb=0)
    later = UsageLimit("used up", hint="try again later; see what is left of the plan with:\ncodex-imagegen doctor")
    assert "(try again later; see what is left of the plan with: doctor())" in texts_of(later, settings)
    lost = OutUnwritable("full", hint=f"fetch the picture with:\ncodex-imagegen recover {thread} --out '/a b.png'")
    assert f'(fetch the picture with: recover_image(thread_id="{thread}"))' in texts_of(lost, settings)


def texts_of(error, settings) -> str:
    return results.format_error(error, settings).content[0].text


class OneOnly(DrawsSmall):
    """The second picture is blocked."""

    def __init__(self):
        self.drawn = 0

    def picture(self, call):
        self.drawn += 1
        return super().picture(call) if self.drawn == 1 else scripts.BlocksPicture().picture(call)


@pytest.mark.real
def test_one_failure_of_two_pictures_keeps_the_other(server):
    server.play(OneOnly())
    answer = server.call("generate_image", prompt="a red fox", out=server.path("fox.png"), count=2)
    envelope = answer["structuredContent"]
    assert not answer["isError"]
    assert envelope["ok"] is False
    assert len(envelope["failures"]) == len(envelope["images"]) == 1
    assert "1 of 2 pictures made" in texts(answer)
    assert "codex-imagegen recover" not in str(answer)


def test_defect_is_reported_as_internal_with_its_traceback_kept(lab, monkeypatch):
    """In this process, as the installed command has no defect to show."""
    from codex_imagegen import generation
    from codex_imagegen.cli import console
    from codex_imagegen.mcp_server.calls import CallHandler
    from codex_imagegen.mcp_server.settings import Settings

    world = lab(offline=True)
    monkeypatch.setenv("TMPDIR", str(world.tmp))
    monkeypatch.setattr("tempfile.tempdir", None)

    def broken(*_args, **_more):
        raise ZeroDivisionError

    async def silent(_elapsed, _message):
        pass

    async def main():
        calls = CallHandler(Settings((str(world.work),), (str(world.work),)), console.save_traceback)
        return await calls.answer("generate_image", {"prompt": "a"}, silent)

    monkeypatch.setattr(generation, "generate", broken)
    answer = run_async(main).model_dump(mode="json", by_alias=True)
    assert_refused(answer, "internal", "ZeroDivisionError", "codex-imagegen-defect-", spent=None)


def test_offered_backend_without_its_token_fails_as_runcomfy_auth(server):
    """The request reaches the backend, and nothing is sent."""
    answer = server.call("generate_image", prompt="a red fox", backend="runcomfy")
    assert_refused(answer, "runcomfy-auth", "runcomfy login")
    assert answer["structuredContent"]["backend"] == "runcomfy"
