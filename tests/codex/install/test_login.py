"""The login status in the output of the real builds, and in other output."""

from __future__ import annotations

import json
import os

import pytest

from codex_imagegen.codex.install import login
from tests.support import builds

EVERY = [
    builds.OLDEST, *(pytest.param(v, marks=pytest.mark.every_build) for v in builds.BUILDS[1:-1]), builds.NEWEST
]  # fmt: skip
KEY = json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-abcdefghijklmnop1234"})


@pytest.mark.real
@pytest.mark.parametrize("version", EVERY)
def test_login_status_of_the_real_builds_is_read(lab, version):
    world = lab(version)
    auth = world.home / "auth.json"
    assert read_status(builds.codex(version), world.environment) == "chatgpt"
    auth.write_text(KEY)
    assert read_status(builds.codex(version), world.environment) == "api-key"
    auth.unlink()
    assert read_status(builds.codex(version), world.environment) == "none"
    (world.home / "config.toml").write_text("model = [broken")
    assert read_status(builds.codex(version), world.environment) == "no-config"


@pytest.mark.parametrize(
    ("output", "code", "kind"),
    [
        ("Logged in using ChatGPT", 0, "chatgpt"),
        ("Logged in using an access token", 0, "other"),
        ("Logged in using an access token", 1, "unknown"),
        ("Not logged in", 1, "none"),
        ("Error loading configuration: api key", 1, "no-config"),
        ("Logged out", 1, "unknown"),
        ("", 0, "unknown"),
    ],
)
@pytest.mark.parametrize("stream", [1, 2])
def test_login_status_is_read_from_output(tmp_path, output, code, kind, stream):
    codex = tmp_path / "codex"
    codex.write_text(f"#!/bin/sh\necho '{output}' >&{stream}\nexit {code}\n")
    codex.chmod(0o755)
    assert read_status(codex, {"PATH": os.environ["PATH"]}) == kind


def read_status(codex, environment):
    return login.read_status(str(codex), environment, 30)
