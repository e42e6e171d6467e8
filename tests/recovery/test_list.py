"""``recover --list`` and the thread ids that it shortens: order, lines on a terminal and in a pipe, search and time."""

from __future__ import annotations

import os
import time
import unicodedata

import pytest

from codex_imagegen import render
from codex_imagegen.cli.commands.recover import session_lines
from codex_imagegen.codex.sessions import history as sessions
from codex_imagegen.recovery import search
from codex_imagegen.results import Session
from tests.support import history
from tests.support.lab import COMMAND
from tests.support.passive_terminal import run_on_terminal
from tests.support.pictures import encoded

FOX, OWL = encoded(40, "fox"), encoded(44, "owl")
NOW = time.time()
DAY = 86_400.0


@pytest.fixture
def world(lab):
    return lab(offline=True)


def write(world, *prompts, at=NOW, pictures=(FOX,), **more):
    """Write a session, and return its thread."""
    images = [history.generated_image(data, call_id=f"call_{number}") for number, data in enumerate(pictures)]
    path = world.history.rollout(*map(history.user_message, prompts), *images, at=at, **more)
    os.utime(path, (at, at))
    return history.thread_of(path)


def found(world, *options):
    """The threads that the list has, newest first, after it was checked that the text has them newest last."""
    listed = [session["thread_id"] for session in world.call("recover", "--list", *options, "--json").json["sessions"]]
    lines = world.call("recover", "--list", *options).text.splitlines()
    assert [line.split("\t")[1] for line in lines] == listed[::-1]
    return listed


# Order, keys and columns


def test_list_in_a_pipe_has_tabs_whole_thread_ids_and_the_newest_last(world):
    old = write(world, "first\x1b[2J\u202eof\nall\t!", at=NOW - 9000)
    new = history.new_thread_id(NOW - 60)
    world.history.saved(new, OWL)
    world.history.rollout(history.user_message("no picture was made"))
    lines = world.call("recover", "--list").text.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        [old, "1", str(len(FOX)), "first?[2J?of all !"],
        [new, "1", str(len(OWL)), ""],
    ]
    assert lines[0].startswith(time.strftime("%Y-%m-%d %H:%M\t", time.gmtime(NOW - 9000)))


def test_list_as_json_has_the_newest_first_and_calls_the_rollout_session(world):
    old, new = write(world, "a fox\n", at=NOW - 9000), write(world, at=NOW - 60)
    answer = world.call("recover", "--list", "--json").json
    assert answer["ok"] is True
    assert [session["thread_id"] for session in answer["sessions"]] == [new, old]
    assert answer["sessions"][1] == {
        "thread_id": old, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 9000)), "prompt": "a fox",
        "pictures": 1, "bytes": len(FOX), "session": str(next(world.home.rglob(f"*{old}.jsonl"))),
    }  # fmt: skip


def test_list_with_limit_has_the_newest_sessions(world):
    threads = [history.new_thread_id(NOW - number) for number in range(22)]
    for thread in threads:
        world.history.saved(thread, FOX)
    assert found(world, "--limit", "2") == threads[:2]
    assert len(found(world)) == 20
    assert len(found(world, "--limit", "0")) == 22


def test_list_without_sessions_is_empty(world):
    done = world.call("recover", "--list")
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert world.call("recover", "--list", "--json").json["sessions"] == []


# Search and time


def test_search_finds_all_words_in_one_prompt_in_any_order_and_case(world):
    long = "x" * 600 + " y" * 9000 + " SNOW\nand a Fox " + "z" * 900
    snow = write(world, "hello", long, at=NOW - 10)
    write(world, "a fox", "and an owl in the snow", at=NOW - 20)
    assert found(world, "--search", "fox snow") == [snow]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [("Füchse im Schnee", unicodedata.normalize("NFD", "FÜCHSE")), ("Straße", "STRASSE"), ("a fox", "FO"),
     (unicodedata.normalize("NFD", "Ängstlich"), "ängst"), ("ΌΣΟΣ", "όσος"), ("50 $5 [a-z]*", "$5 [a-z]*")],
)  # fmt: skip
def test_search_ignores_case_and_the_encoding_of_accents(world, prompt, text):
    thread = write(world, prompt)
    assert found(world, "--search", text) == [thread]


def test_search_with_limit_counts_the_matches(world):
    threads = [write(world, "a fox" if number % 2 else "an owl", at=NOW - number) for number in range(6)]
    assert found(world, "--search", "fox", "--limit", "2") == [threads[1], threads[3]]


def test_search_reads_what_the_user_wrote_and_not_what_codex_added(world):
    added = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "# AGENTS.md instructions"}]}
    path = world.history.rollout(
        history.developer_message("a hedgehog"), {"type": "response_item", "payload": added},
        history.user_image(OWL, "a picture like this"), history.generated_image(FOX),
    )  # fmt: skip
    assert found(world, "--search", "like THIS") == [history.thread_of(path)]
    assert found(world, "--search", "AGENTS") == found(world, "--search", "hedgehog") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--search", "zebra\n"], "'zebra\\n' is in no prompt of the 2 sessions with pictures"),
        (["--search", "zebra", "--since", "9d"], "'zebra' is in no prompt of the 1 session with pictures since 9d"),
        (["--search", "zebra", "--since", "1h"], "no past session holds a picture since 1h"),
        (["--since", "1h"], "no past session holds a picture since 1h"),
    ],
)
def test_search_without_a_match_says_how_many_were_searched(world, options, sentence):
    write(world, "a fox", at=NOW - 5 * DAY), write(world, "an owl", at=NOW - 50 * DAY)
    done = world.call("recover", "--list", *options)
    assert (done.code, done.out, done.err) == (0, b"", f"codex-imagegen: {sentence}.\n")
    done = world.call("recover", "--list", *options, "--json")
    assert (done.code, done.json["sessions"], done.err) == (0, [], "")


def test_since_has_sessions_with_a_picture_since_then_however_old_they_are(world):
    write(world, "old", at=NOW - 20 * DAY)
    touched = write(world, "old, and read again", at=NOW - 20 * DAY)
    continued = write(world, "a fox", at=NOW - 30 * DAY)
    week = write(world, "an owl", at=NOW - 6 * DAY)
    saved = history.new_thread_id(NOW - 40 * DAY)
    world.history.saved(saved, OWL)
    with next(world.home.rglob(f"*{continued}.jsonl")).open("ab") as file:
        file.write(history.rollout_line(history.generated_image(OWL), NOW - DAY) + b"\n")
    os.utime(next(world.home.rglob(f"*{touched}.jsonl")))
    assert found(world, "--since", "7d") == [week, continued, saved]
    assert found(world, "--since", "7d", "--limit", "1") == [week]
    assert found(world, "--since", "7d", "--search", "fox") == [continued]


def test_since_reads_only_what_was_changed_since_then(world, monkeypatch):
    write(world, "old", at=NOW - 20 * DAY)
    new = write(world, "new")
    read = []

    class Counted(search.SessionReader):
        def __init__(self, codex_home, ref, **more):
            read.append(ref.thread_id)
            super().__init__(codex_home, ref, **more)

    monkeypatch.setattr(search, "SessionReader", Counted)
    assert found(world, "--since", "7d") == [new]
    assert set(read) == {new}


# On a terminal


def _on_terminal(world, columns):
    env = {**world.environment, "TERM": "xterm", "COLUMNS": str(columns)}
    shown, code = run_on_terminal([COMMAND, "recover", "--list"], cwd=world.work, env=env)
    assert code == 0
    return shown


def test_list_on_a_terminal_has_a_short_line_each(world):
    assert "no past session" in _on_terminal(world, 80)
    thread = write(world, "[bold]red[/bold]\x1b[2J \u202efox " + "in the snow " * 20)
    write(world, at=NOW - 2, pictures=(FOX, OWL))
    wide, narrow = (_on_terminal(world, columns).split("\r\n") for columns in (80, 40))
    when, size = time.strftime("%d %b %H:%M", time.gmtime(NOW)).lstrip("0"), render.size(len(FOX))
    assert wide[0].split()[4:] == ["2", "pictures", *render.size(len(FOX + OWL)).split()]
    assert wide[1].lstrip().startswith(f"{when}  {thread[:8]}")
    assert f"{size}  [bold]red[/bold]?[2J ?fox in" in wide[1]
    assert narrow[1].endswith(" …") or narrow[1].endswith("…")
    assert all(0 < len(line) <= 80 for line in wide[:2])
    assert all(0 < len(line) <= 40 for line in narrow[:2])
    assert wide[2:] == [
        "hint: fetch one, such as the last, with:",
        f"  codex-imagegen recover {wide[1].split()[3]}",
        "",
    ]


def listed(prompt="a fox", thread="01a20136-1000-7063-a043-2741c8039da5", pictures=1, size=1_500_000, at=NOW):
    return Session(thread, at, prompt, pictures, size, f"/home/rollout-{thread}.jsonl")


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
@pytest.mark.parametrize(
    "prompt", ["a red fox in the snow " * 9, "狐" * 99, "e\u0301" * 300, "x" * 500, "", None, "👩‍🎨" * 99]
)
def test_line_of_a_session_fits_any_width(width, prompt):
    lines = session_lines([listed(prompt), listed(pictures=12)], {listed().thread_id: "01a20136"}, width)
    columns = [
        sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in line)
        for line in lines
    ]
    assert max(columns) <= max(width, 24)
    is_long = prompt is not None and len(prompt) > width and not unicodedata.combining(prompt[1])
    assert columns[0] > min(width, 80) - 14 or width < 30 or not is_long


def test_line_of_a_session_of_another_year_has_the_year():
    assert session_lines([listed(at=946_728_000.0)], {}, 120)[0].lstrip().startswith("1 Jan 2000 ")
    assert session_lines([listed(at=0.0)], {}, 120)[0].lstrip().startswith("?")
    assert session_lines([], {}, 80) == []


@pytest.mark.parametrize(
    ("width", "cut"),
    [(30, "a red fox in the snow"), (21, "a red fox in the snow"), (20, "a red fox in the…"), (17, "a red fox in the…"),
     (16, "a red fox in…"), (5, "a re…"), (4, "a r…"), (3, "a…"), (2, "a…"), (1, "…"), (0, ""), (-3, "")],
)  # fmt: skip
def test_text_is_cut_at_a_word(width, cut):
    assert render.cut("a red fox in the snow", width) == cut


# Beginnings of thread ids

ONE, TWO, THREE = (
    "01a20136-1000-7063-a043-2741c8039da5", "01a20136-1001-7063-a043-2741c8039da5", "0fff0136-1000-7063-a043-2741c803",
)  # fmt: skip


def test_shortened_thread_ids_are_unique_and_have_eight_characters_at_least():
    assert sessions.shorten(ONE, [ONE, TWO, THREE]) == "01a20136-1000"
    assert sessions.shorten(THREE, [ONE, TWO, THREE]) == "0fff0136"
    assert sessions.shorten(ONE, [ONE]) == "01a20136"
    assert sessions.shorten(ONE, []) == "01a20136"


@pytest.mark.parametrize("beginning", ["01a2", "01A20136", "01a20136-", "01a20136-1000-7063-a043-2741c8039da"])
def test_recover_with_a_beginning_finds_the_only_thread(world, beginning):
    write(world, thread_id=ONE)
    write(world, thread_id="0fff0136-1000-7063-a043-2741c8039da5")
    assert world.call("recover", beginning).text == f"{world.work / ONE}.png\n"


def test_recover_with_a_beginning_finds_archived_sessions_and_folders_of_pictures(world):
    write(world, thread_id=ONE, archived=True)
    world.history.saved(TWO, OWL)
    assert world.call("recover", "01a20136-1000", "01a20136-1001", "--json").json["ok"] is True


def test_recover_with_an_ambiguous_beginning_lists_the_threads(world):
    for thread in (ONE, TWO):
        write(world, thread_id=thread)
    world.history.saved(ONE, FOX)  # of the same thread
    done = world.call("recover", "01a20136")
    assert (done.code, done.out, os.listdir(world.work)) == (2, b"", [])
    assert "2 thread ids begin with '01a20136': 01a20136-1001, 01a20136-1000." in done.err
    for number in range(7):
        world.history.saved(f"01a2013{number}-1000-7063-a043-2741c8039da5".replace("01a20136", "01a20138"), FOX)
    error = world.call("recover", "01a2", "--json").json["error"]
    assert (error["code"], error["message"].count("01a2") - 1) == ("usage", 5)
    assert error["message"].endswith(" and 4 more")


def test_recover_of_a_file_with_a_name_like_a_beginning_reads_the_file(world):
    thread = write(world)
    next(world.home.rglob("*.jsonl")).rename(world.work / "face")
    assert world.call("recover", "face").text == f"{world.work / thread}.png\n"
