"""Where a Codex was installed from, and Codexes that are not on PATH."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.install import discover
from tests.support import builds


def command(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("opt/homebrew/Caskroom/codex/0.169.0/codex-aarch64-apple-darwin", "Homebrew's"),
        ("home/linuxbrew/.linuxbrew/Cellar/codex/0.169.0/bin/codex", "Homebrew's"),
        (".vscode/extensions/openai.chatgpt-26.715.1-linux-x64/bin/linux-x86_64/codex", "the IDE extension's"),
        ("Applications/Codex.app/Contents/Resources/codex", "the desktop app's"),
        ("usr/local/bin/codex", ""),
        ("lib/node_modules/@openai/codex/bin/codex.js", "npm's"),
    ],
)
def test_origin_of_an_installed_codex_is_known_by_its_path(tmp_path, place, source):
    link = tmp_path / "codex"
    link.symlink_to(command(tmp_path / place))
    assert discover.find_source(str(link)) == source


@pytest.mark.real
def test_origin_of_the_real_npm_build_is_npm():
    assert discover.find_source(str(builds.codex(builds.NEWEST))) == "npm's native binary"


def test_other_codexes_on_path_are_found(tmp_path):
    first, second, third = (command(tmp_path / name / "codex") for name in ("one", "two", "three"))
    (tmp_path / "four").mkdir()
    (tmp_path / "four" / "codex").symlink_to(second)  # the same one again
    third.chmod(0o644)
    path = os.pathsep.join(str(tmp_path / name) for name in ("one", "two", "three", "four", "nowhere"))
    assert discover.find_others(str(first), {"PATH": path}) == [str(second)]
    assert discover.find_others(str(first), {"PATH": str(tmp_path / "one")}) == []


def test_newest_editor_extension_is_found(own_home, monkeypatch):
    monkeypatch.setattr(discover, "PLACES", [place for place in discover.PLACES if place.startswith("~")])
    assert discover.find_off_path() is None
    old, new = (
        command(own_home / ".vscode/extensions" / name / "bin/linux-x86_64/codex")
        for name in ("openai.chatgpt-1.9.0-linux-x64", "openai.chatgpt-1.10.0-linux-x64")
    )
    os.utime(old, (1, 1))
    assert discover.find_off_path() == str(new)
    local = command(own_home / ".local/bin/codex")
    assert discover.find_off_path() == str(local)
    local.chmod(0o644)
    assert discover.find_off_path() == str(new)
