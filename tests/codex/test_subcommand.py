"""Which subcommand the user's own arguments name: as Codex itself reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from codex_imagegen.codex.subcommand import GOES_ON, VALUED, going_on
from tests.bridge.checks import every_build
from tests.support import builds


@pytest.mark.parametrize(("arguments", "word"), [
    ((), None), (("resume", "x"), "resume"), (("fork", "x"), "fork"), (("-c", "a=1", "resume"), "resume"),
    (("-ca=1", "resume"), "resume"), (("--oss", "resume"), "resume"), (("--config=a", "resume", "--last"), "resume"),
    (("-c", "resume"), None), (("--model", "resume"), None), (("--model=resume",), None), (("-C", "fork"), None),
    (("--", "resume"), None), (("resumes",), None), (("-c", "resume", "resume"), "resume"),
])  # fmt: skip
def test_the_word_and_not_a_value(arguments: tuple[str, ...], word: str | None) -> None:
    assert going_on(arguments) == word


@pytest.mark.real
@pytest.mark.parametrize("version", every_build())
def test_every_option_of_codex_that_takes_a_word_is_known(version: str, tmp_path: Path) -> None:
    shown = subprocess.run(
        [builds.codex(version), "exec", "--help"], capture_output=True, text=True, check=True, timeout=60,
        env={"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip
    lines = re.findall(r"^ {2,6}((?:-\w, )?--[\w-]+) <", shown, flags=re.MULTILINE)
    assert len(lines) > 8
    assert {name for line in lines for name in line.split(", ")} <= VALUED
    commands = re.findall(r"^  (\w+)  ", shown.partition("Commands:")[2].partition("Arguments:")[0], flags=re.MULTILINE)
    assert set(commands) - {"review", "help"} <= GOES_ON
