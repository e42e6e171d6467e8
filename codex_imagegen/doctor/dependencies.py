"""What this program is made of, by version."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata

from codex_imagegen._version import __version__
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok
from codex_imagegen.errors import InternalError

PARTS = ("click", "filetype", "Pillow", "rich", "urllib3", "watchdog")


def check_parts(_context: Context) -> Finding:
    """Whether every part is installed."""
    found = versions()
    missing = [name for name in PARTS if found[name] is None]
    if missing:
        told = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed beside this program"
        return failed(InternalError(told, hint="pip install --force-reinstall codex-imagegen"))
    return ok(f"{found.pop('system')}, {', '.join(f'{name} {number}' for name, number in found.items())}")


def versions() -> dict[str, str | None]:
    """This program, Python, the system, and each part with its version, or None where it is missing."""
    system = os.uname()
    own = {
        "codex-imagegen": __version__,
        "python": platform.python_version(),
        "system": f"{system.sysname} {system.release} {system.machine}",
    }
    return {**own, **{name: _version(name) for name in PARTS}}


def versions_beside(codex: object) -> dict[str, str | None]:
    """The same with Codex's, as far as it is known."""
    return {"codex": codex if isinstance(codex, str) else None, **versions()}


def _version(name: str) -> str | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return found if re.fullmatch(r"[\w.+!-]{1,40}", found) else "?"
