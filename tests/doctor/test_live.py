"""``doctor --live``: the installed Codex makes a picture, or the bridge says why not; nobody's home is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.doctor.surgery import NAMES, examine, ill, tree, without_codex
from tests.support import builds, checks
from tests.support.account import Account
from tests.support.lab import COMMAND

pytestmark = pytest.mark.real
ENDS = pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
KEY = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}


@ENDS
def test_a_picture_comes_byte_for_byte(lab, version):
    world = lab(version, script=Account())
    found = examine(world, "--live")
    assert [check["name"] for check in found.json["checks"]] == [*NAMES, "live"]
    assert (found.code, found.status("live")) == (0, "ok")
    assert version in found.checks["live"]["message"]
    assert found.checks["live"]["data"]["elapsed_sec"] > 0
    assert world.model_calls == 0
    assert [path for path in tree(world.home) if path.startswith(("sessions/", "generated_images"))] == []
    assert list(world.work.iterdir()) == []
    checks.assert_clean(world)


def test_a_codex_that_has_no_tool_gives_the_bridges_own_error(lab):
    """The real Codex, logged in with a key in its throw-away home: it makes no picture."""
    world = lab(script=Account())
    login = json.dumps(KEY)
    codex = ill(world, "exec*", f"printf '%s' '{login}' > \"$CODEX_HOME/auth.json\"", f'exec {real(world)} "$@"')
    found = examine(world, "--live", codex=codex)
    error = found.json["error"]
    assert (found.code, error["code"], error["exit_code"]) == (7, "tool-unavailable", 7)
    assert found.status("live") == "failed"
    assert found.status("login") == "ok"
    checks.assert_clean(world)


@ENDS
def test_a_codex_that_ends_at_once(lab, version):
    world = lab(version, script=Account())
    found = examine(world, "--live", codex=ill(world, "exec*", "echo no such thing >&2", "exit 1"))
    found.assert_failed(5, "codex-failed", "live")
    assert "no such thing" in found.checks["live"]["message"]


def test_records_of_tomorrow_are_a_warning(lab):
    """The real Codex, but its records are renamed before anybody sees them: the safety net has the picture."""
    world = lab(script=Account())
    codex = ill(
        world, "exec*", 'there="$CODEX_HOME.there"', 'cp -R "$CODEX_HOME" "$there"',
        f'CODEX_HOME="$there" "{real(world)}" "$@" || exit',
        "find \"$there/sessions\" -type f -exec sed -i 's/image_gen[.]generation/canvas.painted/g' {} +",
        'cp -R "$there/sessions" "$CODEX_HOME"',
    )  # fmt: skip
    found = examine(world, "--live", codex=codex)
    assert (found.code, found.status("live")) == (0, "warning")
    assert "a record of a shape that this version does not know" in found.checks["live"]["message"]
    assert "newer codex-imagegen" in found.checks["live"]["hint"]


def real(world):
    return builds.codex(world.version)


@pytest.mark.parametrize("version", [builds.TOO_OLD])
def test_what_can_not_be_proven(lab, version):
    world = lab(version, script=Account())
    assert examine(world, "--live").status("live") == "unknown"
    found = examine(world, "--live", codex="", env=without_codex(world))
    assert (found.code, found.status("live")) == (3, "unknown")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("live", [[], ["--live"]])
def test_a_signal_ends_it_and_every_codex(lab, signum, code, live):
    world = lab()
    marker = world.tmp / "here"
    codex = ill(world, "*", f'echo > "{marker}"', "sleep 1000")
    process = start(world, codex, live)
    while not marker.exists():
        time.sleep(0.01)
    process.send_signal(signum)
    out, _err = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(out)["error"]["code"] == "interrupted"
    checks.assert_clean(world)


def start(world, codex, live):
    return subprocess.Popen(
        [COMMAND, "doctor", "--json", *live, "--codex", codex], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env={**os.environ, **world.environment},
    )  # fmt: skip
