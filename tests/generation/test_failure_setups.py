"""Messages of failures that need a set-up of their own: providers, large references, a full disk, a missing host."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest

import codex_imagegen
from codex_imagegen.codex.install import npm
from codex_imagegen.codex.run import failures
from codex_imagegen.demo.fake_openai import Call, Reply
from tests.support import builds, patched_command, scripts
from tests.support.checks import (
    DrawsSmall,
    assert_clean,
    assert_failed,
    assert_reported,
    link_or_copy,
    model_of,
    reason_why_not,
    with_provider,
)
from tests.support.lab import COMMAND, Lab
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
BETWEEN = pytest.mark.every_build
"""Another build, or what the recordings show as well (tests/codex/run/test_failures.py)."""


def hint(answer) -> str:
    return str(answer["error"]["hint"])


def message(answer) -> str:
    return str(answer["error"]["message"])


# Another provider


@pytest.mark.parametrize(
    ("version", "model"),
    [
        (builds.NEWEST, None),
        pytest.param(builds.NEWEST, builds.FUNCTION_MODEL, marks=BETWEEN),
        pytest.param("0.144.6", None, marks=BETWEEN),
        pytest.param("0.160.1", None, marks=BETWEEN),
    ],
)
def test_provider_without_an_image_tool_is_named_and_the_hint_makes_the_picture(lab, version, model):
    world = lab(version, script=DrawsSmall())
    with_provider(world)
    answer = assert_failed(world, world.call(*FOX, *model_of(model)), 7, "tool-unavailable", spent=True)
    assert "'proxy'" in message(answer)
    hinted = shlex.split(hint(answer).partition("add:\n")[2])
    assert hinted == ["--codex-arg=-c", '--codex-arg=model_provider="openai"']
    assert world.call(*FOX, *model_of(model), *hinted).code == 0


@pytest.mark.parametrize("version", [pytest.param(one, marks=BETWEEN) for one in ("0.118.0", "0.141.0")])
def test_provider_with_a_hosted_tool_is_not_blamed_and_draws(lab, version):
    world = lab(version, script=scripts.Refuses())
    with_provider(world)
    assert_failed(world, world.call(*FOX), 7, "refused", spent=True)
    world.standin.script = DrawsSmall()
    assert world.call(*FOX).code == 0


# Time, and large references


class BreaksLate(DrawsSmall):
    """The connection to the picture's endpoint breaks after a while; Codex tries five times."""

    def picture(self, call: Call) -> Reply:
        time.sleep(0.1)
        raise ConnectionResetError


@BETWEEN
def test_connection_that_breaks_after_minutes_of_drawing_hints_at_an_older_codex(lab, monkeypatch):
    """Minutes are made of seconds here: the time is the one that Codex's own records tell."""
    world = lab(script=BreaksLate())
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(failures, "LONG_DRAWING_SEC", 0.4)
    with pytest.raises(codex_imagegen.NetworkError) as raised:
        codex_imagegen.generate("a red fox", out=world.work / "fox.png", codex=str(builds.codex(world.version)))
    assert "older Codex with --codex" in str(raised.value.hint)
    assert "check the network" not in str(raised.value.hint)


def test_blocked_picture_names_large_references_and_no_small_ones(lab):
    """A run of our own whose limit for large references is 100 KB instead of 8 MB."""
    world = lab(script=scripts.BlocksPicture())
    limit = patched_command.argv({"codex_imagegen.codex.backend.LARGE_BYTES": 100_000})
    for name, side in (("large", 240), ("small", 64)):
        (world.work / f"{name}.png").write_bytes(encoded(side, name))
        argv = [*limit, *world.argv(*FOX, "--ref", f"{name}.png")[1:]]
        answer = assert_failed(world, world.run_argv(argv), 7, "moderation", spent=True)
        assert ("smaller references may help, too: these have 1" in hint(answer)) is (name == "large")


def test_reference_by_url_fails_before_codex_is_asked(lab):
    world = lab(script=DrawsSmall())
    answer = assert_failed(world, world.call(*FOX, "--ref", "HTTP://example.com/fox.png"), 4, "ref-missing")
    assert "download it first" in hint(answer)
    assert "--backend runcomfy" in hint(answer)
    assert world.standin.calls == []


# A disk that is full


SMALL_DISK = pytest.mark.skipif(
    reason_why_not("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")() is not None,
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
def test_full_disk_under_codex_home_is_named(lab, version, size, exit_code, code, spent):
    world = lab(version, script=DrawsSmall(), fresh=True)
    answer = assert_reported(on_small_disk(world, size, *FOX), exit_code, code)
    assert answer["error"]["spent"] is spent
    assert "free some space on the disk that holds CODEX_HOME" in hint(answer)
    assert "sandbox" not in hint(answer)
    assert_clean(world)


@SMALL_DISK
@pytest.mark.parametrize(
    "words",
    [
        ("batch", "jobs.txt", "--jobs", "1"),
        pytest.param(("-p", "a fox", "-n", "4", "--jobs", "1"), marks=pytest.mark.every_build),
    ],
)
def test_full_disk_under_codex_home_ends_the_other_pictures(lab, words):
    """The others would meet it as well, and cost as much."""
    world = lab(script=DrawsSmall(), fresh=True)
    (world.work / "jobs.txt").write_text("a fox\nan owl\na hare\na crow\n")
    done = on_small_disk(world, "64k", *words, "--json")
    assert done.code != 0
    assert world.model_calls <= 2, done
    assert "the model answered" not in done.err
    if words[0] == "batch":
        assert [answer["status"] for answer in done.answers] == ["not-started"] * 4, done


@SMALL_DISK
@pytest.mark.parametrize(
    "options",
    [pytest.param("2m", marks=BETWEEN), "1g,nr_inodes=3"],  # bytes, and files that can be made
)
def test_doctor_on_a_nearly_full_disk_warns(lab, options):
    world = lab(script=DrawsSmall(), fresh=True)
    done = on_small_disk(world, options, "doctor", "--json")
    found = {check["name"]: check for check in done.json["checks"]}["space"]
    assert (found["status"], found["message"].startswith("low disk space in CODEX_HOME")) == ("warning", True)


# A Codex without its code-mode host


def bare(folder: Path, version: str) -> str:
    """The native binary alone, as some packagers install it."""
    binary = npm.find_binary(str(builds.codex(version)))
    folder.mkdir(exist_ok=True)
    link_or_copy(binary, folder / "codex")
    return str(folder / "codex")


@pytest.mark.parametrize(
    "version", [builds.NEWEST, *(pytest.param(one, marks=BETWEEN) for one in ("0.149.1", "0.160.1"))]
)
def test_codex_without_its_code_mode_host_fails_as_incomplete(lab, tmp_path, version):
    world = lab(version, script=DrawsSmall())
    done = world.run_argv([COMMAND, *FOX, "--codex", bare(tmp_path / "bare", version)])
    answer = assert_reported(done, 3, "codex-incomplete")
    assert f"{tmp_path}/bare/codex-code-mode-host" in message(answer)
    assert "npm install -g @openai/codex" in hint(answer)
    assert world.model_calls == 0
    assert answer["error"]["spent"] in {False, None}  # None where the signal came when its turn had just begun
    assert_clean(world)


@pytest.mark.parametrize(
    ("version", "model"), [(builds.NEWEST, builds.FUNCTION_MODEL), pytest.param("0.145.0", None, marks=BETWEEN)]
)
def test_model_without_code_mode_draws_without_the_host(lab, tmp_path, version, model):
    world = lab(version, script=DrawsSmall())
    done = world.run_argv([COMMAND, *FOX, *model_of(model), "--codex", bare(tmp_path / "bare", version)])
    assert done.code == 0
