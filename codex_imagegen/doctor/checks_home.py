"""The Codex home: whether its folders can be read and written, on what they lie, and whether wake-ups work there."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from codex_imagegen.codex.run.run import FOLLOW_TICK_SEC
from codex_imagegen.codex.run.watch import Watch
from codex_imagegen.codex.sessions import layout
from codex_imagegen.doctor import mounts, probe
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed

_SANDBOX = "inside another agent's sandbox, allow it to read and write there"
_WAKE_SEC = 0.6
"""Seconds for each of three tries: FSEvents on macOS is ready a moment after it was started."""


def check_home(context: Context) -> Finding:
    """Whether CODEX_HOME and its sessions can be read and written, and what kind of file system it is."""
    home = context.codex_home
    if not os.path.lexists(home):
        return _no_home(context)
    kind = mounts.kind(folder_of(home))
    data = {"path": home, "file_system": kind}
    today = layout.folders(home)[0]  # "sudo codex" may have made it
    for folder in dict.fromkeys((home, folder_of(home), today if os.path.isdir(today) else home)):
        error = _trouble(folder)
        if error is not None:
            return failed(error, data=data)
    message = f"{home} is readable and writable" + (f", on {kind}" if kind else "")
    if kind in mounts.NETWORK:
        hint = "if runs hang or Codex complains about its database, put CODEX_HOME on a local disk"
        return warning(f"{message}, which is no local disk", hint, data=data)
    return ok(message, data=data)


def check_wake_ups(context: Context) -> Finding:
    """Whether the system tells of a new file beside the rollouts, as a run hopes for; if not, it looks by the clock."""
    folder = folder_of(context.codex_home)
    if not os.path.isdir(folder):
        return unknown("there is no folder to try it in yet")
    bell = threading.Event()
    watch = Watch(folder, bell.set)
    try:
        for stir in (probe.times, probe.named, probe.named):
            stir(folder)
            if bell.wait(_WAKE_SEC):
                break
    except OSError as error:
        return unknown(f"it can't be tried: {error.strerror}")
    finally:
        watch.close()
    if bell.is_set():
        return ok("the system tells of changes beside the rollouts", data={"woken": True})
    told = f"the system tells of no change beside the rollouts; a run looks every {FOLLOW_TICK_SEC} s instead"
    if sys.platform == "darwin":  # where it is not asked (see codex.watch)
        return ok(told, data={"woken": False})
    return warning(told, "on Linux, raise fs.inotify.max_user_instances and max_user_watches", {"woken": False})


def folder_of(codex_home: str) -> str:
    """The sessions folder, or the home where Codex has made none yet."""
    folder = os.path.realpath(os.path.join(codex_home, "sessions"))
    return folder if os.path.isdir(folder) else codex_home


def _trouble(folder: str) -> CodexFailed | None:
    tries: tuple[tuple[str, Callable[[str], object]], ...] = (("read", os.listdir), ("written", probe.unnamed))
    for doing, act in tries:
        try:
            act(folder)
        except OSError as error:
            return CodexFailed(f"{folder} can't be {doing}: {error.strerror}", hint=_SANDBOX)
    return None


def _no_home(context: Context) -> Finding:
    if context.environment.get("CODEX_HOME"):
        error = CodexFailed("CODEX_HOME names a folder that is not there", hint="make it, or unset CODEX_HOME")
        return failed(error, {"path": context.codex_home})
    return warning(f"{context.codex_home} is not there yet", "codex login makes it")
