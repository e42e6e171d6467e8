"""Run the doctor in a test, with a Codex that has one fault."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codex_imagegen import render
from codex_imagegen.doctor import report
from codex_imagegen.doctor.checks_system import versions_with_codex
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
"""Shell lines that never end and ignore signals."""
UNDER = str(Path(__file__).parent.parent / "support" / "restricted.py")


class DoctorRun:
    """One report: ``done`` is what an agent sees, ``checks`` the findings by name."""

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
        """Assert that the named check failed and decided the exit code, and that stderr is one sentence."""
        error = self.json["error"]
        assert (self.code, error["code"], error["exit_code"], error["spent"]) == (exit_code, code, exit_code, False)
        assert self.status(check) == "failed", self.checks
        assert self.done.err.count("\n") == 1
        assert self.done.err.startswith("codex-imagegen: ")
        return self.checks[check]


def run_doctor(
    world: Lab, *arguments: str, codex: str | None = None, env: Mapping[str, str] | None = None, powerless: bool = False
) -> DoctorRun:
    """Run the installed ``doctor --json``; ``codex`` "" means no Codex, None the lab's build."""
    argv = [COMMAND, "doctor", "--json", *arguments]
    if codex != "":
        argv += ["--codex", codex or str(builds.codex(world.version))]
    if powerless:
        argv = [sys.executable, UNDER, "--powerless", "--", *argv]
    return DoctorRun(world.run_argv(argv, env=env))


def run_only(world: Lab, *names: str, codex: str | None = None, env: Mapping[str, str] | None = None) -> DoctorRun:
    """Run the named checks only, in the test's own process, and report them as ``doctor --json`` does.

    Codex is asked only for what these checks need. :func:`examine` runs all checks.
    """
    environment = {**world.environment, **(env or {})}
    codex_option = None if codex == "" else codex or str(builds.codex(world.version))
    context = Context(codex_option, Interrupt(), environment)
    selected = [check for check in (*CHECKS, LIVE) if check.name in names]
    assert len(selected) == len(names)
    findings = tuple(run_checks(context, selected))
    result = Report(findings, versions_with_codex(findings[0].data.get("version")), 0.0)
    sentence = f"{render.error_line(render.error_info(result.error))}\n" if result.error else ""
    code = result.error.exit_code if result.error else 0
    return DoctorRun(Outcome(code, f"{report.to_json(result)}\n".encode(), sentence, 0.0))


def faulty_codex(world: Lab, *cases: tuple[str, ...]) -> str:
    """The lab's Codex with other answers: each case is a shell pattern for the arguments, and the lines to run."""
    script = world.tmp / "faulty-codex"
    lines = [line for pattern, *commands in cases for line in (f"{pattern})", *commands, ";;")]
    real = builds.codex(world.version)
    script.write_text("\n".join(["#!/bin/sh", 'case "$*" in', *lines, f'*) exec "{real}" "$@" ;;', "esac", ""]))
    script.chmod(0o755)
    return str(script)


def scripted_codex(world: Lab, login: str = "Logged in using ChatGPT") -> str:
    """A script that answers like a healthy Codex, for checks that are not about Codex."""
    return faulty_codex(
        world, ("--version", f"echo codex-cli {builds.NEWEST}"), ("login*", f"echo '{login}' >&2"),
        ("features*", "echo image_generation stable true"), ("*", "exit 0"),
    )  # fmt: skip


def without_codex(world: Lab) -> dict[str, str]:
    """A PATH without a Codex, and a home folder without one."""
    folder = world.tmp / "bin"
    folder.mkdir(exist_ok=True)
    return {"PATH": f"{folder}{os.pathsep}{os.path.dirname(sys.executable)}", "HOME": str(world.tmp)}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
