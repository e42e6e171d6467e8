"""The command in a process of its own, with other constants, or with a clock that the test controls."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

_MAIN = """
import importlib, json, os, sys, time
constants, time_is_up = json.loads(sys.argv.pop(1))
for name, value in constants.items():
    module, _, constant = name.rpartition(".")
    assert hasattr(importlib.import_module(module), constant), name
    setattr(sys.modules[module], constant, value)
monotonic = time.monotonic
if time_is_up:
    time.monotonic = lambda: monotonic() + (1e6 if os.path.exists(time_is_up) else 0)
from codex_imagegen.__main__ import main
main()
"""


def argv(constants: Mapping[str, float] | None = None, *, time_is_up: Path | None = None) -> list[str]:
    """The start of a command line, in place of ``codex-imagegen``.

    ``constants`` are values by their full names (``codex_imagegen.codex.backend.MAX_BYTES``). The run times out once
    the file ``time_is_up`` exists, with any ``--timeout-sec`` up to 11 days.
    """
    given = json.dumps([dict(constants or {}), str(time_is_up or "")])
    return [sys.executable, "-c", _MAIN, given]
