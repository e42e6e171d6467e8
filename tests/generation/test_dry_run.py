"""``--dry-run`` and the question before many pictures: nothing is spent, sent or written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from codex_imagegen.codex.run import command
from codex_imagegen.request import ImageOptions
from tests.support import builds
from tests.support.keyboard import Keyboard
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome
from tests.support.passive_terminal import run_on_terminal
from tests.support.pictures import encoded


@pytest.fixture
def world(lab):
    """A home without a login, and a Codex that must not be started."""
    world = lab(offline=True)
    codex = world.folder / "codex"
    codex.write_text(f"#!/bin/sh\ntouch {world.folder}/started\n")
    codex.chmod(0o755)
    world.codex = str(codex)
    (world.work / "ref.png").write_bytes(encoded(64))
    yield world
    assert not (world.folder / "started").exists()
    assert not (world.home / "sessions").exists()
    assert world.leftovers == []


def dry_run(world, *arguments: str, **more) -> Outcome:
    """Call the command, which leaves the working folder as it was."""
    before = contents(world.work)
    done = world.call("-p", "a red fox", "--codex", world.codex, "--dry-run", *arguments, **more)
    assert contents(world.work) == before
    return done


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """The names, sizes and times of everything in a folder, which itself was tested by a file that is gone."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def planned(done: Outcome) -> list[tuple[str, str]]:
    """The names and actions of the planned pictures, from the JSON of a success."""
    assert (done.code, done.err, done.json["dry_run"], done.json["images"]) == (0, "", True, [])
    return [(os.path.basename(each["path"]), each["action"]) for each in done.json["planned"]]


def test_dry_run_says_what_would_be_made_and_sent(world):
    done = dry_run(world, "--ref", "ref.png", "--size", "1024x1536", "--model", "gpt-5", "--out", "new/")
    assert (done.code, done.out) == (0, b"")
    assert done.err.splitlines() == [
        "codex-imagegen: dry run: nothing was sent or written.",
        "A run would make 1 picture:",
        f"  {world.work}/new/a-red-fox.png",
        f"backend: codex ({world.codex})",
        "model: gpt-5",
        "prompt: 9 characters, sent word for word",
        f"reference 1: ref.png (PNG, 64 × 64, {(world.work / 'ref.png').stat().st_size / 1000:.1f} kB)",
        "sent beside the prompt: The picture should be 1024 pixels wide and 1536 pixels high.",
        "not checked: the login, and what is left of the plan (the command doctor checks both)",
    ]


def test_dry_run_with_verbose_says_all_that_the_model_is_told(world):
    told = command.build_instructions(0, ImageOptions())
    assert f"all that the model is told beside the prompt: {told}" in dry_run(world, "--verbose").err
    assert dry_run(world, "--json").json["planned"][0]["instructions"] == told


def test_dry_run_with_json_prints_the_common_object(world):
    done = dry_run(world, "--ref", "ref.png", "--json", "--out", "fox.webp")
    assert planned(done) == [("fox.webp", "make")]
    (each,) = done.json["planned"]
    size = (world.work / "ref.png").stat().st_size
    reference = {"path": "ref.png", "format": "png", "width": 64, "height": 64, "bytes": size, "copy": False}
    assert (each["references"], each["format"], each["codex"]) == ([reference], "webp", world.codex)


def test_dry_run_of_several_says_which_are_there_or_replaced(world):
    (world.work / "fox-2.png").write_bytes(encoded())
    several = ("--json", "--count", "3", "--out", "fox.png")
    made_before = dry_run(world, *several, "--skip-existing")
    assert planned(made_before) == [("fox-1.png", "make"), ("fox-2.png", "skip"), ("fox-3.png", "make")]
    assert planned(dry_run(world, *several, "--force"))[1] == ("fox-2.png", "replace")
    assert "fox-2.png (is there already)\n" in dry_run(world, *several[1:], "--skip-existing").err
    (world.work / "fox-1.png").write_bytes(encoded())
    none = dry_run(world, "--count", "2", "--out", "fox.png", "--skip-existing")
    assert none.err.splitlines()[1] == "A run would make no picture."


def test_dry_run_of_a_thousand_lists_twenty_and_asks_nothing(world):
    done = dry_run(world, "--count", "1000")
    assert (done.code, done.err.count("a-red-fox-")) == (0, 20)
    assert "  … and 980 more\n" in done.err


def test_dry_run_with_events_prints_json_lines_alone(world):
    events = [json.loads(line) for line in dry_run(world, "--events").err.splitlines()]
    assert {event["event"] for event in events[:-1]} == {"message"}
    assert events[-1]["event"] == "done"


def test_dry_run_of_a_reduced_reference_says_so(world, monkeypatch):
    monkeypatch.setattr("codex_imagegen.codex.backend.MAX_DATA_URL", 4000)
    (world.work / "large.png").write_bytes(encoded(200))
    done = dry_run(world, "--ref", "large.png", "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"]
    assert done.json["planned"][0]["references"][0]["copy"] is True
    assert "reference 1: large.png (sent as a copy: " in dry_run(world, "--ref", "large.png").err


@pytest.mark.parametrize(("code", "arguments"), [
    ("ref-missing", ["--ref", "nowhere.png"]), ("out-exists", ["--out", "ref.png"]), ("usage", ["--count", "0"]),
    ("codex-missing", ["--codex", "nowhere/codex"]), ("usage", ["--ref", "ref.png"] * 6),
    ("usage", ["--no-wait"]), ("runcomfy-auth", ["--backend", "runcomfy"]),
    ("runcomfy-input", ["--backend", "runcomfy", "--transparent"]),
])  # fmt: skip
def test_dry_run_fails_as_a_run_would(world, code, arguments):
    done = dry_run(world, "--json", *arguments)
    assert (done.json["error"]["code"], done.json["error"]["spent"], done.json["planned"]) == (code, False, [])
    assert done.code == done.json["error"]["exit_code"]


@pytest.mark.parametrize("wrong", [["--out", "ref.png"], ["--size", "0x9"], ["--nonsense"], ["--last"], ["--ref", "-"]])
def test_dry_run_of_a_failure_is_marked_as_such(world, wrong):
    assert dry_run(world, "--json", *wrong).json["dry_run"] is True


@pytest.mark.parametrize("extra", [[], ["--no-wait", "--count", "2"]])
def test_dry_run_with_runcomfy_sends_nothing(world, extra):
    unreachable = {**world.environment, "RUNCOMFY_TOKEN": "x" * 20, "RUNCOMFY_MODEL_API_BASE": "http://127.0.0.1:9"}
    address = "https://example.com/a.png"
    line = ["--backend", "runcomfy", "--ref", address, "--ref", "ref.png", "--size", "512x512", "--json", *extra]
    done = dry_run(world, *line, env=unreachable)
    assert (done.code, len(done.json["planned"])) == (0, 2 if extra else 1)
    each = done.json["planned"][0]
    assert (each["path"] is None) == bool(extra)
    assert [reference["path"] for reference in each["references"]] == [address, "ref.png"]
    assert (each["model"], each["options"], each["codex"]) == ("openai/gpt-image-2/edit", "aspect_ratio 1:1", None)


def test_many_pictures_without_a_terminal_need_yes(world):
    many = ["-p", "a fox", "--count", "21", "--out", "fox.png", "--codex", "nowhere/codex", "--json"]
    refused = world.call(*many)
    assert (refused.code, refused.json["error"]["code"]) == (2, "usage")
    assert "would make 21 pictures" in refused.json["error"]["message"]
    assert world.call(*many, "--yes").json["error"]["code"] == "codex-missing"
    assert world.call(*[word.replace("21", "20") for word in many]).json["error"]["code"] == "codex-missing"
    assert world.call(*many, "--backend", "runcomfy").json["error"]["code"] == "usage"
    assert world.call("-p", "a fox", "--count=21", "--backend=runcomfy", "--no-wait", "--json").code == 2


def test_pictures_that_exist_do_not_count_as_many(world):
    (world.work / "fox-7.png").write_bytes(encoded())
    many = ["-p", "a fox", "--count", "21", "--out", "fox.png", "--codex", "nowhere/codex", "--json"]
    assert world.call(*many, "--skip-existing").json["error"]["code"] == "codex-missing"
    assert world.call(*many, "--force").json["error"]["code"] == "usage"


def test_many_pictures_on_a_terminal_are_asked_for(world):
    line = f"{COMMAND} -p 'a fox' --count 25 --codex nowhere/codex; echo code:$?"
    environment = {**world.environment, "TERM": "xterm", "PS1": "> "}
    with Keyboard(["/bin/sh", "-i"], environment, world.work) as keyboard:
        for answer, code in (("n\r", 2), ("\r", 2), ("\x04", 2), ("y\r", 3), ("\x03", 130)):
            keyboard.type(f"{line}\r")
            keyboard.until("make 25 pictures?")
            keyboard.until("[y/N]")
            keyboard.type(answer)
            keyboard.until(f"code:{code}")


def test_device_as_output_of_a_dry_run_stays_as_it_is(world):
    os.mkfifo(world.folder / "pipe")
    done = world.call("-p", "x y", "--codex", world.codex, "--dry-run", "--out", str(world.folder / "pipe"))
    assert (done.code, stat.S_ISFIFO((world.folder / "pipe").stat().st_mode)) == (0, True)


def test_dry_run_on_a_terminal_breaks_lines_at_words(world):
    argv = [COMMAND, "-p", "a fox", "--codex", world.codex, "--dry-run", "--size", "1024x1536"]
    environment = {**world.environment, "TERM": "xterm"}
    shown, code = run_on_terminal(argv, env=environment, cwd=world.work)
    lines = shown.splitlines()
    assert code == 0
    assert f"  {world.work}/a-fox.png" in lines
    assert all(len(line) <= 80 for line in lines if "/" not in line)
    assert lines[-1].startswith("not checked") is False
    assert " ".join(lines).endswith("(the command doctor checks both)")


@pytest.mark.real
def test_dry_run_with_the_real_codex_starts_none(lab):
    world = lab()
    done = world.run("-p", "a red fox", "--dry-run", "--json")
    assert planned(done) == [("a-red-fox.png", "make")]
    assert done.json["planned"][0]["codex"] == str(builds.codex(world.version))
    assert world.standin.calls == []
    assert os.listdir(world.work) == []
