"""Why there is no picture: code, exit code, cost and reset time of each recorded failure."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from codex_imagegen import errors
from codex_imagegen.codex.run import failures
from codex_imagegen.codex.run.events import Events
from codex_imagegen.codex.sessions import rollout
from tests.support import recorded_runs
from tests.support.recorded_runs import Recording, RolloutReading

SECOND, MINUTE, UNKNOWN = 1, 60, 0
"""How exactly the recording says when the limit ends, in seconds; 0: it doesn't."""

EXPECTED: dict[str, tuple[str, bool | None, int]] = {
    # scenario: error.code, spent, resets_at
    "usage-today": ("usage-limit", False, MINUTE),
    "usage-days": ("usage-limit", False, MINUTE),
    "usage-headers": ("usage-limit", False, SECOND),
    "usage-noreset": ("usage-limit", False, UNKNOWN),
    "usage-workspace": ("usage-limit", False, UNKNOWN),
    "usage-not-included": ("usage-limit", False, UNKNOWN),
    "quota": ("usage-limit", False, UNKNOWN),
    "img-limit": ("usage-limit", True, SECOND),
    "img-limit-nohdr": ("usage-limit", True, SECOND),
    "img-limit-noreset": ("usage-limit", True, UNKNOWN),
    "hosted-limit": ("usage-limit", None, UNKNOWN),
    "rate-429": ("rate-limited", False, UNKNOWN),
    "rate-stream": ("rate-limited", False, UNKNOWN),
    "overloaded": ("rate-limited", False, UNKNOWN),
    "img-rate": ("rate-limited", True, UNKNOWN),
    "img-toomany": ("rate-limited", True, UNKNOWN),
    "img-moderation": ("moderation", True, UNKNOWN),
    "img-caught": ("moderation", True, UNKNOWN),
    "moderation-stream": ("moderation", None, UNKNOWN),
    "moderation-400": ("moderation", None, UNKNOWN),
    "refused": ("refused", True, UNKNOWN),
    "silent": ("no-picture", True, UNKNOWN),
    "not-offered": ("tool-unavailable", True, UNKNOWN),
    "not-offered-flat": ("tool-unavailable", True, UNKNOWN),
    "not-offered-code": ("tool-unavailable", True, UNKNOWN),
    "free-words": ("tool-unavailable", True, UNKNOWN),
    "no-login-words": ("tool-unavailable", True, UNKNOWN),
    "img-500": ("generation-failed", True, UNKNOWN),
    "img-400": ("generation-failed", True, UNKNOWN),
    "img-401": ("not-logged-in", True, UNKNOWN),
    "img-empty": ("generation-failed", True, UNKNOWN),
    "img-notjson": ("generation-failed", True, UNKNOWN),
    "img-badb64": ("damaged-picture", True, UNKNOWN),
    "img-blank": ("no-picture", True, UNKNOWN),
    "img-torn": ("damaged-picture", True, UNKNOWN),
    "img-badref": ("generation-failed", True, UNKNOWN),
    "img-sixrefs": ("generation-failed", True, UNKNOWN),
    "hosted-torn": ("damaged-picture", True, UNKNOWN),
    "hosted-badb64": ("damaged-picture", True, UNKNOWN),
    "hosted-blank": ("no-picture", True, UNKNOWN),
    "hosted-failed": ("refused", True, UNKNOWN),  # Codex drops the item; the model's words say it
    "hosted-failed-empty": ("generation-failed", True, UNKNOWN),
    "auth-401": ("not-logged-in", False, UNKNOWN),
    "auth-reused": ("not-logged-in", False, UNKNOWN),
    "auth-404": ("not-logged-in", False, UNKNOWN),
    "auth-none": ("not-logged-in", False, UNKNOWN),
    "net-500": ("network", None, UNKNOWN),
    "net-cut": ("network", None, UNKNOWN),
    "net-reset": ("network", None, UNKNOWN),
    "net-early-end": ("network", None, UNKNOWN),
    "net-closed": ("network", False, UNKNOWN),
    "net-img-close": ("network", True, UNKNOWN),
    "sandbox-no-network": ("network", False, UNKNOWN),
    "sandbox-read-only-home": ("codex-failed", False, UNKNOWN),
    "sessions-is-a-file": ("session-missing", True, UNKNOWN),
    "bad-model": ("codex-failed", False, UNKNOWN),
    "bad-config": ("codex-failed", False, UNKNOWN),
    "bad-argument": ("codex-failed", False, UNKNOWN),
    "bad-feature": ("codex-failed", False, UNKNOWN),
    "too-old": ("codex-too-old", False, UNKNOWN),
}
OF_THE_BUILD: dict[str, tuple[str, bool | None, int]] = {
    # no record of 0.111.0 tells whether the tool was offered, and its words are the same for a refused connection
    # and for one that broke after the request
    "0.111.0-free-words": ("refused", True, UNKNOWN),
    "0.111.0-net-closed": ("network", None, UNKNOWN),
    "0.111.0-sandbox-no-network": ("network", None, UNKNOWN),
    "0.111.0-sandbox-read-only-home": ("session-missing", True, UNKNOWN),  # it runs to its end, and saves nothing
}
EXIT_CODES = {
    "codex-too-old": 3, "timeout": 5, "not-logged-in": 5, "network": 5, "codex-failed": 5, "session-missing": 6,
    "usage-limit": 7, "rate-limited": 7, "moderation": 7, "refused": 7, "tool-unavailable": 7, "generation-failed": 7,
    "damaged-picture": 7, "no-picture": 7,
}  # fmt: skip


def expected(recording: Recording) -> tuple[str, bool | None, int]:
    return OF_THE_BUILD.get(recording.name) or EXPECTED[recording.scenario]


FAILED = [one for one in recorded_runs.load_all() if not RolloutReading(one.lines).pictures]


def explained(evidence: failures.Evidence) -> errors.ImagegenError:
    return failures.explain(evidence)


def evidence_of(**more: object) -> failures.Evidence:
    """A run that began and of which nothing is known."""
    known: dict[str, object] = {
        "exit_code": 0, "timed_out": False, "timeout_sec": 300.0, "thread_id": "t", "session_found": True,
        "damaged": None, "events": Events(), "stderr": "", "records": rollout.Evidence(),
    }  # fmt: skip
    return failures.Evidence(**{**known, **more})  # type: ignore[arg-type]


def events(**values: object) -> Events:
    stream = Events()
    for name, value in values.items():
        setattr(stream, name, value)
    return stream


@pytest.fixture
def recorded_then(monkeypatch: pytest.MonkeyPatch):
    """Times in Codex's messages are of the day and the zone in which they were recorded."""
    localtime = time.localtime
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def at(recording: Recording) -> None:
        now = recording.run["recorded_at"]
        monkeypatch.setattr(time, "localtime", lambda seconds=None: localtime(now if seconds is None else seconds))

    yield at
    monkeypatch.undo()
    time.tzset()


@recorded_runs.for_each(FAILED)
def test_recorded_failure_has_its_code_cost_and_reset_time(recording: Recording, recorded_then):
    recorded_then(recording)
    error = explained(recording.evidence())
    code, spent, exactness = expected(recording)
    assert (error.code, error.spent) == (code, spent), error.message
    assert error.exit_code == EXIT_CODES[code]
    if exactness == UNKNOWN:
        assert error.resets_at is None
    else:
        assert error.resets_at is not None
        assert 0 <= recording.run["resets_at"] - error.resets_at < exactness
    assert error.hint
    assert "\n" not in error.message
    assert len(error.message) < 420


def test_expected_failures_are_all_recorded():
    assert set(EXPECTED) <= {recording.scenario for recording in recorded_runs.load_all()}
    assert {recording.scenario for recording in FAILED} <= set(EXPECTED)


@recorded_runs.for_each(FAILED)
def test_failure_known_before_codex_ends_is_the_final_one(recording: Recording):
    """A failure that is on record already is reported as such when the time is up meanwhile."""
    evidence = replace(recording.evidence(), exit_code=None, timed_out=True)
    error = explained(evidence)
    assert error.code in {expected(recording)[0], "timeout"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("0.169.0-fn-usage-today", "You’ve hit your usage limit"),
        ("0.144.6-fn-img-limit", "The usage limit has been reached"),
        ("0.169.0-code-img-moderation", "rejected by the safety system"),
        ("0.169.0-code-refused", "I can't help with that picture."),
        ("0.144.6-fn-img-400", "Invalid value: 'auto'."),
        ("0.169.0-fn-bad-model", "The 'x' model is not supported"),
        ("0.169.0-fn-bad-argument", "unexpected argument '--nonsense'"),
        ("0.169.0-fn-bad-feature", "Unknown feature flag: nonsense"),
        ("0.169.0-fn-bad-config", "Error loading config.toml"),
        ("0.107.0-too-old", "image_generation"),
    ],
)
def test_message_has_the_words_of_codex(name: str, words: str):
    assert words in explained(recorded_runs.load(name).evidence()).message


def test_limit_with_an_end_says_when(recorded_then, monkeypatch):
    recording = recorded_runs.load("0.169.0-code-img-limit")
    recorded_then(recording)
    monkeypatch.setattr(time, "time", lambda: recording.run["resets_at"] - 2 * 3600)
    error = explained(recording.evidence())
    minute = time.strftime("%H:%M", time.gmtime(-(-recording.run["resets_at"] // 60) * 60))
    assert error.hint == f"try again at {minute} (in 2 h)"
    later = explained(recorded_runs.load("0.169.0-fn-img-limit-noreset").evidence())
    assert later.hint == "try again later; see what is left of the plan with:\ncodex-imagegen doctor"


@pytest.mark.parametrize("name", ["0.169.0-fn-usage-today", "0.169.0-fn-usage-days", "0.111.0-usage-days"])
def test_time_of_a_limit_is_said_once(recorded_then, name: str):
    recording = recorded_runs.load(name)
    recorded_then(recording)
    error = explained(recording.evidence())
    assert error.resets_at is not None
    assert "again" not in error.message
    assert not error.message.endswith("..")


@pytest.mark.parametrize("resets", [10**30, -5, 0, "soon", 1.5, None])
def test_limit_with_an_impossible_end_has_none(resets: object):
    failure = {"type": "usageLimitExceeded", "resetsAt": resets}
    error = explained(evidence_of(records=rollout.Evidence(failures=[failure])))
    assert (error.code, error.resets_at) == ("usage-limit", None)


@pytest.mark.parametrize("scenario", ["sandbox-no-network", "sandbox-read-only-home", "sessions-is-a-file"])
def test_failure_in_another_sandbox_names_it(scenario: str):
    for recording in recorded_runs.load_all(scenario):
        assert "sandbox" in str(explained(recording.evidence()).hint), recording.name


def test_failure_before_a_thread_spent_nothing():
    started = evidence_of(thread_id=None, session_found=False)
    assert (explained(started).code, explained(started).spent) == ("session-missing", None)
    failed = explained(replace(started, exit_code=2, stderr="error: no\n"))
    assert (failed.code, failed.spent) == ("codex-failed", False)
    assert "exit code 2" in failed.message
    late = explained(replace(started, exit_code=None, timed_out=True))
    assert (late.code, late.spent) == ("timeout", False)
    assert "still starting" in late.message


@pytest.mark.parametrize(
    ("records", "stage", "spent"),
    [(rollout.Evidence(), "thinking", None), (rollout.Evidence(tool_called=True), "drawing", True)],
)
def test_timeout_says_how_far_the_run_came(records: rollout.Evidence, stage: str, spent: bool | None):
    error = explained(evidence_of(timed_out=True, exit_code=None, records=records, timeout_sec=12.5))
    assert (error.code, error.spent) == ("timeout", spent)
    assert stage in error.message
    assert "12.5 seconds" in error.message


def test_missing_session_is_reported():
    plain = explained(evidence_of(session_found=False))
    assert (plain.code, plain.exit_code) == ("session-missing", 6)
    unsaved = explained(evidence_of(session_found=False, stderr="Failed to save the conversation transcript"))
    assert unsaved.code == "session-missing"
    assert "sandbox" in str(unsaved.hint)


def test_timeout_with_network_errors_is_a_network_failure():
    trying = events(errors=["Reconnecting... 3/5 (stream disconnected before completion: x)"])
    assert explained(evidence_of(timed_out=True, exit_code=None, events=trying)).code == "network"
    harmless = events(errors=["Model metadata for `x` not found."])
    assert explained(evidence_of(timed_out=True, exit_code=None, events=harmless)).code == "timeout"


def test_error_event_of_a_turn_that_ended_well_is_ignored():
    fine = events(errors=["Model metadata for `x` not found."], turn_completed=True, agent_message="No.")
    assert explained(evidence_of(events=fine)).code == "refused"


def test_message_never_repeats_a_key():
    words = "unexpected status 401 Unauthorized: Incorrect API key provided: sk-proj-abcdefghijkl."
    error = explained(evidence_of(events=events(turn_error=words)))
    assert error.code == "not-logged-in"
    assert "sk-proj" not in error.message
    assert "(key)" in error.message


def test_message_makes_one_short_line_of_long_words():
    error = explained(evidence_of(events=events(turn_error="a\n\n b\t" + "c" * 9000)))
    assert error.message.startswith("Codex failed: a b ccc")
    assert error.message.endswith("…")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("records", "spent"),
    [
        (rollout.Evidence(), None),
        (rollout.Evidence(used_tokens=True), True),
        (rollout.Evidence(tool_called=True), True),
        (rollout.Evidence(message="x"), True),
        (rollout.Evidence(called_tools=True), True),
    ],
)
def test_spent_is_what_is_known_of_the_cost(records: rollout.Evidence, spent: bool | None):
    assert failures.has_spent(evidence_of(records=records)) is spent
    assert failures.has_spent(evidence_of(thread_id=None)) is False
    assert failures.has_spent(evidence_of(events=events(turn_completed=True))) is True


def test_codex_killed_in_its_turn_is_named():
    error = explained(evidence_of(exit_code=-9))
    assert (error.code, error.spent) == ("codex-failed", None)
    assert "signal 9" in error.message
    assert explained(evidence_of(exit_code=-9, records=rollout.Evidence(tool_called=True))).spent is True
    assert explained(evidence_of(exit_code=1, events=events(errors=["Connection failed"]))).code == "network"
    assert explained(evidence_of(exit_code=-15, timed_out=True)).code == "timeout"


def test_message_repeats_nothing():
    for recording in FAILED:
        message = explained(recording.evidence()).message
        sentence, _, words = message.partition(": ")
        assert words.lower() not in sentence.lower() or not words, message
    for error in ("unsupported call: image_genimagegen", "image_gen__imagegen is not defined"):
        assert explained(evidence_of(records=rollout.Evidence(tool_errors=[error]))).message == (
            "Codex was not offered the image tool"
        )


WORDS = rollout.Evidence(message="No.", codex_version="0.169.0", model="gpt-x", completed=True)


@pytest.mark.parametrize(
    ("records", "login", "code"),
    [
        (replace(WORDS, has_account=False), "none", "not-logged-in"),
        (replace(WORDS, has_account=False), "api-key", "tool-unavailable"),
        (replace(WORDS, has_account=False), "unknown", "tool-unavailable"),
        (replace(WORDS, is_tool_offered=False), "none", "not-logged-in"),
        (replace(WORDS, is_tool_offered=False), "chatgpt", "tool-unavailable"),
        (WORDS, "none", "not-logged-in"),
        (WORDS, "api-key", "tool-unavailable"),
        (WORDS, "chatgpt", "refused"),
        (WORDS, "other", "refused"),
        (WORDS, "unknown", "refused"),
        (replace(WORDS, codex_version="0.118.0"), "api-key", "refused"),
        (replace(WORDS, codex_version=None), "api-key", "tool-unavailable"),
        (replace(WORDS, provider="proxy"), "none", "tool-unavailable"),
        (replace(WORDS, provider="proxy", codex_version="0.0.0"), "chatgpt", "tool-unavailable"),
        (replace(WORDS, provider="proxy", codex_version="0.143.0"), "chatgpt", "refused"),
        (replace(WORDS, provider="openai"), "chatgpt", "refused"),
    ],
)
def test_login_is_queried_where_no_record_tells(records, login, code):
    assert explained(evidence_of(records=records, login=lambda: login)).code == code


@pytest.mark.parametrize(
    "records",
    [
        replace(WORDS, has_account=True, is_tool_offered=False),
        replace(WORDS, is_tool_offered=True, provider="proxy"),
        replace(WORDS, message=None),
    ],
)
def test_login_is_not_queried_where_a_record_tells(records):
    def login():
        raise AssertionError

    assert explained(evidence_of(records=records, login=login)).code in {"tool-unavailable", "refused", "no-picture"}


def test_message_shortens_a_strange_provider():
    records = replace(WORDS, provider="\x1b[2J https://me:secret@host " + "x" * 900)
    message = explained(evidence_of(records=records)).message
    assert len(message) < 160
    assert "secret" not in message


@pytest.mark.parametrize(
    "stderr",
    [
        "ERROR codex_core: No space left on device (os error 28)",
        "error returned from database: (code: 13) database or disk is full",
        "sqlite: SQLITE_FULL",
        "write failed: Disk quota exceeded (os error 122)",
    ],
)
def test_full_disk_is_named_wherever_codex_stopped(stderr):
    disk = "free some space on the disk"
    cases = [
        evidence_of(stderr=stderr, session_found=False),
        evidence_of(stderr=stderr, session_found=False, thread_id=None, exit_code=1),
        evidence_of(stderr=stderr, exit_code=101),
        evidence_of(stderr=stderr),
        evidence_of(events=events(turn_error=stderr)),
    ]
    for evidence in cases:
        error = explained(evidence)
        assert disk in str(error.hint), error.message
        assert "sandbox" not in str(error.hint)
    limit = events(turn_error="You've hit your usage limit.")
    assert explained(evidence_of(stderr=stderr, events=limit)).code == "usage-limit"


def test_missing_session_on_a_full_disk_names_the_disk():
    unsaved = evidence_of(session_found=False, stderr="failed to record rollout items: channel closed")
    assert "sandbox" in str(explained(unsaved).hint)
    assert "free some space" in str(explained(replace(unsaved, free_bytes=4096)).hint)
    assert "sandbox" in str(explained(replace(unsaved, free_bytes=10**9)).hint)
    assert "--ephemeral" in str(explained(evidence_of(session_found=False, free_bytes=0)).hint)


def timed(recording: Recording, seconds: int) -> failures.Evidence:
    """The evidence of a recording whose tool was at work for so long: its call is moved back."""
    lines = []
    for line in recording.lines:
        record = json.loads(line)
        if record["payload"].get("type") in {"function_call", "custom_tool_call"}:
            at = rollout.read_time(line[:512])
            assert at is not None
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at - seconds))
            lines.append(json.dumps({**record, "timestamp": stamp}, separators=(",", ":")).encode())
        else:
            lines.append(line)
    return replace(recording.evidence(), records=RolloutReading(lines).records.evidence)


@recorded_runs.for_each(recorded_runs.load_all("net-img-close"))
def test_network_failure_after_minutes_is_not_the_users(recording: Recording):
    late = explained(timed(recording, 240))
    assert late.code == "network"
    assert "after 24" in late.message
    assert "older Codex with --codex" in str(late.hint)
    assert "check the network" not in str(late.hint)
    for early in (timed(recording, 60), timed(recording, -3600)):  # the clock was set back meanwhile
        assert "check the network" in str(explained(early).hint)


HOST = "Code Mode is unavailable because failed to spawn code-mode host /x/codex-code-mode-host: not found. Code mode"


def test_missing_code_mode_host_is_reported_first():
    ended = evidence_of(events=events(missing_host=HOST), exit_code=-15, session_found=False)
    error = explained(ended)
    assert (error.code, error.exit_code, error.spent) == ("codex-incomplete", 3, False)
    assert error.message.endswith(": /x/codex-code-mode-host: not found")
    begun = explained(replace(ended, events=events(missing_host=HOST, turn_started=True)))
    assert (begun.code, begun.spent) == ("codex-incomplete", None)
    drawn = replace(ended, events=events(missing_host=HOST, turn_started=True, turn_completed=True))
    assert explained(drawn).spent is True
    late = evidence_of(stderr=f"x ERROR codex_core::tools::router: error={HOST}\n", events=events(turn_completed=True))
    assert (explained(late).code, explained(late).spent) == ("codex-incomplete", True)
