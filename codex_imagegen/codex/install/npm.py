"""The native binary behind npm's ``codex`` command, so that no Node process has to start and stand between.

npm's command is a Node script that finds the binary for this machine in a package beside it, starts it, and passes its
signals on: 40 ms and 45 MB for nothing that a run needs. What else it does is to set variables which tell Codex how to
update itself (read in the scripts of 0.111.0, 0.144.6 and 0.169.0). Every other kind of ``codex`` is started as it is.
"""

from __future__ import annotations

import os
import re

from codex_imagegen.platform import system
from codex_imagegen.values import as_object, parse

_SCRIPT = os.path.join("@openai", "codex", "bin", "codex.js")
_PLACES = (("bin", "codex"), ("codex", "codex"))
"""Where the binary lies below ``vendor/<target>``: from 0.134.0, and before."""

_MAX_PACKAGE_BYTES = 65536
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?![\w.])")
_HOMEBREW = re.compile(r"/(?:Caskroom|Cellar)/codex/([^/]+)/")


def binary(codex: str) -> str:
    """The native binary's path if ``codex`` is npm's script and the binary is where npm puts it, else ``codex``."""
    script = os.path.realpath(codex)
    if not script.endswith(os.sep + _SCRIPT):
        return codex
    package = os.path.dirname(os.path.dirname(script))
    name = _platform_package()
    homes = (
        os.path.join(package, "node_modules", "@openai", name),
        os.path.join(os.path.dirname(package), name),
        package,
    )
    return next((path for home in homes for path in _binaries(os.path.join(home, "vendor"))), codex)


def version(binary: str) -> tuple[int, ...] | None:
    """The version of a binary, such as (0, 169, 0), as its package or its path says; None where neither does.

    ``codex --version`` would cost 70 ms. npm's package.json says ``0.169.0-linux-x64``; the standalone installer and
    the release archives have a codex-package.json beside ``bin/`` (seen with 0.138.0 to 0.169.0), and Homebrew a folder
    that is named by the version.
    """
    home, vendor, _place = binary.rpartition(f"{os.sep}vendor{os.sep}")
    real = os.path.realpath(binary)
    told = _told(os.path.join(home, "package.json")) if vendor else None
    told = told or _told(os.path.join(os.path.dirname(os.path.dirname(real)), "codex-package.json"))
    named = _HOMEBREW.search(real)
    return told or (_number(named[1]) if named else None)


def _told(package: str) -> tuple[int, ...] | None:
    """The version that a package's file names."""
    try:
        with open(package, "rb") as file:
            return _number(as_object(parse(file.read(_MAX_PACKAGE_BYTES))).get("version"))
    except OSError:
        return None


def _number(told: object) -> tuple[int, ...] | None:
    found = _VERSION.match(told) if isinstance(told, str) else None
    number = tuple(map(int, found.groups())) if found else ()
    return number if any(number) else None  # 0.0.0 was built from source


def _platform_package() -> str:
    name, machine = system.name_and_machine()
    suffix = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, "")
    return f"codex-{name}-{suffix}"


def _binaries(vendor: str) -> list[str]:
    """Executables of the only target in a ``vendor`` folder; of several targets none, since we can't know which."""
    try:
        targets = os.listdir(vendor)
    except OSError:
        return []
    paths = [os.path.join(vendor, targets[0], *place) for place in _PLACES] if len(targets) == 1 else []
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
