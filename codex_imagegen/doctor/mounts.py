"""What kind of file system a folder lies on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

NETWORK = frozenset({
    "9p", "afpfs", "afs", "ceph", "cifs", "davfs", "drvfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs",
    "nfs4", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "webdav",
})  # fmt: skip
"""Kinds that are served by another machine, or by the host of a virtual one (WSL's /mnt/c is 9p)."""

_MAX_TABLE = 1024 * 1024
_ASK_SEC = 2
_NAME = re.compile(r"[\w.+-]{1,32}")
_MACOS = re.compile(r"^.* on (/.*) \((\w+)[,)]", re.MULTILINE)


def kind(path: str) -> str | None:
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
