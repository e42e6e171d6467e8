"""``prune`` in homes that real builds of Codex made: what is removed, what is kept, and Codex's databases."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from types import SimpleNamespace
from unittest import mock

import pytest

from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune import delete, policy, run
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, wait_until
from tests.support.codex_sessions import fork, generate, run_codex, threads, threads_with_pictures
from tests.support.in_process import call

pytestmark = pytest.mark.real
DAY = 86_400
DELETES = (0, 141)
"""The first supported build whose Codex can delete a session."""


def prune(world, *arguments, days=40):
    """Run the command with the clock this many days ahead."""
    with _later(days):
        return world.call("prune", *arguments)


def prune_without_codex(world, path):
    with _later(40):
        return call("prune", "--yes", "--json", environment={**world.environment, "PATH": str(path)}, folder=world.work)


def _later(days):
    now = time.time

    def later():
        return now() + days * DAY

    return mock.patch.object(time, "time", later)


def named_in_databases(world, thread):
    """The tables of Codex's databases that still name a thread."""
    found = []
    for path in sorted(world.home.glob("*.sqlite")):
        if path.name.startswith("logs"):
            continue  # a log, which also records the deletion
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
                rows = database.execute(f'select * from "{table}"').fetchall()
                found += [f"{path.name} {table}" for row in rows if thread in row]
    return found


def kept(done):
    """The number of kept sessions by reason."""
    return {entry["reason"]: entry["sessions"] for entry in done.json["kept"]}


@pytest.mark.parametrize("version", checks.every_build())
def test_prune_removes_our_runs_and_keeps_every_other_session(lab, version):
    """Kept: sessions of the user, also in a folder with a name like ours, and continued or forked ones."""
    world, name = lab(version, script=DrawsSmall()), "codex-imagegen-run-0123456789abcdef"
    fox, owl, boat = generate(world, "a red fox", "an owl", "a boat")
    theirs = {run_codex(world, "a picture of a boat"), run_codex(world, "a boat", folder=name)}
    (world.work / name).rmdir()
    assert run_codex(world, "resume", fox, "now in blue") == fox
    theirs.add(fork(world, owl))
    before = threads_with_pictures(world)

    looked = prune(world, "--json").json
    assert (looked["dry_run"], looked["total"]["sessions"], looked["prunable"]["sessions"]) == (True, 3, 1)
    assert threads(world) == {fox, owl, boat, *theirs}
    assert threads_with_pictures(world) == before

    done = prune(world, "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"], done.json["failures"]) == (0, 1, [])
    assert done.json["removed"]["bytes"] == looked["prunable"]["bytes"]
    assert kept(done) == {"continued": 1, "forked": 1}
    assert threads(world) == {fox, owl, *theirs}
    assert threads_with_pictures(world) == before - {boat}
    by_codex = builds.number(version) >= DELETES
    assert [warning["code"] for warning in done.json["warnings"]] == ([] if by_codex else ["still-indexed"])
    if by_codex:
        assert named_in_databases(world, boat) == []
        assert all(named_in_databases(world, thread) for thread in theirs)
    assert (world.work / "made-3.png").read_bytes() == checks.small_png("a boat")
    assert checks.processes(world) == []


@pytest.mark.parametrize("version", checks.every_build())
def test_prune_with_keep_pictures_keeps_what_recover_needs(lab, version):
    world = lab(version, script=DrawsSmall())
    (fox,) = generate(world, "a red fox")
    done = prune(world, "--yes", "--keep-pictures", "--json")
    if fox in threads_with_pictures(world):
        assert (done.code, done.json["removed"]["sessions"]) == (0, 1)
        assert threads(world) == set()
        back = call("recover", fox, "--out", "back.png", environment=world.environment, folder=world.work)
        assert (back.code, (world.work / "back.png").read_bytes()) == (0, checks.small_png("a red fox"))
    else:  # these builds save no file: the rollout has the only copy
        assert (done.code, kept(done)) == (0, {"only-copy": 1})
        assert threads(world) == {fox}


def test_prune_of_a_session_that_codex_refuses_to_delete_reports_it_and_removes_the_others(lab, monkeypatch):
    """Somebody forks it between the scan and the removal."""
    world = lab(script=DrawsSmall())
    fox, owl = generate(world, "a red fox", "an owl")
    monkeypatch.setattr(policy, "time", SimpleNamespace(time=lambda: time.time() + DAY))
    options = {"interrupt": Interrupt(), "on_progress": lambda *_: None, "environment": world.environment}
    found = run.find_prunable(0, keep_pictures=False, **options)
    forked = fork(world, fox)
    done = run.remove(found, codex=str(builds.codex(world.version)), **options)
    assert [session.thread_id for session in done.removed] == [owl]
    assert [session.thread_id for session, _error in done.failures] == [fox]
    assert (done.error.exit_code, done.error.code) == (1, "codex-failed")
    assert "1 of 2 sessions could not be removed" in done.error.message
    assert threads(world) == {fox, forked}
    assert fox in threads_with_pictures(world)  # a kept session keeps its pictures
    assert owl not in threads_with_pictures(world)


def test_prune_with_a_signal_ends_between_two_sessions(lab, monkeypatch):
    world = lab(script=DrawsSmall())
    ours = generate(world, "a red fox", "an owl")
    assert delete.FINISH_SEC == 5.0
    monkeypatch.setattr(delete, "FINISH_SEC", 60.0)
    monkeypatch.setattr(policy, "time", SimpleNamespace(time=lambda: time.time() + DAY))
    interrupt = Interrupt()
    found = run.find_prunable(
        0, keep_pictures=False, interrupt=interrupt, on_progress=lambda *_: None, environment=world.environment
    )
    done = run.remove(
        found, codex=str(builds.codex(world.version)), interrupt=interrupt, environment=world.environment,
        on_progress=lambda _what, number: interrupt.set(15) if number == 1 else None,
    )  # fmt: skip
    assert (done.error.code, done.error.exit_code) == ("interrupted", 143)
    assert "after 1 of 2 sessions" in done.error.message
    assert threads(world) == threads_with_pictures(world) == {ours[-1]}


class Slow(DrawsSmall):
    draw_sec = 60.0


@checks.NEWEST_FIRST
def test_prune_keeps_a_run_at_work_and_one_that_was_killed_until_its_folder_is_gone(lab, version):
    world = lab(version, script=Slow())
    run = world.start("--prompt", "a red fox", "--out", "fox.png")
    wait_until(lambda: world.standin.calls_to("/responses"), "the model")
    assert kept(prune(world, "--older-than", "0", "--yes", "--json", days=0)) == {"running": 1}
    assert len(threads(world)) == 1
    run.kill()
    run.communicate(timeout=30)
    assert kept(prune(world, "--yes", "--json")) == {"running": 1}  # by the Codex that is still running
    for process in checks.processes(world, wait=False):
        checks.kill(process)
    wait_until(lambda: kept(prune(world, "--yes", "--json")) == {"unfinished": 1}, "Codex to let go of its lock")
    for name in world.leftovers:
        (world.tmp / name).rmdir()
    assert prune(world, "--yes", "--json").json["removed"]["sessions"] == 1


def test_prune_without_a_codex_removes_the_files_and_codex_still_works(lab):
    world = lab(script=DrawsSmall())
    theirs = run_codex(world, "a boat")
    path = world.tmp / "bin"
    path.mkdir()
    for codex in ("missing", "ends at once"):
        generate(world, "a red fox")
        if codex == "ends at once":
            (path / "codex").write_text("#!/bin/sh\nexit 1\n")
            (path / "codex").chmod(0o755)
        done = prune_without_codex(world, path)
        assert [warning["code"] for warning in done.json["warnings"]] == ["still-indexed"]
        assert threads(world) == {theirs}
        assert threads_with_pictures(world) == {theirs}


KILLED = f"""
import sys, time
now = time.time
time.time = lambda: now() + 40 * {DAY}
from codex_imagegen.prune import delete
remove_pictures, calls = delete._remove_pictures, []
def hold(*arguments):
    calls.append(arguments)
    if len(calls) == 2:
        print("held", flush=True)
        time.sleep(600)
    remove_pictures(*arguments)
delete._remove_pictures = hold
from codex_imagegen.__main__ import main
main()
"""
"""``prune``, stopped after Codex has deleted the second session and before its pictures are removed."""


def test_prune_that_was_killed_is_continued_by_the_next(lab):
    world = lab(script=DrawsSmall())
    ours = generate(world, "fox 1", "fox 2", "fox 3")
    theirs = run_codex(world, "a boat")
    line = [sys.executable, "-c", KILLED, "prune", "--yes", "--codex", str(builds.codex(world.version))]
    with subprocess.Popen(line, cwd=world.work, env=world.environment, stdout=subprocess.PIPE) as run:
        assert b"held\n" in run.stdout  # reads up to that line
        run.kill()
    wait_until(lambda: not checks.processes(world), "Codex's end")
    assert threads(world) == {ours[2], theirs}
    assert threads_with_pictures(world) == {*ours[1:], theirs}
    done = prune(world, "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"]) == (0, 1)
    assert threads(world) == {theirs}
    assert threads_with_pictures(world) - {theirs} <= {ours[1]}
    assert [named_in_databases(world, thread) for thread in ours] == [[]] * len(ours)
