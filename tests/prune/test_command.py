"""The command ``prune``: when it removes, what it prints, and how it ends."""

from __future__ import annotations

import time

import pytest

from tests.prune.sessions import files, write_own_session
from tests.support import history, terminal
from tests.support.checks import KEYS
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

FOX = encoded(40, "fox")


def test_prune_without_yes_removes_nothing(world):
    write_own_session(world, history.generated_image(FOX))
    before = files(world)
    done = world.run("prune")
    assert (done.code, done.err) == (0, "")
    assert done.text.endswith("nothing was removed; --yes removes what may go.\n")
    assert files(world) == before
    assert world.call("prune", "--json").json["dry_run"] is True
    assert files(world) == before


def test_prune_of_an_empty_or_missing_home_finds_nothing(world):
    for _ in range(2):
        done = world.call("prune", "--yes", "--json")
        assert (done.code, done.json["total"]["sessions"], done.json["error"]) == (0, 0, None)
        if world.home.exists():
            world.home.rmdir()
    assert world.call("prune").text.endswith("nothing to remove.\n")


def test_prune_prints_a_table_of_months_and_reasons(world):
    at = [write_own_session(world, history.generated_image(FOX), days=days) for days in (1, 2, 100)]
    world.history.saved(history.thread_of(at[0]), FOX)
    text = world.call("prune").text
    months = {time.strftime("%Y-%m", time.gmtime(time.time() - days * 86_400)) for days in (1, 2, 100)}
    assert all(month in text for month in months)
    assert "kept            2  not old enough" in text
    assert "prunable        1" in text
    assert max(map(len, text.splitlines())) <= 80


def test_prune_with_json_prints_the_promised_object(world):
    old, young = write_own_session(world, history.generated_image(FOX), days=100), write_own_session(world, days=3)
    folder = world.history.saved(history.thread_of(old), FOX)
    size = old.stat().st_size + len(FOX)
    answer = world.call("prune", "--older-than", "2w", "--json").json
    assert list(answer) == [
        *KEYS, "older_than_sec", "keep_pictures", "total", "months", "kept", "prunable", "removed",
    ]  # fmt: skip
    assert (answer["schema"], answer["ok"], answer["older_than_sec"]) == (1, True, 14 * 86_400)
    assert answer["total"]["bytes"] == size + young.stat().st_size
    assert answer["prunable"] == {**answer["prunable"], "sessions": 1, "bytes": size}
    assert [entry["sessions"] for entry in answer["months"]] == [1, 1]
    assert answer["kept"][0]["reason"] == "too-recent"
    began = time.strptime(answer["total"]["oldest"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.time() - 100 * 86_400 - time.mktime(began) + time.timezone) < 3600 * 3
    done = world.call("prune", "--yes", "--json").json
    assert (done["dry_run"], done["removed"]["sessions"], done["removed"]["bytes"]) == (False, 1, size)
    assert not folder.exists()
    assert young.exists()


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "30 d", "1e3d", "30m", "1d2h", "30d\n\x1b[2J", "9999999d"])
def test_prune_with_an_invalid_age_fails_as_usage(world, age):
    done = world.call("prune", "--older-than", age, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert "\x1b" not in done.err


@pytest.mark.parametrize(("age", "goes"), [("0", True), ("2h", True), ("0.5d", True), ("3d", False), ("1W", False)])
def test_prune_with_an_age_removes_what_is_older(world, age, goes):
    write_own_session(world, days=1)
    assert world.call("prune", "--older-than", age, "--json").json["prunable"]["sessions"] == goes


def test_prune_with_a_named_codex_that_is_missing_fails(world):
    path = write_own_session(world)
    done = world.call("prune", "--yes", "--json", "--codex", "/nowhere/codex")
    assert (done.code, done.json["error"]["code"]) == (3, "codex-missing")
    assert path.exists()


def test_prune_of_a_session_that_cannot_be_removed_reports_it_and_goes_on(world):
    stuck, other = write_own_session(world, days=90), write_own_session(world)
    folder = world.history.saved(history.thread_of(stuck), FOX)
    folder.rename(f"{folder}.gone")
    folder.write_bytes(b"no folder")  # it can't be removed as a folder
    done = world.call("prune", "--yes", "--json")
    assert (done.code, done.json["ok"], done.json["error"]["code"]) == (1, False, "out-unwritable")
    (failure,) = done.json["failures"]
    assert history.thread_of(stuck) in failure["error"]["message"]
    assert stuck.exists()
    assert not other.exists()
    assert done.err.count("\n") == 1


# On a terminal


def at_terminal(world, *arguments, answer=None):
    """Exit code and screen after this answer to the question."""
    reply = None if answer is None else (b"[y/N]", answer)
    environment = {**world.environment, "TERM": "xterm"}
    session = terminal.run(terminal.SILENT, [COMMAND, "prune", *arguments], env=environment, reply=reply)
    return session.code, session.written.decode()


@pytest.mark.parametrize(
    ("answer", "code", "gone", "message"),
    [
        (b"y\n", 0, True, "removed 1 session,"),
        (b"n\n", 0, False, "nothing was removed"),
        (b"\n", 0, False, "nothing was removed"),
        (b"\x04", 0, False, "nothing was removed"),
        (b"\x03", 130, False, "interrupted; nothing was removed"),
    ],
)
def test_prune_on_a_terminal_asks_and_obeys_the_answer(world, answer, code, gone, message):
    path = write_own_session(world, history.generated_image(FOX))
    ended, shown = at_terminal(world, answer=answer)
    assert "Remove 1 session, its rollout and pictures" in shown
    assert "Ctrl-D" not in shown  # it is a question, and no text to type
    assert (ended, path.exists()) == (code, not gone), shown
    assert message in shown


@pytest.mark.parametrize("arguments", [["--json"], ["--older-than", "1y"]])
def test_prune_with_json_or_nothing_to_remove_asks_nothing(world, arguments):
    path = write_own_session(world)
    ended, shown = at_terminal(world, *arguments, answer=b"y\n")
    assert (ended, path.exists(), "[y/N]" in shown) == (0, True, False)


def test_prune_with_yes_asks_nothing(world):
    path = write_own_session(world)
    ended, shown = at_terminal(world, "--yes")
    assert (ended, path.exists(), "[y/N]" in shown) == (0, False, False)
