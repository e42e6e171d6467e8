"""Many parallel runs in one Codex home: most succeed, some are killed, time out or are refused.

::

    python -m tests.tools.soak --runs 200 --jobs 12 --seed 1

Uses the real Codex of the newest build, a fake OpenAI on loopback, and a temporary folder. A tenth of the runs is
killed (SIGINT, SIGTERM and SIGKILL in turn, through the installed command, at any moment), a tenth times out, a tenth
is refused by the back end. All but the killed ones run in this process, through the Python API, so that leaks show.

Checked: every completed run has its own picture, no killed run leaves half of one, memory does not grow, and no
descriptor, thread, process or temporary file is left, except the empty folder of a run that was killed with SIGKILL and
the file that it was writing (later runs remove both). Each run has 60 seconds at most.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from codex_imagegen import ImagegenError, generate
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.fake_openai import Call, Reply, Script, prompt_of
from tests.support import builds, checks
from tests.support.lab import COMMAND, Lab
from tests.support.scripts import RATE, error

SIDE = 720
"""Pixels of each picture."""

SLOW_SEC, SHORT_SEC, LONG_SEC = 30.0, 4.0, 60.0
MIB = 1024 * 1024
MAX_GROWTH = 24 * MIB
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
DRAWN, KILLED, LATE, REFUSED = "drawn", "killed", "late", "refused"


class Mixed(Script):
    """The prompt selects what happens: a refusal, a slow picture, or a picture."""

    slow_sec = SLOW_SEC

    def respond(self, call: Call) -> Reply:
        if prompt_of(call.json).startswith(REFUSED):
            return error(429, RATE)
        return super().respond(call)

    def draw(self, prompt: str) -> bytes:
        if prompt.startswith(LATE):
            time.sleep(self.slow_sec)
        return draw(prompt, side=SIDE)


@dataclass
class Report:
    """The figures, and all violations."""

    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    growth: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        outcomes = ", ".join(f"{number} {name}" for name, number in sorted(self.outcomes.items()))
        violations = "\n".join(self.violations) if self.violations else "nothing was left, no picture was wrong"
        memory = f"memory grew by {self.growth / MIB:.1f} MiB after the first quarter"
        return f"{sum(self.outcomes.values())} runs in {self.seconds:.0f} s: {outcomes}; {memory}\n{violations}"


class Soak:
    """A series of runs in one lab, whose environment this process takes over."""

    def __init__(self, lab: Lab, runs: int, jobs: int, seed: int) -> None:
        self.lab, self.jobs, self.random = lab, jobs, random.Random(seed)
        lab.standin.calls = collections.deque(maxlen=10)  # type: ignore[assignment]
        kinds = [(KILLED, LATE, REFUSED)[index % 10] if index % 10 < 3 else DRAWN for index in range(runs)]
        self.random.shuffle(kinds)
        self.plan = [(f"{kind} {number}", self.random.uniform(0.05, 2.5)) for number, kind in enumerate(kinds)]
        self.report = Report()
        self.codex = str(builds.codex(lab.version))
        self._signals = iter(SIGNALS * runs)
        self._lock = threading.Lock()

    def run(self) -> Report:
        started = time.monotonic()
        self.run_one((f"{DRAWN} first", 0.0))
        before = (_descriptors(), _threads())
        quarter = len(self.plan) // 4
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self.run_one, self.plan[:quarter]))
            warm = _memory()
            list(pool.map(self.run_one, self.plan[quarter:]))
        self.report.growth = _memory() - warm
        self.report.seconds = time.monotonic() - started
        self.check_leftovers(before)
        return self.report

    def run_one(self, planned: tuple[str, float]) -> None:
        prompt, moment = planned
        out = self.lab.work / f"{prompt}.png"
        try:
            outcome = self.run_and_kill(prompt, out, moment) if prompt.startswith(KILLED) else self.run_api(prompt, out)
        except Exception as error:  # noqa: BLE001 - every error is reported
            outcome = f"WRONG: {error!r}"
        with self._lock:
            self.report.outcomes[outcome.partition(":")[0]] += 1
            if outcome.startswith("WRONG"):
                self.report.violations.append(f"{prompt}: {outcome}")

    def run_api(self, prompt: str, out: Path) -> str:
        """Run through the API; the run must end as its prompt says."""
        late = prompt.startswith(LATE)
        wanted = {LATE: "timeout", REFUSED: "rate-limited"}.get(prompt.split(maxsplit=1)[0], "delivered")
        try:
            result = generate(prompt, out=out, codex=self.codex, timeout_sec=SHORT_SEC if late else LONG_SEC)
        except ImagegenError as failed:
            right = failed.code == wanted and not out.exists()
            return failed.code if right else f"WRONG: {failed.code}: {failed}"
        right = wanted == "delivered" and self.is_right(prompt, out) and result.images[0].path == str(out)
        return "delivered" if right else "WRONG: not its picture"

    def run_and_kill(self, prompt: str, out: Path, moment: float) -> str:
        """Run, and kill it at some moment: it must leave a complete picture or none."""
        with self._lock:
            signum = next(self._signals)
        child = subprocess.Popen(
            [COMMAND, "--prompt", prompt, "--out", str(out), "--codex", self.codex, "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        has_started = True
        try:
            code = child.wait(moment)
        except subprocess.TimeoutExpired:
            has_started = _has_handlers(child.pid)
            child.send_signal(signum)
            code = child.wait(LONG_SEC)
        if out.exists() and not self.is_right(prompt, out):
            return "WRONG: not its picture"
        if code == 0:
            return "ended before its signal" if out.exists() else "WRONG: no picture"
        if not has_started and code in {-signum, 1}:
            return "ended while Python was starting"
        expected = -signum if signum == signal.SIGKILL else 128 + signum
        return f"ended by {signum.name}" if code == expected else f"WRONG: exit code {code}, not {expected}"

    def is_right(self, prompt: str, out: Path) -> bool:
        return out.read_bytes() == draw(prompt, side=SIDE)

    def check_leftovers(self, before: tuple[int, int]) -> None:
        violations = self.report.violations
        for _ in range(int(SLOW_SEC)):  # a Codex orphaned by SIGKILL ends with its turn, threads with their sleep
            if not checks.processes(self.lab) and _threads() <= before[1]:
                break
            time.sleep(1)
        violations += [f"process {pid}" for pid in checks.processes(self.lab)]
        folders = [self.lab.tmp / name for name in self.lab.leftovers]
        violations += [f"folder with files {path}" for path in folders if any(path.iterdir())]
        for name, left in (("folders", folders), ("unfinished files", checks.unfinished_files(self.lab.work))):
            if len(left) > self.report.outcomes[f"ended by {signal.SIGKILL.name}"]:
                violations.append(f"{len(left)} {name} are left")
        gc.collect()
        now = (_descriptors(), _threads())
        if now[0] > before[0] or now[1] > before[1]:
            violations.append(f"descriptors and threads were {before} and are {now}: {_opened()}")


def _has_handlers(pid: int) -> bool:
    """Whether the program has installed its handlers: before main(), a signal ends it as any Python process."""
    try:
        caught = int(Path(f"/proc/{pid}/status").read_text().partition("SigCgt:")[2].split()[0], 16)
    except (OSError, IndexError):
        return False
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def _opened() -> list[str]:
    """The files behind the descriptors, where the system shows them."""
    found = []
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/dev/fd/{name}"))
    return sorted(found)


def _threads() -> int:
    return threading.active_count()


def _memory() -> int:
    """The current memory of this process, in bytes; its peak where there is no /proc."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-soak-") as folder, Lab(Path(folder), script=Mixed()) as lab:
        os.environ.clear()
        os.environ.update(lab.environment)
        report = Soak(lab, given.runs, given.jobs, given.seed).run()
    if report.growth > MAX_GROWTH:  # checked only here, in a process of its own
        report.violations.append(f"memory grew by {report.growth:,} bytes")
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
