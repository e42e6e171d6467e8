"""RunComfy jobs: submitted once, with the id in the journal, and fetched by the next batch."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from codex_imagegen.runcomfy import download, job
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy, Reply
from tests.support.batches import journal_path, records
from tests.support.checks import wait_until
from tests.support.lab import Lab, Outcome
from tests.support.pictures import encoded, pad_png

JOB = {"prompt": "a fox", "backend": "runcomfy", "out": "fox.png"}
PICTURE = encoded()


@pytest.fixture
def standin() -> Iterator[FakeRunComfy]:
    with FakeRunComfy() as server:
        server.files["out.png"] = PICTURE
        yield server
        assert server.faults == []


class Runner:
    """Runs a batch of one job in this process, with a token and without waiting."""

    def __init__(self, world: Lab, standin: FakeRunComfy) -> None:
        self.world = world
        self.env = {
            "RUNCOMFY_TOKEN": TOKEN, "RUNCOMFY_MODEL_API_BASE": standin.base, "RUNCOMFY_WEB_BASE": standin.web,
        }  # fmt: skip
        self.write()

    def write(self, **more: Any) -> None:
        """Write the job, with more keys if given."""
        (self.world.work / "jobs.jsonl").write_text(json.dumps({**JOB, **more}) + "\n")

    def __call__(self, *more: str) -> Outcome:
        done = self.world.call("batch", "jobs.jsonl", "--json", *more, env=self.env)
        assert TOKEN not in done.text + done.err
        assert list(self.world.tmp.iterdir()) == []
        return done

    def keep_records(self, count: int) -> None:
        """Simulate a kill after so many lines of the journal, before the picture was written."""
        path = journal_path(self.world)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: count + 1]))
        (self.world.work / "fox.png").unlink()


@pytest.fixture
def run(lab: Callable[..., Lab], standin: FakeRunComfy, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(job, "POLL_SEC", 0.01)
    monkeypatch.setattr(download, "PAUSE_SEC", 0.01)
    return Runner(lab(offline=True), standin)


def test_runcomfy_job_is_submitted_once_and_journalled(run: Runner, standin: FakeRunComfy) -> None:
    done = run()
    assert (done.code, done.json["status"], done.json["cost_usd"]) == (0, "made", 0.04)
    assert re.fullmatch(r"codex-imagegen: 1 made · \d+ s · \$0\.04\n", done.err)
    assert (run.world.work / "fox.png").read_bytes() == PICTURE
    assert [event["event"] for event in records(run.world)] == ["started", "request", "done"]
    assert records(run.world)[1]["request_id"] == REQUEST_ID
    assert run().json["status"] == "skipped"
    assert standin.submitted == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_submitted_request_of_a_stopped_batch_is_fetched(run: Runner, standin: FakeRunComfy, signum: int) -> None:
    standin.states.clear()
    standin.states.append("in_progress")
    with run.world.start("batch", "jobs.jsonl", env=run.env) as running:
        try:
            wait_until(lambda: any("/status" in line for line in standin.lines), "the batch to wait for its request")
        finally:
            running.send_signal(signum)
        running.communicate(timeout=60)
    standin.states.append("completed")
    standin.states.popleft()
    done = run()
    assert (done.code, done.json["status"]) == (0, "recovered"), done
    assert (run.world.work / "fox.png").read_bytes() == PICTURE
    assert standin.submitted == 1
    assert not any("cancel" in line for line in standin.lines)


def test_reduced_reference_is_a_warning_and_the_job_stays_the_same(run: Runner, standin: FakeRunComfy) -> None:
    (run.world.work / "large.png").write_bytes(pad_png(encoded(), 8_000_000))
    run.write(refs=["large.png"])
    done = run()
    assert (done.code, [warning["code"] for warning in done.json["warnings"]]) == (0, ["reference-reduced"])
    assert run().json["status"] == "skipped"
    assert standin.submitted == 1


def test_request_failed_meanwhile_is_not_repeated_unasked(run: Runner, standin: FakeRunComfy) -> None:
    assert run().code == 0
    run.keep_records(2)
    standin.next("status", Reply(200, {"request_id": REQUEST_ID, "status": "failed"}))
    standin.next("result", Reply(200, {"request_id": REQUEST_ID, "status": "failed", "error": "it is no good"}))
    done = run()
    assert (done.code, done.json["status"]) == (1, "failed"), done
    assert run().json["status"] == "failed"
    assert records(run.world)[-1]["event"] == "failed"
    assert standin.submitted == 1
    assert run("--retry-failed").json["status"] == "made"
    assert standin.submitted == 2


def test_submit_with_unknown_result_is_not_repeated_unasked(run: Runner, standin: FakeRunComfy) -> None:
    assert run().code == 0
    run.keep_records(1)
    for _ in range(2):
        done = run()
        assert (done.code, done.json["error"]["code"], done.json["status"]) == (1, "runcomfy-retry", "failed")
    assert standin.submitted == 1
    assert run("--retry-failed").code == 0
    assert standin.submitted == 2


def test_jobs_without_a_token_are_not_started(run: Runner, standin: FakeRunComfy) -> None:
    token = run.env.pop("RUNCOMFY_TOKEN")
    done = run()
    assert (done.code, done.json["error"]["code"], done.json["status"]) == (1, "runcomfy-auth", "not-started")
    assert "go on with:\ncodex-imagegen batch jobs.jsonl --json" in done.json["error"]["hint"]
    run.env["RUNCOMFY_TOKEN"] = token
    assert run().json["status"] == "made"
