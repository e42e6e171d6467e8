"""A Codex home with a past, and the gallery made of it by the installed command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.support import history
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome
from tests.support.pictures import encoded

FOX, OWL, REFERENCE = encoded(40, "fox"), encoded(44, "owl"), encoded(64, "reference")


class World:
    """``home`` is the Codex home, ``work`` where the page goes; the index is in a cache folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.past = history.History(folder / "home")
        self.home, self.work, self.cache = self.past.home, folder / "work", folder / "cache"
        self.work.mkdir()
        self.environment = {**os.environ, "CODEX_HOME": str(self.home), "XDG_CACHE_HOME": str(self.cache), "TZ": "UTC"}

    def gallery(self, *arguments: str, **more: str) -> Outcome:
        began = time.monotonic()
        done = subprocess.run(
            [COMMAND, "gallery", *arguments], capture_output=True, cwd=self.work, timeout=60, stdin=subprocess.DEVNULL,
            env={**self.environment, **more}, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), time.monotonic() - began)

    @property
    def page(self) -> Path:
        return self.work / "codex-gallery.html"

    @property
    def files(self) -> list[str]:
        """The names of what is beside the page."""
        folder = self.work / "codex-gallery-pictures"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def entries(self, name: str = "codex-gallery.html") -> list[Any]:
        """What the page's script knows of its pictures."""
        return entries_of((self.work / name).read_text())

    def made(self, *records: Any, data: bytes = FOX, at: float | None = None, **more: Any) -> str:
        """A session that made one picture; gives back its thread."""
        return history.thread_of(self.past.rollout(*records, history.generated_image(data, **more), at=at))


def entries_of(page: str) -> list[Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return list(json.loads(found[1]))
