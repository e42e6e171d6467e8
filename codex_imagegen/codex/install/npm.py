"""Find the native binary behind npm's ``codex`` command, so that no Node process has to start.

npm's command is a Node script that finds the binary for this machine in a package beside it, starts it, and forwards
signals. That takes 40 ms and 45 MB, and a run does not need it. It also sets variables that tell Codex how to update
itself (read in the scripts of 0.111.0, 0.144.6 and 0.169.0). Every other kind of ``codex`` is started as it is.
"""

from __future__ import annotations

import os
import re

from codex_imagegen.platform import system
from codex_imagegen.values import as_object, parse

_SCRIPT = os.path.join("@openai", "codex", "bin", "codex.js")
_PLACES = (("bin", "codex"), ("codex", "codex"))
"""Where the binary is below ``vendor/<target>``: from 0.134.0 on, and before."""

_MAX_PACKAGE_BYTES = 65536
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![\w.])")
_HOMEBREW = re.compile(r"/(?:Caskroom|Cellar)/codex/([^/]+)/")


def find_binary(codex: str) -> str:
    """The native binary if ``codex`` is npm's script and the binary is in its usual place, else ``codex``."""
    script = os.path.realpath(codex)
    if not script.endswith(os.sep + _SCRIPT):
        return codex
    package = os.path.dirname(os.path.dirname(script))
    name = _platform_package()
    packages = (
        os.path.join(package, "node_modules", "@openai", name),
        os.path.join(os.path.dirname(package), name),
        package,
    )
    return next((path for folder in packages for path in _executables(os.path.join(folder, "vendor"))), codex)


def read_version(binary: str) -> tuple[int, ...] | None:
    """The version of a binary, such as (0, 169, 0), from its package or its path; None if neither has it.

    ``codex --version`` would cost 70 ms. npm's package.json says ``0.169.0-linux-x64``; the standalone installer and
    the release archives have a codex-package.json beside ``bin/`` (seen with 0.138.0 to 0.169.0), and Homebrew's folder
    is named after the version.
    """
    home, vendor, _place = binary.rpartition(f"{os.sep}vendor{os.sep}")
    real = os.path.realpath(binary)
    packaged = _packaged_version(os.path.join(home, "package.json")) if vendor else None
    packaged = packaged or _packaged_version(os.path.join(os.path.dirname(os.path.dirname(real)), "codex-package.json"))
    homebrew = _HOMEBREW.search(real)
    return packaged or (_parse_version(homebrew[1]) if homebrew else None)


def _packaged_version(package: str) -> tuple[int, ...] | None:
    """Read the version in a package's JSON file."""
    try:
        with open(package, "rb") as file:
            return _parse_version(as_object(parse(file.read(_MAX_PACKAGE_BYTES))).get("version"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _parse_version(text: object) -> tuple[int, ...] | None:
    found = _VERSION.match(text) if isinstance(text, str) else None
    number = tuple(map(int, found.groups())) if found else ()
    return number if any(number) else None  # 0.0.0 was built from source


def _platform_package() -> str:
    name, machine = system.name_and_machine()
    suffix = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, "")
    return f"codex-{name}-{suffix}"


def _executables(vendor: str) -> list[str]:
    """The executables in a ``vendor`` folder that has one target; of several targets, none can be chosen."""
    try:
        targets = os.listdir(vendor)
    except OSError:
        return []
    paths = [os.path.join(vendor, targets[0], *place) for place in _PLACES] if len(targets) == 1 else []
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
