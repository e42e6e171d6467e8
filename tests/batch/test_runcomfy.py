"""Jobs of the paid route: submitted once, its id in the journal, and asked for again by a batch that goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.batches.journal import NAME
from tests.runcomfy.cli import Outcome, Shell
from tests.runcomfy.conftest import picture
from tests.runcomfy.standin import REQUEST_ID, Reply, StandIn
from tests.support.pictures import encoded

JOB = {"prompt": "a fox", "backend": "runcomfy", "out": "fox.png"}


@pytest.fixture
def standin() -> Iterator[StandIn]:
    with StandIn() as server:
        server.files["out.png"] = picture()
        yield server
        assert server.faults == []


@pytest.fixture
def shell(tmp_path: Path, standin: StandIn) -> Shell:
    made = Shell(tmp_path, standin)
    (made.work / "jobs.jsonl").write_text(json.dumps(JOB) + "\n")
    return made


def events(shell: Shell) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shell.work / NAME).read_text().splitlines()[1:]]


def run(shell: Shell, *more: str) -> Outcome:
    return shell.run("batch", "jobs.jsonl", "--json", *more)


def test_runcomfy_job_is_submitted_once_and_journalled(shell: Shell, standin: StandIn) -> None:
    done = run(shell)
    assert (done.code, done.err, done.json["status"], done.json["cost_usd"]) == (0, "", "made", 0.04)
    assert (shell.work / "fox.png").read_bytes() == picture()
    assert [event["event"] for event in events(shell)] == ["started", "request", "done"]
    assert events(shell)[1]["request_id"] == REQUEST_ID
    assert run(shell).json["status"] == "there"
    assert standin.submitted == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_submitted_request_of_a_stopped_batch_is_fetched(shell: Shell, standin: StandIn, signum: int) -> None:
    standin.states.clear()
    standin.states.append("in_progress")
    with subprocess.Popen(
        [sys.executable, "-m", "codex_imagegen", "batch", "jobs.jsonl"],
        cwd=shell.work, env=shell.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        until = time.monotonic() + 20
        while not any("/status" in line for line in standin.lines) and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signum)
        running.communicate(timeout=20)
    standin.states.append("completed")
    standin.states.popleft()
    done = run(shell)
    assert (done.code, done.json["status"]) == (0, "recovered"), done
    assert (shell.work / "fox.png").read_bytes() == picture()
    assert standin.submitted == 1
    assert not any("cancel" in line for line in standin.lines)


def test_reduced_reference_is_a_warning_and_the_job_stays_the_same(shell: Shell, standin: StandIn) -> None:
    (shell.work / "large.png").write_bytes(encoded(1600))
    (shell.work / "jobs.jsonl").write_text(json.dumps({**JOB, "refs": ["large.png"]}) + "\n")
    done = run(shell)
    assert (done.code, [warning["code"] for warning in done.json["warnings"]]) == (0, ["reference-reduced"])
    assert run(shell).json["status"] == "there"
    assert standin.submitted == 1


def test_request_failed_meanwhile_is_not_repeated_unasked(shell: Shell, standin: StandIn) -> None:
    assert run(shell).code == 0
    path = shell.work / NAME
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    (shell.work / "fox.png").unlink()
    standin.next("status", Reply(200, {"request_id": REQUEST_ID, "status": "failed"}))
    standin.next("result", Reply(200, {"request_id": REQUEST_ID, "status": "failed", "error": "it is no good"}))
    done = run(shell)
    assert (done.code, done.json["status"]) == (1, "failed"), done
    assert run(shell).json["status"] == "failed"
    assert events(shell)[-1]["event"] == "failed"
    assert standin.submitted == 1
    assert run(shell, "--retry-failed").json["status"] == "made"
    assert standin.submitted == 2


def test_submit_of_unknown_end_is_not_repeated_unasked(shell: Shell, standin: StandIn) -> None:
    assert run(shell).code == 0
    path = shell.work / NAME
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    (shell.work / "fox.png").unlink()
    for _ in range(2):
        done = run(shell)
        assert (done.code, done.json["error"]["code"], done.json["status"]) == (1, "runcomfy-retry", "failed")
    assert standin.submitted == 1
    assert run(shell, "--retry-failed").code == 0
    assert standin.submitted == 2


def test_jobs_without_a_token_are_left_not_failed(shell: Shell, standin: StandIn) -> None:
    token = shell.env.pop("RUNCOMFY_TOKEN")
    done = run(shell)
    assert (done.code, done.json["error"]["code"], done.json["status"]) == (1, "runcomfy-auth", "left")
    assert "go on with: codex-imagegen batch jobs.jsonl --json" in done.json["error"]["hint"]
    shell.env["RUNCOMFY_TOKEN"] = token
    assert run(shell).json["status"] == "made"
