"""What the help promises of the user's data, watched: which files our process opens, and what it changes."""

from __future__ import annotations

import json

import pytest

from tests.bridge.test_promise import Watched
from tests.doctor.surgery import NAMES
from tests.support.account import Account
from tests.support.past import Past, asked

pytestmark = pytest.mark.real


def test_of_the_home_the_newest_rollouts_alone_are_read(lab):
    world = lab(script=Account())
    past = Past(world.home)
    newest = [past.rollout(asked(), at=1_795_000_000 - 100_000 * number) for number in range(8)][:5]
    token = world.home / ".config" / "runcomfy" / "token.json"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    watched = Watched(world, world.argv("doctor", "--json"))
    assert [check["name"] for check in watched.done.json["checks"]] == NAMES
    assert watched.paths("read", world.home) == {str(path.relative_to(world.home)) for path in newest}
    probes = watched.paths("write", world.home)
    assert all("codex-imagegen-doctor-" in path for path in probes)
    assert [path for path in world.home.rglob("*") if "imagegen-doctor" in path.name] == []
    changed = [event for event in watched.events if event[0].startswith(("os.", "shutil."))]
    ours = [event for event in changed if str(world.home) in json.dumps(event)]
    assert {event[0] for event in ours} <= {"os.remove"}
    assert all("codex-imagegen-doctor-" in event[1] for event in ours)
    assert [event for event in watched.events if event[0].startswith(("socket.", "urllib."))] == []
