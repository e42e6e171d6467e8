"""The tools that are run by hand, in short runs, and the fixtures that they wrote."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys

import pytest

from codex_imagegen.demo.fake_openai import Call
from tests.support import builds, recorded_runs, scrubbing
from tests.support.lab import Outcome
from tests.support.pictures import encoded, torn
from tests.tools import playground, recorder
from tests.tools.fuzz import PIECES, VALUES, Fuzz, Mutator, is_sound_png
from tests.tools.soak import Mixed, Soak

# Recordings


MAX_BYTES = 760_000
FORBIDDEN = re.compile(
    r"/root\b|/work\b|/Users/|/tmp/(?!codex-imagegen-run-x)|/var/folders|/private/|codex-imagegen-recorder"
    r"|codex-imagegen-tests|/home/(?!user/)|eyJ[A-Za-z0-9_-]{10}|sk-[A-Za-z0-9]{8}|made-up"
    r"|You are (?:Codex|ChatGPT|GPT|an? )|<permissions|<environment_context|<skills|AGENTS\.md|apply_patch"
    r"|127\.0\.0\.1:(?!8080\b)\d"
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
FILES = sorted(path for path in recorded_runs.ROOT.rglob("*") if path.is_file())


def test_recordings_hold_nothing_of_the_machine_or_of_codex():
    host = socket.gethostname()
    for path in FILES:
        text = path.read_text()
        assert not FORBIDDEN.search(text), path
        assert set(EMAIL.findall(text)) <= {"user@example.com"}, path
        assert not list(scrubbing.long_strings(text)), path
        assert len(host) < 6 or host == "localhost" or host not in text, path


def test_recordings_have_made_up_accounts():
    for path in recorded_runs.ROOT.rglob("rollout.jsonl"):
        ids = re.findall(r'"(?:creator_\w+_id|\w*account_id|installation_id)":"([^"]*)"', path.read_text())
        assert set(ids) <= {"account-x"}, path


def test_recordings_are_small():
    assert sum(path.stat().st_size for path in FILES) < MAX_BYTES
    assert max(path.stat().st_size for path in FILES) < 24_000


def test_recordings_are_those_of_the_recorder():
    made = {f"{build}-{name}" for name, scenario in recorder.SCENARIOS.items() for build in scenario.on}
    assert {recording.name for recording in recorded_runs.load_all()} == made


def test_recordings_cover_every_build():
    builds = {recording.run["build"] for recording in recorded_runs.load_all("ok")}
    assert builds == set(recorder.ALL)
    assert builds == {recording.run["build"] for recording in recorded_runs.load_all("ref1")}


def test_recordings_are_described():
    for recording in recorded_runs.load_all():
        keys = {"scenario", "build", "exit_code", "recorded_at", "resets_at", "saved"}
        assert set(recording.run) == keys
        assert recording.name == f"{recording.run['build']}-{recording.scenario}"
        assert {path.name for path in recording.folder.iterdir()} <= {
            "rollout.jsonl", "events.jsonl", "stderr", "run.json"
        }  # fmt: skip


def test_recordings_have_whole_lines():
    for recording in recorded_runs.load_all():
        if recording.lines:
            assert recording.path.read_bytes().endswith(b"\n")
            assert all(isinstance(json.loads(line), dict) for line in recording.lines)


def scrub_payload(**payload: object) -> str:
    scrubber = scrubbing.Scrubber({"/base/home": scrubbing.HOME, "/base": "/home/user"})
    return scrubber.record(json.dumps({"type": "response_item", "payload": payload}) + "\n")


def test_scrubber_removes_instructions_and_folders():
    system = scrub_payload(type="message", role="developer", content=[{"type": "input_text", "text": "You are Codex"}])
    assert "You are" not in system
    assert "<words of Codex>" in system
    assert "/base" not in scrub_payload(
        cwd="/base/home/x", description="secret", parameters={"a": 1}, email="me@corp.com"
    )
    assert json.loads(scrub_payload(parameters={"a": 1}, account_id="123"))["payload"] == {
        "parameters": {},
        "account_id": "account-x",
    }


def test_scrubber_keeps_that_a_tool_was_offered():
    assert "image_gen__imagegen" in scrub_payload(type="additional_tools", description="use image_gen__imagegen(...)")


def test_scrubber_keeps_a_torn_line_torn():
    assert scrubbing.Scrubber({}).record('{"type": "torn') == '{"type": "torn'


# Fuzz


@pytest.mark.parametrize("lines", [1_000, pytest.param(20_000, marks=pytest.mark.ci)])
def test_fuzz_of_mutated_lines_finds_nothing(lines):
    counts = Fuzz(seed=2).run(lines)
    assert counts.total >= lines
    assert min(counts.lines.values()) > lines // 100, counts
    assert counts.intact > 0 < counts.damaged_pictures
    assert counts.errors > 0


def test_fuzz_with_the_same_seed_makes_the_same_lines():
    mutators = [Mutator(random.Random(3)) for _ in range(2)]
    one, two = ([mutate.line(b'{"a":[1,{"b":"c"}]}') for _ in range(200)] for mutate in mutators)
    assert one == two
    assert len(set(one)) > 100


def test_fuzz_does_not_change_its_values():
    before = repr(VALUES)
    mutate = Mutator(random.Random(4))
    line = b'{"a":[1,{"b":"c"}]}'
    for _ in range(500):
        line = mutate.line(line)[:5000] or b"{}"
    assert repr(VALUES) == before
    assert len(PIECES) > 30


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_fuzz_recognizes_whole_pictures(mode):
    whole = encoded(8, "sound", mode=mode)
    assert is_sound_png(whole)
    assert not is_sound_png(torn(whole))
    assert not is_sound_png(whole[:50] + b"x" + whole[51:])


# Soak


@pytest.mark.real
@pytest.mark.ci
def test_soak_of_twenty_runs_finds_nothing(lab, monkeypatch):
    """Memory is not checked here, since other tests share the process."""
    script = Mixed()
    script.slow_sec = 8.0
    world = lab(script=script)
    for name in set(os.environ) - set(world.environment):
        monkeypatch.delenv(name)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    report = Soak(world, runs=20, jobs=4, seed=2).run()
    assert report.violations == [], str(report)
    assert report.outcomes["delivered"] >= 14
    assert report.outcomes["timeout"] == report.outcomes["rate-limited"] == 2


# Playground


@pytest.mark.real
def test_playground_shell_has_its_own_home_and_the_commands(lab):
    world = lab()
    enter = playground.prepare(world)
    done = shell(f". {enter} && codex-imagegen --version && echo $CODEX_HOME && ls")
    assert done.code == 0, done
    assert done.lines[0].startswith("codex-imagegen ")
    assert done.lines[1:] == [str(world.home), "cat.png", "hat.png"]


def test_playground_back_end_acts_by_the_words_of_the_prompt(tmp_path, monkeypatch):
    monkeypatch.setattr(playground, "DRAW_SEC", 0)
    back_end = playground.Backend(tmp_path / "requests")
    drawn, refused, limited = (
        back_end.picture(Call("POST", "/v1/images/generations", 0, json.dumps({"prompt": prompt}).encode(), {}))
        for prompt in ("a fox", "a zombie", "a galaxy")
    )
    assert (drawn.status, refused.status, limited.status) == (200, 400, 429)
    requests = [json.loads(line) for line in (tmp_path / "requests").read_text().splitlines()]
    assert [(request["prompt"], request["references"]) for request in requests] == [
        ("a fox", 0),
        ("a zombie", 0),
        ("a galaxy", 0),
    ]


@pytest.mark.real
@pytest.mark.ci
def test_playground_serves_an_agent_until_a_signal(tmp_path):
    folder = tmp_path / "playground"
    with start_playground("--minutes", "3", "--folder", str(folder)) as child:
        enter = child.stdout.readline().strip()
        good = shell(f"{enter} && codex-imagegen --prompt 'a fox' --ref hat.png --ref cat.png --out fox.png --json")
        bad = shell(f"{enter} && codex-imagegen --prompt 'a zombie' --json")
        child.send_signal(signal.SIGTERM)
    assert (child.returncode, enter) == (0, f". {folder / 'env'}")
    assert (good.code, good.json["images"][0]["path"]) == (0, str(folder / "work" / "fox.png"))
    assert (bad.code, bad.json["error"]["code"]) == (7, "moderation")
    requests = [json.loads(line) for line in (folder / "requests").read_text().splitlines()]
    assert [(request["prompt"], request["references"]) for request in requests] == [("a fox", 2), ("a zombie", 0)]


@pytest.mark.real
@pytest.mark.ci
def test_playground_ends_after_its_minutes(tmp_path):
    with start_playground("--minutes", "0.01", "--folder", str(tmp_path / "playground")) as child:
        assert child.wait(60) == 0


def start_playground(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tools.playground", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CODEX_IMAGEGEN_TEST_CACHE": str(builds.CACHE)},  # HOME is the test's own
    )


def shell(line):
    done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0)
