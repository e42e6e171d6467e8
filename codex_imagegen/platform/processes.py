"""Process groups and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

EXIT_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
)
"""The signals that ask a program to end, as far as this system has them."""

KILL: int = getattr(signal, "SIGKILL", signal.SIGTERM)
CONTINUE: int = getattr(signal, "SIGCONT", 0)
SUSPEND: int = getattr(signal, "SIGTSTP", 0)
"""What Ctrl-Z sends; 0 where there is no such signal."""


_detached: list[subprocess.Popen[bytes]] = []
"""Keeps these until the exit: Python warns of a forgotten process that still runs."""


def group_options() -> dict[str, Any]:
    """Options of ``subprocess.Popen`` for a child that leads a process group of its own and blocks no signal.

    Otherwise the child inherits the calling thread's signal mask.
    """
    is_blocking = bool(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    return {"process_group": 0, "preexec_fn": _unblock_signals if is_blocking else None}


def start_detached(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, without streams, that goes on when this one ends; raises OSError."""
    import subprocess

    null = subprocess.DEVNULL
    preparation = group_options()["preexec_fn"]
    process = subprocess.Popen(
        argv,
        stdin=null,
        stdout=null,
        stderr=null,
        start_new_session=True,
        preexec_fn=preparation,  # noqa: PLW1509
    )
    _detached.append(process)
    return process


def signal_group(leader: int, signum: int) -> None:
    """Send a signal to a process group; raises ProcessLookupError where it is gone, and PermissionError."""
    os.killpg(leader, signum)


def wait_until_exit(pid: int) -> None:
    """Wait until a child has ended, and leave it unreaped: until then no other process gets its number.

    macOS has no waitid for Python before 3.13; there kqueue reports the exit. (Not run on a Mac.)
    """
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    elif sys.platform == "darwin":
        import select

        exit_event = select.kevent(
            pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
        )
        # no such process: it has ended already
        with contextlib.suppress(ProcessLookupError), contextlib.closing(select.kqueue()) as queue:
            queue.control([exit_event], 1)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
