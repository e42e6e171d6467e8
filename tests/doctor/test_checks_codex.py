"""Findings on Codex itself: missing, too old, too new, hanging, not on PATH, not logged in, with a key, with a plan."""

from __future__ import annotations

import json
import os
import re
import shutil
import time

import pytest

from codex_imagegen.codex.appserver import account
from codex_imagegen.codex.install import discover, npm
from codex_imagegen.doctor import checks_codex, context
from tests.doctor.runs import CHECK_KEYS, HANGING, KEYS, NAMES, faulty_codex, run_doctor, run_only, without_codex
from tests.support import builds
from tests.support.account import Account
from tests.support.checks import with_provider
from tests.support.history import thread_of, user_message
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
FOX = encoded(40, "fox")
ENDS = pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
KEY = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-abcdefghijklmnop1234"}


def test_no_codex_fails_as_codex_missing(lab):
    world = lab()
    found = run_doctor(world, codex="", env=without_codex(world))
    assert re.search("npm install|--codex /", found.assert_failed(3, "codex-missing", "codex")["hint"])
    assert {found.status(name) for name in ("login", "image-tool", "limits")} == {"unknown"}
    assert {found.status(name) for name in ("clock", "runcomfy", "dependencies")} == {"ok"}
    assert list(found.json) == KEYS
    assert [list(check) for check in found.json["checks"]] == [CHECK_KEYS] * len(NAMES)
    assert found.checks["limits"]["data"] == {"limits": None, "pictures_last_day": None}
    assert found.json["versions"]["codex"] is None


def test_codex_path_without_file_fails_as_codex_missing(lab):
    found = run_only(lab(), "codex", codex="/nowhere/codex")
    found.assert_failed(3, "codex-missing", "codex")


def test_codex_that_is_no_program_fails_as_codex_missing(lab):
    world = lab()
    broken = world.tmp / "codex"
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    found = run_only(world, "codex", codex=str(broken))
    assert "can't be started" in found.assert_failed(3, "codex-missing", "codex")["message"]


@pytest.mark.skipif(
    any(os.path.exists(place) for place in discover.PLACES if place.startswith("/")),
    reason="this machine has a Codex in one of the usual places",
)
def test_codex_of_ide_extension_is_suggested(lab):
    world = lab()
    environment = without_codex(world)
    binary = world.tmp / ".vscode" / "extensions" / "openai.chatgpt-26.1.0-linux-x64" / "bin" / "linux-x86_64" / "codex"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(builds.codex(builds.NEWEST))
    found = run_doctor(world, codex="", env=environment)
    check = found.assert_failed(3, "codex-missing", "codex")
    assert check["hint"].endswith("--codex ~/.vscode/extensions/openai.chatgpt-26.1.0-linux-x64/bin/linux-x86_64/codex")
    again = run_only(world, "codex", codex=str(binary))
    assert again.status("codex") == "ok"


def test_codex_with_an_old_version_fails_as_codex_too_old(lab):
    world = lab()
    old = faulty_codex(world, ("--version", f"echo codex-cli {builds.TOO_OLD}"))
    check = run_only(world, "codex", codex=old).assert_failed(3, "codex-too-old", "codex")
    assert builds.TOO_OLD in check["message"]


@pytest.mark.every_build
def test_old_codex_fails_as_codex_too_old(lab):
    world = lab(builds.TOO_OLD, script=Account())
    found = run_only(world, "codex", "login", "image-tool")
    check = found.assert_failed(3, "codex-too-old", "codex")
    assert builds.TOO_OLD in check["message"]
    assert found.status("image-tool") == "failed"
    assert found.status("login") == "ok"


def test_untested_codex_is_a_warning(lab):
    world = lab(script=Account())
    found = run_only(world, "codex", codex=faulty_codex(world, ("--version", "echo codex-cli 0.999.0")))
    assert (found.code, found.status("codex")) == (0, "warning")
    assert "doctor --live" in found.checks["codex"]["hint"]


def test_codex_without_version_fails_as_codex_failed(lab):
    world = lab(script=Account())
    found = run_only(world, "codex", codex=faulty_codex(world, ("--version", "echo hello")))
    assert "and said: hello" in found.assert_failed(5, "codex-failed", "codex")["message"]


def test_npm_script_without_binary_fails_with_its_own_message(lab, tmp_path):
    """As npm installs it without optional packages, or copied from another machine."""
    world = lab(script=Account())
    package = builds.codex(world.version).resolve().parents[1]
    alone = tmp_path / "node_modules" / "@openai" / "codex"
    shutil.copytree(package, alone, ignore=lambda *_: ["vendor", "node_modules"])
    check = run_only(world, "codex", codex=str(alone / "bin" / "codex.js")).assert_failed(5, "codex-failed", "codex")
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
def test_codex_without_code_mode_host_agrees_with_live_run(lab, tmp_path, version, status):
    """``--live`` fails, or makes its picture, on the same builds."""
    world = lab(version, script=Account())
    copy_binary(npm.find_binary(str(builds.codex(version))), tmp_path / "codex")
    found = run_only(world, "codex", "live", codex=str(tmp_path / "codex"))
    assert found.status("codex") == status
    assert found.status("live") == ("failed" if status == "failed" else "ok")
    assert ("codex-code-mode-host" in found.checks["codex"]["message"]) is (status != "ok")
    if status == "failed":
        found.assert_failed(3, "codex-incomplete", "codex")


def copy_binary(binary, path):
    """Copy the program without the files next to it; as a hard link where possible, since it has 200 MB."""
    try:
        os.link(binary, path)
    except OSError:
        shutil.copy(binary, path)


@pytest.mark.parametrize(
    "checks", [("codex",), pytest.param(("codex", "live"), marks=pytest.mark.every_build)], ids=len
)
def test_linked_codex_with_code_mode_host_is_ok(lab, tmp_path, checks):
    """A symlink to a binary that has its other programs next to it."""
    world = lab()
    (tmp_path / "codex").symlink_to(npm.find_binary(str(builds.codex(world.version))))
    found = run_only(world, *checks, codex=str(tmp_path / "codex"))
    assert [found.status(name) for name in checks] == ["ok"] * len(checks)


@pytest.mark.parametrize(
    ("version", "more", "status"),
    [
        (builds.NEWEST, (), "warning"),
        (builds.NEWEST, ("requires_openai_auth = true",), "ok"),
        pytest.param("0.141.0", (), "ok", marks=pytest.mark.every_build),
    ],
)
def test_custom_provider_without_login_is_a_warning(lab, version, more, status):
    world = lab(version, script=Account())
    with_provider(world, *more)
    found = run_only(world, "image-tool")
    check = found.checks["image-tool"]
    assert (found.code, check["status"], check["data"]["provider"]) == (0, status, "proxy")
    if status == "warning":
        assert "'proxy'" in check["message"]
        assert """--codex-arg=-c --codex-arg='model_provider="openai"'""" in check["hint"]


@pytest.mark.parametrize(
    ("version", "address"),
    [
        (builds.NEWEST, "somebody:hunter2@127.0.0.1:1"),  # not a URL: Codex prints it unchanged
        pytest.param("0.149.1", "http://somebody:hunter2@127.0.0.1:1", marks=pytest.mark.every_build),
    ],
)
def test_password_in_address_is_hidden(lab, version, address):
    world = lab(version, script=Account())
    config = world.home / "config.toml"
    config.write_text(config.read_text().replace(f'"{world.standin.url}/backend-api"', f'"{address}/backend-api"'))
    found = run_only(world, "limits")
    assert "url" in found.checks["limits"]["message"]
    assert "hunt" not in found.done.text + found.done.err


def test_hanging_codex_fails_as_codex_failed(lab, monkeypatch):
    """Each question has a timeout of five seconds, shortened here."""
    assert context.ASK_SEC == checks_codex.ASK_SEC == 5.0
    for module in (context, checks_codex):
        monkeypatch.setattr(module, "ASK_SEC", 0.3)
    world = lab()
    found = run_only(world, *NAMES, codex=faulty_codex(world, ("*", *HANGING)))
    found.assert_failed(5, "codex-failed", "codex")
    assert {found.status(name) for name in ("login", "image-tool", "limits")} == {"unknown"}
    assert {found.status(name) for name in NAMES[4:]} == {"ok"}


def test_second_codex_on_path_is_listed(lab, tmp_path):
    world = lab(script=Account())
    for name, version in (("first", builds.NEWEST), ("second", builds.OLDEST)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "codex").symlink_to(builds.codex(version))
    environment = {"PATH": f"{tmp_path}/first:{tmp_path}/second:{world.environment['PATH']}"}
    data = run_only(world, "codex", codex="", env=environment).checks["codex"]["data"]
    assert data["path"].endswith("first/codex")
    assert data["others"][0].endswith("second/codex")


@ENDS
def test_missing_login_fails_as_not_logged_in(lab, version):
    world = lab(version, fresh=True)
    (world.home / "auth.json").unlink()
    found = run_only(world, *NAMES[:4])
    assert found.assert_failed(5, "not-logged-in", "login")["hint"] == "log in with:\ncodex login"
    assert found.status("limits") == "unknown"
    assert [path.name for path in world.home.iterdir() if "sqlite" in path.name] == []


@pytest.mark.parametrize(
    "version",
    [*(pytest.param(version, marks=pytest.mark.every_build) for version in ("0.134.0", "0.160.1")), builds.NEWEST],
)
def test_api_key_without_tool_fails_as_tool_unavailable(lab, version):
    world = lab(version, script=Account())
    (world.home / "auth.json").write_text(json.dumps(KEY))
    found = run_only(world, "login")
    found.assert_failed(7, "tool-unavailable", "login")
    assert found.checks["login"]["data"] == {"login": "api-key", "plan": None}
    assert "sk-" not in found.done.text + found.done.err


def test_api_key_of_oldest_build_is_a_warning(lab):
    world = lab(builds.OLDEST, script=Account())
    (world.home / "auth.json").write_text(json.dumps(KEY))
    found = run_only(world, "login")
    assert (found.code, found.status("login")) == (0, "warning")
    assert "billed" in found.checks["login"]["message"]


@pytest.mark.parametrize(
    ("named", "plan", "status"),
    [
        ("0.118.0", None, "warning"), ("0.134.0", None, "failed"),
        ("0.144.6", "free", "warning"), ("0.149.1", "free", "failed"),
    ],
)  # fmt: skip
def test_login_without_tool_fails_since_the_build_that_offers_none(lab, named, plan, status):
    world = lab(script=Account(plan="free"))
    world.write_home(plan="free")
    if plan is None:
        (world.home / "auth.json").write_text(json.dumps(KEY))
    known = f"echo {'Logged in using ChatGPT' if plan else 'API key configured - sk-x'} >&2"
    found = run_only(
        world, "login", codex=faulty_codex(world, ("--version", f"echo codex-cli {named}"), ("login*", known))
    )
    assert (found.status("login"), found.checks["login"]["data"]["plan"]) == (status, plan)


@pytest.mark.parametrize(
    ("version", "code"),
    [
        pytest.param("0.144.6", 0, marks=pytest.mark.every_build),
        pytest.param("0.149.1", 7, marks=pytest.mark.every_build),
        (builds.NEWEST, 7),
    ],
)
def test_free_plan_depends_on_the_build(lab, version, code):
    world = lab(version, script=Account(plan="free"))
    world.write_home(plan="free")
    found = run_only(world, "login")
    assert (found.code, found.checks["login"]["data"]["plan"]) == (code, "free")
    assert found.status("login") == ("failed" if code else "warning")


@pytest.mark.parametrize(("plan", "reported"), [("pro", "pro"), ("a_plan_of_tomorrow", None)])
def test_plan_is_reported_if_known_and_ok_anyway(lab, plan, reported):
    world = lab(script=Account(plan=plan))
    world.write_home(plan=plan)
    found = run_only(world, "login")
    assert (found.status("login"), found.checks["login"]["data"]["plan"]) == ("ok", reported)


def test_unknown_login_is_a_warning(lab):
    world = lab(script=Account())
    found = run_only(
        world,
        "login",
        codex=faulty_codex(world, ("login*", "echo Logged in using a badge of somebody@example.com >&2")),
    )
    assert (found.code, found.status("login")) == (0, "warning")
    assert "example.com" not in found.done.text


def test_removed_feature_is_a_warning(lab):
    world = lab(script=Account())
    found = run_only(
        world, "image-tool", codex=faulty_codex(world, ("features*", "echo image_generation removed true"))
    )
    assert (found.code, found.status("image-tool")) == (0, "warning")


def test_feature_off_in_config_is_ok(lab):
    world = lab(script=Account(), extra_config="[features]\nimage_generation = false")
    check = run_only(world, "image-tool").checks["image-tool"]
    assert (check["status"], "off by default" in check["message"]) == ("ok", True)


def test_missing_feature_list_is_unknown(lab):
    world = lab(script=Account())
    found = run_only(world, "image-tool", codex=faulty_codex(world, ("features*", "exit 2")))
    assert (found.code, found.status("image-tool")) == (0, "unknown")


@ENDS
def test_missing_home_is_not_created(lab, version):
    world = lab(version)
    environment = {**without_codex(world), "CODEX_HOME": ""}
    found = run_only(world, *NAMES[:5], env=environment)
    found.assert_failed(5, "not-logged-in", "login")
    assert found.status("home") == "warning"
    assert not (world.tmp / ".codex").exists()


def test_hanging_app_server_leaves_only_limits_unknown(lab, monkeypatch):
    read, timeouts = account.read, []
    monkeypatch.setattr(account, "read", lambda *args: (timeouts.append(args[2]), read(*args[:2], 0.5))[1])
    world = lab(script=Account())
    found = run_only(world, "login", "limits", codex=faulty_codex(world, ("*app-server*", *HANGING)))
    assert (found.code, found.status("limits"), found.status("login")) == (0, "unknown", "ok")
    assert "Codex's app server does not answer" in found.checks["limits"]["message"]
    assert "plan unknown" in found.checks["login"]["message"]
    assert timeouts == [context.ASK_SEC]


def test_app_server_without_json_leaves_only_limits_unknown(lab):
    world = lab(script=Account())
    found = run_only(
        world, "login", "limits", codex=faulty_codex(world, ("*app-server*", "echo '<html>\x1b[2J'", "exit 0"))
    )
    assert (found.code, found.status("limits"), found.status("login")) == (0, "unknown", "ok")


def test_limits_count_pictures_of_the_last_day(lab):
    world = lab(script=Account())
    past = world.history
    saved = past.saved(thread_of(past.rollout(user_message(), at=time.time())), FOX, FOX, FOX)
    os.utime(saved / sorted(os.listdir(saved))[0], (time.time() - 2 * 86_400,) * 2)
    past.saved("01a1fbd6-c978-7991-9f99-2dbaf23c1aa6", FOX)  # of an old thread, or one without a rollout
    check = run_only(world, "limits").checks["limits"]
    assert check["message"].endswith(
        ". Pictures also have a limit for each day, which Codex can't query."
        " In the last 24 hours, 2 pictures were made here"
    )
    assert "https://chatgpt.com/settings/usage" in check["hint"]
    assert check["data"]["pictures_last_day"] == 2


@pytest.mark.parametrize(("version", "pictures"), [(builds.OLDEST, None), (builds.NEWEST, 20)])
def test_limits_that_include_pictures_count_none(lab, version, pictures):
    check = run_only(lab(version, script=Account(pictures=pictures)), "limits").checks["limits"]
    assert "limit for each day" not in check["message"]
    assert check["data"]["pictures_last_day"] == 0


def test_used_up_limits_are_a_warning(lab):
    world = lab(script=Account(used=(100, 30)))
    check = run_only(world, "limits").checks["limits"]
    assert (check["status"], check["message"].startswith("used up: 5 hours: 0 % left")) == ("warning", True)
    assert check["data"]["limits"][0]["resets_at"] == world.standin.script.resets_at


@ENDS
def test_broken_config_fails_as_codex_failed(lab, version):
    world = lab(version, script=Account())
    (world.home / "config.toml").write_text('experimental_bearer_token = ["very-secret"')
    found = run_only(world, "login")
    found.assert_failed(5, "codex-failed", "login")
    assert found.checks["login"]["data"]["login"] == "no-config"
    assert "very-secret" not in found.done.text


@ENDS
def test_limits_without_network_are_unknown(lab, version):
    world = lab(version, script=Account())
    world.standin.__exit__()
    try:
        check = run_only(world, "limits").checks["limits"]
    finally:
        world.standin.__enter__()
    assert check["status"] == "unknown"
    assert check["message"].endswith(". In the last 24 hours, 0 pictures were made here")
    assert "check the network" in check["hint"]
    assert "https://chatgpt.com/settings/usage" in check["hint"]
