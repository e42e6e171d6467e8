"""For tests of batches: a back end that can fail, job lists, journals, and the requests that reached the back end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from codex_imagegen.batches.journal import NAME
from codex_imagegen.demo.fake_openai import Call, Reply
from tests.support.checks import DrawsSmall, asks_for_picture, processes, tool_prompts, unfinished_files
from tests.support.lab import Lab
from tests.support.outcome import Outcome
from tests.support.scripts import MODERATION, PICTURE_RATE, UsageLimit, error


class BatchScript(DrawsSmall):
    """Draws small pictures, and fails on request.

    While ``blocks`` is true, prompts with the word ``bad`` are blocked by moderation. The first ``rate_limited``
    pictures meet the rate limit. Beyond ``quota`` pictures the usage limit applies. Until ``free`` is set, a picture
    whose prompt contains the word ``held`` is not finished.
    """

    def __init__(self, *, quota: int = 1000, draw_sec: float = 0.0, rate_limited: int = 0, held: str = "") -> None:
        self.quota, self.draw_sec, self.rate_limited, self.held = quota, draw_sec, rate_limited, held
        self.blocks = True
        self.limit = UsageLimit(resets_in=5400, headers=True)
        self.free = threading.Event()
        self._lock = threading.Lock()

    def respond(self, call: Call) -> Reply:
        if asks_for_picture(call.json):
            with self._lock:
                self.quota -= 1
                if self.quota < 0:
                    return self.limit.respond(call)
        return super().respond(call)

    def picture(self, call: Call) -> Reply:
        prompt = str(call.json.get("prompt"))
        if self.blocks and "bad" in prompt:
            return error(400, MODERATION)
        with self._lock:
            self.rate_limited -= 1
            if self.rate_limited >= 0:
                return error(429, PICTURE_RATE)
        if self.held and self.held in prompt:
            self.free.wait(60)
        return super().picture(call)


def write_jobs(lab: Lab, *jobs: str | dict[str, Any], name: str = "jobs.txt") -> str:
    """Write a job list into the working folder; return its name."""
    lines = [job if isinstance(job, str) else json.dumps(job) for job in jobs]
    (lab.work / name).write_text("\n".join(lines) + "\n")
    return name


def json_by_job(done: Outcome) -> list[dict[str, Any]]:
    """The JSON objects of a run, in the order of the job list."""
    return sorted(done.answers, key=lambda answer: answer["job"])


def statuses(done: Outcome) -> list[str]:
    """The status of each job, in the order of the job list."""
    return [answer["status"] for answer in json_by_job(done)]


def pictures_asked(lab: Lab) -> Counter[str]:
    """How often each picture was requested from the pictures endpoint (from 0.144.0)."""
    return Counter(tool_prompts(lab))


def journal_path(lab: Lab, folder: str = ".") -> Path:
    """The journal's path."""
    return lab.work / folder / NAME


def records(lab: Lab) -> list[dict[str, Any]]:
    """The journal's records after its header."""
    return [json.loads(line) for line in journal_path(lab).read_text().splitlines()[1:]]


def remove_events(lab: Lab, *events: str) -> None:
    """Remove these events from the journal, as if the batch had been killed before they were written."""
    path = journal_path(lab)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line).get("event") not in events))


def assert_clean(lab: Lab) -> None:
    """Only the pictures and the journal are left."""
    assert lab.leftovers == []
    assert [path for path in unfinished_files(lab.work) if not path.endswith(NAME)] == []
    assert processes(lab) == []
