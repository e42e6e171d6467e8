"""The text of ``--dry-run``: what a run or a batch would make and send."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.batches.outcomes import envelope
from codex_imagegen.cli import console
from codex_imagegen.cli.batch_output import event_ids
from codex_imagegen.request import Event
from codex_imagegen.results import PlannedImage, PlannedReference, Result

if TYPE_CHECKING:
    from codex_imagegen.batches.outcomes import Outcome

_MAX_PLANNED = 20
"""The pictures that the text of a dry run lists."""

_ACTIONS = {
    "replace": " (replaces the file that is there)",
    "skip": " (is there already)",
    "fetch": " (from a run that was cut off, if that made it)",
}


class PreviewOutput:
    """Prints what ``batch --dry-run`` finds: each job that is not made yet, and at the end their numbers."""

    def __init__(self, json_wanted: bool) -> None:
        self._json = json_wanted
        self._counts: Counter[str] = Counter()

    def print_outcome(self, outcome: Outcome) -> None:
        """Print the job's JSON object, or a line about what would be made or would fail."""
        self._counts[outcome.status] += 1
        if self._json:
            console.out(json.dumps(envelope(outcome)))
        error, prefix = outcome.result.error, f"line {outcome.line}: "
        if error:
            line = console.error_text(replace(error, message=prefix + error.message))
            console.emit(Event("failed", message=error.message, error=error, **event_ids(outcome)), line)
        elif outcome.status == "not-started" and not self._json:
            self._print_planned(outcome, prefix)

    def _print_planned(self, outcome: Outcome, prefix: str) -> None:
        for planned in outcome.result.planned:
            line = render.one_line(f"{prefix}{_planned_image(planned)}")
            console.emit(Event("message", message=line, **event_ids(outcome)), console.wrapped(line))

    def finish(self) -> int:
        """Print the numbers, and return the exit code."""
        names = (("skipped", "made before"), ("not-started", "to make"), ("failed", "would fail"))
        numbers = ", ".join(f"{self._counts[status]:,} {name}" for status, name in names if self._counts[status])
        line = f"codex-imagegen: dry run: nothing was sent or written. Jobs: {numbers}."
        console.emit(Event("message", index=None, message=line), console.wrapped(line))
        return 1 if self._counts["failed"] else 0


def plan_lines(result: Result, prompt: str, *, verbose: bool = False) -> Iterator[str]:
    """What a run would make and send, as lines that are safe to print; ``verbose`` with all that the model is told."""
    wanted = [planned for planned in result.planned if planned.action != "skip"]
    yield "codex-imagegen: dry run: nothing was sent or written."
    yield f"A run would {_would_do(wanted)}"
    named = [planned for planned in result.planned if planned.path is not None]
    for planned in named[:_MAX_PLANNED]:
        yield f"  {render.one_line(str(planned.path))}{_ACTIONS.get(planned.action, '')}"
    if len(named) > _MAX_PLANNED:
        yield f"  … and {len(named) - _MAX_PLANNED:,} more"
    for name, text in _sent(wanted[0], prompt, verbose=verbose) if wanted else ():
        yield render.one_line(f"{name}: {text}")


def _would_do(wanted: list[PlannedImage]) -> str:
    if not wanted:
        return "make no picture."
    if wanted[0].path is None:
        return f"submit {render.plural(len(wanted), 'request')}."
    return f"make {render.plural(len(wanted), 'picture')}:"


def _sent(planned: PlannedImage, prompt: str, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """The name and the description of each thing that would be sent for one picture."""
    yield "backend", f"codex ({planned.codex})" if planned.codex else "runcomfy, which costs money"
    if planned.model:
        yield "model", planned.model
    yield "prompt", f"{render.plural(len(prompt), 'character')}, sent word for word"
    for number, reference in enumerate(planned.references, 1):
        yield f"reference {number}", _planned_reference(reference)
    if planned.options:
        yield "sent beside the prompt", planned.options
    if planned.instructions and verbose:
        yield "all that the model is told beside the prompt", planned.instructions
    if planned.codex:
        yield "not checked", "the login, and what is left of the plan (the command doctor checks both)"


def _planned_image(planned: PlannedImage) -> str:
    """A picture of a batch that would be made: its path, its references, and what is requested beside the prompt."""
    parts = [f"{planned.path}{_ACTIONS.get(planned.action, '')}"]
    if planned.references:
        parts.append("from " + ", ".join(_planned_reference(reference) for reference in planned.references))
    return "; ".join([*parts, planned.options] if planned.options else parts)


def _planned_reference(reference: PlannedReference) -> str:
    """A reference as it would be sent: its path, format and size, and whether it is a copy."""
    if reference.bytes is None:
        return f"{reference.path} (an address, sent as it is)"
    what = f"{str(reference.format).upper()}, {reference.width} × {reference.height}, {render.size(reference.bytes)}"
    return f"{reference.path} (sent as a copy: {what})" if reference.copy else f"{reference.path} ({what})"
