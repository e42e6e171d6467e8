"""Findings on the newest rollouts, and the redaction of the report."""

from __future__ import annotations

import pytest

from codex_imagegen.doctor import checks_home
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import failed, ok
from codex_imagegen.doctor.report import Redactor
from codex_imagegen.errors import NotLoggedIn
from codex_imagegen.interrupt import Interrupt
from tests.support.history import History, new_thread_id, session_meta, user_message

HOUR_SEC = 3600.0
NOW = 1_795_300_000.0


@pytest.fixture
def past(tmp_path):
    return History(tmp_path)


@pytest.fixture
def look(past):
    def check():
        return checks_home.check_rollouts(Context(None, Interrupt(), {"CODEX_HOME": str(past.home), "PATH": ""}))

    return check


def put_unrecognized(past, hours_ago):
    past.rollout({"type": "turn_summary", "payload": {}}, at=NOW - hours_ago * HOUR_SEC)


def test_no_rollouts_are_ok(look):
    assert (look().status, look().data["looked_at"]) == ("ok", 0)


def test_known_records_are_ok(past, look):
    past.rollout(user_message())
    assert look().data == {"looked_at": 1, "codex_versions": ["0.169.0"], "unrecognized": []}
    assert look().status == "ok"


def test_unknown_records_are_a_warning(past, look):
    put_unrecognized(past, 0)
    found = look()
    assert (found.status, found.data["unrecognized"]) == ("warning", ["records of the kind turn_summary"])
    assert "turn_summary" in found.message
    assert "doctor --live" in found.hint


def test_only_the_newest_rollouts_are_read(past, look):
    put_unrecognized(past, 6)
    for hours_ago in range(5):
        past.rollout(user_message(), at=NOW - hours_ago * HOUR_SEC)
    assert (look().status, look().data["looked_at"]) == ("ok", 5)


def test_rollout_of_newer_codex_is_a_warning(past, look):
    thread_id = new_thread_id(NOW)
    path = past.rollout(at=NOW, thread_id=thread_id)
    path.write_bytes(path.read_bytes().replace(b"0.169.0", b"0.170.1"))
    found = look()
    assert (found.status, found.data["codex_versions"]) == ("warning", ["0.170.1"])


def test_rollout_of_alpha_build_is_ok(past, look):
    path = past.rollout(at=NOW)
    path.write_bytes(path.read_bytes().replace(b"0.169.0", b"0.148.0-alpha.15"))
    assert (look().status, look().data["codex_versions"]) == ("ok", ["0.148.0"])


@pytest.mark.parametrize("odd", ["somebody@example.com", "9.9", "²", "99999.0.0"])
def test_malformed_version_is_ignored(past, look, odd):
    path = past.rollout(at=NOW, thread_id=new_thread_id(NOW))
    text = path.read_text().replace("0.169.0", odd)
    path.write_text(text)
    found = look()
    assert (found.status, found.data["codex_versions"]) == ("ok", [])
    assert odd not in found.message


def test_unreadable_rollouts_are_ignored(past, look):
    path = past.rollout(at=NOW)
    path.rename(path.with_name(path.name + ".zst"))
    assert look().status == "ok"
    (path.parent / path.name).mkdir()
    assert look().status == "ok"
    assert session_meta("x")["payload"]["id"] == "x"


# Redaction

REDACTOR = Redactor({"HOME": "/home/alice"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/alice/.codex is there", "~/.codex is there"),
        ("/home/alice", "~"),
        ("/home/alicex/a", "/home/(user)/a"),
        ("/home/bob/x and /Users/carol/y", "/home/(user)/x and /Users/(user)/y"),
        ("/mnt/data/alice/codex", "/mnt/data/(user)/codex"),
        ("/mnt/alice", "/mnt/(user)"),
        ("'/home/alice/a b'", "'~/a b'"),
        ("mail alice.b+c@mail.example.com now", "mail (e-mail) now"),
        ("npm install -g @openai/codex", "npm install -g @openai/codex"),
        ("/x/.pnpm/@openai+codex@0.134.0/bin", "/x/.pnpm/@openai+codex@0.134.0/bin"),
        ("API key - sk-abcde***p1234", "API key - (key)"),
        ("Bearer eyJhbGciOi.eyJzdWI.x-y_z", "Bearer (key)"),
        ("a\x1b[2Jb\nc\u202e", "a?[2Jb c?"),
    ],
)
def test_redaction_hides_names_mail_and_keys(text, shown):
    assert REDACTOR.redact_text(text) == shown


def test_redaction_covers_every_field_of_a_finding():
    error = NotLoggedIn("not at /home/alice", hint="see /home/alice/x")
    clean = REDACTOR.redact(failed(error, {"path": "/home/alice/c", "others": ["/home/alice/d"], "n": 1, "none": None}))
    assert (clean.message, clean.hint, clean.error.message, clean.error.hint) == ("not at ~", "see ~/x") * 2
    assert clean.data == {"path": "~/c", "others": ["~/d"], "n": 1, "none": None}
    assert REDACTOR.redact(ok("fine")) == ok("fine")


@pytest.mark.parametrize("home", ["/", "", "/x"])
def test_redaction_ignores_short_homes(home):
    assert Redactor({"HOME": home}).redact_text("/x/y and /usr/bin/codex").endswith("/usr/bin/codex")
