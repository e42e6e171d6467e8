"""Causes the failures of the table: each function makes a run meet one, and returns its outcome."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import builds, checks
from tests.support.faulty_run import FaultyRun
from tests.support.lab import Lab
from tests.support.outcome import Outcome

_MIB = 1024 * 1024
_SPAM_BYTES = 100 * _MIB
_MOST_MEMORY = 120 * _MIB
NO_INOTIFY = ("unshare", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh")


def while_drawing(act: Callable[[FaultyRun], None]) -> Callable[[FaultyRun], Outcome]:
    """Act while the picture is drawn and the program follows the rollout."""

    def act_in_time(run: FaultyRun) -> None:
        run.await_follower()
        act(run)

    return at_once(act_in_time)


def at_once(act: Callable[[FaultyRun], None]) -> Callable[[FaultyRun], Outcome]:
    """The same, perhaps before the program has found the rollout: the picture comes sooner than any real one."""

    def bring(run: FaultyRun) -> Outcome:
        run.script.act = lambda: act(run)
        return run.call()

    return bring


def with_arguments(*words: str, **env: str) -> Callable[[FaultyRun], Outcome]:
    """A run with these arguments and environment variables."""
    return lambda run: run.call(*words, env=env)


def after_preparing(prepare: Callable[[Lab], None]) -> Callable[[FaultyRun], Outcome]:
    """A run in a lab that was changed beforehand."""

    def bring(run: FaultyRun) -> Outcome:
        prepare(run.lab)
        return run.call()

    return bring


def time_ends_at(request: int) -> Callable[[FaultyRun], Outcome]:
    """The timeout ends when Codex sends its ``request``-th request to the model; earlier ones were answered."""

    def bring(run: FaultyRun) -> Outcome:
        respond = run.script.respond

        def counting(call: Any) -> Any:
            if run.lab.model_calls >= request:
                run.end_time_and_hold()
            return respond(call)

        run.script.respond = counting
        return run.run_until_time_is_up()

    return bring


def time_ends_while_drawing(run: FaultyRun) -> Outcome:
    run.script.act = lambda: (run.await_follower(), run.end_time_and_hold())
    return run.run_until_time_is_up()


# Login, plan and Codex's own configuration


def log_out(lab: Lab) -> None:
    (lab.home / "auth.json").unlink()


def use_key(lab: Lab) -> None:
    (lab.home / "auth.json").write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}))


def use_free_plan(lab: Lab) -> None:
    lab.write_home(plan="free")


def break_config(lab: Lab) -> None:
    (lab.home / "config.toml").write_text("[broken\n")


def without_home(run: FaultyRun) -> Outcome:
    """A missing home is not created: it may be on a disk that is not mounted."""
    shutil.rmtree(run.lab.home)
    done = run.call()
    assert not run.lab.home.exists()
    return done


def block_sessions(lab: Lab) -> None:
    """As in a sandbox that denies writes to CODEX_HOME; the oldest build stores its pictures nowhere else."""
    (lab.home / "sessions").write_text("no folder")


def nobody_listens(run: FaultyRun) -> Outcome:
    """The timeout ends once Codex has reported its second try."""
    run.lab.standin.__exit__()  # its port accepts no more connections
    codex = 'exec {codex} "$@" | while IFS= read -r line; do printf "%s\\n" "$line"; '
    ends = f'case $line in *Reconnecting*2/5*|*"2/5"*) {run.end_time_command};; esac; done'
    return run.run_until_time_is_up(
        "--model", builds.FUNCTION_MODEL, codex=run.wrapped_codex(real=codex.removeprefix("exec ") + ends)
    )


# The picture can't be written


def small_files(run: FaultyRun) -> Outcome:
    codex = run.wrapped_codex("ulimit -S -f unlimited")
    return run.run(codex=codex, below=run.restricted("--file-bytes", "8192"))


def full_disk(run: FaultyRun) -> Outcome:
    return run.run(below=run.mounted(run.folder, "size=8k"))


def remove_folder(run: FaultyRun) -> None:
    shutil.rmtree(run.folder)


def replace_folder_by_file(run: FaultyRun) -> None:
    shutil.rmtree(run.folder)
    run.folder.write_text("in the way")


def make_folder_read_only(run: FaultyRun) -> Outcome:
    run.script.act = lambda: run.folder.chmod(0o555)
    return run.run(below=run.restricted("--powerless"))


def write_output(run: FaultyRun) -> None:
    run.out.write_text("somebody else's")


# Codex's home


def read_only_home(run: FaultyRun) -> Outcome:
    sessions = run.lab.home / "sessions"
    sessions.mkdir()
    for folder in (sessions, run.lab.home):
        folder.chmod(0o555)
    try:
        return run.run(below=run.restricted("--powerless"))
    finally:
        run.lab.home.chmod(0o755)


def linked_home_on_other_file_system(run: FaultyRun) -> Outcome:
    elsewhere = Path("/dev/shm") / f"codex-imagegen-test-{os.getpid()}"
    shutil.copytree(run.lab.home, elsewhere)
    link = run.lab.work / "link"
    link.symlink_to(elsewhere)
    try:
        assert elsewhere.stat().st_dev != run.lab.work.stat().st_dev
        return run.call(env={"CODEX_HOME": str(link)})
    finally:
        shutil.rmtree(elsewhere)


def shared_memory() -> str | None:
    return None if os.path.isdir("/dev/shm") else "there is no /dev/shm"


def no_inotify(run: FaultyRun) -> Outcome:
    return run.run(below=NO_INOTIFY)


# The rollout


def truncate(run: FaultyRun) -> None:
    os.truncate(run.rollout(), 0)


def replace(run: FaultyRun) -> None:
    copy = run.lab.work / "copy"
    shutil.copy(run.rollout(), copy)
    copy.replace(run.rollout())


def delete(run: FaultyRun) -> None:
    run.rollout().unlink()


# Codex's process


def kill_codex(run: FaultyRun) -> None:
    run.signal_codex(signal.SIGKILL)


def suspend_codex(run: FaultyRun) -> Outcome:
    def act() -> None:
        run.await_follower()
        run.signal_codex(signal.SIGSTOP)
        run.end_time_and_hold()  # the picture does not come, even when Codex is resumed in order to be stopped

    run.script.act = act
    return run.run_until_time_is_up()


def kill_codex_in_a_line(run: FaultyRun) -> Outcome:
    """The kernel kills Codex in the middle of the line with the picture: the file would exceed its size limit."""
    limit = len(run.script.drawn_picture) * 7 // 6
    below = " ".join(run.restricted("--hard", "--file-bytes", str(limit)))
    return run.run(codex=run.wrapped_codex(real=f'exec {below} {{codex}} "$@"'))


def spam(run: FaultyRun) -> Outcome:
    """Ten lines of binary data on each stream, each longer than a pipe's buffer."""
    run.script.act = run.note_memory
    lines = f"for i in 1 2 3 4 5 6 7 8 9 10; do head -c {_SPAM_BYTES // 10} /dev/zero; printf '\\377\\033[2J\\n'; done"
    done = run.run(codex=run.wrapped_codex(r"printf '\377\376\n{\300\n\000\n'", lines, f"{{ {lines}; }} >&2"))
    assert 0 < run.peak_kib * 1024 < _MOST_MEMORY, run.peak_kib
    return done


def swallow_stdout(run: FaultyRun) -> Outcome:
    return run.call(codex=run.wrapped_codex(real='exec {codex} "$@" >/dev/null'))


def close_streams_and_live(run: FaultyRun) -> Outcome:
    lines = [
        "echo Reading prompt from stdin... >&2",
        "exec >&- 2>&-",
        "cat > /dev/null",
        run.end_time_command,
        "exec sleep 120",
    ]
    return run.run_until_time_is_up(codex=run.wrapped_codex(*lines, real=None))


# The clock


def _west_sec(hour: float) -> int:
    """How far west of UTC, in seconds, it is that hour now; at most half a day."""
    return int(time.time() - hour * 3600 + 43_200) % 86_400 - 43_200


def _zone(west_sec: int) -> str:
    sign, offset = "-" if west_sec < 0 else "", abs(west_sec)
    return f"XXX{sign}{offset // 3600}:{offset // 60 % 60:02}:{offset % 60:02}"


def days(hour: float, codex_ahead: float) -> Callable[[FaultyRun], Outcome]:
    """It is this ``hour`` for the program; Codex's clock is some hours ahead, on another day."""

    def bring(run: FaultyRun) -> Outcome:
        west = _west_sec(hour)
        codex_west = west - int(codex_ahead * 3600)
        days = [int(time.time() - seconds) // 86_400 for seconds in (codex_west, west)]
        assert days[0] - days[1] == (1 if codex_ahead > 0 else -1)
        return run.call(codex=run.wrapped_codex(f"export TZ={_zone(codex_west)}"), env={"TZ": _zone(west)})

    return bring


def midnight_comes(run: FaultyRun) -> Outcome:
    """Codex starts on the day after the program was started."""
    zone = _zone(_west_sec(24 - 2 / 3600))
    return run.run(codex=run.wrapped_codex("sleep 2"), env={"TZ": zone})


# The temporary folder


def temporary_full(run: FaultyRun) -> Outcome:
    return run.run(below=run.mounted(run.lab.tmp, "nr_inodes=1"))


def temporary_missing(run: FaultyRun) -> Outcome:
    return run.run(env={"TMPDIR": str(run.lab.tmp / "gone")})


def temporary_read_only(run: FaultyRun) -> Outcome:
    run.lab.tmp.chmod(0o555)
    try:
        return run.run(below=run.restricted("--powerless"))
    finally:
        run.lab.tmp.chmod(0o755)


# Our own process


def closed(*descriptors: str) -> Callable[[FaultyRun], Outcome]:
    def bring(run: FaultyRun) -> Outcome:
        return run.run(below=["sh", "-c", f'exec "$@" {" ".join(descriptors)}', "sh"])

    return bring


def nobody_reads(*, out: str | None = None) -> Callable[[FaultyRun], Outcome]:
    """As with ``| head -0``: the reader has closed the pipe before anything is written."""

    def bring(run: FaultyRun) -> Outcome:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return run.run(out=out, json_wanted=out is None, stdout=writer)
        finally:
            os.close(writer)

    return bring


def killed_before_writing(run: FaultyRun) -> Outcome:
    """The program is suspended while the picture arrives, and killed when Codex reports it to the model."""
    run.script.act = lambda: os.kill(run.pid, signal.SIGSTOP)
    run.script.act_after = lambda: os.kill(run.pid, signal.SIGKILL)
    done = run.run()
    checks.wait_until(lambda: not run.groups(), "the orphaned Codex to end")
    return done
