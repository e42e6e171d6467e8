"""Running the doctor as it is installed, and Codexes that are ill in one way each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import builds, checks
from tests.support.lab import COMMAND, Lab, Outcome

KEYS = [*checks.KEYS, "checks", "versions"]
CHECK_KEYS = ["name", "status", "message", "hint", "data"]
NAMES = [
    "codex", "login", "image-tool", "limits", "home", "wake-ups", "rollouts", "space", "clock", "runcomfy", "parts",
]  # fmt: skip
HANGING = ("trap '' INT TERM", "sleep 1000 & wait", "wait", "wait")
"""Shell lines that neither end nor listen."""
UNDER = str(Path(__file__).parent.parent / "support" / "restricted.py")


class Examined:
    """One examination: ``done`` is what an agent sees, ``checks`` the findings by name."""

    def __init__(self, done: Outcome) -> None:
        self.done, self.code = done, done.code
        self.json: dict[str, Any] = done.json
        assert list(self.json) == KEYS
        assert all(list(check) == CHECK_KEYS for check in self.json["checks"])
        assert self.json["ok"] is (done.code == 0)
        failed = [index for index, check in enumerate(self.json["checks"]) if check["status"] == "failed"]
        assert [failure["index"] for failure in self.json["failures"]] == failed
        self.checks = {check["name"]: check for check in self.json["checks"]}

    def status(self, name: str) -> str:
        return str(self.checks[name]["status"])

    def assert_failed(self, exit_code: int, code: str, check: str) -> dict[str, Any]:
        """The named check failed and gave the exit code; stderr is its one sentence."""
        error = self.json["error"]
        assert (self.code, error["code"], error["exit_code"], error["spent"]) == (exit_code, code, exit_code, False)
        assert self.status(check) == "failed", self.checks
        assert self.done.err.count("\n") == 1
        assert self.done.err.startswith("codex-imagegen: ")
        return self.checks[check]


def examine(
    world: Lab, *arguments: str, codex: str | None = None, env: Mapping[str, str] | None = None, powerless: bool = False
) -> Examined:
    """``doctor --json`` in a lab; ``codex`` "" is none at all, None the lab's build."""
    argv = [COMMAND, "doctor", "--json", *arguments]
    if codex != "":
        argv += ["--codex", codex or str(builds.codex(world.version))]
    if powerless:
        argv = [sys.executable, UNDER, "--powerless", "--", *argv]
    return Examined(world.run_argv(argv, env=env))


def ill(world: Lab, when: str, *lines: str) -> str:
    """The lab's Codex, but for the command lines that match ``when`` (a shell pattern): these run the shell lines."""
    real = builds.codex(world.version)
    script = world.tmp / "ill-codex"
    script.write_text(
        "\n".join(["#!/bin/sh", 'case "$*" in', f"{when})", *lines, ";;", f'*) exec "{real}" "$@" ;;', "esac", ""])
    )
    script.chmod(0o755)
    return str(script)


def without_codex(world: Lab) -> dict[str, str]:
    """A PATH on which there is no Codex, and a home in which none was installed."""
    folder = world.tmp / "bin"
    folder.mkdir(exist_ok=True)
    return {"PATH": f"{folder}{os.pathsep}{os.path.dirname(sys.executable)}", "HOME": str(world.tmp)}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
