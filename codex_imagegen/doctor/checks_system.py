"""The clock: Codex's login and the search for today's rollout depend on it. No clock is asked of a network.

What this program is made of, by version.

The RunComfy token: whether there is one and who may read its file; its value is not read.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import stat
import tempfile
import time
from importlib import metadata

from codex_imagegen._version import __version__
from codex_imagegen.doctor.checks_home import folder_of
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import InternalError
from codex_imagegen.files import probe
from codex_imagegen.runcomfy import settings
from codex_imagegen.values import as_text

FIRST_YEAR, LAST_YEAR = 2026, 2050
"""Years that are no plain mistake: this program was written in the first."""

SKEW_SEC = 5.0
"""Seconds that a file server's clock may differ; file times on Linux are some 4 ms old."""

_HINT = "set the clock: a login is refused when it is wrong"


def check_clock(context: Context) -> Finding:
    """Whether the year can be true, and whether the file system of the rollouts has the same time."""
    now = time.time()
    year = time.gmtime(now).tm_year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return warning(f"the clock says {year}", _HINT, {"year": year})
    folder = folder_of(context.codex_home)
    try:
        skew = probe.unnamed(folder if os.path.isdir(folder) else tempfile.gettempdir()) - now
    except OSError:
        return unknown("the clock can't be compared: no file can be made in CODEX_HOME", data={"year": year})
    data = {"year": year, "skew_sec": round(skew, 1)}
    if abs(skew) > SKEW_SEC:
        told = f"the file system of CODEX_HOME is {abs(skew):,.0f} s {'ahead' if skew > 0 else 'behind'}"
        return warning(told, "set the clock here, or that of the file server", data)
    return ok("agrees with the file system", data=data)


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
    own = {
        "codex-imagegen": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return {**own, **{name: _version(name) for name in PARTS}}


def versions_beside(codex: object) -> dict[str, str | None]:
    """The same with Codex's, as far as it is known."""
    return {"codex": as_text(codex), **versions()}


def _version(name: str) -> str | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return found if re.fullmatch(r"[\w.+!-]{1,40}", found) else "?"


_ASIDE = "for --backend runcomfy alone"


def check_runcomfy(context: Context) -> Finding:
    """Where the token is, and that nobody else may read it."""
    path = settings.token_path()
    mode = _mode(path)
    set_ = bool(context.environment.get("RUNCOMFY_TOKEN", "").strip())
    source = "environment" if set_ else None if mode is None else "file"
    data = {"source": source, "path": path, "mode": None if mode is None else f"{stat.S_IMODE(mode):04o}"}
    if set_:
        return ok(f"the token is in RUNCOMFY_TOKEN ({_ASIDE})", data=data)
    if mode is None:
        return ok(f"not signed in ({_ASIDE})", data=data)
    if not stat.S_ISREG(mode):
        return warning(f"{path} is no file", "codex-imagegen runcomfy login makes one", data=data)
    if mode & 0o077:
        told = f"{path} can be read or written by others (mode {data['mode']}), and is refused so"
        return warning(told, f"chmod 600 {shlex.quote(path)}", data=data)
    return ok(f"the token is in {path}, mode {data['mode']} ({_ASIDE})", data=data)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return None
