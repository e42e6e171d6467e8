"""What the tests of the batch share: its back ends, lists of jobs, and what is counted at the stand-in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from codex_imagegen.batches.journal import NAME
from codex_imagegen.demo.standin import Call, Reply
from tests.support.checks import Small, processes, temporary
from tests.support.lab import Lab, Outcome
from tests.support.scripts import MODERATION, PICTURE_RATE, UsageLimit, error


class Moody(Small):
    """Draws, but for prompts that say ``bad`` while ``strict``, and not beyond ``quota`` turns of the model."""

    def __init__(self, *, quota: int = 1000, draw_sec: float = 0.0, limited: int = 0) -> None:
        self.quota, self.draw_sec, self.limited = quota, draw_sec, limited
        self.strict = True
        self.limit = UsageLimit(resets_in=5400, headers=True)

    def respond(self, call: Call) -> Reply:
        self.quota -= 1
        return super().respond(call) if self.quota >= 0 else self.limit.respond(call)

    def picture(self, call: Call) -> Reply:
        if self.strict and "bad" in str(call.json.get("prompt")):
            return error(400, MODERATION)
        self.limited -= 1
        return error(429, PICTURE_RATE) if self.limited >= 0 else super().picture(call)


def write(lab: Lab, *jobs: str | dict[str, Any], name: str = "jobs.txt") -> str:
    lines = [job if isinstance(job, str) else json.dumps(job) for job in jobs]
    (lab.work / name).write_text("\n".join(lines) + "\n")
    return name


def answers(done: Outcome) -> list[dict[str, Any]]:
    """The JSON objects of a run, by the lines of the list."""
    return sorted(done.answers, key=lambda answer: answer["job"])


def statuses(done: Outcome) -> list[str]:
    return [answer["status"] for answer in answers(done)]


def asked(lab: Lab) -> Counter[str]:
    """How often each picture was asked for at the pictures endpoint (from 0.144.0)."""
    return Counter(call.json["prompt"] for call in lab.standin.calls if "/images/" in call.path)


def journal(lab: Lab, folder: str = ".") -> Path:
    return lab.work / folder / NAME


def forget(lab: Lab, *events: str, folder: str = ".") -> None:
    """Take these events out of the journal, as if we had been killed before they were written."""
    path = journal(lab, folder)
    kept: Iterable[str] = (
        line for line in path.read_text().splitlines(keepends=True) if json.loads(line).get("event") not in events
    )
    path.write_text("".join(kept))


def assert_clean(lab: Lab) -> None:
    """Nothing is left but the pictures and the journal."""
    assert lab.leftovers == []
    assert [path for path in temporary(lab.work) if not path.endswith(NAME)] == []
    assert processes(lab) == []
