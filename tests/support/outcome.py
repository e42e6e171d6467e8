"""What an agent sees of a run, read as the program promises it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support import promised


@dataclass(frozen=True)
class Outcome:
    """The exit code, stdout and stderr of a run, and how long it took."""

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
        """stdout as the one JSON object that it must be, held to its schema."""
        assert len(self.lines) == 1, self
        return promised.read(self.lines[0])

    @property
    def answers(self) -> list[Any]:
        """stdout as the JSON objects that ``batch --json`` prints, one a line, held to their schema."""
        return [promised.read(line) for line in self.lines]

    @property
    def events(self) -> list[Any]:
        """stderr as the JSON lines that ``--events`` promises: the last one, and no other, says that it is over."""
        told = [promised.event(line) for line in self.err.splitlines()]
        assert [line["event"] in {"done", "error"} for line in told] == [False] * (len(told) - 1) + [True], self.err
        assert (told[-1]["event"] == "done") is (self.code == 0), self
        assert all((line["error"] is None) is (line["event"] not in {"failed", "error"}) for line in told), self.err
        times = [line["elapsed_sec"] for line in told]
        assert times == sorted(times)
        return told
