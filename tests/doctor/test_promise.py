"""What the help promises of the user's data, watched: which files our process opens, and what it changes."""

from __future__ import annotations

import json
import os
from functools import partial

import pytest

from tests.doctor.examined import NAMES, faulty, tree
from tests.doctor.test_live import start
from tests.support import checks
from tests.support.account import Account
from tests.support.history import user_message
from tests.support.watched import Watched

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system makes no files without a name"),
]


def test_doctor_killed_at_any_question_leaves_nothing(lab):
    """Killed when Codex was asked its first question, and its second, …: whichever it is, of a Codex that waits."""
    world = lab(script=Account())
    (world.home / "sessions").mkdir()
    asked_for = world.tmp / "asked"
    codex = faulty(world, ("*", f'echo "$*" >> "{asked_for}"', "exec sleep 0.3"))

    def asked_times(number):
        return asked_for.exists() and len(asked_for.read_text().splitlines()) >= number

    for number in (1, 3):
        process = start(world, codex)
        checks.until(partial(asked_times, number), f"question {number}")
        process.kill()
        process.communicate(timeout=60)
        asked_for.unlink()
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
    watched = Watched(world, world.argv("doctor", "--json"))
    assert [check["name"] for check in watched.done.json["checks"]] == NAMES
    assert watched.paths("read", world.home) == {"config.toml", *(str(path.relative_to(world.home)) for path in newest)}
    assert watched.paths("write", world.home) <= {".", "sessions"}  # files without a name, in these folders
    changed = [event for event in watched.events if event[0].startswith(("os.", "shutil."))]
    ours = [event for event in changed if str(world.home) in json.dumps(event)]
    assert [event[:2] for event in ours] == [["os.utime", str(world.home / "sessions")]]
    assert {path: path.stat().st_mtime_ns for path in world.home.rglob("*") if path in before} == before
    assert [event for event in watched.events if event[0].startswith(("socket.", "urllib."))] == []
