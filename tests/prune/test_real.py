"""Homes that real builds of Codex made: what goes, what stays, and that Codex's own databases forget it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune import story, verdict
from tests.prune import worlds
from tests.support import builds, checks
from tests.support.checks import ENDS, Small, until

pytestmark = pytest.mark.real
DELETES = (0, 141)
"""The first supported build whose Codex can delete a session."""


@pytest.mark.parametrize("version", checks.every_build())
def test_our_runs_go_and_the_users_stay(lab, version):
    world = lab(version, script=Small())
    ours, theirs = worlds.made(world, "a red fox", "an owl"), worlds.users(world, "a picture of a boat")
    before = worlds.pictured(world)

    looked = worlds.prune(world, "--json").json
    assert (looked["dry_run"], looked["total"]["sessions"], looked["prunable"]["sessions"]) == (True, 2, 2)
    assert worlds.threads(world) == {*ours, theirs}
    assert worlds.pictured(world) == before

    done = worlds.prune(world, "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"], done.json["failures"]) == (0, 2, [])
    assert done.json["removed"]["bytes"] == looked["total"]["bytes"]
    assert worlds.threads(world) == {theirs}
    assert worlds.pictured(world) == before - set(ours)
    by_codex = builds.number(version) >= DELETES
    assert [warning["code"] for warning in done.json["warnings"]] == ([] if by_codex else ["still-indexed"])
    if by_codex:
        assert [worlds.named_in_databases(world, thread) for thread in ours] == [[], []]
        assert worlds.named_in_databases(world, theirs)
    assert (world.work / "made-1.png").read_bytes() == checks.made("a red fox")
    assert checks.processes(world) == []


@ENDS
def test_a_session_of_the_users_in_a_folder_of_such_a_name_stays(lab, version):
    world, name = lab(version, script=Small()), "codex-imagegen-run-0123456789abcdef"
    (ours,), theirs = worlds.made(world, "a red fox"), worlds.users(world, "a boat", name=name)
    (world.work / name).rmdir()
    done = worlds.prune(world, "--yes", "--json")
    assert (done.code, done.json["total"]["sessions"], done.json["removed"]["sessions"]) == (0, 1, 1)
    assert worlds.threads(world) == {theirs}
    assert ours not in worlds.pictured(world)


@pytest.mark.parametrize("version", checks.every_build())
def test_pictures_can_be_kept(lab, version):
    world = lab(version, script=Small())
    (fox,) = worlds.made(world, "a red fox")
    done = worlds.prune(world, "--yes", "--keep-pictures", "--json")
    if fox in worlds.pictured(world):
        assert (done.code, done.json["removed"]["sessions"]) == (0, 1)
        assert worlds.threads(world) == set()
        back = world.run_argv([*world.argv()[:1], "recover", fox, "--out", "back.png"])
        assert (back.code, (world.work / "back.png").read_bytes()) == (0, checks.made("a red fox"))
    else:  # these builds save no file: the rollout is all there is
        assert (done.code, worlds.kept(done)) == (0, {"only-copy": 1})
        assert worlds.threads(world) == {fox}


@ENDS
def test_a_session_that_somebody_went_on_with_stays(lab, version):
    world = lab(version, script=Small())
    fox, owl = worlds.made(world, "a red fox", "an owl")
    assert worlds.users(world, "resume", fox, "now in blue") == fox
    done = worlds.prune(world, "--yes", "--json")
    assert worlds.kept(done) == {"continued": 1}
    assert worlds.threads(world) == {fox}
    assert owl not in worlds.pictured(world)


@ENDS
def test_a_session_that_was_forked_stays_and_so_does_the_fork(lab, version):
    world = lab(version, script=Small())
    fox, _owl = worlds.made(world, "a red fox", "an owl")
    fork = worlds.fork(world, fox)
    done = worlds.prune(world, "--yes", "--json")
    assert worlds.kept(done) == {"forked": 1}
    assert worlds.threads(world) == {fox, fork}
    assert done.json["total"]["sessions"] == 2


def test_what_codex_refuses_stays_and_is_told(lab, monkeypatch):
    """Forked by somebody between the look and the removal: Codex itself keeps it, and the others go."""
    world = lab(script=Small())
    fox, owl = worlds.made(world, "a red fox", "an owl")
    monkeypatch.setattr(verdict, "time", SimpleNamespace(time=lambda: time.time() + worlds.DAY))
    asked = {"interrupt": Interrupt(), "tell": worlds.nobody, "environment": world.environment}
    found = story.look(0, keep_pictures=False, **asked)
    fork = worlds.fork(world, fox)
    done = story.remove(found, codex=str(builds.codex(world.version)), **asked)
    assert [own.thread_id for own in done.removed] == [owl]
    assert [own.thread_id for own, _error in done.failures] == [fox]
    assert (done.error.exit_code, done.error.code) == (1, "codex-failed")
    assert "1 of 2 sessions could not be removed" in done.error.message
    assert worlds.threads(world) == {fox, fork}
    assert fox in worlds.pictured(world)  # what is kept is kept whole
    assert owl not in worlds.pictured(world)


def test_a_signal_ends_it_between_two_sessions(lab, monkeypatch):
    world = lab(script=Small())
    ours = worlds.made(world, "a red fox", "an owl", "a boat")
    monkeypatch.setattr(verdict, "time", SimpleNamespace(time=lambda: time.time() + worlds.DAY))
    interrupt = Interrupt()
    found = story.look(0, keep_pictures=False, interrupt=interrupt, tell=worlds.nobody, environment=world.environment)
    done = story.remove(
        found, codex=str(builds.codex(world.version)), interrupt=interrupt, environment=world.environment,
        tell=lambda _what, number: interrupt.set(15) if number == 2 else None,
    )  # fmt: skip
    assert (done.error.code, done.error.exit_code) == ("interrupted", 143)
    assert "when 2 of 3 sessions" in done.error.message
    assert worlds.threads(world) == worlds.pictured(world) == {ours[-1]}


class Slow(Small):
    draw_sec = 60.0


@ENDS
def test_a_run_at_work_stays(lab, version):
    world = lab(version, script=Slow())
    run = world.start("--prompt", "a red fox", "--out", "fox.png")
    try:
        until(lambda: world.standin.to("/responses"), "the model")
        done = worlds.prune(world, "--older-than", "0", "--yes", "--json")
        assert worlds.kept(done) == {"running": 1}
        assert len(worlds.threads(world)) == 1
    finally:
        run.terminate()
        run.communicate(timeout=30)


@ENDS
def test_a_run_that_was_killed_stays_while_its_folder_is_there(lab, version):
    world = lab(version, script=Slow())
    run = world.start("--prompt", "a red fox", "--out", "fox.png")
    until(lambda: world.standin.to("/responses"), "the model")
    run.kill()
    run.communicate(timeout=30)
    assert worlds.kept(worlds.prune(world, "--yes", "--json")) == {"running": 1}  # by the Codex that was left behind
    for process in checks.processes(world, wait=False):
        checks.end(process)
    assert checks.processes(world) == []
    assert worlds.kept(worlds.prune(world, "--yes", "--json")) == {"unfinished": 1}
    for name in world.leftovers:
        (world.tmp / name).rmdir()
    assert worlds.prune(world, "--yes", "--json").json["removed"]["sessions"] == 1


@pytest.mark.parametrize("named", ["no such codex", "an end at once"])
def test_without_a_codex_the_files_are_removed(lab, named):
    world = lab(script=Small())
    theirs = worlds.users(world, "a boat")
    worlds.made(world, "a red fox")
    path = world.tmp / "bin"
    path.mkdir()
    if named == "an end at once":
        (path / "codex").write_text("#!/bin/sh\nexit 1\n")
        (path / "codex").chmod(0o755)
    done = worlds.prune(world, "--yes", "--json", codex=False, env={"PATH": str(path)})
    assert [warning["code"] for warning in done.json["warnings"]] == ["still-indexed"]
    assert worlds.threads(world) == {theirs}
    assert worlds.pictured(world) == {theirs}
    again = world.run("--prompt", "another", "--out", "another.png")  # Codex gets on without them
    assert again.code == 0, again


def test_a_killed_prune_is_gone_on_with(lab):
    world = lab(script=Small())
    ours = worlds.made(world, *(f"fox {number}" for number in range(6)))
    theirs = worlds.users(world, "a boat")
    worlds.kill_at(world, removed=2)
    left = worlds.threads(world)
    assert theirs in left
    assert 0 < len(left & set(ours)) < len(ours)
    assert worlds.pictured(world) <= left | set(ours)
    done = worlds.prune(world, "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"]) == (0, len(left) - 1)
    assert worlds.threads(world) == {theirs}
    assert len(worlds.pictured(world) - {theirs}) <= 1  # of the session that Codex had deleted when we were killed
    assert [worlds.named_in_databases(world, thread) for thread in ours] == [[]] * len(ours)
