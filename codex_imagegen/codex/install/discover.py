"""Where a Codex CLI came from, and where one may lie that is not on PATH: read from paths and names alone.

The places are those of npm and its managers, of Homebrew, of the desktop apps, and of the IDE extension, which brings a
binary of its own in ``bin/<system>/`` (its identifier is ``openai.chatgpt``); as users of them tell, unproven on macOS.
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
"""Where a Codex may lie that is not on PATH, in the order in which it is looked for; editors' come after these."""

HOST = "codex-code-mode-host"
"""The program by which Codex runs the scripts of a code-mode model; in npm's packages of 0.144.6 and newer."""

_NATIVE = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How the programs of Linux and of macOS begin."""

_MAX_FOUND = 5
_MARKS = (
    ("/Caskroom/", "Homebrew's"),
    ("/Cellar/", "Homebrew's"),
    ("/extensions/openai.chatgpt-", "the IDE extension's"),
    (".app/Contents/", "the desktop app's"),
    ("/.volta/", "Volta's"),
    ("/mise/", "mise's"),
    ("/.asdf/", "asdf's"),
    ("/.cargo/", "Cargo's"),
)


def origin(codex: str) -> str:
    """Who brought this Codex, as far as its path tells: two or three words, or nothing."""
    path = os.path.realpath(codex)
    if npm.binary(codex) != codex:
        return "npm's native binary"
    if path.endswith(".js"):
        return "npm's"
    return next((words for mark, words in _MARKS if mark in path), "")


def missing_host(codex: str) -> str | None:
    """Where the code-mode host of a native Codex should be, if nothing is there; None also where that can't be told.

    Codex looks beside its own file. A script may start any Codex, from anywhere.
    """
    binary = npm.binary(codex)
    if not _is_native(binary):
        return None
    folders = dict.fromkeys((os.path.dirname(os.path.realpath(binary)), os.path.dirname(os.path.abspath(binary))))
    places = [os.path.join(folder, HOST) for folder in folders]
    return None if any(map(os.path.exists, places)) else places[0]


def others(codex: str, environment: Mapping[str, str]) -> list[str]:
    """Further commands named ``codex`` on PATH, behind or beside this one."""
    seen, found = {os.path.realpath(codex)}, []
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or os.curdir, "codex")
        if _is_command(path) and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            found.append(os.path.abspath(path))
    return found[:_MAX_FOUND]


def elsewhere() -> str | None:
    """A Codex that is not on PATH: the first of the usual places, else the newest IDE extension's."""
    places = [os.path.expanduser(place) for place in PLACES]
    places += [os.path.expanduser(f"~/{editor}/extensions/openai.chatgpt-*/bin/*/codex") for editor in _EDITORS]
    found = (path for place in places for path in sorted(glob.glob(place), key=_changed, reverse=True))
    return next(filter(_is_command, found), None)


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _is_native(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) in _NATIVE
    except OSError:
        return False


def _is_command(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
