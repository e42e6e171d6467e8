"""``doctor --live``: the installed Codex makes a picture, or the finding says why not; no other home is changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.doctor.runs import NAMES, faulty_codex, run_doctor, run_only, tree, without_codex
from tests.support import builds, checks
from tests.support.account import Account
from tests.support.lab import COMMAND

pytestmark = pytest.mark.real
ENDS = pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
KEY = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}


@ENDS
def test_live_run_delivers_the_picture_unchanged(lab, version):
    world = lab(version)
    codex = faulty_codex(world, ("*app-server*", "exit 0"))
    found = run_doctor(world, "--live", codex=codex)
    assert [check["name"] for check in found.json["checks"]] == [*NAMES, "live"]
    assert (found.code, found.status("live")) == (0, "ok")
    assert version in found.checks["live"]["message"]
    assert found.checks["live"]["data"]["elapsed_sec"] > 0
    assert world.model_calls == 0
    assert [path for path in tree(world.home) if path.startswith(("sessions/", "generated_images"))] == []
    assert list(world.work.iterdir()) == []
    checks.assert_clean(world)


@pytest.mark.every_build
def test_live_run_without_tool_fails_as_tool_unavailable(lab):
    """The real Codex, logged in with a key in its temporary home, makes no picture."""
    world = lab(script=Account())
    login = json.dumps(KEY)
    set_login = f"printf '%s' '{login}' > \"$CODEX_HOME/auth.json\""
    codex = faulty_codex(world, ("exec*", set_login, f'exec {real(world)} "$@"'))
    found = run_only(world, "login", "live", codex=codex)
    error = found.json["error"]
    assert (found.code, error["code"], error["exit_code"]) == (7, "tool-unavailable", 7)
    assert found.status("live") == "failed"
    assert found.status("login") == "ok"
    checks.assert_clean(world)


def test_live_run_of_codex_that_exits_fails_as_codex_failed(lab):
    world = lab(script=Account())
    found = run_only(world, "live", codex=faulty_codex(world, ("exec*", "echo no such thing >&2", "exit 1")))
    found.assert_failed(5, "codex-failed", "live")
    assert "no such thing" in found.checks["live"]["message"]


@pytest.mark.every_build
def test_live_run_with_unknown_records_is_a_warning(lab):
    """The records of the real Codex are renamed before they are read; the fallback still finds the picture."""
    world = lab(script=Account())
    codex = faulty_codex(
        world,
        (
            "exec*", "echo Reading prompt from stdin... >&2", 'there="$CODEX_HOME.there"',
            'cp -R "$CODEX_HOME" "$there"',
            f'CODEX_HOME="$there" "{real(world)}" "$@" || exit',
            "find \"$there/sessions\" -type f -exec sed -i 's/image_gen[.]generation/canvas.painted/g' {} +",
            'cp -R "$there/sessions" "$CODEX_HOME"',
        ),
    )  # fmt: skip
    found = run_only(world, "live", codex=codex)
    assert (found.code, found.status("live")) == (0, "warning")
    assert "a record of a kind that this version does not know" in found.checks["live"]["message"]
    assert "newer codex-imagegen" in found.checks["live"]["hint"]


def real(world):
    return builds.codex(world.version)


@pytest.mark.every_build
def test_live_run_with_an_old_codex_is_unknown(lab):
    assert run_only(lab(builds.TOO_OLD), "live").status("live") == "unknown"


def test_live_run_without_codex_is_unknown(lab):
    world = lab()
    found = run_only(world, "codex", "live", codex="", env=without_codex(world))
    assert (found.code, found.status("live")) == (3, "unknown")


@pytest.mark.parametrize(("signum", "code", "live"), [(signal.SIGINT, 130, []), (signal.SIGTERM, 143, ["--live"])])
def test_signal_ends_the_doctor_and_every_codex(lab, signum, code, live):
    world = lab()
    marker = world.tmp / "here"
    codex = faulty_codex(world, ("*", f'echo > "{marker}"', "sleep 1000"))
    process = start(world, codex, live)
    checks.wait_until(marker.exists, "a question to Codex")
    process.send_signal(signum)
    out, _err = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(out)["error"]["code"] == "interrupted"
    checks.assert_clean(world)


def start(world, codex, live=()):
    return subprocess.Popen(
        [COMMAND, "doctor", "--json", *live, "--codex", codex], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env={**os.environ, **world.environment},
    )  # fmt: skip
