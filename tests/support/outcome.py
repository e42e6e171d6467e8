"""The output of a run, checked against what the program promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support import json_output


@dataclass(frozen=True)
class Outcome:
    """The exit code, stdout and stderr of a run, and its duration."""

    code: int
    out: bytes
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> Any:
        """stdout as exactly one JSON object, checked against its schema."""
        assert len(self.lines) == 1, self
        return json_output.parse(self.lines[0])

    @property
    def answers(self) -> list[Any]:
        """stdout as the JSON objects of ``batch --json``, one per line, checked against their schema."""
        return [json_output.parse(line) for line in self.lines]

    @property
    def events(self) -> list[Any]:
        """stderr as the JSON lines of ``--events``: the last, and no other, is ``done`` or ``error``."""
        events = [json_output.parse_event(line) for line in self.err.splitlines()]
        assert [line["event"] in {"done", "error"} for line in events] == [False] * (len(events) - 1) + [True], self.err
        assert (events[-1]["event"] == "done") is (self.code == 0), self
        assert all((line["error"] is None) is (line["event"] not in {"failed", "error"}) for line in events), self.err
        times = [line["elapsed_sec"] for line in events]
        assert times == sorted(times)
        return events
