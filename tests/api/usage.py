"""How programs use the API; ``mypy --strict`` checks this file, which is never run (see pyproject.toml).

What must be refused has an ignore beside it, and mypy refuses an ignore that is not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import codex_imagegen
from codex_imagegen import (
    Event,
    Image,
    Interrupt,
    Job,
    Look,
    Options,
    Outcome,
    Result,
    Stage,
    Status,
    StrPath,
    Warning_,
)


def drawn(interrupt: Interrupt) -> Result:
    def hear(event: Event) -> None:
        assert_type(event.elapsed_sec, float)
        assert_type(event.stage, Stage)
        assert_type(event.warning, Warning_ | None)

    return codex_imagegen.generate(
        "a fox", refs=["a.png", Path("b.webp")], out=Path("fox.png"), timeout_sec=120, count=2, jobs=1,
        force=True, size=(1024, 1536), aspect_ratio="2:3", resolution="2k", quality="high", transparent=True, fit=True,
        format="png",
        backend="codex", full_turn=False, codex="codex", codex_home=Path("homes") / "mine", model="gpt-5.2",
        codex_args=["-c", "x=1"], on_event=hear,
        interrupt=interrupt,
    )  # fmt: skip


def edited() -> Image:
    result = codex_imagegen.edit("a fox", "ref.png", size="1024x1024", out=None)
    assert_type(result.path, Path | None)
    assert_type(result.thread_id, str | None)
    return result.images[0]


def many() -> list[str]:
    outcomes = codex_imagegen.batch(["a fox", {"prompt": "an owl", "refs": [Path("a.png")]}], out_dir=Path("out"))
    assert_type(outcomes, tuple[Outcome, ...])
    more = codex_imagegen.batch("jobs.jsonl", workers=2, retry_failed=True, quality="low", on_outcome=print)
    return [f"{outcome.line} {outcome.status} {outcome.result.ok}" for outcome in (*outcomes, *more)]


def found() -> Result:
    return codex_imagegen.recover(
        "0199a213-81c0-7800-8aa1-bbab2a035a53", Path("rollout.jsonl"), out_dir="found", codex_home="homes/mine"
    )


def collected(home: StrPath, jobs: list[Job]) -> list[Status]:
    """Dicts of options with their types."""
    look: Look = {"quality": "high", "codex_home": home}
    options: Options = {"count": 2, "codex_home": home}
    codex_imagegen.edit("a fox", [home], **options)
    return [outcome.status for outcome in codex_imagegen.batch(jobs, **look)]


def failed() -> int | None:
    try:
        codex_imagegen.recover(last=True)
    except codex_imagegen.UsageLimit as error:
        return error.resets_at
    except codex_imagegen.ImagegenError as error:
        assert_type(error.hint, str | None)
        assert_type(error.spent, bool | None)
    return None


def refused() -> None:
    codex_imagegen.generate("a fox", qualty="high")  # type: ignore[call-arg]
    codex_imagegen.generate("a fox", quality="best")  # type: ignore[arg-type]
    codex_imagegen.generate("a fox", out=3)  # type: ignore[arg-type]
    codex_imagegen.generate()  # type: ignore[call-arg]
    codex_imagegen.edit("a fox")  # type: ignore[call-arg]
    codex_imagegen.batch([3])  # type: ignore[list-item]
    codex_imagegen.batch(["a fox"], count=2)  # type: ignore[call-arg]
    codex_imagegen.batch(["a fox"], codex_home=3)  # type: ignore[arg-type]
    codex_imagegen.edit("a fox", "a.png", backend="other")  # type: ignore[arg-type]
    codex_imagegen.recover(3)  # type: ignore[arg-type]
