"""A home, a project, and the installed command."""

from __future__ import annotations

import os
import subprocess

from tests.support.checks import KEYS
from tests.support.lab import COMMAND, Outcome

BELOW = "codex-imagegen/SKILL.md"


class World:
    """A home, and a project to work in."""

    def __init__(self, home, work):
        self.home, self.work = home, work
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"]}

    def skill(self, *arguments, **environment):
        return self.run([COMMAND, "skill", *arguments], **environment)

    def run(self, argv, **environment):
        done = subprocess.run(
            argv, capture_output=True, cwd=self.work, stdin=subprocess.DEVNULL, check=False,
            env={**self.environment, **environment}, timeout=60,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0)

    def files(self):
        """Every path below the home and the project that is no folder."""
        both = [*self.home.rglob("*"), *self.work.rglob("*")]
        return {path for path in both if path.is_symlink() or not path.is_dir()}


def assert_refused(done, code="out-exists"):
    error = done.json["error"]
    assert (done.code, error["code"], error["exit_code"], error["spent"]) == (73, code, 73, False)
    assert list(done.json) == KEYS
    assert "Traceback" not in done.err
