"""JSON objects have every promised key, and lines are safe to print."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import time
from typing import get_args

import pytest

from codex_imagegen import errors, render
from codex_imagegen.request import Event, Stage
from codex_imagegen.results import ErrorInfo, Failure, Image, Result, Warning_
from tests.support import json_output

IMAGE = Image("/tmp/fox.png", "png", 1254, 1254, 1_470_000, "ab" * 32, True, "a fox, revised")
ERROR = ErrorInfo("usage-limit", 7, "the plan's limit is reached", "try again later", True, 1_795_300_000)
THREAD = "01a1fbe6-1832-7db0-957e-ac10944ce8db"

OK = Result(
    True, "codex", (IMAGE,), (), None, THREAD, "0.169.0", 31.2, (Warning_("size-differs", "another size came"),)
)
FAILED = Result(False, "codex", (), (Failure(0, ERROR),), ERROR, THREAD, None, 4.0)

GOLDEN_OK = (
    '{"schema": 1, "ok": true, "backend": "codex", "images": [{"path": "/tmp/fox.png", "format": "png", '
    '"width": 1254, "height": 1254, "bytes": 1470000, "sha256": "' + "ab" * 32 + '", "original": true, '
    '"revised_prompt": "a fox, revised", "replaced": false}], "failures": [], "error": null, '
    '"thread_id": "01a1fbe6-1832-7db0-957e-ac10944ce8db", "codex_version": "0.169.0", "elapsed_sec": 31.2, '
    '"warnings": [{"code": "size-differs", "message": "another size came"}], "dry_run": false, '
    '"planned": [], "last": null}'
)
GOLDEN_ERROR = (
    '{"code": "usage-limit", "exit_code": 7, "message": "the plan\'s limit is reached", "hint": "try again later", '
    '"spent": true, "resets_at": 1795300000}'
)
GOLDEN_FAILED = (
    '{"schema": 1, "ok": false, "backend": "codex", "images": [], "failures": [{"index": 0, "error": '
    f'{GOLDEN_ERROR}}}], "error": {GOLDEN_ERROR}, '
    '"thread_id": "01a1fbe6-1832-7db0-957e-ac10944ce8db", "codex_version": null, "elapsed_sec": 4.0, "warnings": [], '
    '"dry_run": false, "planned": [], "last": null}'
)
KEYS = [
    "schema", "ok", "backend", "images", "failures", "error", "thread_id", "codex_version", "elapsed_sec", "warnings",
    "dry_run", "planned", "last",
]  # fmt: skip
IMAGE_KEYS = ["path", "format", "width", "height", "bytes", "sha256", "original", "revised_prompt", "replaced"]
EVENT_KEYS = [
    "schema", "event", "elapsed_sec", "index", "job", "thread_id", "request_id", "path", "message", "warning", "error",
]  # fmt: skip
ERROR_KEYS = ["code", "exit_code", "message", "hint", "spent", "resets_at"]

LEAVES = [
    cls for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, errors.ImagegenError) and not cls.__subclasses__()
]  # fmt: skip


def test_json_of_a_result_is_as_written_down():
    assert render.result_json(OK) == GOLDEN_OK
    assert render.result_json(FAILED) == GOLDEN_FAILED


def test_every_object_has_every_key():
    for result in (OK, FAILED, Result(True, "codex"), render.failure_result(errors.UsageError("x"))):
        data = json_output.parse(render.result_json(result))
        assert list(data) == KEYS
        assert all(list(image) == IMAGE_KEYS for image in data["images"])
        assert data["error"] is None or list(data["error"]) == ERROR_KEYS
        assert all(list(failure) == ["index", "error"] for failure in data["failures"])
        assert all(list(failure["error"]) == ERROR_KEYS for failure in data["failures"])
        assert all(list(warning) == ["code", "message"] for warning in data["warnings"])


def test_runcomfy_result_has_its_own_keys():
    result = dataclasses.replace(OK, backend="runcomfy", cost_usd=0.04, request_id="r")
    assert list(render.envelope(result))[: len(KEYS)] == KEYS
    assert render.envelope(result)["cost_usd"] == 0.04


def test_json_is_one_line_of_ascii():
    odd = dataclasses.replace(IMAGE, path="/tmp/狐\n\u202e\udcff.png", revised_prompt="a\0b🦊")
    line = render.result_json(dataclasses.replace(OK, images=(odd,)))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["images"][0]["path"] == odd.path


@pytest.mark.parametrize("cls", LEAVES)
def test_every_error_becomes_a_result(cls):
    error = cls("it failed", hint="do this", spent=None)
    error.thread_id, error.codex_version, error.warnings = THREAD, "0.169.0", (("w", "words"),)
    error.resets_at = 5
    result = render.failure_result(error, elapsed_sec=1.23456)
    info = ErrorInfo(cls.code, error.exit_code, "it failed", "do this", None, 5)
    assert (result.ok, result.error, result.failures) == (False, info, (Failure(0, info),))
    assert (result.thread_id, result.codex_version, result.elapsed_sec) == (THREAD, "0.169.0", 1.235)
    assert result.warnings == (Warning_("w", "words"),)


def test_error_line_holds_message_and_hint():
    assert render.error_line(ERROR) == "codex-imagegen: the plan's limit is reached. (try again later)"
    assert render.error_line(ErrorInfo("x", 1, "no picture came.")) == "codex-imagegen: no picture came."
    assert render.error_line(ErrorInfo("x", 2, "Did you mean '--out'?", "see --help")).endswith("'--out'? (see --help)")
    assert render.warning_line(Warning_("x", "look.")) == "codex-imagegen: warning: look."


HINTED = ErrorInfo(
    "x", 5, "Codex is not logged in", "log in with:\ncodex login\nthen go on with:\ncodex-imagegen -p 'a  b.'"
)


def test_commands_of_a_hint_follow_their_text_in_a_pipe():
    expected = (
        "codex-imagegen: Codex is not logged in. (log in with: codex login; then go on with: codex-imagegen -p 'a  b.')"
    )
    assert render.error_line(HINTED) == expected
    assert render.hint_line("install it:\nnpm install\ncodex login") == "install it: npm install; codex login"
    assert render.hint_line("with:\nrm a:\nrm b:") == "with: rm a: rm b:"  # a name may end with a colon
    assert render.hint_line("run it\nrm \x1b[31m") == "run it; rm ?[31m"


def test_commands_of_a_hint_stand_alone_on_a_terminal():
    expected = """\
codex-imagegen: Codex is not logged in.
hint: log in with:
  codex login
then go on with:
  codex-imagegen -p 'a  b.'"""
    assert render.error_text(HINTED, 80) == expected
    assert render.error_text(HINTED, 20).splitlines() == [
        "codex-imagegen:", "Codex is not logged", "in.", "hint: log in with:", "  codex login", "then go on with:",
        "  codex-imagegen -p 'a  b.'",
    ]  # fmt: skip
    assert render.error_text(ErrorInfo("x", 5, "it failed"), 80) == "codex-imagegen: it failed."
    assert (
        render.warning_text(Warning_("x", "a bird in the hand"), 30) == "codex-imagegen: warning: a\nbird in the hand."
    )


@pytest.mark.parametrize(("first", "second", "joined"), [
    (None, "b", "b"), ("", "b", "b"), ("a", "b", "a; b"), ("a", "b:\nrun b", "a; b:\nrun b"),
    ("a:\nrun a", "b:\nrun b", "a:\nrun a\nb:\nrun b"), ("a:\nrun a", "b", "b; a:\nrun a"),
])  # fmt: skip
def test_joined_hints_keep_their_commands_at_the_end(first, second, joined):
    assert render.join_hints(first, second) == joined


@pytest.mark.parametrize(("seconds", "text"), [
    (-5, "now"), (0, "now"), (1, "at 12:01 (in 1 min)"), (58 * 60, "at 12:58 (in 58 min)"),
    (58 * 60 + 1, "at 12:59 (in 59 min)"), (3600, "at 13:00 (in 1 h)"), (3 * 3600 + 5 * 60, "at 15:05 (in 3 h 5 min)"),
    (86_340, "at 11:59 (in 23 h 59 min)"), (86_400, "on 2026-11-22 at 12:00 (in 1 day)"),
    (60 * 3600, "on 2026-11-24 at 00:00 (in 2 days)"), (72 * 3600, "on 2026-11-24 at 12:00 (in 3 days)"),
])  # fmt: skip
def test_time_to_come_has_how_long_it_is_until_then(monkeypatch, seconds, text):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    noon = 1_795_262_400  # 2026-11-21 12:00
    assert render.until(noon + seconds, noon) == text
    monkeypatch.undo()
    time.tzset()


def test_wrapped_lines_count_wide_letters_and_keep_long_words():
    assert render.wrap("狐狐狐 狐狐 e\u0301e\u0301 x", 6) == ["狐狐狐", "狐狐", "e\u0301e\u0301 x"]
    assert render.wrap("see /a/long/path/of/a/file.png there", 10) == ["see", "/a/long/path/of/a/file.png", "there"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    "word", ["a b", "it's", "a\nb\tc", "狐\u200d\u202e", "nb\xa0sp", "\\x\x1b[31m'", "a\udcff0", "-n", ""]
)
def test_shell_reads_a_printed_command_as_the_same_words(shell, word):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    line = render.shell_join(["printf", "%s|%s", word, "end"])
    assert render.printable(line) == line
    done = subprocess.run([path, "-c", line], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout == os.fsencode(f"{word}|end")


def test_event_lines_name_the_stages():
    assert render.event_line(Event("drawing", 12.4)) == "drawing · 12 s"
    assert render.stage_text(Event("started")) == "starting Codex"
    assert render.stage_text(Event("queued", 1.0, message="3 before")) == "waiting in the queue · 3 before"


def test_every_event_has_every_key():
    received, empty = (
        json_output.parse_event(render.event_json(Event("received", 2.0, thread_id=THREAD))),
        dict.fromkeys(EVENT_KEYS),
    )
    assert received == empty | {"schema": 1, "event": "received", "elapsed_sec": 2.0, "index": 0, "thread_id": THREAD}
    error = json_output.parse_event(render.event_json(render.error_event(ERROR, thread_id=THREAD)))
    assert list(error) == list(received) == EVENT_KEYS
    assert list(error["error"]) == ERROR_KEYS
    assert (error["event"], error["index"], error["message"]) == ("error", None, ERROR.message)
    warned = json_output.parse_event(render.event_json(render.warning_event(OK.warnings[0], job=7)))
    assert (warned["job"], warned["warning"]) == (7, {"code": "size-differs", "message": "another size came"})


def test_every_stage_has_text():
    assert set(render.STAGES) == set(get_args(Stage)) - {"warning", "message", "done", "error"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\r\nc\td", "a b c d"),
        ("\x1b[31mred\x1b[0m", "?[31mred?[0m"),
        ("a\u202eb", "a?b"),
        ("a\u2028b\u00a0c", "a b c"),
        ("a\0b\x7fc", "a?b?c"),
        ("\udcff\ue000", "??"),
        ("狐 🦊 naïve", "狐 🦊 naïve"),
        ("", ""),
    ],
)
def test_control_characters_are_removed(text: str, shown: str):
    assert render.one_line(text) == shown


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("error sending request for url (https://me:hunter2@proxy.local/v1)", "https://(hidden)@proxy.local/v1)"),
        ("http://me:p@ss@1.2.3.4:80/x", "http://(hidden)@1.2.3.4:80/x"),
        ("https://me:hun/ter2@host/x", "https://(hidden)@host/x"),
        ("https://token@host", "https://(hidden)@host"),
        ("builder error for url (me:hunter2@127.0.0.1:1/x)", "for url ((hidden)@127.0.0.1:1/x)"),
        ("https://host/x?api-key=hunter2&v=1", "https://host/x?api-key=(hidden)&v=1"),
        ("Incorrect API key provided: sk-proj-hunter2hunter2.", "provided: (key)"),
        ("Bearer eyJhbGciOiJub25lIn0.hunter2", "Bearer (key)"),
        ("https://host:8080/a@b, http://127.0.0.1/@x", "https://host:8080/a@b, http://127.0.0.1/@x"),
        ("at 12:30, 4:3 or a@b, /x/a:b@2x.png", "at 12:30, 4:3 or a@b, /x/a:b@2x.png"),
        ("a sketchbook of skyscrapers, in sessions-2026", "a sketchbook of skyscrapers, in sessions-2026"),
    ],
)
def test_secrets_are_hidden_in_text(text, clean):
    hidden = render.hide_secrets(text)
    assert hidden.endswith(clean)
    assert "hunter2" not in hidden
    assert "ter2@" not in hidden


def test_password_in_an_address_is_hidden_in_errors():
    error = errors.CodexFailed("no http://me:hunter2@host", hint="see http://me:hunter2@host/x")
    info = render.error_info(error)
    assert (info.message, info.hint) == ("no http://(hidden)@host", "see http://(hidden)@host/x")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"),
        (999_500, "1.0 MB"), (999_600, "1.0 MB"), (1_470_000, "1.5 MB"), (456_000_000, "456 MB"),
        (74_709_225_472, "74.7 GB"), (5e15, "5000.0 TB"),
    ],
)  # fmt: skip
def test_size_is_in_decimal_units(count, text):
    assert render.size(count) == text


def test_count_is_singular_for_one_alone():
    assert [render.plural(n, "picture") for n in (0, 1, 2000)] == ["0 pictures", "1 picture", "2,000 pictures"]


def test_partial_failure_names_the_first():
    assert render.partial_failure(1, 1, "job", "no") == "1 of 1 job failed; the first: no"
    message = render.partial_failure(2, 3, "picture", "no", numbers=[1, 3])
    assert message == "2 of 3 pictures failed (numbers 1, 3); the first: no"
    message = render.partial_failure(2, 3000, "session", "no", verb="could not be removed")
    assert message == "2 of 3,000 sessions could not be removed; the first: no"
