"""The doctor's report, asked of a process of its own.

It ends every Codex of its process that is still at work when its time is up, and those of other calls must not be
among them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from codex_imagegen.errors import InternalError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.mcp_server.settings import Settings

LIMIT_SEC = 60.0
"""Each of its checks has a time of its own, and they all run at once."""


def examined(settings: Settings, interrupt: Interrupt) -> dict[str, Any]:
    """What ``codex-imagegen doctor --json`` prints; raises :class:`Interrupted` when somebody asks to stop."""
    # -P: a module in the working folder, which a model may write to, is no part of this program
    argv = [sys.executable, "-P", "-m", "codex_imagegen", "doctor", "--json"]
    argv += ["--codex", settings.codex] if settings.codex else []
    silent = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=silent, stdout=subprocess.PIPE, stderr=silent) as child:
        unhook = interrupt.on_set(child.terminate)
        try:
            out, _none = child.communicate(timeout=LIMIT_SEC)
        except subprocess.TimeoutExpired:
            child.kill()
            raise InternalError("the doctor gave no answer", hint="run: codex-imagegen doctor") from None
        finally:
            unhook()
    interrupt.check()
    try:
        report = json.loads(out)
    except ValueError as error:
        raise InternalError("the doctor gave no report", hint="run: codex-imagegen doctor") from error
    return dict(report)
