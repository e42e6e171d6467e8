"""The native binary behind npm's script, in every layout of the package."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.install import npm as native
from tests.support import builds

PACKAGE = native._platform_package()


def npm(tmp_path, *place, target="some-target", mode=0o755):
    """Make npm's script and a binary; returns the command as on PATH, and the binary."""
    script = tmp_path / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("#!/usr/bin/env node\n")
    command = tmp_path / "codex"
    if not command.exists():
        command.symlink_to(script)
    binary = tmp_path.joinpath("node_modules", "@openai", *place)
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text("")
    binary.chmod(mode)
    return str(command), str(binary)


@pytest.mark.parametrize(
    "place",
    [
        (PACKAGE, "vendor", "target", "bin", "codex"),
        (PACKAGE, "vendor", "target", "codex", "codex"),
        ("codex", "node_modules", "@openai", PACKAGE, "vendor", "target", "bin", "codex"),
        ("codex", "vendor", "target", "codex", "codex"),
    ],
)
def test_binary_is_found_in_every_npm_layout(tmp_path, place):
    command, binary = npm(tmp_path, *place)
    assert native.find_binary(command) == binary


@pytest.mark.parametrize(
    ("place", "mode"),
    [((PACKAGE, "vendor", "target", "bin", "codex"), 0o644), (("codex-other", "vendor", "t", "bin", "codex"), 0o755)],
)
def test_script_is_kept_where_no_binary_is_found(tmp_path, place, mode):
    command, _binary = npm(tmp_path, *place, mode=mode)
    assert native.find_binary(command) == command


def test_script_is_kept_with_several_targets(tmp_path):
    npm(tmp_path, PACKAGE, "vendor", "one", "bin", "codex")
    command, _ = npm(tmp_path, PACKAGE, "vendor", "two", "bin", "codex")
    assert native.find_binary(command) == command


def test_other_codex_is_started_as_it_is(tmp_path):
    other = tmp_path / "codex"
    other.write_text("#!/bin/sh\n")
    assert native.find_binary(str(other)) == str(other)
    assert native.find_binary(str(tmp_path / "nothing")) == str(tmp_path / "nothing")


@pytest.mark.real
@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_binary_of_the_real_builds_is_found(version):
    command = str(builds.codex(version))
    found = native.find_binary(command)
    assert found != command
    assert os.path.basename(found) == "codex"
    with open(found, "rb") as file:
        assert file.read(2) != b"#!"


@pytest.mark.real
@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_version_is_read_from_the_package(version):
    assert native.read_version(native.find_binary(str(builds.codex(version)))) == builds.number(version)


@pytest.mark.parametrize(
    "package", ["", "[]", "{}", '{"version": null}', '{"version": "next"}', '{"version": "0.x.1"}']
)
def test_version_of_a_package_without_one_is_none(tmp_path, package):
    _command, binary = npm(tmp_path, PACKAGE, "vendor", "target", "bin", "codex")
    (tmp_path / "node_modules" / "@openai" / PACKAGE / "package.json").write_text(package)
    assert native.read_version(binary) is None


def test_version_of_another_binary_is_none(tmp_path):
    (tmp_path / "package.json").write_text('{"version": "0.169.0"}')
    assert native.read_version(str(tmp_path / "codex")) is None
