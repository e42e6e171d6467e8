"""The Codex home: whether its folders can be read and written, on what they lie, and whether wake-ups work there.

The newest rollouts: whether they are of a shape that this version knows.

Room: how much is left where Codex and this program write, and how much the past takes.

What kind of file system a folder lies on.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from codex_imagegen.codex.install import version
from codex_imagegen.codex.run.run import FOLLOW_TICK_SEC
from codex_imagegen.codex.run.wake import FileWatcher
from codex_imagegen.codex.sessions import disk_usage, history, inspect, layout
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexFailed
from codex_imagegen.files import probe

_SANDBOX = "inside another agent's sandbox, allow it to read and write there"
_WAKE_SEC = 0.6
"""Seconds for each of three tries: FSEvents on macOS is ready a moment after it was started."""


def check_home(context: Context) -> Finding:
    """Whether CODEX_HOME and its sessions can be read and written, and what kind of file system it is."""
    home = context.codex_home
    if not os.path.lexists(home):
        return _no_home(context)
    kind = file_system(folder_of(home))
    data = {"path": home, "file_system": kind}
    today = layout.folders(home)[0]  # "sudo codex" may have made it
    for folder in dict.fromkeys((home, folder_of(home), today if os.path.isdir(today) else home)):
        error = _trouble(folder)
        if error is not None:
            return failed(error, data=data)
    message = f"{home} is readable and writable" + (f", on {kind}" if kind else "")
    if kind in NETWORK:
        hint = "if runs hang or Codex complains about its database, put CODEX_HOME on a local disk"
        return warning(f"{message}, which is no local disk", hint, data=data)
    return ok(message, data=data)


def check_wake_ups(context: Context) -> Finding:
    """Whether the system tells of a new file beside the rollouts, as a run hopes for; if not, it looks by the clock."""
    folder = folder_of(context.codex_home)
    if not os.path.isdir(folder):
        return unknown("there is no folder to try it in yet")
    bell = threading.Event()
    watch = FileWatcher(folder, bell.set)
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
        return ok("the system tells of changes beside the rollouts", data={"notified": True})
    told = f"the system tells of no change beside the rollouts; a run looks every {FOLLOW_TICK_SEC} s instead"
    if sys.platform == "darwin":  # where it is not asked (see codex.watch)
        return ok(told, data={"notified": False})
    return warning(told, "on Linux, raise fs.inotify.max_user_instances and max_user_watches", {"notified": False})


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


NEWEST = 5
"""How many rollouts are looked through."""

LOOK_SEC = 2.0


def check_rollouts(context: Context) -> Finding:
    """Whether the newest rollouts hold something that a newer Codex than those tested may have begun to write."""
    deadline = time.monotonic() + LOOK_SEC
    paths = [past.path for past in _plain(context.codex_home)]
    shapes = [seen for path in paths if path and (seen := inspect.check_format(path, deadline)) is not None]
    strange = list(dict.fromkeys(what for seen in shapes for what in seen.problems))
    named = {version.named(seen.codex_version or "") for seen in shapes}
    writers = sorted((number for number in named if number), key=version.number)
    data = {"looked_at": len(shapes), "codex_versions": writers, "unrecognized": strange}
    if not shapes:
        return ok("there are none yet" if not paths else "none could be looked through", data=data)
    hint = "codex-imagegen doctor --live proves the bridge; then look for a newer codex-imagegen"
    by = f"Codex {writers[-1]}" if writers else "Codex"
    if strange:
        return warning(
            f"the newest, by {by}, hold what this version does not know: {'; '.join(strange)}", hint, data=data
        )
    if writers and version.is_newer_than_tested(writers[-1]):
        return warning(f"the newest are by {by}; tested is {version.NEWEST}", hint, data=data)
    return ok(f"the newest {len(shapes)}, by {by}, are of a known shape", data=data)


def _plain(codex_home: str) -> list[history.SessionRef]:
    return list(itertools.islice((past for past in history.rollouts(codex_home) if not past.is_compressed), NEWEST))


COUNT_SEC = 2.0
"""Seconds after which counting stops, and "more than" is said."""

LITTLE_BYTES = 256 * 1024 * 1024
"""Less than this is little: a picture is 1.5 MB, and three times that in its rollout; Codex's database grows too."""


def check_space(context: Context) -> Finding:
    """How much is free, and how much rollouts and pictures take; of them nothing is read."""
    home = context.codex_home
    free = {
        "CODEX_HOME": disk_usage.free_bytes(home),
        "the temporary folder": disk_usage.free_bytes(tempfile.gettempdir()),
    }
    taken = disk_usage.count(home, COUNT_SEC)
    data = {
        "free_bytes": free["CODEX_HOME"], "rollouts": taken.rollouts, "rollout_bytes": taken.rollout_bytes,
        "pictures": taken.pictures, "picture_bytes": taken.picture_bytes, "counted_all": taken.is_complete,
    }  # fmt: skip
    if free["CODEX_HOME"] is None:
        return unknown("the file system of CODEX_HOME does not tell", data=data)
    more = "" if taken.is_complete else "more than "
    message = (
        f"{size(free['CODEX_HOME'])} free; {more}{taken.rollouts:,} rollouts take {more}{size(taken.rollout_bytes)}, "
        f"{taken.pictures:,} pictures {more}{size(taken.picture_bytes)}"
    )
    scarce = [where for where, left in free.items() if left is not None and left < LITTLE_BYTES]
    if scarce:
        return warning(f"little room is left in {' and '.join(scarce)}: {message}", "make room there", data=data)
    return ok(message, data=data)


def size(number: int | None) -> str:
    """Bytes for a person, in decimal units."""
    value = float(number or 0)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit in {"B", "kB"} or value >= 100 else f"{value:.1f} {unit}"


NETWORK = frozenset({
    "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "drvfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs",
    "nfs4", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "webdav",
})  # fmt: skip
"""Kinds that are served by another machine, or by the host of a virtual one (WSL's /mnt/c is 9p)."""

_MAX_TABLE = 1024 * 1024
_ASK_SEC = 2
_NAME = re.compile(r"[\w.+-]{1,32}")
_MACOS = re.compile(r"^.* on (/.*) \((\w+)[,)]", re.MULTILINE)


def file_system(path: str) -> str | None:
    """The kind's name, such as ``ext4`` or ``apfs``, or None where the system does not tell."""
    try:
        mounts = of_linux(_proc()) if sys.platform.startswith("linux") else of_macos(_mount())
        return longest(os.path.realpath(path), mounts)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def of_linux(table: str) -> Iterator[tuple[str, str]]:
    """(mount point, kind) of each line of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5))."""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        words, kinds = before.split(" "), after.split(" ")
        if len(words) > 4:
            yield re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[4]), kinds[0]


def of_macos(table: str) -> Iterator[tuple[str, str]]:
    """The same of what ``mount`` prints on macOS: ``/dev/disk3s5 on /System/Volumes/Data (apfs, local, …)``."""
    for found in _MACOS.finditer(table):
        yield found[1], found[2]


def longest(path: str, mounts: Iterator[tuple[str, str]]) -> str | None:
    """The kind at the longest mount point above ``path``; of several at the same one, the last was mounted last."""
    best, name = "", None
    for point, kind_ in mounts:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best) and _NAME.fullmatch(kind_):
            best, name = point, kind_
    return name


def _proc() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read(_MAX_TABLE)


def _mount() -> str:
    done = subprocess.run(["/sbin/mount"], capture_output=True, timeout=_ASK_SEC, check=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace")[:_MAX_TABLE]
