"""The command with other limits of what may go up, so that small pictures cross them."""

from __future__ import annotations

import sys

from tests.support.lab import Lab

_MAIN = """
import sys
from codex_imagegen.codex import upload
for setting in sys.argv.pop(1).split(","):
    name, _, value = setting.partition("=")
    assert hasattr(upload, name), name
    setattr(upload, name, int(value))
from codex_imagegen.__main__ import main
main()
"""


def command(lab: Lab, *arguments: str, **limits: int) -> list[str]:
    """The lab's command in a process of its own, in which constants of :mod:`codex_imagegen.codex.upload` differ."""
    settings = ",".join(f"{name}={value}" for name, value in limits.items())
    return [sys.executable, "-c", _MAIN, settings, *lab.argv(*arguments)[1:]]
