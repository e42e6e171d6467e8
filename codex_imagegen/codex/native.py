"""The native binary behind npm's ``codex`` command, so that no Node process has to start and stand between.

npm's command is a Node script that finds the binary for this machine in a package beside it, starts it, and passes its
signals on: 40 ms and 45 MB for nothing that a run needs. What else it does is to set variables which tell Codex how to
update itself (read in the scripts of 0.111.0, 0.144.6 and 0.169.0). Every other kind of ``codex`` is started as it is.
"""

from __future__ import annotations

import os

_SCRIPT = os.path.join("@openai", "codex", "bin", "codex.js")
_PLACES = (("bin", "codex"), ("codex", "codex"))
"""Where the binary lies below ``vendor/<target>``: from 0.134.0, and before."""


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


def _platform_package() -> str:
    system = os.uname()
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(system.machine.lower(), "")
    return f"codex-{system.sysname.lower()}-{machine}"


def _binaries(vendor: str) -> list[str]:
    """Executables of the only target in a ``vendor`` folder; of several targets none, since we can't know which."""
    try:
        targets = os.listdir(vendor)
    except OSError:
        return []
    paths = [os.path.join(vendor, targets[0], *place) for place in _PLACES] if len(targets) == 1 else []
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]
