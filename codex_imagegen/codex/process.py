"""One Codex process: its process group, the threads that read and write its streams, and the signals that end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from codex_imagegen.errors import CodexMissing
from codex_imagegen.platform import processes
from codex_imagegen.platform.processes import KILL

STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (KILL, 5.0))
"""Signals to the group, and the seconds to wait after each. SIGINT ends Codex cleanly in some 40 ms."""

EARLY_STOP_SIGNALS = STOP_SIGNALS[1:]
"""The same before the turn has begun: Codex ignores SIGINT then, and ends cleanly on SIGTERM (0.169.0)."""

BRIEF_STOP_SIGNALS = ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.2), (KILL, 5.0))
"""The same for a Codex that only answers a query, and has nothing to save."""

DETACH_SEC = 0.5
"""Seconds to wait for a detached Codex: one that is not busy ends in some 50 ms."""

_CHUNK = 65536
_DRAIN_SEC = 0.5
_live: set[Process] = set()


class Process:
    """A started Codex. ``on_stdout`` and ``on_stderr`` get chunks, in threads of their own; ``on_change`` is called
    after each chunk and when the process has ended. ``inherited`` are descriptors that Codex inherits.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str,
        environment: Mapping[str, str],
        on_stdout: Callable[[bytes], None],
        on_stderr: Callable[[bytes], None],
        on_change: Callable[[], None],
        inherited: Sequence[int] = (),
    ) -> None:
        self._on_change = on_change
        self._ended = threading.Event()
        self._sent = False
        self._interrupted = False
        self._reaped, self._lock = False, threading.RLock()  # a signal handler may run in the thread that holds it
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=environment,
                pass_fds=inherited,
                **processes.group_options(),
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise CodexMissing(f"{argv[0]!r} can't be started: {reason}", hint="check what --codex names") from error
        _live.add(self)
        self._readers = [
            self._start(self._read, self._child.stdout, on_stdout),
            self._start(self._read, self._child.stderr, on_stderr),
        ]
        self._start(self._reap)

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, minus the signal's number where one ended it, or None while it runs."""
        return self._child.returncode if self._ended.is_set() else None

    def send(self, prompt: bytes) -> None:
        """Write the prompt to stdin and close it, in a thread, since Codex may read slowly or never."""
        self._sent = True
        self._start(self._write, prompt)

    def write(self, data: bytes) -> None:
        """Write to stdin and leave it open; raises OSError if the process has closed it."""
        stdin: Any = self._child.stdin
        os.write(stdin.fileno(), data)

    def send_signal(self, signum: int) -> None:
        """Send a signal to the whole group, if it still exists."""
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            if not self._reaped:  # afterwards another process may have its number
                processes.signal_group(self.pid, signum)

    def wait(self, seconds: float) -> bool:
        """Whether the process has ended within so many seconds."""
        return self._ended.wait(max(0.0, seconds))

    def stop(self, stop_signals: Sequence[tuple[int, float]] = STOP_SIGNALS) -> None:
        """End the group: interrupt, terminate, kill. Returns when the process is gone and its output has been read."""
        for signum, seconds in stop_signals:
            if self._ended.is_set():
                break
            if signum == signal.SIGINT:
                self.interrupt()
            else:
                self.send_signal(signum)
                self.send_signal(processes.CONTINUE)
            self.wait(seconds)
        self.drain()

    def interrupt(self) -> None:
        """Ask the group to end cleanly, without waiting. Sent only once: Codex takes a second SIGINT as "at once"."""
        if not self._interrupted:
            self._interrupted = True
            self.send_signal(signal.SIGINT)
        # a stopped process handles no signal but SIGKILL before it is continued
        self.send_signal(processes.CONTINUE)

    def detach(self) -> None:
        """Close stdin, send no signal, and let the process end by itself, even after this program.

        It has no effect once a prompt was sent. On an empty stdin Codex makes no model call (0.111.0 to 0.169.0).
        """
        if not self._sent:
            _live.discard(self)
            self.send(b"")
            self.wait(DETACH_SEC)

    def drain(self) -> None:
        """Wait a moment until the last output of the process has been read."""
        limit = time.monotonic() + _DRAIN_SEC
        for reader in self._readers:
            reader.join(max(0.0, limit - time.monotonic()))

    def _start(self, work: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread

    def _read(self, stream: Any, on_chunk: Callable[[bytes], None]) -> None:
        descriptor = stream.fileno()
        with contextlib.suppress(OSError), stream:
            while chunk := os.read(descriptor, _CHUNK):
                on_chunk(chunk)
                self._on_change()

    def _write(self, prompt: bytes) -> None:
        stdin: Any = self._child.stdin
        with contextlib.suppress(OSError, ValueError), stdin:
            view = memoryview(prompt)
            while view:
                view = view[os.write(stdin.fileno(), view[:_CHUNK]) :]

    def _reap(self) -> None:
        processes.wait_until_exit(self.pid)
        # a process that the leader left in its group, such as an MCP server, must not outlive the run
        self.send_signal(KILL)
        with self._lock:
            self._reaped = True
            self._child.wait()
        if not self._sent and self._child.stdin is not None:
            self._child.stdin.close()
        _live.discard(self)
        self._ended.set()
        self._on_change()


def kill_all() -> None:
    """Kill every group at once, without waiting; for a second Ctrl-C."""
    for process in tuple(_live):
        process.send_signal(KILL)
