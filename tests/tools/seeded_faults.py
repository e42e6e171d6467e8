"""Forty small faults, put into the core one at a time: does the default test command find them?

``python -m tests.tools.seeded_faults [--only N,N] [--jobs 2] [--first-only] [--list]``, by hand, in a tree without
changes. Each fault is put into its file, the tests that should find it soonest are run, and only if these pass the
whole default set; then the file is restored. A fault counts as found by a test that passes without it.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER_SEC, ALL_SEC = 240, 1200
"""Seconds after which the tests of some files, and all tests, are ended: a fault may make them hang, which is found."""

_ITSELF = "tests/test_seeded_faults.py"
"""It fails whenever a fault is in its file."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """``old`` stands once in ``file`` (below ``codex_imagegen/``), and is replaced by ``new``.

    ``harm`` is what it does to a user; ``first`` are the tests, below ``tests/``, that should find it soonest.
    """

    file: str
    old: str
    new: str
    harm: str
    first: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return ROOT / "codex_imagegen" / self.file

    def applied(self) -> str:
        """The text of the file with the fault in it; raises ValueError unless the old text stands there once."""
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has the text of the fault {text.count(self.old)} times: {self.harm}")
        return text.replace(self.old, self.new)


FAULTS = (
    # the Codex route
    Fault(
        "codex/process.py",
        "            self._asked = True\n            self.signal(signal.SIGINT)\n",
        "            self._asked = True\n",
        "Codex is not interrupted when the picture has come, and makes a second model call",
        ("codex/run/test_process.py", "generation/test_pictures.py"),
    ),
    Fault(
        "codex/process.py",
        "STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))",
        "STOP_SIGNALS = ((signal.SIGINT, 0.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))",
        "Codex gets no time after the interrupt: it is terminated before it has closed its session",
        ("codex/run/test_process.py", "generation/test_kills.py"),
    ),
    Fault(
        "codex/process.py",
        "        # what the leader left behind in its group (an MCP server, say) must not outlive us\n"
        "        self.signal(signal.SIGKILL)\n",
        "",
        "what Codex started, such as an MCP server, lives on after a run",
        ("codex/run/test_process.py", "generation/test_kills.py"),
    ),
    Fault(
        "codex/run/run.py",
        "        if not self._sent and self._process.exit_code is None:\n            self._process.leave()\n",
        "        if self._process.exit_code is not None:\n            self._process.leave()\n",
        "a Codex that indexes its home is killed: the next ones wait 30 s for its lease",
        ("generation/test_setups.py", "generation/test_input.py"),
    ),
    Fault(
        "codex/run/run.py",
        "error(spent=failures.spent(self._evidence(reading, timed_out=False)))",
        "error(spent=False)",
        "Ctrl-C while the picture is drawn says that nothing was spent",
        ("generation/test_kills.py",),
    ),
    Fault(
        "codex/run/attribution.py",
        'worked_here = os.path.basename(owner.cwd or "") == self._name',
        "worked_here = bool(self._name)",
        "the rollout of another run that began at the same time is taken for ours",
        ("codex/sessions/test_attribution.py",),
    ),
    Fault(
        "codex/run/attribution.py",
        "            OwnedRollout(path, size, owner)\n",
        "            OwnedRollout(path, 0 * size, owner)\n",
        "a resumed thread delivers a picture of an earlier turn",
        ("codex/sessions/test_attribution.py", "generation/test_resume.py"),
    ),
    Fault(
        "codex/run/resume.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "two runs go on with one thread at once, and take each other's pictures",
        ("generation/test_resume.py",),
    ),
    Fault(
        "codex/run/resume.py",
        "return _saved(path, status) not in self.files",
        "return path not in self.files",
        "a file that an earlier turn saved is delivered as the new picture",
        ("generation/test_resume.py",),
    ),
    Fault(
        "codex/run/follow.py",
        "picture = None if data in self._known else self._verified(data, revised_prompt)",
        "picture = self._verified(data, revised_prompt)",
        "the user's own reference is delivered as the result",
        ("codex/run/test_known_references.py", "generation/test_references.py"),
    ),
    Fault(
        "codex/sessions/rollout.py",
        "        if not self._calls.get(called) or called in self._done:\n",
        "        if called in self._done:\n",
        "a picture that the model has looked at is delivered as one that was made",
        ("codex/sessions/test_rollout.py",),
    ),
    Fault(
        "codex/sessions/rollout.py",
        'if (as_number(window.get("used_percent")) or 0) >= 100:',
        'if (as_number(window.get("used_percent")) or 0) > 100:',
        "a used-up quota does not say to the second when it is reset",
        ("codex/sessions/test_rollout.py", "generation/test_failures.py"),
    ),
    Fault(
        "codex/run/command.py",
        'WITHHELD = ("CODEX_API_KEY", "OPENAI_API_KEY")',
        'WITHHELD = ("CODEX_API_KEY",)',
        "the user's API key reaches Codex, and is billed instead of the plan",
        ("codex/run/test_command.py", "generation/test_promise.py"),
    ),
    Fault(
        "codex/run/command.py",
        "MAX_REFERENCES = 5\n",
        "MAX_REFERENCES = 6\n",
        "six references are sent, a turn is paid for, and no picture is made",
        ("generation/test_input.py", "generation/test_pictures.py"),
    ),
    Fault(
        "codex/run/follow.py",
        'FINAL = ("moderation", "usage-limit")',
        'FINAL = ("usage-limit",)',
        "after a blocked picture Codex spends another model call on the news",
        ("generation/test_failures.py",),
    ),
    Fault(
        "codex/run/follow.py",
        "if not self.landing.full_turn and self.landing.is_whole(candidate.data):",
        "if self.landing.is_whole(candidate.data):",
        "--full-turn is cut short by its first picture",
        ("generation/test_pictures.py",),
    ),
    Fault(
        "codex/run/workspace.py",
        "or not _is_own(folder) or is_held(folder):",
        "or not _is_own(folder):",
        "the working folder and the references of a run at work are removed",
        ("codex/run/test_workspace.py",),
    ),
    Fault(
        "codex/run/failures.py",
        "return None if unknown else False",
        "return False if unknown else None",
        "a run that may have cost a picture says that nothing was spent",
        ("codex/run/test_failures.py",),
    ),
    Fault(
        "codex/sessions/layout.py",
        "for offset in (0, -1, 1)]",
        "for offset in (0,)]",
        "a run over midnight does not find its session",
        ("codex/sessions/test_layout.py", "codex/sessions/test_attribution.py"),
    ),
    Fault(
        "codex/sessions/layout.py",
        "if thread is None or not THREAD_ID.match(thread):",
        "if thread is None:",
        "a path in place of a thread's id leads out of the Codex home",
        ("codex/sessions/test_layout.py", "test_hostile.py"),
    ),
    Fault(
        "codex/run/interrupted.py",
        "if picture is None or not _was_asked(past, prompt):",
        "if picture is None:",
        "a batch that was killed while it handed over a prompt delivers the picture of half of it",
        ("codex/run/test_interrupted.py",),
    ),
    Fault(
        "codex/backend.py",
        "if not may_refuse or first.has_begun:",
        "if not may_refuse:",
        "a run of a new build that failed in its turn is paid for twice",
        ("generation/test_setups.py",),
    ),
    Fault(
        "images/references.py",
        "flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC",
        "flags = os.O_RDONLY | os.O_CLOEXEC",
        "a reference that is a fifo hangs the program for good",
        ("images/test_references.py", "test_hostile.py"),
    ),
    Fault(
        "files/atomic.py",
        "os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=at))",
        "os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=at))",
        "on a file system without hard links a file of the user's is replaced without --force",
        ("images/test_output.py",),
    ),
    Fault(
        "images/output.py",
        "    if not target.force:\n        raise OutExists(",
        "    if not (target.force or stat.S_ISREG(mode)):\n        raise OutExists(",
        "an --out that is there is refused only after a picture was paid for",
        ("images/test_output.py",),
    ),
    Fault(
        "generation.py",
        "    if command is None or error",
        "    if command is None or not is_unwritten or error",
        "a timeout or Ctrl-C does not name the command that fetches a picture that landed after all",
        ("generation/test_failures.py",),
    ),
    Fault(
        "generation.py",
        "[index for index in range(request.count) if index not in existing],",
        "list(range(request.count)),",
        "--skip-existing pays for the pictures that are there",
        ("generation/test_several.py",),
    ),
    # several at once, batch, the past, and the other rooms
    Fault(
        "runner/attempts.py",
        'STOP_CODES = {"usage-limit", "not-logged-in",',
        'STOP_CODES = {"not-logged-in",',
        "after a used-up quota the rest of a batch is started all the same",
        ("runner/test_attempts.py",),
    ),
    Fault(
        "runner/pool.py",
        'error.code == "runcomfy-retry" and error.spent is False',
        'error.code == "runcomfy-retry" and error.spent is not True',
        "a RunComfy request that may have been taken is sent, and billed, again",
        ("runner/test_backoff.py",),
    ),
    Fault(
        "batches/worker.py",
        "        try:\n"
        "            self.journal.started(job.key, job.line, folder=folder, backend=job.request.backend)\n"
        "        except ImagegenError as error:  # nothing may be spent that the journal does not know\n"
        "            self.attempts.stop(error)\n            raise\n"
        "        result = self._generate(job, replace(job.request, folder=folder))\n",
        "        result = self._generate(job, replace(job.request, folder=folder))\n"
        "        self.journal.started(job.key, job.line, folder=folder, backend=job.request.backend)\n",
        "a batch that is killed does not know of its runs, and pays for their pictures again",
        ("batches/test_worker.py",),
    ),
    Fault(
        "batches/worker.py",
        "if record.ended is None and (resumed := self._resume(job, record)):",
        "if record.ended is not None and (resumed := self._resume(job, record)):",
        "a batch that goes on pays again for pictures that landed when it was killed",
        ("batches/test_worker.py", "batches/test_resume.py"),
    ),
    Fault(
        "batches/jobs.py",
        '        "refs": [digest.hex() for digest in digests],\n',
        "",
        "a batch takes the picture of other references for this job's",
        ("batches/test_jobs.py",),
    ),
    Fault(
        "recovery/search.py",
        "    found.sort(key=lambda kept: kept.time)\n",
        "    found.sort(key=lambda kept: -kept.time)\n",
        "recover --last delivers the oldest picture of a session",
        ("recovery/test_last.py",),
    ),
    Fault(
        "prune/policy.py",
        "if time.time() - own.changed < rule.older_than_sec:",
        "if time.time() - own.changed < 0:",
        "prune removes sessions that are younger than the user said",
        ("prune/test_whose.py", "prune/test_real.py", "prune/test_command.py"),
    ),
    Fault(
        "prune/policy.py",
        "        if inspect.has_multiple_turns(own.path):\n",
        "        if False:\n",
        "prune removes a session that the user went on with",
        ("prune/test_whose.py", "prune/test_real.py"),
    ),
    Fault(
        "gallery/page.py",
        '.replace("<", "\\\\u003c")',
        "",
        "a prompt ends the gallery's script, and what stands behind it is part of the page",
        ("gallery/test_command.py",),
    ),
    Fault(
        "mcp_server/undelivered.py",
        "self.owes = {index for index in self.owes if self._may_owe(index, told)}",
        "self.owes = set()",
        "after a call that was cancelled, recover_image delivers another call's picture",
        ("mcp_server/test_undelivered.py",),
    ),
    Fault(
        "runcomfy/download.py",
        "MAX_TRIES = 3\n",
        "MAX_TRIES = 1\n",
        "a picture that was paid for is given up after one cut download",
        ("runcomfy/test_download.py",),
    ),
    Fault(
        "runcomfy/urls.py",
        "return target if location and self.allow(target) else None",
        "return target if location else None",
        "a redirect of RunComfy's leads to any host, this machine's network among them",
        ("runcomfy/test_urls.py", "runcomfy/test_download.py"),
    ),
    Fault(
        "cli/console.py",
        "REPEAT_SEC = 1.0\n",
        "REPEAT_SEC = 0.0\n",
        "timeout(1), which sends its signal twice, kills Codex instead of letting it end in good order",
        ("generation/test_kills.py",),
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a fault: the test that found it, or None and why not; and the seconds that this took."""

    number: int
    found_by: str | None
    remark: str
    seconds: float


def main() -> int:
    """Try the faults, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.seeded_faults", description=__doc__)
    parser.add_argument("--only", metavar="N,N", help="the numbers of the faults to try")
    parser.add_argument("--jobs", type=int, default=2, help="workers of pytest")
    parser.add_argument("--first-only", action="store_true", help="do not run all tests where the first ones pass")
    parser.add_argument("--list", action="store_true", help="print the faults, and try none")
    given = parser.parse_args()
    numbers = [int(n) for n in given.only.split(",")] if given.only else range(1, len(FAULTS) + 1)
    if given.list:
        for number in numbers:
            print(f"{number:2}  {FAULTS[number - 1].file:24} {FAULTS[number - 1].harm}")
        return 0
    if changes := _changes():
        print(f"the tree has changes, so nothing was tried:\n{changes}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the file is restored then, too
    found = 0
    for number in numbers:
        finding = tried(number, jobs=given.jobs, first_only=given.first_only)
        found += finding.found_by is not None
        harm = FAULTS[number - 1].harm
        print(
            f"{number:2}  {harm}\n    {finding.found_by or 'MISSED'}{finding.remark}  {finding.seconds:.0f} s",
            flush=True,
        )
    print(f"{found} of {len(numbers)} found")
    return 0 if found == len(numbers) else 1


def tried(number: int, *, jobs: int, first_only: bool) -> Finding:
    """Put one fault in, and look for a test that fails with it, and passes without."""
    fault, began = FAULTS[number - 1], time.monotonic()
    rounds = [(tuple(f"tests/{name}" for name in fault.first), FOLDER_SEC)]
    rounds += [] if first_only else [((), ALL_SEC)]
    with seeded(fault):
        failed = next((test for tests, limit in rounds if (test := _failing(tests, jobs, limit))), None)
    remark = ""
    if failed is not None and failed.startswith("tests/") and _failing((failed,), 1, FOLDER_SEC) is not None:
        remark, failed = f", for {failed} fails without the fault, too", None
    return Finding(number, failed, remark, time.monotonic() - began)


@contextmanager
def seeded(fault: Fault) -> Iterator[None]:
    """A context in which the fault is in its file."""
    before = fault.path.read_bytes()
    text = fault.applied()
    try:
        _put(fault.path, text.encode())
        yield
    finally:
        _put(fault.path, before)


def _put(path: Path, data: bytes) -> None:
    """Write a file in place; its time differs from what it was, so that no compiled module of another text is used."""
    mtime = path.stat().st_mtime
    path.write_bytes(data)
    later = max(time.time(), mtime + 2)  # a .pyc knows whole seconds, and the size
    os.utime(path, (later, later))


def _failing(tests: Sequence[str], jobs: int, limit_sec: float) -> str | None:
    """The first test that fails, or None; how the run ended where no test is named."""
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        f"--ignore={_ITSELF}",
        *tests,
    ]
    if jobs > 1 or not tests:
        line += ["-n", str(jobs), "--dist", "worksteal"]
    running = subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        process_group=0,
    )  # fmt: skip
    try:
        told, _ = running.communicate(timeout=limit_sec)
    except subprocess.TimeoutExpired:
        return f"the tests did not end within {limit_sec} s"
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    if running.returncode == 0:
        return None
    named = _FAILED.search(told)
    return named[1] if named else f"pytest ended with exit code {running.returncode}: {told[-300:].strip()}"


def _changes() -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
