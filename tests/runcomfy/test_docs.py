"""The commands of docs/runcomfy.md, run in a shell as they are printed."""

from __future__ import annotations

import os
from pathlib import Path

from tests.runcomfy.cli import Shell
from tests.runcomfy.fake_runcomfy import FakeRunComfy
from tests.support import docs
from tests.support.lab import COMMAND


def test_commands_of_the_page_make_both_pictures(shell: Shell, fake: FakeRunComfy) -> None:
    del shell.env["RUNCOMFY_TOKEN"]  # the token is the one of the page's login
    path = f"{Path(COMMAND).parent}{os.pathsep}{shell.env['PATH']}"
    (block,) = docs.page("docs/runcomfy.md").blocks("sh")
    done = shell.run_argv(["bash", "-euo", "pipefail", "-c", block], env={**shell.env, "PATH": path})
    assert done.code == 0, done
    assert {name.name for name in shell.work.iterdir()} == {"fox.webp", "fox.png"}
    assert fake.submitted == 2
