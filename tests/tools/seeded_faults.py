"""Seeds forty small faults into the core, one at a time, and checks that the default tests find each.

``python -m tests.tools.seeded_faults [--only N,N] [--jobs 2] [--first-only] [--list]``, by hand, in a tree without
changes. Each fault is put into its file, the tests that should find it first are run, and if these pass, all default
tests; then the file is restored. A test has found a fault if it fails with the fault and passes without.
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
"""Time limits for the tests of some files, and for all tests: a hang counts as a failure."""

_ITSELF = "tests/test_seeded_faults.py"
"""This test fails with every fault."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """``old`` occurs once in ``file`` (below ``codex_imagegen/``), and is replaced by ``new``.

    ``harm``: the effect on a user; ``first``: the tests, below ``tests/``, that should find it first.
    """

    file: str
    old: str
    new: str
    harm: str
    first: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The path of the file."""
        return ROOT / "codex_imagegen" / self.file

    def applied(self) -> str:
        """The text of the file with the fault; raises ValueError unless the old text occurs exactly once."""
        text = self.path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has the text of the fault {text.count(self.old)} times: {self.harm}")
        return text.replace(self.old, self.new)


FAULTS = (
    # the Codex route
    Fault(
        "codex/process.py",
        "            self._interrupted = True\n            self.send_signal(signal.SIGINT)\n",
        "            self._interrupted = True\n",
        "Codex is not interrupted once the picture is made, and makes a second model call",
        ("codex/run/test_process.py", "generation/test_pictures.py"),
    ),
    Fault(
        "codex/process.py",
        "STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (KILL, 5.0))",
        "STOP_SIGNALS = ((signal.SIGINT, 0.0), (signal.SIGTERM, 2.0), (KILL, 5.0))",
        "Codex gets no time after the interrupt: it is terminated before it closes its session",
        ("codex/run/test_process.py", "generation/test_kills.py"),
    ),
    Fault(
        "codex/process.py",
        "        # a process that the leader left in its group, such as an MCP server, must not outlive the run\n"
        "        self.send_signal(KILL)\n",
        "",
        "processes that Codex started, such as an MCP server, survive the run",
        ("codex/run/test_process.py", "generation/test_kills.py"),
    ),
    Fault(
        "codex/run/run.py",
        "        if not self._prompt_sent and self._process.exit_code is None:\n            self._process.detach()\n",
        "        if self._process.exit_code is not None:\n            self._process.detach()\n",
        "a Codex that indexes its home is killed: the next ones wait 30 s for its lease",
        ("generation/test_setups.py", "generation/test_input.py"),
    ),
    Fault(
        "codex/run/run.py",
        "error(spent=failures.has_spent(self._evidence(follower, timed_out=False)))",
        "error(spent=False)",
        "Ctrl-C while the picture is drawn says that nothing was spent",
        ("generation/test_kills.py",),
    ),
    Fault(
        "codex/run/attribution.py",
        'worked_here = os.path.basename(meta.cwd or "") == self._folder_name',
        "worked_here = bool(self._folder_name)",
        "the rollout of another run that began at the same time is taken for ours",
        ("codex/run/test_attribution.py",),
    ),
    Fault(
        "codex/run/attribution.py",
        "return OwnedRollout(path, size, meta)",
        "return OwnedRollout(path, 0 * size, meta)",
        "a resumed thread delivers a picture of an earlier turn",
        ("codex/run/test_attribution.py", "generation/test_resume.py"),
    ),
    Fault(
        "codex/run/resume.py",
        "descriptors.lock(descriptor)",
        "descriptors.lock(descriptor, shared=True)",
        "two runs resume one thread at once, and take each other's pictures",
        ("generation/test_resume.py",),
    ),
    Fault(
        "codex/run/resume.py",
        "return _file_state(path, status) not in self.files",
        "return path not in self.files",
        "a file saved by an earlier turn is delivered as the new picture",
        ("generation/test_resume.py",),
    ),
    Fault(
        "codex/run/follow.py",
        "if data in self._reference_images:",
        "if False:",
        "the user's own reference is delivered as the result",
        ("codex/run/test_candidates.py", "generation/test_references.py"),
    ),
    Fault(
        "codex/sessions/rollout.py",
        "        if not self._calls.get(call_id) or call_id in self._received:\n",
        "        if call_id in self._received:\n",
        "a picture that the model has viewed is delivered as a generated one",
        ("codex/sessions/test_rollout.py",),
    ),
    Fault(
        "codex/sessions/rollout.py",
        'if (as_number(window.get("used_percent")) or 0) >= 100:',
        'if (as_number(window.get("used_percent")) or 0) > 100:',
        "a usage limit is not reported with its exact reset time",
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
        'FINAL_FAILURES = ("moderation", "usage-limit")',
        'FINAL_FAILURES = ("usage-limit",)',
        "after a blocked picture Codex spends another model call to report it",
        ("generation/test_failures.py",),
    ),
    Fault(
        "codex/run/follow.py",
        "if not self.candidates.full_turn and self.candidates.is_deliverable(candidate.data):",
        "if self.candidates.is_deliverable(candidate.data):",
        "--full-turn is cut short by its first picture",
        ("generation/test_pictures.py",),
    ),
    Fault(
        "codex/run/workspace.py",
        "return _is_own(folder) and is_locked(folder, folder=True) is False",
        "return _is_own(folder)",
        "the working folder and the references of a running run are removed",
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
        ("codex/sessions/test_layout.py", "codex/run/test_attribution.py"),
    ),
    Fault(
        "codex/sessions/layout.py",
        "if thread is None or not THREAD_ID.match(thread):",
        "if thread is None:",
        "a path in place of a thread id leads out of the Codex home",
        ("codex/sessions/test_layout.py", "test_hostile.py"),
    ),
    Fault(
        "codex/run/interrupted.py",
        "if picture is None or not _has_full_prompt(session, prompt):",
        "if picture is None:",
        "a batch that was killed while it sent a prompt delivers the picture of half of the prompt",
        ("codex/run/test_interrupted.py",),
    ),
    Fault(
        "codex/backend.py",
        "if is_tested or first.may_have_spent:",
        "if is_tested:",
        "a run of a new build that failed in its turn is paid for twice",
        ("generation/test_setups.py",),
    ),
    Fault(
        "platform/descriptors.py",
        "os.O_RDONLY | _BINARY | _NO_WAIT |",
        "os.O_RDONLY | _BINARY |",
        "a reference that is a FIFO hangs the program forever",
        ("images/test_references.py", "test_hostile.py"),
    ),
    Fault(
        "platform/descriptors.py",
        "os.O_CREAT | os.O_EXCL | os.O_WRONLY |",
        "os.O_CREAT | os.O_WRONLY |",
        "on a file system without hard links, an existing file is replaced without --force",
        ("images/test_output.py",),
    ),
    Fault(
        "images/output.py",
        "    if not target.force:\n        raise OutExists(",
        "    if not (target.force or stat.S_ISREG(mode)):\n        raise OutExists(",
        "an existing --out is refused only after the picture was paid for",
        ("images/test_output.py",),
    ),
    Fault(
        "generation.py",
        "    if command is None or error",
        "    if command is None or not is_unwritten or error",
        "a timeout or Ctrl-C does not name the command that fetches a picture that was made after all",
        ("generation/test_failures.py",),
    ),
    Fault(
        "generation.py",
        "[index for index in range(request.count) if index not in existing],",
        "list(range(request.count)),",
        "--skip-existing pays for existing pictures",
        ("generation/test_several.py",),
    ),
    # several pictures, batches, past sessions, and the other rooms
    Fault(
        "runner/attempts.py",
        'STOP_CODES = {"usage-limit", "not-logged-in",',
        'STOP_CODES = {"not-logged-in",',
        "after a usage limit the rest of a batch is started all the same",
        ("runner/test_attempts.py",),
    ),
    Fault(
        "runner/attempts.py",
        'error.code == "runcomfy-retry" and error.spent is False',
        'error.code == "runcomfy-retry" and error.spent is not True',
        "a RunComfy request that may have been taken is sent, and billed, again",
        ("runner/test_backoff.py",),
    ),
    Fault(
        "batches/worker.py",
        "        try:\n"
        "            self.journal.add_started(job.key, job.line, folder=folder, backend=job.request.backend)\n"
        "        except ImagegenError as error:  # no run may start that the journal does not record\n"
        "            self.attempts.stop(error)\n            raise\n"
        "        result = self._generate(job, replace(job.request, folder=folder))\n",
        "        result = self._generate(job, replace(job.request, folder=folder))\n"
        "        self.journal.add_started(job.key, job.line, folder=folder, backend=job.request.backend)\n",
        "a killed batch does not know its runs, and pays for their pictures again",
        ("batches/test_worker.py",),
    ),
    Fault(
        "batches/worker.py",
        "if record.ended is None and (result := self._resume(job, record)):",
        "if record.ended is not None and (result := self._resume(job, record)):",
        "a batch that goes on pays again for pictures that were made while it was being killed",
        ("batches/test_worker.py", "batches/test_resume.py"),
    ),
    Fault(
        "batches/jobs.py",
        '        "refs": [digest.hex() for digest in digests],\n',
        "",
        "a batch takes a picture of other references for this job's",
        ("batches/test_jobs.py",),
    ),
    Fault(
        "recovery/search.py",
        "    images.sort(key=lambda image: image.time)\n",
        "    images.sort(key=lambda image: -image.time)\n",
        "recover --last delivers the oldest picture of a session",
        ("recovery/test_last.py",),
    ),
    Fault(
        "prune/policy.py",
        "if time.time() - session.changed_at < rule.older_than_sec:",
        "if time.time() - session.changed_at < 0:",
        "prune removes sessions newer than the user asked for",
        ("prune/test_whose.py", "prune/test_real.py", "prune/test_command.py"),
    ),
    Fault(
        "prune/policy.py",
        "        if inspect.has_multiple_turns(session.path):\n",
        "        if False:\n",
        "prune removes a session that the user has resumed",
        ("prune/test_whose.py", "prune/test_real.py"),
    ),
    Fault(
        "gallery/page.py",
        '.replace("<", "\\\\u003c")',
        "",
        "a prompt can end the gallery's script, and inject the rest into the page",
        ("gallery/test_command.py",),
    ),
    Fault(
        "mcp_server/undelivered.py",
        "self.undelivered = {index for index in self.undelivered if self._may_have(index, known_error)}",
        "self.undelivered = set()",
        "after a call that was cancelled, recover_image delivers another call's picture",
        ("mcp_server/test_undelivered.py",),
    ),
    Fault(
        "runcomfy/download.py",
        "MAX_TRIES = 3\n",
        "MAX_TRIES = 1\n",
        "a paid picture is lost after one interrupted download",
        ("runcomfy/test_download.py",),
    ),
    Fault(
        "runcomfy/urls.py",
        "return target if location and self.is_allowed(target) else None",
        "return target if location else None",
        "a redirect of RunComfy may lead to any host, including the local network",
        ("runcomfy/test_urls.py", "runcomfy/test_download.py"),
    ),
    Fault(
        "cli/console.py",
        "REPEAT_SEC = 1.0\n",
        "REPEAT_SEC = 0.0\n",
        "timeout(1), which sends its signal twice, kills Codex instead of letting it shut down",
        ("generation/test_kills.py",),
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for a fault: the test that found it, or None and why not, and the duration in seconds."""

    number: int
    found_by: str | None
    remark: str
    seconds: float


def main() -> int:
    """Try the faults, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.seeded_faults", description=__doc__)
    parser.add_argument("--only", metavar="N,N", help="the numbers of the faults to try")
    parser.add_argument("--jobs", type=int, default=2, help="workers of pytest")
    parser.add_argument("--first-only", action="store_true", help="do not run all tests if the first ones pass")
    parser.add_argument("--list", action="store_true", help="only print the faults")
    given = parser.parse_args()
    numbers = [int(n) for n in given.only.split(",")] if given.only else range(1, len(FAULTS) + 1)
    if given.list:
        for number in numbers:
            print(f"{number:2}  {FAULTS[number - 1].file:24} {FAULTS[number - 1].harm}")
        return 0
    if changes := _changes():
        print(f"the tree has changes, so nothing was tried:\n{changes}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # restores the file on SIGTERM as well
    found = 0
    for number in numbers:
        finding = try_fault(number, jobs=given.jobs, first_only=given.first_only)
        found += finding.found_by is not None
        harm = FAULTS[number - 1].harm
        print(
            f"{number:2}  {harm}\n    {finding.found_by or 'MISSED'}{finding.remark}  {finding.seconds:.0f} s",
            flush=True,
        )
    print(f"{found} of {len(numbers)} found")
    return 0 if found == len(numbers) else 1


def try_fault(number: int, *, jobs: int, first_only: bool) -> Finding:
    """Seed one fault, and find a test that fails with it and passes without."""
    fault, began = FAULTS[number - 1], time.monotonic()
    rounds = [(tuple(f"tests/{name}" for name in fault.first), FOLDER_SEC)]
    rounds += [] if first_only else [((), ALL_SEC)]
    with seeded(fault):
        failed = next((test for tests, limit in rounds if (test := _failing(tests, jobs, limit))), None)
    remark = ""
    if failed is not None and failed.startswith("tests/") and _failing((failed,), 1, FOLDER_SEC) is not None:
        remark, failed = f", because {failed} also fails without the fault", None
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
    """Write a file in place with a new modification time, so that no stale bytecode is used."""
    mtime = path.stat().st_mtime
    path.write_bytes(data)
    later = max(time.time(), mtime + 2)  # a .pyc records whole seconds, and the size
    os.utime(path, (later, later))


def _failing(tests: Sequence[str], jobs: int, limit_sec: float) -> str | None:
    """The first test that fails, or None; if pytest names none, how its run ended."""
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
        output, _ = running.communicate(timeout=limit_sec)
    except subprocess.TimeoutExpired:
        return f"the tests did not end within {limit_sec} s"
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    if running.returncode == 0:
        return None
    match = _FAILED.search(output)
    return match[1] if match else f"pytest ended with exit code {running.returncode}: {output[-300:].strip()}"


def _changes() -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
