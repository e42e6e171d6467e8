"""The table of faults: what goes wrong, what comes back, and where the picture is then. It generates the tests."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.stage import Meanwhile, Stage, can, linux
from tests.support import builds
from tests.support.lab import COMMAND, Outcome

DELIVERED, RECOVERABLE, NONE = "delivered", "recoverable in one command", "none was made"
_NAMESPACE = can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")
_NO_INOTIFY = ("unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh")
MIB = 1024 * 1024
MOST_MEMORY = 120 * MIB


@dataclass(frozen=True)
class Fault:
    """``bring`` runs the command under the fault. ``code`` is ``error.code``, None for a success."""

    name: str
    bring: Callable[[Stage], Outcome]
    exit_code: int = 0
    code: str | None = None
    picture: str = DELIVERED
    version: str = builds.NEWEST
    side: int = 64
    needs: Callable[[], str | None] | None = None
    spoken: bool = True
    """Whether stdout is there to hold the JSON."""


def _then(act: Callable[[Stage], None], *more: str) -> Callable[[Stage], Outcome]:
    """A run in the middle of which, when we follow the rollout, something happens."""

    def act_in_time(stage: Stage) -> None:
        stage.await_follower()
        act(stage)

    return _at_once(act_in_time, *more)


def _at_once(act: Callable[[Stage], None], *more: str) -> Callable[[Stage], Outcome]:
    """The same, before we may have found the rollout: a picture that comes sooner than any real one."""

    def bring(stage: Stage) -> Outcome:
        stage.script.act = lambda: act(stage)
        return stage.run(*more)

    return bring


# the picture can't be written


def _small_files(stage: Stage) -> Outcome:
    codex = stage.odd_codex("ulimit -S -f unlimited")
    return stage.run(codex=codex, below=stage.with_less("--file-bytes", "8192"))


def _full_disk(stage: Stage) -> Outcome:
    return stage.run(below=stage.mounted(stage.folder, "size=8k"))


def _vanish(stage: Stage) -> None:
    shutil.rmtree(stage.folder)


def _become_a_file(stage: Stage) -> None:
    shutil.rmtree(stage.folder)
    stage.folder.write_text("in the way")


def _turn_read_only(stage: Stage) -> Outcome:
    stage.script.act = lambda: stage.folder.chmod(0o555)
    return stage.run(below=stage.with_less("--powerless"))


def _appear(stage: Stage) -> None:
    stage.out.write_text("somebody else's")


# Codex's home


def _read_only_home(stage: Stage) -> Outcome:
    sessions = stage.lab.home / "sessions"
    sessions.mkdir()
    for folder in (sessions, stage.lab.home):
        folder.chmod(0o555)
    try:
        return stage.run(below=stage.with_less("--powerless"))
    finally:
        stage.lab.home.chmod(0o755)


def _no_home(stage: Stage) -> Outcome:
    return stage.run(env={"CODEX_HOME": str(stage.lab.home / "gone")})


def _linked_home(stage: Stage) -> Outcome:
    link = stage.lab.work / "link"
    link.symlink_to(stage.lab.home)
    return stage.run(env={"CODEX_HOME": str(link)})


def _home_elsewhere(stage: Stage) -> Outcome:
    elsewhere = Path("/dev/shm") / f"codex-imagegen-test-{os.getpid()}"
    shutil.copytree(stage.lab.home, elsewhere)
    try:
        assert elsewhere.stat().st_dev != stage.lab.work.stat().st_dev
        return stage.run(env={"CODEX_HOME": str(elsewhere)})
    finally:
        shutil.rmtree(elsewhere)


def _shared_memory() -> str | None:
    return None if os.path.isdir("/dev/shm") else "there is no /dev/shm"


def _no_inotify(stage: Stage) -> Outcome:
    return stage.run(below=_NO_INOTIFY)


# the rollout


def _truncate(stage: Stage) -> None:
    os.truncate(stage.rollout(), 0)


def _replace(stage: Stage) -> None:
    copy = stage.lab.work / "copy"
    shutil.copy(stage.rollout(), copy)
    copy.replace(stage.rollout())


def _delete(stage: Stage) -> None:
    stage.rollout().unlink()


# Codex


def _kill_codex(stage: Stage) -> None:
    stage.signal_codex(signal.SIGKILL)


def _stop_codex(stage: Stage) -> None:
    stage.signal_codex(signal.SIGSTOP)
    time.sleep(10)  # the picture does not come, even when Codex is let go on to be ended


def _die_in_line(stage: Stage) -> Outcome:
    """The kernel ends Codex in the middle of the line with the picture: it would be longer than a file may be."""
    limit = len(stage.script.picture_made) * 7 // 6
    below = " ".join(stage.with_less("--hard", "--file-bytes", str(limit)))
    return stage.run(codex=stage.odd_codex(real=f'exec {below} {{codex}} "$@"'))


def _spam(where: str) -> Callable[[Stage], Outcome]:
    def bring(stage: Stage) -> Outcome:
        stage.script.act = stage.measure
        done = stage.run(codex=stage.odd_codex(f"head -c {100 * MIB} /dev/zero | tr '\\0' x {where}"))
        assert 0 < stage.peak_kib * 1024 < MOST_MEMORY, stage.peak_kib
        return done

    return bring


def _rubbish(stage: Stage) -> Outcome:
    return stage.run(codex=stage.odd_codex(r"printf '\377\376\n{\300\n\000\n'", r"printf '\377\033[2J\n' >&2"))


def _silent_stdout(stage: Stage) -> Outcome:
    return stage.run(codex=stage.odd_codex(real='exec {codex} "$@" >/dev/null'))


def _closes_and_lives(stage: Stage) -> Outcome:
    closes = stage.odd_codex("echo Reading prompt from stdin... >&2", "exec >&- 2>&-", "exec sleep 30", real=None)
    return stage.run("--timeout-sec", "2", codex=closes)


# the clock


def _zone(zone: str) -> Callable[[Stage], Outcome]:
    """Codex's clock is hours off ours, so that for half of the day its day is another."""

    def bring(stage: Stage) -> Outcome:
        return stage.run(codex=stage.odd_codex(f"export TZ={zone}"), env={"TZ": "UTC"})

    return bring


def _midnight(seconds: float) -> Callable[[Stage], Outcome]:
    """A time zone in which midnight comes so many seconds from now."""

    def bring(stage: Stage) -> Outcome:
        offset = int(time.time() + seconds) % 86_400
        sign, offset = ("", offset) if offset < 43_200 else ("-", 86_400 - offset)
        zone = f"XXX{sign}{offset // 3600}:{offset // 60 % 60:02}:{offset % 60:02}"
        return stage.run(env={"TZ": zone})

    return bring


# the temporary folder


def _temporary_full(stage: Stage) -> Outcome:
    return stage.run(below=stage.mounted(stage.lab.tmp, "nr_inodes=1"))


def _temporary_missing(stage: Stage) -> Outcome:
    return stage.run(env={"TMPDIR": str(stage.lab.tmp / "gone")})


def _temporary_unwritable(stage: Stage) -> Outcome:
    stage.lab.tmp.chmod(0o555)
    try:
        return stage.run(below=stage.with_less("--powerless"))
    finally:
        stage.lab.tmp.chmod(0o755)


# ourselves


def _closed(*descriptors: str) -> Callable[[Stage], Outcome]:
    def bring(stage: Stage) -> Outcome:
        return stage.run(below=["sh", "-c", f'exec "$@" {" ".join(descriptors)}', "sh"])

    return bring


def _nobody_reads(*, out: str | None = None) -> Callable[[Stage], Outcome]:
    """As in ``| head -0``: the other end of the pipe is closed before anything is written."""

    def bring(stage: Stage) -> Outcome:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return stage.run(out=out, json_wanted=out is None, stdout=writer)
        finally:
            os.close(writer)

    return bring


def _killed_after_landing(stage: Stage) -> Outcome:
    """We stand still while the picture lands, and are killed when Codex says that it has: it makes its next call."""
    stage.script.act = lambda: os.kill(stage.pid, signal.SIGSTOP)
    stage.script.closing = lambda: os.kill(stage.pid, signal.SIGKILL)
    done = stage.run()
    for _ in range(100):  # the Codex that is left behind ends by itself
        if not stage.groups():
            break
        time.sleep(0.1)
    return done


TABLE = (
    Fault("the disk is full when the picture is written", _full_disk, 73, "out-unwritable", RECOVERABLE,
          needs=_NAMESPACE),
    Fault("files may not be as large as the picture", _small_files, 73, "out-unwritable", RECOVERABLE),
    Fault("the output's folder vanishes", _then(_vanish)),
    Fault("the output's folder becomes a file", _then(_become_a_file), 73, "out-unwritable", RECOVERABLE),
    Fault("the output's folder turns read-only", _turn_read_only, 73, "out-unwritable", RECOVERABLE, needs=linux),
    Fault("the output appears meanwhile", _then(_appear), 73, "out-exists", RECOVERABLE),
    Fault("CODEX_HOME is read-only", _read_only_home, 5, "codex-failed", NONE, needs=linux),
    Fault("CODEX_HOME is missing", _no_home, 5, "codex-failed", NONE),
    Fault("CODEX_HOME is a symlink", _linked_home),
    Fault("CODEX_HOME is on another file system", _home_elsewhere, needs=_shared_memory),
    Fault("inotify is at its limit", _no_inotify, needs=can(*_NO_INOTIFY, "true")),
    Fault("the rollout is truncated", _then(_truncate)),
    Fault("the rollout is truncated, and no file is saved", _then(_truncate), version=builds.OLDEST),
    Fault("the rollout is truncated before a longer picture", _then(_truncate), version=builds.OLDEST, side=300),
    Fault("the rollout is truncated before it is found", _at_once(_truncate), version=builds.OLDEST),
    Fault("the rollout is replaced", _then(_replace)),
    Fault("the rollout is replaced, and no file is saved", _then(_replace), version=builds.OLDEST),
    Fault("the rollout is deleted", _then(_delete)),
    Fault("the rollout is deleted, and no file is saved", _then(_delete), version=builds.OLDEST),
    Fault("Codex is killed", _then(_kill_codex), 5, "codex-failed", NONE, needs=linux),
    Fault("Codex is killed in the middle of a line", _die_in_line, side=1100),
    Fault("Codex is killed in the middle of a line, and no file is saved", _die_in_line, 5, "codex-failed", NONE,
          version=builds.OLDEST, side=1100),
    Fault("Codex is stopped", _then(_stop_codex, "--timeout-sec", "3"), 5, "timeout", NONE, needs=linux),
    Fault("Codex prints 100 MB on stdout", _spam(""), needs=linux),
    Fault("Codex prints 100 MB on stderr", _spam(">&2"), needs=linux),
    Fault("Codex prints what is no UTF-8", _rubbish),
    Fault("Codex says nothing on stdout", _silent_stdout),
    Fault("Codex closes its streams and lives on", _closes_and_lives, 5, "timeout", NONE),
    Fault("Codex's day is the next", _zone("UTC-14")),
    Fault("Codex's day is the one before", _zone("UTC+12")),
    Fault("midnight comes while Codex starts", _midnight(1)),
    Fault("midnight has just been", _midnight(0)),
    Fault("the temporary folder is full", _temporary_full, 73, "out-unwritable", NONE, needs=_NAMESPACE),
    Fault("the temporary folder is missing", _temporary_missing, 73, "out-unwritable", NONE),
    Fault("the temporary folder is read-only", _temporary_unwritable, 73, "out-unwritable", NONE, needs=linux),
    Fault("stdout is closed", _closed(">&-"), spoken=False),
    Fault("every stream is closed", _closed("<&-", ">&-", "2>&-"), spoken=False),
    Fault("nobody reads stdout", _nobody_reads(), spoken=False),
    Fault("nobody reads the picture from stdout", _nobody_reads(out="-"), 73, "out-unwritable", RECOVERABLE,
          spoken=False),
    Fault("we are killed between landing and writing", _killed_after_landing, -9, None, RECOVERABLE, needs=linux,
          spoken=False),
)  # fmt: skip

__all__ = ["COMMAND", "DELIVERED", "NONE", "RECOVERABLE", "TABLE", "Fault", "Meanwhile"]
