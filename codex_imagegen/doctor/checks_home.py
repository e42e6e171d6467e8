"""Check the Codex home: access, file system, file change notifications, rollout format, and disk space."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable

from codex_imagegen import render
from codex_imagegen.codex.install import version
from codex_imagegen.codex.run.run import FOLLOW_TICK_SEC
from codex_imagegen.codex.run.wake import FileWatcher
from codex_imagegen.codex.sessions import disk_usage, history, inspect, layout
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed
from codex_imagegen.files import atomic
from codex_imagegen.platform import disk, system

_SANDBOX_HINT = "inside another agent's sandbox, allow it to read and write there"
_EVENT_SEC = 0.6
"""Seconds to wait for each of three changes: FSEvents on macOS is ready a moment after its start."""

MAX_ROLLOUTS = 5
"""How many rollouts are read, the newest first."""

READ_SEC = 2.0
"""Seconds after which reading them stops."""

COUNT_SEC = 2.0
"""Seconds after which counting stops and the message says "more than"."""

LOW_SPACE_BYTES = 256 * 1024 * 1024
"""Below this, disk space is low: a picture has 1.5 MB, and its rollout three times that; Codex's database grows too."""

NETWORK = frozenset({
    "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "drvfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs",
    "nfs4", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "webdav",
})  # fmt: skip
"""Kinds that are served by another machine, or by the host of a virtual one (WSL's /mnt/c is 9p)."""


def check_home(context: Context) -> Finding:
    """Check that CODEX_HOME and its sessions can be read and written, and that the file system is a local one."""
    home = context.codex_home
    if not os.path.lexists(home):
        return _home_missing(context)
    kind = disk.file_system(sessions_folder(home))
    data = {"path": home, "file_system": kind}
    today = layout.list_day_folders(home)[0]  # it may belong to root, after "sudo codex"
    for folder in dict.fromkeys((home, sessions_folder(home), today if os.path.isdir(today) else home)):
        error = _access_error(folder)
        if error is not None:
            return failed(error, data=data)
    message = f"{home} is readable and writable" + (f", on {kind}" if kind else "")
    if kind in NETWORK:
        hint = "if runs hang or Codex complains about its database, put CODEX_HOME on a local disk"
        return warning(f"{message}, which is not a local disk", hint, data=data)
    return ok(message, data=data)


def check_file_events(context: Context) -> Finding:
    """Check that the system reports file changes in the sessions folder; without that, a run polls for them."""
    folder = sessions_folder(context.codex_home)
    if not os.path.isdir(folder):
        return unknown("not tested, as CODEX_HOME does not exist yet")
    notified = threading.Event()
    watcher = FileWatcher(folder, notified.set)
    try:
        for change in (atomic.touch_folder, atomic.create_named_file, atomic.create_named_file):
            change(folder)
            if notified.wait(_EVENT_SEC):
                break
    except OSError as error:
        return unknown(f"not tested: {error.strerror}")
    finally:
        watcher.close()
    if notified.is_set():
        return ok("file change notifications work in the sessions folder", data={"notified": True})
    message = f"no file change notifications in the sessions folder; a run checks every {FOLLOW_TICK_SEC} s instead"
    if not system.has_file_events():
        return ok(message, data={"notified": False})
    return warning(message, "on Linux, raise fs.inotify.max_user_instances and max_user_watches", {"notified": False})


def sessions_folder(codex_home: str) -> str:
    """The sessions folder, or the Codex home where Codex has created none yet."""
    folder = os.path.realpath(os.path.join(codex_home, "sessions"))
    return folder if os.path.isdir(folder) else codex_home


def _access_error(folder: str) -> CodexFailed | None:
    tests: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("read", os.listdir),
        ("written", atomic.create_unnamed_file),
    )
    for verb, test in tests:
        try:
            test(folder)
        except OSError as error:
            return CodexFailed(f"{folder} can't be {verb}: {error.strerror}", hint=_SANDBOX_HINT)
    return None


def _home_missing(context: Context) -> Finding:
    if context.environment.get("CODEX_HOME"):
        error = CodexFailed("CODEX_HOME names a folder that does not exist", hint="create it, or unset CODEX_HOME")
        return failed(error, {"path": context.codex_home})
    return warning(f"{context.codex_home} does not exist yet", "create it with:\ncodex login")


def check_rollouts(context: Context) -> Finding:
    """Check that the newest rollouts have a known format, which a Codex newer than the tested ones may change."""
    deadline = time.monotonic() + READ_SEC
    paths = [session.path for session in _newest_sessions(context.codex_home)]
    formats = [found for path in paths if path and (found := inspect.check_format(path, deadline)) is not None]
    unrecognized = list(dict.fromkeys(problem for found in formats for problem in found.problems))
    numbers = {version.find_version(found.codex_version or "") for found in formats}
    versions = sorted((number for number in numbers if number), key=version.parse_version)
    data = {"looked_at": len(formats), "codex_versions": versions, "unrecognized": unrecognized}
    if not formats:
        return ok("there are none yet" if not paths else "none could be read", data=data)
    hint = "look for a newer codex-imagegen, and test Codex with:\ncodex-imagegen doctor --live"
    codex = f"Codex {versions[-1]}" if versions else "Codex"
    if unrecognized:
        message = f"the newest, by {codex}, have records that this version does not know: {'; '.join(unrecognized)}"
        return warning(message, hint, data=data)
    if versions and version.is_newer_than_tested(versions[-1]):
        return warning(f"the newest are by {codex}; the newest tested is {version.NEWEST}", hint, data=data)
    return ok(f"the newest {len(formats)}, by {codex}, have a known format", data=data)


def _newest_sessions(codex_home: str) -> list[history.SessionRef]:
    sessions = (session for session in history.iter_rollouts(codex_home) if not session.is_compressed)
    return list(itertools.islice(sessions, MAX_ROLLOUTS))


def check_disk_space(context: Context) -> Finding:
    """Check the free disk space, and count rollouts, pictures and their bytes without reading them."""
    home = context.codex_home
    free = {
        "CODEX_HOME": disk.free_bytes(home),
        "the temporary folder": disk.free_bytes(tempfile.gettempdir()),
    }
    taken = disk_usage.measure(home, COUNT_SEC)
    data = {
        "free_bytes": free["CODEX_HOME"], "rollouts": taken.rollouts, "rollout_bytes": taken.rollout_bytes,
        "pictures": taken.pictures, "picture_bytes": taken.picture_bytes, "counted_all": taken.is_complete,
    }  # fmt: skip
    if free["CODEX_HOME"] is None:
        return unknown("the file system of CODEX_HOME does not report its free space", data=data)
    more = "" if taken.is_complete else "more than "
    rollout_size, picture_size = render.size(taken.rollout_bytes), render.size(taken.picture_bytes)
    message = (
        f"{render.size(free['CODEX_HOME'])} free; {more}{taken.rollouts:,} rollouts take {more}{rollout_size}, "
        f"{taken.pictures:,} pictures {more}{picture_size}"
    )
    low = [place for place, left in free.items() if left is not None and left < LOW_SPACE_BYTES]
    if low:
        return warning(f"low disk space in {' and '.join(low)}: {message}", "free some disk space there", data=data)
    return ok(message, data=data)
