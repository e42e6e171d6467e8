"""The trial's world: a shell can enter it, its back end plays its parts, and it ends by itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.support.lab import Outcome

pytestmark = pytest.mark.real


def trial(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tools.trial", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_agent_can_work_in_it(tmp_path):
    folder = tmp_path / "trial"
    with trial("--minutes", "3", "--folder", str(folder)) as child:
        enter = child.stdout.readline().strip()
        good = shell(f"{enter} && codex-imagegen --prompt 'a fox' --ref hat.png --ref cat.png --out fox.png --json")
        bad = shell(f"{enter} && codex-imagegen --prompt 'a zombie' --json")
        child.send_signal(signal.SIGTERM)
    assert (child.returncode, enter) == (0, f". {folder / 'env'}")
    assert (good.code, good.json["images"][0]["path"]) == (0, str(folder / "work" / "fox.png"))
    assert (bad.code, bad.json["error"]["code"]) == (7, "moderation")
    asked = [json.loads(line) for line in (folder / "asked").read_text().splitlines()]
    assert [(one["prompt"], one["references"]) for one in asked] == [("a fox", 2), ("a zombie", 0)]


def shell(line):
    done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0)


def test_it_ends_by_itself(tmp_path):
    with trial("--minutes", "0.01", "--folder", str(tmp_path / "trial")) as child:
        assert child.wait(60) == 0
