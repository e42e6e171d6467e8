"""What is said where there is no picture: the right name, words that help, and nothing that is not so."""

from __future__ import annotations

import shlex
import shutil
import time
from pathlib import Path

import pytest

import codex_imagegen
from codex_imagegen.codex import failures, native, upload
from codex_imagegen.demo.standin import Call, Reply
from tests.faults.stage import can
from tests.support import builds, scripts
from tests.support.checks import (
    Small,
    assert_clean,
    assert_failed,
    assert_told,
    every_build,
    model_of,
    variants,
    with_provider,
)
from tests.support.lab import COMMAND, Lab
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
BETWEEN = pytest.mark.every_build
OPAQUE = {
    "message": "Transparent background is not supported for this model.", "type": "image_generation_user_error",
    "param": "background", "code": "invalid_value",
}  # fmt: skip
PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>%s</body></html>" % (b"x" * 3000)
FUNCTION = [one for one in variants() if builds.number(one.values[0]) >= (0, 144)]
HOSTED = [one for one in every_build() if builds.number(one.values[0]) < (0, 144)]


def hint(answer) -> str:
    return str(answer["error"]["hint"])


def message(answer) -> str:
    return str(answer["error"]["message"])


# What the endpoint of the pictures says


@pytest.mark.parametrize(("version", "model"), FUNCTION)
@pytest.mark.parametrize(
    ("script", "code", "words", "hinted"),
    [
        (
            scripts.Answers(403, b'{"detail": "Forbidden"}', "application/json"),
            "generation-failed",
            "Forbidden",
            "account",
        ),
        (scripts.Answers(404, b"<html>404 Not Found</html>"), "generation-failed", "HTTP 404 Not Found", "base URL"),
        (
            scripts.Answers(413, b"<html>too large</html>"),
            "generation-failed",
            "HTTP 413 Payload Too",
            "smaller references",
        ),
        (scripts.Answers(400, OPAQUE), "generation-failed", "Transparent background", "leave --transparent out"),
        (scripts.Answers(429), "rate-limited", "HTTP 429 Too Many Requests", "wait a minute"),
        (scripts.Answers(429, b"<html>slow down</html>"), "rate-limited", "HTTP 429", "wait a minute"),
        (scripts.NoJson(), "generation-failed", "failed to decode", "later"),
    ],
    ids=["403", "404", "413", "400-opaque", "429", "429-page", "no-json"],
)
def test_an_endpoint_that_makes_no_picture(lab, version, model, script, code, words, hinted):
    world = lab(version, script=script)
    answer = assert_failed(world, world.run(*FOX, *model_of(model)), 7, code, spent=True)
    assert words in message(answer)
    assert hinted in hint(answer)
    assert "<" not in message(answer) + hint(answer)


def test_a_gateway_that_is_out_of_order(lab):
    """Codex asks five times before it gives up."""
    world = lab(script=scripts.Answers(502, PAGE))
    answer = assert_failed(world, world.run(*FOX), 7, "generation-failed", spent=True)
    assert message(answer) == "the image tool failed: HTTP 502 Bad Gateway"
    assert hint(answer).startswith("that is on OpenAI's side: try again later")


# What a hosted tool says


@pytest.mark.parametrize("version", HOSTED)
@pytest.mark.parametrize("where", ["words", "result"])
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("TooManyRequests\nEncountered exception: <class 'oai_errors.errors.TooManyRequests'>", "rate-limited"),
        ("ServerError\nEncountered exception: <class 'oai_errors.errors.ServerError'>", "generation-failed"),
        ("This prompt may violate our guardrails around third-party content.", "moderation"),
    ],
    ids=["too-many", "server-error", "guardrails"],
)
def test_a_hosted_tool_that_fails(lab, version, where, said, code):
    world = lab(version, script=scripts.HostedToolSays(said, where))
    answer = assert_failed(world, world.run(*FOX), 7, code, spent=True)
    assert "<class" not in message(answer)


@pytest.mark.parametrize("version", [pytest.param("0.141.0", marks=BETWEEN)])
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("TooManyRequests\nEncountered exception: <class 'oai_errors.errors.TooManyRequests'>", "rate-limited"),
        ("ServerError\nEncountered exception: <class 'oai_errors.errors.ServerError'>", "generation-failed"),
        ("This prompt may violate our guardrails around third-party content.", "moderation"),
    ],
    ids=["too-many", "server-error", "guardrails"],
)
def test_a_hosted_tool_whose_turn_fails(lab, version, said, code):
    """Codex asks six times before it gives up; nobody knows what that cost."""
    world = lab(version, script=scripts.HostedToolSays(said, "turn"))
    assert_failed(world, world.run(*FOX), 7, code, spent=None)


# No login, a key, another provider


@pytest.mark.parametrize(
    ("version", "model"),
    [
        (builds.NEWEST, None),
        (builds.NEWEST, builds.FUNCTION_MODEL),
        pytest.param("0.149.1", None, marks=BETWEEN),
        pytest.param("0.141.0", None, marks=BETWEEN),
    ],
)
def test_without_a_login_no_tool_is_offered_and_that_is_said(lab, version, model):
    """A back end that answers without a login, as a proxy does; OpenAI's own says 401 (see test_failures)."""
    world = lab(version, script=Small())
    (world.home / "auth.json").unlink()
    answer = assert_failed(world, world.run(*FOX, *model_of(model)), 5, "not-logged-in", spent=True)
    assert (message(answer), hint(answer)) == ("Codex is not logged in", "run: codex login")


@pytest.mark.parametrize("version", [builds.NEWEST, pytest.param("0.149.1", marks=BETWEEN)])
def test_a_key_is_no_missing_login(lab, version):
    world = lab(version, script=Small())
    (world.home / "auth.json").write_text('{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}')
    answer = assert_failed(world, world.run(*FOX), 7, "tool-unavailable", spent=True)
    assert message(answer) == "Codex was not offered the image tool: the login is an API key"


def test_a_free_plan_is_told_once(lab):
    world = lab(script=Small())
    world.write_home(plan="free")
    answer = assert_failed(world, world.run(*FOX), 7, "tool-unavailable", spent=True)
    assert message(answer) == "Codex was not offered the image tool"


@pytest.mark.parametrize(
    ("version", "model"),
    [
        (builds.NEWEST, None),
        (builds.NEWEST, builds.FUNCTION_MODEL),
        pytest.param("0.144.6", None, marks=BETWEEN),
        pytest.param("0.160.1", None, marks=BETWEEN),
    ],
)
def test_a_provider_of_the_users_own_is_named_and_the_hint_makes_the_picture(lab, version, model):
    world = lab(version, script=Small())
    with_provider(world)
    answer = assert_failed(world, world.run(*FOX, *model_of(model)), 7, "tool-unavailable", spent=True)
    assert "'proxy'" in message(answer)
    hinted = shlex.split(hint(answer).partition("add: ")[2])
    assert hinted == ["--codex-arg=-c", '--codex-arg=model_provider="openai"']
    assert world.run(*FOX, *model_of(model), *hinted).code == 0


@pytest.mark.parametrize("version", [pytest.param(one, marks=BETWEEN) for one in ("0.118.0", "0.141.0")])
def test_a_provider_of_the_users_own_is_no_hindrance_to_a_hosted_tool(lab, version):
    world = lab(version, script=scripts.Refuses())
    with_provider(world)
    assert_failed(world, world.run(*FOX), 7, "refused", spent=True)
    world.standin.script = Small()
    assert world.run(*FOX).code == 0


# What the model does


@pytest.mark.parametrize(("version", "model"), [(builds.OLDEST, None), (builds.NEWEST, builds.FUNCTION_MODEL)])
def test_a_model_that_answers_in_words_is_named(lab, version, model):
    world = lab(version, script=scripts.Refuses())
    answer = assert_failed(world, world.run(*FOX, *model_of(model)), 7, "refused", spent=True)
    name = model or world.standin.to("/responses")[0].json["model"]
    assert message(answer).startswith(f"the model {name} answered in words")
    assert "--model" in hint(answer)


# Time, and large references


class BreaksLate(Small):
    """The connection to the picture's endpoint breaks after a while; Codex tries five times."""

    def picture(self, call: Call) -> Reply:
        time.sleep(0.5)
        raise ConnectionResetError


def test_a_connection_that_breaks_after_minutes_of_drawing(lab, monkeypatch):
    """Minutes are made of seconds here: the time is the one that Codex's own records tell."""
    world = lab(script=BreaksLate())
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(failures, "LONG_SEC", 2.0)
    with pytest.raises(codex_imagegen.NetworkError) as raised:
        codex_imagegen.generate("a red fox", out=world.work / "fox.png", codex=str(builds.codex(world.version)))
    assert "older Codex with --codex" in str(raised.value.hint)
    assert "check the network" not in str(raised.value.hint)


def test_large_references_are_named_where_a_picture_is_blocked(lab, tmp_path):
    world = lab(script=scripts.BlocksPicture())
    large = tmp_path / "large.png"
    large.write_bytes(encoded(2600, "large"))
    assert large.stat().st_size > upload.LARGE_BYTES
    answer = assert_failed(world, world.run(*FOX, "--ref", str(large)), 7, "moderation", spent=True)
    assert "smaller references may help, too: these have" in hint(answer)


def test_small_references_are_not(lab, tmp_path):
    world = lab(script=scripts.BlocksPicture())
    (tmp_path / "small.png").write_bytes(encoded(64, "small"))
    done = world.run(*FOX, "--ref", str(tmp_path / "small.png"))
    assert "MB" not in hint(assert_failed(world, done, 7, "moderation", spent=True))


@pytest.mark.parametrize("url", ["https://example.com/fox.png", "HTTP://example.com/fox.png"])
def test_an_address_is_no_reference_for_codex(lab, url):
    world = lab(script=Small())
    answer = assert_failed(world, world.run(*FOX, "--ref", url), 4, "ref-missing")
    assert "download it first" in hint(answer)
    assert "--backend runcomfy" in hint(answer)
    assert world.standin.calls == []


# A disk that is full


SMALL_DISK = pytest.mark.skipif(
    can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")() is not None,
    reason="no file system can be mounted here",
)


def on_small_disk(world: Lab, size: str, *arguments: str):
    """A run whose CODEX_HOME is on a disk of this size."""
    small = world.tmp.parent / "small"
    small.mkdir(exist_ok=True)
    steps = f'mount -t tmpfs -o size={size} tmpfs {small} && cp -a {world.home}/. {small} && exec "$@"'
    argv = ["unshare", "-rm", "sh", "-c", steps, "sh", *world.argv(*arguments)]
    return world.run_argv(argv, env={"CODEX_HOME": str(small)})


@SMALL_DISK
@pytest.mark.parametrize(
    ("version", "size", "exit_code", "code", "spent"),
    [
        (builds.NEWEST, "64k", 6, "session-missing", True),
        pytest.param("0.145.0", "300k", 5, "codex-failed", False, marks=BETWEEN),
        (builds.OLDEST, "300k", 6, "session-missing", True),  # it says no word of a disk
    ],
)
def test_a_full_disk_under_codexs_home_is_named(lab, version, size, exit_code, code, spent):
    world = lab(version, script=Small())
    answer = assert_told(on_small_disk(world, size, *FOX), exit_code, code)
    assert answer["error"]["spent"] is spent
    assert "make room on the disk that holds CODEX_HOME" in hint(answer)
    assert "sandbox" not in hint(answer)
    assert_clean(world)


@SMALL_DISK
@pytest.mark.parametrize("words", [("batch", "jobs.txt", "--jobs", "1"), ("-p", "a fox", "-n", "4", "--jobs", "1")])
def test_a_full_disk_under_codexs_home_ends_several(lab, words):
    """The others would meet it as well, and cost as much."""
    world = lab(script=Small())
    (world.work / "jobs.txt").write_text("a fox\nan owl\na hare\na crow\n")
    done = on_small_disk(world, "64k", *words, "--json")
    assert done.code != 0
    assert world.model_calls <= 2, done
    assert "the model answered" not in done.err
    if words[0] == "batch":
        assert [answer["status"] for answer in done.answers] == ["left"] * 4, done


@SMALL_DISK
@pytest.mark.parametrize("options", ["2m", "1g,nr_inodes=3"])  # bytes, and files that can be made
def test_the_doctor_warns_of_it_before(lab, options):
    world = lab(script=Small())
    done = on_small_disk(world, options, "doctor", "--json")
    found = {check["name"]: check for check in done.json["checks"]}["space"]
    assert (found["status"], found["message"].startswith("little room is left in CODEX_HOME")) == ("warning", True)


# A Codex without its code-mode host


def bare(folder: Path, version: str) -> str:
    """The native binary alone, as some packagers install it."""
    binary = native.binary(str(builds.codex(version)))
    folder.mkdir(exist_ok=True)
    shutil.copy(binary, folder / "codex")
    return str(folder / "codex")


@pytest.mark.parametrize(
    "version", [builds.NEWEST, *(pytest.param(one, marks=BETWEEN) for one in ("0.149.1", "0.152.1", "0.160.1"))]
)
def test_a_codex_without_its_code_mode_host(lab, tmp_path, version):
    world = lab(version, script=Small())
    done = world.run_argv([COMMAND, *FOX, "--codex", bare(tmp_path / "bare", version)])
    answer = assert_told(done, 3, "codex-incomplete")
    assert f"{tmp_path}/bare/codex-code-mode-host" in message(answer)
    assert "npm install -g @openai/codex" in hint(answer)
    assert world.model_calls == 0
    assert answer["error"]["spent"] in {False, None}  # None where the signal came when its turn had just begun
    assert_clean(world)


@pytest.mark.parametrize(
    ("version", "model"), [(builds.NEWEST, builds.FUNCTION_MODEL), pytest.param("0.145.0", None, marks=BETWEEN)]
)
def test_one_that_needs_no_host_draws_without(lab, tmp_path, version, model):
    world = lab(version, script=Small())
    done = world.run_argv([COMMAND, *FOX, *model_of(model), "--codex", bare(tmp_path / "bare", version)])
    assert done.code == 0
