"""Process groups and signals of this system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from codex_imagegen.platform import processes


def test_child_leads_its_own_group():
    child = subprocess.Popen(["sleep", "60"], **processes.group_options())
    try:
        assert os.getpgid(child.pid) == child.pid != os.getpgrp()
    finally:
        processes.signal_group(child.pid, processes.KILL)
    assert child.wait() == -signal.SIGKILL


def test_child_of_a_thread_that_blocks_signals_takes_them():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = subprocess.Popen(["sleep", "60"], **processes.group_options())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    processes.signal_group(child.pid, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def test_exited_child_is_left_unreaped():
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    processes.wait_until_exit(child.pid)
    os.kill(child.pid, 0)  # its number is still its own
    assert child.wait() == 7


def test_exit_signals_are_those_of_a_terminal_and_a_service_manager():
    assert set(processes.EXIT_SIGNALS) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
