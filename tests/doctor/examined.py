"""Examinations by the doctor, and Codexes with one fault each."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codex_imagegen import render
from codex_imagegen.doctor import report
from codex_imagegen.doctor.checks_system import versions_beside
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Report
from codex_imagegen.doctor.runner import CHECKS, LIVE, run_checks
from codex_imagegen.interrupt import Interrupt
from tests.support import builds, checks
from tests.support.lab import COMMAND, Lab
from tests.support.outcome import Outcome

KEYS = [*checks.KEYS, "checks", "versions"]
CHECK_KEYS = ["name", "status", "message", "hint", "data"]
NAMES = [
    "codex", "login", "image-tool", "limits", "home", "file-events", "rollouts", "space", "clock", "runcomfy",
    "dependencies",
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
    """``doctor --json`` as it is installed; ``codex`` "" is none at all, None the lab's build."""
    argv = [COMMAND, "doctor", "--json", *arguments]
    if codex != "":
        argv += ["--codex", codex or str(builds.codex(world.version))]
    if powerless:
        argv = [sys.executable, UNDER, "--powerless", "--", *argv]
    return Examined(world.run_argv(argv, env=env))


def look(world: Lab, *names: str, codex: str | None = None, env: Mapping[str, str] | None = None) -> Examined:
    """The named checks alone, within the test's own process, and told as ``doctor --json`` would tell them.

    Codex is asked only for what these checks need. What ends an examination of all is shown by :func:`examine`.
    """
    environment = {**world.environment, **(env or {})}
    given = None if codex == "" else codex or str(builds.codex(world.version))
    context = Context(given, Interrupt(), environment)
    wanted = [check for check in (*CHECKS, LIVE) if check.name in names]
    assert len(wanted) == len(names)
    findings = tuple(run_checks(context, wanted))
    told = Report(findings, versions_beside(findings[0].data.get("version")), 0.0)
    sentence = f"{render.error_line(render.error_info(told.error))}\n" if told.error else ""
    code = told.error.exit_code if told.error else 0
    return Examined(Outcome(code, f"{report.to_json(told)}\n".encode(), sentence, 0.0))


def faulty(world: Lab, *cases: tuple[str, ...]) -> str:
    """The lab's Codex, but for some command lines: each case is a shell pattern and the lines that it runs."""
    script = world.tmp / "faulty-codex"
    lines = [line for when, *does in cases for line in (f"{when})", *does, ";;")]
    real = builds.codex(world.version)
    script.write_text("\n".join(["#!/bin/sh", 'case "$*" in', *lines, f'*) exec "{real}" "$@" ;;', "esac", ""]))
    script.chmod(0o755)
    return str(script)


def scripted(world: Lab, login: str = "Logged in using ChatGPT") -> str:
    """A Codex in good health whose every answer is a line of a script: for what is not about Codex."""
    return faulty(
        world, ("--version", f"echo codex-cli {builds.NEWEST}"), ("login*", f"echo '{login}' >&2"),
        ("features*", "echo image_generation stable true"), ("*", "exit 0"),
    )  # fmt: skip


def without_codex(world: Lab) -> dict[str, str]:
    """A PATH on which there is no Codex, and a home in which none was installed."""
    folder = world.tmp / "bin"
    folder.mkdir(exist_ok=True)
    return {"PATH": f"{folder}{os.pathsep}{os.path.dirname(sys.executable)}", "HOME": str(world.tmp)}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
