"""What the help promises of the user's data, watched: which files our process opens, and what it changes."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.doctor.surgery import NAMES, tree
from tests.support import checks
from tests.support.account import Account
from tests.support.history import History, asked
from tests.support.watched import Watched

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system makes no files without a name"),
]


def test_kills_leave_nothing(lab):
    world = lab(script=Account())
    (world.home / "sessions").mkdir()
    for hundredths in range(5, 45, 5):
        process = world.start("doctor", "--json")
        time.sleep(hundredths / 100)
        process.kill()
        process.communicate(timeout=60)
    assert [path for path in tree(world.home) if "imagegen" in path and "skills" not in path] == []
    assert checks.processes(world) == []


def test_of_the_home_the_newest_rollouts_and_the_provider_alone_are_read(lab):
    world = lab(script=Account(), extra_config='[model_providers.unused]\nname = "unused"')
    past = History(world.home)
    newest = [past.rollout(asked(), at=1_795_000_000 - 100_000 * number) for number in range(8)][:5]
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
