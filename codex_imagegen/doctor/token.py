"""The RunComfy token: whether there is one and who may read its file; its value is not read."""

from __future__ import annotations

import os
import shlex
import stat

from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, ok, warning
from codex_imagegen.runcomfy import settings

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
