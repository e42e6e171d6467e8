"""The recordings in fixtures/rollouts, read as the program reads rollouts, without a Codex."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from codex_imagegen.codex.run import failures
from codex_imagegen.codex.run.events import Events
from codex_imagegen.codex.sessions import fallback, rollout
from codex_imagegen.images import base64_images
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.results import Picture
from tests.support.scrubbing import PICTURE_SIDE, REFERENCE_SIDE

ROOT = Path(__file__).resolve().parents[2] / "fixtures" / "rollouts"
_DATA_URL = re.compile(rb'"(?:data:image/\w+;base64,)?((?:iVBORw0KGgo|/9j/|UklGR)[A-Za-z0-9+/=]+)"')


@dataclass(frozen=True)
class Recording:
    """The recording of one run of a bare Codex."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def run(self) -> dict[str, Any]:
        """Scenario, build, exit code, and what the back end said about limits."""
        return dict(json.loads((self.folder / "run.json").read_text()))

    @property
    def scenario(self) -> str:
        return str(self.run["scenario"])

    @property
    def path(self) -> Path:
        return self.folder / "rollout.jsonl"

    @cached_property
    def lines(self) -> list[bytes]:
        """The rollout's lines without line feeds; empty if there is no rollout."""
        return self.path.read_bytes().splitlines() if self.path.exists() else []

    @cached_property
    def stdout(self) -> bytes:
        return (self.folder / "events.jsonl").read_bytes()

    @cached_property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def events(self) -> Events:
        events = Events()
        events.feed(self.stdout)
        return events

    def evidence(self) -> failures.Evidence:
        """Everything that the program would know of this run once Codex has ended."""
        read, events = RolloutReading(self.lines), self.events()
        return failures.Evidence(
            exit_code=self.run["exit_code"],
            timed_out=self.run["exit_code"] is None,
            timeout_sec=300.0,
            thread_id=events.thread_id,
            session_found=bool(self.lines),
            damaged=read.damaged,
            events=events,
            stderr=self.stderr,
            records=read.records.evidence,
        )

    def shown(self) -> set[bytes]:
        """The pictures that the user or a tool showed to the model: each is larger than those that were made."""
        found = {base64_images.decode(match[1]) for line in self.lines for match in _DATA_URL.finditer(line)}
        return {data for data in found if data is not None and _side(data) == REFERENCE_SIDE}


class RolloutReading:
    """A rollout read line by line, as in a run; see :class:`codex_imagegen.codex.run.run.CodexRun`."""

    def __init__(self, lines: list[bytes]) -> None:
        self.records = rollout.RecordReader()
        self.candidates: list[rollout.Candidate] = []
        self.pictures: list[Picture] = []
        self.damaged: str | None = None
        for line in lines:
            if rollout.is_relevant(line[:512]):
                for candidate in self.records.read(line):
                    self._consider(candidate)

    def _consider(self, candidate: rollout.Candidate) -> None:
        self.candidates.append(candidate)
        if candidate.data is None:
            return
        try:
            self.pictures.append(decode_picture(candidate.data, revised_prompt=candidate.revised_prompt))
        except DamagedImage as error:
            self.damaged = str(error)


def unrecognized_images(lines: list[bytes]) -> list[bytes]:
    """The unrecognized images in these lines."""
    reader = fallback.UnrecognizedImages()
    for line in lines:
        reader.read(line)
    return reader.pictures


@cache
def load_all(*scenarios: str) -> tuple[Recording, ...]:
    """The recordings of these scenarios, or all recordings."""
    every = (Recording(folder) for folder in sorted(ROOT.iterdir()))
    return tuple(one for one in every if not scenarios or one.scenario in scenarios)


def for_each(recordings: Sequence[Recording]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each of these recordings, as its argument ``recording``; a failure names all that failed.

    157 pytest items would take a second longer than one.
    """

    assert recordings, "there are no such recordings"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        def loop(**fixtures: Any) -> None:
            failed: dict[str, BaseException] = {}
            for recording in recordings:
                try:
                    test(recording=recording, **fixtures)
                except Exception as error:  # noqa: BLE001 - reported below
                    failed[recording.name] = error
            if failed:
                raise AssertionError(f"failed with {', '.join(failed)}") from next(iter(failed.values()))

        functools.update_wrapper(loop, test)
        known = inspect.signature(test)
        others = [parameter for name, parameter in known.parameters.items() if name != "recording"]
        loop.__signature__ = known.replace(parameters=others)  # type: ignore[attr-defined]
        return loop

    return decorate


def load(name: str) -> Recording:
    """The recording of this name, such as ``0.169.0-fn-usage-today``."""
    assert (ROOT / name).is_dir(), name
    return Recording(ROOT / name)


def _side(data: bytes) -> int:
    try:
        return decode_picture(data).width
    except DamagedImage:
        return PICTURE_SIDE
