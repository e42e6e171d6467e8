"""The recordings hold nothing that is not theirs to hold: no machine, no account, none of Codex's instructions."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.support import recorded, scrub
from tests.tools import recorder

MAX_BYTES = 760_000
FORBIDDEN = re.compile(
    r"/root\b|/work\b|/Users/|/tmp/(?!codex-imagegen-run-x)|/var/folders|/private/|codex-imagegen-recorder"
    r"|codex-imagegen-tests|/home/(?!user/)|eyJ[A-Za-z0-9_-]{10}|sk-[A-Za-z0-9]{8}|made-up"
    r"|You are (?:Codex|ChatGPT|GPT|an? )|<permissions|<environment_context|<skills|AGENTS\.md|apply_patch"
    r"|127\.0\.0\.1:(?!8080\b)\d"
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
FILES = sorted(path for path in recorded.ROOT.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_of_the_machine_or_of_codex(path):
    text = path.read_text()
    assert not FORBIDDEN.search(text)
    assert set(EMAIL.findall(text)) <= {"user@example.com"}
    assert not list(scrub.long_words(text))
    host = socket.gethostname()
    assert len(host) < 6 or host == "localhost" or host not in text


def test_accounts_are_made_up():
    for path in recorded.ROOT.rglob("rollout.jsonl"):
        ids = re.findall(r'"(?:creator_\w+_id|\w*account_id|installation_id)":"([^"]*)"', path.read_text())
        assert set(ids) <= {"account-x"}, path


def test_small_enough():
    assert sum(path.stat().st_size for path in FILES) < MAX_BYTES
    assert max(path.stat().st_size for path in FILES) < 24_000


def test_every_recording_is_one_that_the_recorder_makes():
    made = {f"{build}-{name}" for name, scenario in recorder.SCENARIOS.items() for build in scenario.on}
    assert {recording.name for recording in recorded.all_of()} == made


def test_every_build_is_recorded():
    builds = {recording.run["build"] for recording in recorded.all_of("ok")}
    assert builds == set(recorder.ALL)
    assert builds == {recording.run["build"] for recording in recorded.all_of("ref1")}


def test_every_recording_says_what_it_is():
    for recording in recorded.all_of():
        keys = {"scenario", "build", "exit_code", "recorded_at", "resets_at", "saved"}
        assert set(recording.run) == keys
        assert recording.name == f"{recording.run['build']}-{recording.scenario}"
        assert {path.name for path in recording.folder.iterdir()} <= {
            "rollout.jsonl", "events.jsonl", "stderr", "run.json"
        }  # fmt: skip


def test_lines_are_whole():
    for recording in recorded.all_of():
        if recording.lines:
            assert recording.path.read_bytes().endswith(b"\n")
            assert all(isinstance(json.loads(line), dict) for line in recording.lines)


def scrubbed(**payload: object) -> str:
    scrubber = scrub.Scrubber({"/base/home": scrub.HOME, "/base": "/home/user"})
    return scrubber.record(json.dumps({"type": "response_item", "payload": payload}) + "\n")


def test_the_scrubber_takes_out_instructions_and_folders():
    system = scrubbed(type="message", role="developer", content=[{"type": "input_text", "text": "You are Codex"}])
    assert "You are" not in system
    assert "<words of Codex>" in system
    assert "/base" not in scrubbed(cwd="/base/home/x", description="secret", parameters={"a": 1}, email="me@corp.com")
    assert json.loads(scrubbed(parameters={"a": 1}, account_id="123"))["payload"] == {
        "parameters": {},
        "account_id": "account-x",
    }


def test_the_scrubber_keeps_that_a_tool_was_offered():
    assert "image_gen__imagegen" in scrubbed(type="additional_tools", description="use image_gen__imagegen(...)")


def test_the_scrubber_keeps_a_torn_line_torn():
    assert scrub.Scrubber({}).record('{"type": "torn') == '{"type": "torn'
