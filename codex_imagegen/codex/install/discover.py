"""Find who installed a Codex CLI, and Codex CLIs that are not on PATH, by paths and names alone.

The locations are those of npm and its managers, of Homebrew, of the desktop apps, and of the IDE extension, which has a
binary of its own in ``bin/<system>/`` (its identifier is ``openai.chatgpt``). They come from users' reports and are not
tested on macOS.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping

from codex_imagegen.codex.install import npm

_EDITORS = (".vscode", ".vscode-insiders", ".vscode-server", ".cursor", ".cursor-server", ".windsurf", ".vscode-oss")
PLACES = (
    "~/.local/bin/codex",
    "~/.npm-global/bin/codex",
    "~/.nvm/versions/node/*/bin/codex",
    "~/.volta/bin/codex",
    "~/.bun/bin/codex",
    "/opt/homebrew/bin/codex",
    "/home/linuxbrew/.linuxbrew/bin/codex",
    "/usr/local/bin/codex",
    "/Applications/Codex.app/Contents/Resources/codex",
    "/Applications/ChatGPT.app/Contents/Resources/codex",
)
"""Locations of a Codex that is not on PATH, in search order; those of editors come last."""

CODE_MODE_HOST = "codex-code-mode-host"
"""The program with which Codex runs the scripts of a code-mode model; in npm's packages from 0.144.6 on."""

_NATIVE_MAGICS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""The first bytes of programs for Linux and macOS."""

_MAX_FOUND = 5
_SOURCES = (
    ("/Caskroom/", "Homebrew's"),
    ("/Cellar/", "Homebrew's"),
    ("/extensions/openai.chatgpt-", "the IDE extension's"),
    (".app/Contents/", "the desktop app's"),
    ("/.volta/", "Volta's"),
    ("/mise/", "mise's"),
    ("/.asdf/", "asdf's"),
    ("/.cargo/", "Cargo's"),
)


def find_source(codex: str) -> str:
    """Who installed this Codex, in two or three words; empty if its path does not show it."""
    path = os.path.realpath(codex)
    if npm.find_binary(codex) != codex:
        return "npm's native binary"
    if path.endswith(".js"):
        return "npm's"
    return next((source for part, source in _SOURCES if part in path), "")


def find_missing_host(codex: str) -> str | None:
    """The path where the code-mode host of a native Codex is missing; None if it exists, or for a script.

    Codex looks for it beside its own file. A script may start any Codex from anywhere.
    """
    binary = npm.find_binary(codex)
    if not _is_native(binary):
        return None
    folders = dict.fromkeys((os.path.dirname(os.path.realpath(binary)), os.path.dirname(os.path.abspath(binary))))
    places = [os.path.join(folder, CODE_MODE_HOST) for folder in folders]
    return None if any(map(os.path.exists, places)) else places[0]


def find_others(codex: str, environment: Mapping[str, str]) -> list[str]:
    """Other commands named ``codex`` on PATH."""
    seen, found = {os.path.realpath(codex)}, []
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or os.curdir, "codex")
        if _is_command(path) and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            found.append(os.path.abspath(path))
    return found[:_MAX_FOUND]


def find_off_path() -> str | None:
    """A Codex that is not on PATH: in the first of the usual locations, else the newest IDE extension's."""
    patterns = [os.path.expanduser(place) for place in PLACES]
    patterns += [os.path.expanduser(f"~/{editor}/extensions/openai.chatgpt-*/bin/*/codex") for editor in _EDITORS]
    found = (path for pattern in patterns for path in sorted(glob.glob(pattern), key=_mtime, reverse=True))
    return next(filter(_is_command, found), None)


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _is_native(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) in _NATIVE_MAGICS
    except OSError:
        return False


def _is_command(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
