"""What the help promises about the user's data: which files our process opens, and what it changes."""

from __future__ import annotations

import json
import os
from functools import partial

import pytest

from tests.doctor.runs import NAMES, faulty_codex, tree
from tests.doctor.test_live import start
from tests.support import checks
from tests.support.account import Account
from tests.support.audit import AuditedRun
from tests.support.history import user_message

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no unnamed files"),
]


def test_doctor_killed_at_any_question_leaves_nothing(lab):
    """Killed at the first and at the third question to a slow Codex."""
    world = lab(script=Account())
    (world.home / "sessions").mkdir()
    questions = world.tmp / "questions"
    codex = faulty_codex(world, ("*", f'echo "$*" >> "{questions}"', "exec sleep 0.3"))

    def has_asked(number):
        return questions.exists() and len(questions.read_text().splitlines()) >= number

    for number in (1, 3):
        process = start(world, codex)
        checks.wait_until(partial(has_asked, number), f"question {number}")
        process.kill()
        process.communicate(timeout=60)
        questions.unlink()
    assert [path for path in tree(world.home) if "imagegen" in path and "skills" not in path] == []
    assert checks.processes(world) == []


def test_doctor_reads_only_newest_rollouts_and_config(lab):
    world = lab(script=Account(), extra_config='[model_providers.unused]\nname = "unused"')
    past = world.history
    newest = [past.rollout(user_message(), at=1_795_000_000 - 100_000 * number) for number in range(8)][:5]
    token = world.home / ".config" / "runcomfy" / "token.json"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    before = {path: path.stat().st_mtime_ns for path in (world.home / "sessions", *newest, token)}
    watched = AuditedRun(world, world.argv("doctor", "--json"))
    assert [check["name"] for check in watched.done.json["checks"]] == NAMES
    assert watched.paths("read", world.home) == {"config.toml", *(str(path.relative_to(world.home)) for path in newest)}
    assert watched.paths("write", world.home) <= {".", "sessions"}  # unnamed files in these folders
    changed = [event for event in watched.events if event[0].startswith(("os.", "shutil."))]
    ours = [event for event in changed if str(world.home) in json.dumps(event)]
    assert [event[:2] for event in ours] == [["os.utime", str(world.home / "sessions")]]
    assert {path: path.stat().st_mtime_ns for path in world.home.rglob("*") if path in before} == before
    assert [event for event in watched.events if event[0].startswith(("socket.", "urllib."))] == []
