"""Make galleries in a lab, and read their pages."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.support import history
from tests.support.lab import Lab
from tests.support.outcome import Outcome
from tests.support.pictures import encoded

FOX, OWL, REFERENCE = encoded(40, "fox"), encoded(44, "owl"), encoded(64, "reference")
HOSTILE = (
    "</noscript></script><script>alert(1)</script><img src=x onerror=alert(2)>\"><svg onload=alert(3)>'`${alert(4)}"
    "<!--</style><iframe src=//example.com></iframe>\u202e\x00\x1b[2J\ud83e javascript:alert(5) &lt;b&gt; \u2028 $style"
)
"""Text that would run or load something if it were not escaped."""

SHOWN = HOSTILE.replace("\x00", "").replace("\x1b", "").replace("\ud83e", "?")
"""The same text as the page shows it."""


def run_gallery(world: Lab, *arguments: str, **environment: str) -> Outcome:
    """Run the command in the test's own process."""
    return world.call("gallery", *arguments, env=environment)


def page_path(world: Lab) -> Path:
    return world.work / "codex-gallery.html"


def picture_files(world: Lab) -> list[str]:
    """The names of the files next to the page."""
    folder = world.work / "codex-gallery-pictures"
    return sorted(os.listdir(folder)) if folder.exists() else []


def entries(world: Lab, name: str = "codex-gallery.html") -> list[Any]:
    """The picture data of the page's script."""
    return entries_of((world.work / name).read_text())


def entries_of(text: str) -> list[Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return list(json.loads(found[1]))


def write_session(world: Lab, *records: Any, data: bytes = FOX, at: float | None = None, **more: Any) -> str:
    """Write a session with one picture and return its thread."""
    return history.thread_of(world.history.rollout(*records, history.generated_image(data, **more), at=at))


def put_hostile(world: Lab, now: float) -> None:
    """Write three pictures with hostile prompts, models and file names."""
    write_session(world, history.user_message(HOSTILE), data=FOX, revisedPrompt=f"{HOSTILE}, revised", at=now)
    write_session(
        world,
        {"type": "turn_context", "payload": {"model": HOSTILE}},
        history.user_message(HOSTILE),
        data=b"x" * 9,
        at=now - 9,
    )
    folder = world.history.saved(history.new_thread_id(), OWL)
    (folder / "call_1.png").rename(folder / '"><script>alert(6)<')


def put_three(world: Lab, now: float) -> None:
    """Write an owl, a fox with a reference, and a damaged picture; newest first."""
    from tests.support.pictures import torn

    write_session(world, history.user_message("an owl at night"), data=OWL, at=now, revisedPrompt=None)
    shown = history.user_image(REFERENCE, "a red fox")
    write_session(world, shown, data=FOX, at=now - 100, revisedPrompt="a fox, drawn\nin two lines")
    write_session(
        world, history.user_message("a torn one"), data=torn(encoded(60, "torn")), at=now - 200, revisedPrompt=None
    )
