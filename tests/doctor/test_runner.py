"""Running the checks: their order and timeouts, and an error in one that does not hide the others."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest

from codex_imagegen.doctor import report
from codex_imagegen.doctor.context import Context, Once
from codex_imagegen.doctor.findings import Report, failed, ok, unknown, warning
from codex_imagegen.doctor.runner import CHECKS, LIVE, Check, run_checks
from codex_imagegen.errors import CodexMissing, Interrupted, NotLoggedIn
from codex_imagegen.interrupt import Interrupt
from tests.doctor.runs import CHECK_KEYS, KEYS, NAMES


@pytest.fixture
def context(tmp_path):
    return Context(None, Interrupt(), {"HOME": "/home/alice", "CODEX_HOME": str(tmp_path), "PATH": ""})


def found(context, *checks):
    return tuple(run_checks(context, checks))


def raising(error):
    def check(_context):
        raise error

    return check


def test_checks_are_those_promised():
    assert [check.name for check in CHECKS] == NAMES
    assert LIVE.name == "live"
    assert all(check.run.__doc__ for check in (*CHECKS, LIVE))


def test_findings_come_in_order_with_all_keys(context):
    first, second = found(
        context,
        Check("one", lambda _context: ok("fine at /home/alice", data={"a": "/home/alice/x", "more": 1}), ("a", "b")),
        Check("two", lambda _context: warning("hm", "do it")),
    )
    assert (first.name, first.message, first.data) == ("one", "fine at ~", {"a": "~/x", "b": None})
    assert (second.name, second.hint, second.data) == ("two", "do it", {})


def test_check_that_raises_becomes_a_finding(context):
    login, codex, defect = found(
        context,
        Check("login", raising(NotLoggedIn("no", hint="log in"))),
        Check("codex", raising(CodexMissing("none"))),
        Check("defect", raising(ZeroDivisionError("secret"))),
    )
    assert (login.status, login.hint, login.error.exit_code) == ("failed", "log in", 5)
    assert (codex.status, codex.error) == ("unknown", None)
    assert (defect.status, defect.message) == ("unknown", "internal error in this check: ZeroDivisionError")


def test_check_that_never_ends_is_unknown(context):
    release = threading.Event()

    def hang(_context):
        release.wait()
        return ok("at last")

    checks = Check("hang", hang, ("a",), timeout_sec=0.2), Check("fine", lambda _context: ok("fine"))
    with contextlib.closing(run_checks(context, checks)) as findings:
        stuck, fine = next(findings), next(findings)
        release.set()
    assert (stuck.status, stuck.data, fine.status) == ("unknown", {"a": None}, "ok")


def test_checks_run_concurrently(context):
    barrier = threading.Barrier(len(NAMES))

    def meet(_context):
        barrier.wait(30)
        return ok("met")

    assert {finding.status for finding in found(context, *(Check(name, meet) for name in NAMES))} == {"ok"}


def test_interrupt_ends_the_checks(context):
    release = threading.Event()

    def hang(_context):
        context.interrupt.set(15)
        release.wait(30)
        return ok("late")

    with pytest.raises(Interrupted) as raised:
        found(context, Check("hang", hang), Check("release", lambda _context: release.set() or ok("done")))
    assert raised.value.exit_code == 143


def test_once_called_by_threads_finds_once():
    calls = []
    once = Once(lambda: calls.append(1) or len(calls))
    threads = [threading.Thread(target=once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (once(), calls) == (1, [1])


def test_once_that_raises_raises_to_every_caller():
    calls = []

    def find():
        calls.append(1)
        raise CodexMissing("none")

    once = Once(find)
    for _ in range(2):
        with pytest.raises(CodexMissing):
            once()
    assert calls == [1]


def test_once_that_finds_none_finds_once():
    calls = []
    once = Once(lambda: calls.append(1))
    assert (once(), once(), calls) == (None, None, [1])


# Formatting

FINDINGS = (
    ok("fine"), warning("hm", "do it"), unknown("?"), failed(NotLoggedIn("no", hint="log in")),
    failed(CodexMissing("none")),
)  # fmt: skip


def test_report_takes_its_error_from_the_first_failure():
    result = Report(FINDINGS, {"codex": None}, 1.23456)
    printed = json.loads(report.to_json(result))
    assert list(printed) == KEYS
    assert [list(check) for check in printed["checks"]] == [CHECK_KEYS] * len(FINDINGS)
    assert (printed["ok"], printed["error"]["code"], printed["elapsed_sec"]) == (False, "not-logged-in", 1.235)
    assert "\n" not in report.to_json(result)


@pytest.mark.parametrize(
    ("findings", "text"),
    [
        (FINDINGS, "5 checks: 2 failed, 1 warning, 1 unknown"),
        ((*FINDINGS[:2], FINDINGS[1]), "3 checks: 2 warnings"),
        (FINDINGS[:1], "1 checks: all ok"),
    ],
)
def test_summary_counts_each_status(findings, text):
    assert report.format_summary(findings) == text


def test_line_holds_mark_message_and_hint():
    assert report.format_line(warning("hm", "do it"), 5).split() == ["warn", "hm", "->", "do", "it"]
    assert report.format_line(ok("fine"), 5) == "ok           fine"
