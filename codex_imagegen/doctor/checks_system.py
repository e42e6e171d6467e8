"""Check the machine: its clock, the RunComfy token file, and the dependencies of this program."""

from __future__ import annotations

import os
import platform
import re
import stat
import tempfile
import time
from importlib import metadata

from codex_imagegen import render
from codex_imagegen._version import __version__
from codex_imagegen.doctor.checks_home import sessions_folder
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import InternalError
from codex_imagegen.files import atomic
from codex_imagegen.runcomfy import settings
from codex_imagegen.values import as_text

FIRST_YEAR, LAST_YEAR = 2026, 2050
"""Plausible years: this program was written in the first one."""

SKEW_SEC = 5.0
"""Seconds that a file server's clock may differ; file times on Linux lag by some 4 ms."""

_CLOCK_HINT = "set the clock: logins fail when it is wrong"

_RUNCOMFY_NOTE = "needed for --backend runcomfy only"

DEPENDENCIES = ("click", "filetype", "Pillow", "rich", "urllib3", "watchdog")


def check_clock(context: Context) -> Finding:
    """Check that the year is plausible and that the file system of the rollouts has the same time.

    Codex's login and the search for today's rollout depend on the clock. No time server is asked.
    """
    now = time.time()
    year = time.gmtime(now).tm_year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return warning(f"the clock says {year}", _CLOCK_HINT, {"year": year})
    folder = sessions_folder(context.codex_home)
    try:
        skew = atomic.create_unnamed_file(folder if os.path.isdir(folder) else tempfile.gettempdir()) - now
    except OSError:
        return unknown("not compared with the file system: no file can be created in CODEX_HOME", data={"year": year})
    data = {"year": year, "skew_sec": round(skew, 1)}
    if abs(skew) > SKEW_SEC:
        message = f"the clock of CODEX_HOME's file system is {abs(skew):,.0f} s {'ahead' if skew > 0 else 'behind'}"
        return warning(message, "set the clock of this machine or of the file server", data)
    return ok("agrees with the file system", data=data)


def check_runcomfy(context: Context) -> Finding:
    """Check whether there is a token, and that no other user can read its file. The token itself is not read."""
    path = settings.token_path()
    mode = _mode(path)
    is_set = bool(context.environment.get("RUNCOMFY_TOKEN", "").strip())
    source = "environment" if is_set else None if mode is None else "file"
    data = {"source": source, "path": path, "mode": None if mode is None else f"{stat.S_IMODE(mode):04o}"}
    if is_set:
        return ok(f"the token is in RUNCOMFY_TOKEN ({_RUNCOMFY_NOTE})", data=data)
    if mode is None:
        return ok(f"not signed in ({_RUNCOMFY_NOTE})", data=data)
    if not stat.S_ISREG(mode):
        return warning(
            f"{path} is not a file", "remove it, and sign in with:\ncodex-imagegen runcomfy login", data=data
        )
    if mode & 0o077:
        message = f"{path} is readable or writable by others (mode {data['mode']}), so it is not used"
        return warning(message, f"make it private with:\nchmod 600 {render.shell_join([path])}", data=data)
    return ok(f"the token is in {path}, mode {data['mode']} ({_RUNCOMFY_NOTE})", data=data)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return None


def check_dependencies(_context: Context) -> Finding:
    """Check that every dependency is installed."""
    found = versions()
    missing = [name for name in DEPENDENCIES if found[name] is None]
    if missing:
        message = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed with this program"
        return failed(
            InternalError(
                message, hint="install the program again, such as with:\npip install --force-reinstall codex-imagegen"
            )
        )
    return ok(f"{found.pop('system')}, {', '.join(f'{name} {number}' for name, number in found.items())}")


def versions() -> dict[str, str | None]:
    """The versions of this program, Python, the system and each dependency; None for a missing one."""
    own = {
        "codex-imagegen": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return {**own, **{name: _version(name) for name in DEPENDENCIES}}


def versions_with_codex(codex: object) -> dict[str, str | None]:
    """The same with the version of Codex, if it is known."""
    return {"codex": as_text(codex), **versions()}


def _version(name: str) -> str | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return found if re.fullmatch(r"[\w.+!-]{1,40}", found) else "?"
