"""What the doctor says of Codex itself: none, too old, too new, hanging, elsewhere, not logged in, a key, a plan."""

from __future__ import annotations

import json
import os
import re
import shutil
import time

import pytest

from codex_imagegen.codex import installed, native
from tests.doctor.surgery import HANGING, NAMES, examine, ill, without_codex
from tests.support import builds
from tests.support.account import Account
from tests.support.checks import with_provider
from tests.support.history import History, asked, id_of
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
FOX = encoded(40, "fox")
KEY = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-abcdefghijklmnop1234"}


def test_no_codex(lab):
    world = lab()
    found = examine(world, codex="", env=without_codex(world))
    assert re.search("npm install|--codex /", found.assert_failed(3, "codex-missing", "codex")["hint"])
    assert {found.status(name) for name in ("login", "image-tool", "limits")} == {"unknown"}
    assert {found.status(name) for name in ("clock", "runcomfy", "parts")} == {"ok"}


def test_one_that_is_not_there(lab):
    found = examine(lab(), codex="/nowhere/codex")
    found.assert_failed(3, "codex-missing", "codex")


def test_one_that_can_not_be_started(lab):
    world = lab()
    broken = world.tmp / "codex"
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    found = examine(world, codex=str(broken))
    assert "can't be started" in found.assert_failed(3, "codex-missing", "codex")["message"]


@pytest.mark.skipif(
    any(os.path.exists(place) for place in installed.PLACES if place.startswith("/")),
    reason="this machine has a Codex in one of the usual places",
)
def test_the_one_of_an_ide_is_found(lab):
    world = lab()
    environment = without_codex(world)
    binary = world.tmp / ".vscode" / "extensions" / "openai.chatgpt-26.1.0-linux-x64" / "bin" / "linux-x86_64" / "codex"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(builds.codex(builds.NEWEST))
    found = examine(world, codex="", env=environment)
    check = found.assert_failed(3, "codex-missing", "codex")
    assert check["hint"].endswith("--codex ~/.vscode/extensions/openai.chatgpt-26.1.0-linux-x64/bin/linux-x86_64/codex")
    again = examine(world, codex=str(binary))
    assert again.status("codex") == "ok"


def test_one_that_is_too_old(lab):
    world = lab(builds.TOO_OLD, script=Account())
    found = examine(world)
    check = found.assert_failed(3, "codex-too-old", "codex")
    assert builds.TOO_OLD in check["message"]
    assert found.status("image-tool") == "failed"
    assert found.status("login") == "ok"


def test_one_that_nobody_has_tested_yet(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "--version", "echo codex-cli 0.999.0"))
    assert (found.code, found.status("codex")) == (0, "warning")
    assert "doctor --live" in found.checks["codex"]["hint"]


def test_one_that_names_no_version(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "--version", "echo hello"))
    assert "and said: hello" in found.assert_failed(5, "codex-failed", "codex")["message"]


def test_npms_script_without_its_binary_says_so_in_its_own_words(lab, tmp_path):
    """As npm leaves it where optional packages are left out, or on another machine."""
    world = lab(script=Account())
    package = builds.codex(world.version).resolve().parents[1]
    alone = tmp_path / "node_modules" / "@openai" / "codex"
    shutil.copytree(package, alone, ignore=lambda *_: ["vendor", "node_modules"])
    check = examine(world, codex=str(alone / "bin" / "codex.js")).assert_failed(5, "codex-failed", "codex")
    assert "ended with exit code 1 and said: Error: Missing optional dependency @openai/codex-" in check["message"]
    assert check["data"]["version"] is None


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (builds.NEWEST, "failed"),
        pytest.param("0.149.1", "failed", marks=pytest.mark.every_build),
        pytest.param("0.145.0", "warning", marks=pytest.mark.every_build),
        pytest.param("0.138.0", "ok", marks=pytest.mark.every_build),
        (builds.OLDEST, "ok"),
    ],
)
def test_a_bare_binary(lab, tmp_path, version, status):
    """``--live`` fails and makes its picture on the very same builds."""
    world = lab(version, script=Account())
    shutil.copy(native.binary(str(builds.codex(version))), tmp_path / "codex")
    found = examine(world, "--live", codex=str(tmp_path / "codex"))
    assert found.status("codex") == status
    assert found.status("live") == ("failed" if status == "failed" else "ok")
    assert ("codex-code-mode-host" in found.checks["codex"]["message"]) is (status != "ok")
    if status == "failed":
        found.assert_failed(3, "codex-incomplete", "codex")


def test_a_whole_one_in_another_folder(lab, tmp_path):
    """A link to a binary that has its parts beside itself."""
    world = lab(script=Account())
    (tmp_path / "codex").symlink_to(native.binary(str(builds.codex(world.version))))
    found = examine(world, "--live", codex=str(tmp_path / "codex"))
    assert (found.status("codex"), found.status("live")) == ("ok", "ok")


@pytest.mark.parametrize(
    ("version", "more", "status"),
    [
        (builds.NEWEST, (), "warning"),
        (builds.NEWEST, ("requires_openai_auth = true",), "ok"),
        pytest.param("0.141.0", (), "ok", marks=pytest.mark.every_build),
    ],
)
def test_a_provider_of_the_users_own(lab, version, more, status):
    world = lab(version, script=Account())
    with_provider(world, *more)
    found = examine(world)
    check = found.checks["image-tool"]
    assert (found.code, check["status"], check["data"]["provider"]) == (0, status, "proxy")
    if status == "warning":
        assert "'proxy'" in check["message"]
        assert """--codex-arg=-c --codex-arg='model_provider="openai"'""" in check["hint"]


@pytest.mark.parametrize(
    ("version", "address"),
    [
        (builds.NEWEST, "somebody:hunter2@127.0.0.1:1"),  # it can't use it, and prints it as it is
        pytest.param("0.149.1", "http://somebody:hunter2@127.0.0.1:1", marks=pytest.mark.every_build),
    ],
)
def test_a_password_in_an_address_is_hidden(lab, version, address):
    world = lab(version, script=Account())
    config = world.home / "config.toml"
    config.write_text(config.read_text().replace(f'"{world.standin.url}/backend-api"', f'"{address}/backend-api"'))
    found = examine(world)
    assert "url" in found.checks["limits"]["message"]
    assert "hunt" not in found.done.text + found.done.err


def test_one_that_hangs_altogether(lab):
    world = lab()
    found = examine(world, codex=ill(world, "*", *HANGING))
    found.assert_failed(5, "codex-failed", "codex")
    assert {found.status(name) for name in ("login", "image-tool", "limits")} == {"unknown"}
    assert {found.status(name) for name in NAMES[4:]} == {"ok"}


def test_another_one_behind_it_on_the_path(lab, tmp_path):
    world = lab(script=Account())
    for name, version in (("first", builds.NEWEST), ("second", builds.OLDEST)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "codex").symlink_to(builds.codex(version))
    environment = {"PATH": f"{tmp_path}/first:{tmp_path}/second:{world.environment['PATH']}"}
    data = examine(world, codex="", env=environment).checks["codex"]["data"]
    assert data["path"].endswith("first/codex")
    assert data["others"][0].endswith("second/codex")


@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_not_logged_in(lab, version):
    world = lab(version)
    (world.home / "auth.json").unlink()
    found = examine(world)
    assert found.assert_failed(5, "not-logged-in", "login")["hint"] == "run: codex login"
    assert found.status("limits") == "unknown"
    assert [path.name for path in world.home.iterdir() if "sqlite" in path.name] == []


@pytest.mark.parametrize("version", ["0.134.0", "0.160.1", builds.NEWEST])
def test_a_key_that_is_offered_no_tool(lab, version):
    world = lab(version, script=Account())
    (world.home / "auth.json").write_text(json.dumps(KEY))
    found = examine(world)
    found.assert_failed(7, "tool-unavailable", "login")
    assert found.checks["login"]["data"] == {"login": "api-key", "plan": None}
    assert "sk-" not in found.done.text + found.done.err


def test_a_key_that_would_be_billed(lab):
    world = lab(builds.OLDEST, script=Account())
    (world.home / "auth.json").write_text(json.dumps(KEY))
    found = examine(world)
    assert (found.code, found.status("login")) == (0, "warning")
    assert "billed" in found.checks["login"]["message"]


@pytest.mark.parametrize(("version", "code"), [("0.144.6", 0), ("0.149.1", 7), (builds.NEWEST, 7)])
def test_a_free_plan(lab, version, code):
    world = lab(version, script=Account(plan="free"))
    world.write_home(plan="free")
    found = examine(world)
    assert (found.code, found.checks["login"]["data"]["plan"]) == (code, "free")
    assert found.status("login") == ("failed" if code else "warning")


@pytest.mark.parametrize("plan", ["pro", "team", "a_plan_of_tomorrow"])
def test_another_plan(lab, plan):
    world = lab(script=Account(plan=plan))
    world.write_home(plan=plan)
    found = examine(world)
    assert found.status("login") == "ok"


def test_a_login_of_another_kind(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "login*", "echo Logged in using a badge of somebody@example.com >&2"))
    assert (found.code, found.status("login")) == (0, "warning")
    assert "example.com" not in found.done.text


def test_a_feature_that_is_marked_as_removed(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "features*", "echo image_generation removed true"))
    assert (found.code, found.status("image-tool")) == (0, "warning")


def test_a_feature_that_is_off_in_the_config_is_switched_on_for_a_run(lab):
    world = lab(script=Account(), extra_config="[features]\nimage_generation = false")
    check = examine(world).checks["image-tool"]
    assert (check["status"], "off by itself" in check["message"]) == ("ok", True)


def test_features_that_nobody_lists(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "features*", "exit 2"))
    assert (found.code, found.status("image-tool")) == (0, "unknown")


@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_whoever_never_used_codex_has_no_home_afterwards(lab, version):
    world = lab(version)
    environment = {**without_codex(world), "CODEX_HOME": ""}
    found = examine(world, env=environment)
    found.assert_failed(5, "not-logged-in", "login")
    assert found.status("home") == "warning"
    assert not (world.tmp / ".codex").exists()


def test_an_app_server_that_hangs_costs_the_limits_alone(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "*app-server*", *HANGING))
    assert (found.code, found.status("limits"), found.status("login")) == (0, "unknown", "ok")
    assert "Codex's own server does not answer" in found.checks["limits"]["message"]
    assert "which plan can't be known" in found.checks["login"]["message"]


def test_an_app_server_that_talks_rubbish(lab):
    world = lab(script=Account())
    found = examine(world, codex=ill(world, "*app-server*", "echo '<html>\x1b[2J'", "exit 0"))
    assert (found.code, found.status("limits"), found.status("login")) == (0, "unknown", "ok")


def test_pictures_are_not_promised_by_the_plans_limits(lab):
    world = lab(script=Account())
    past = History(world.home)
    saved = past.saved(id_of(past.rollout(asked(), at=time.time())), FOX, FOX, FOX)
    os.utime(saved / sorted(os.listdir(saved))[0], (time.time() - 2 * 86_400,) * 2)
    past.saved("01a1fbd6-c978-7991-9f99-2dbaf23c1aa6", FOX)  # of a thread of long ago, or of no rollout
    check = examine(world).checks["limits"]
    assert check["message"].endswith(
        "; pictures have a daily limit of their own, which nobody can ask for (2 were made here in the last 24 hours)"
    )
    assert check["data"]["pictures_last_day"] == 2


@pytest.mark.parametrize(("version", "pictures"), [(builds.OLDEST, None), (builds.NEWEST, 20)])
def test_pictures_that_count_toward_a_limit_that_is_told(lab, version, pictures):
    check = examine(lab(version, script=Account(pictures=pictures))).checks["limits"]
    assert "of their own" not in check["message"]
    assert check["data"]["pictures_last_day"] == 0


def test_limits_that_are_used_up(lab):
    world = lab(script=Account(used=(100, 30)))
    check = examine(world).checks["limits"]
    assert (check["status"], check["message"].startswith("used up: 5 hours: 0 % left")) == ("warning", True)
    assert check["data"]["limits"][0]["resets_at"] == world.standin.script.resets_at


@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_a_config_that_codex_can_not_load(lab, version):
    world = lab(version, script=Account())
    (world.home / "config.toml").write_text('experimental_bearer_token = ["very-secret"')
    found = examine(world)
    found.assert_failed(5, "codex-failed", "login")
    assert found.checks["login"]["data"]["login"] == "no-config"
    assert "very-secret" not in found.done.text


@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_no_network(lab, version):
    world = lab(version, script=Account())
    world.standin.__exit__()
    try:
        check = examine(world).checks["limits"]
    finally:
        world.standin.__enter__()
    assert check["status"] == "unknown"
    assert "check the network" in check["hint"]
