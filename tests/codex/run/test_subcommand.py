"""The Codex subcommand in the user's own arguments, as Codex itself reads them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from codex_imagegen.codex.run.command import (
    OPTIONS_WITH_VALUE,
    SUBCOMMANDS_WITHOUT_PICTURE,
    refuse_resume,
    resumed_thread,
)
from codex_imagegen.errors import UsageError
from tests.support import builds
from tests.support.checks import every_build


@pytest.mark.parametrize(("arguments", "thread"), [
    ((), None), (("resume", "x"), "x"), (("-c", "a=1", "resume", "x"), "x"), (("resume",), ""),
    (("-ca=1", "resume", "-m", "m", "x"), "x"), (("--oss", "resume"), ""), (("--config=a", "resume", "--last"), ""),
    (("-c", "resume"), None), (("--model", "resume"), None), (("--model=resume",), None), (("-C", "fork"), None),
    (("-c", "resume", "resume", "x"), "x"), (("--color", "never"), None),
])  # fmt: skip
def test_resumed_thread_is_read_from_the_arguments(arguments: tuple[str, ...], thread: str | None) -> None:
    assert resumed_thread(arguments) == thread


@pytest.mark.parametrize(
    "arguments",
    [("a blue bird",), ("resumes",), ("--", "resume"), ("resume", "x", "a bird"), ("resume", "--last", "a bird")],
)
def test_prompt_among_codex_arguments_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="can't be a prompt"):
        resumed_thread(arguments)


@pytest.mark.parametrize("word", SUBCOMMANDS_WITHOUT_PICTURE)
def test_subcommand_that_makes_no_picture_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=word):
        resumed_thread(("-m", "x", word, "y"))


def test_several_pictures_with_one_thread_are_refused() -> None:
    refuse_resume(("-c", "resume"), "--count")
    with pytest.raises(UsageError, match="--count is for several pictures"):
        refuse_resume(("resume", "x"), "--count")


@pytest.mark.real
@pytest.mark.parametrize("version", every_build())
def test_options_of_codex_that_take_a_value_are_known(version: str, tmp_path: Path) -> None:
    shown = subprocess.run(
        [builds.codex(version), "exec", "--help"], capture_output=True, text=True, check=True, timeout=60,
        env={"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip
    lines = re.findall(r"^ {2,6}((?:-\w, )?--[\w-]+) <", shown, flags=re.MULTILINE)
    assert len(lines) > 8
    assert {name for line in lines for name in line.split(", ")} <= OPTIONS_WITH_VALUE
    commands = re.findall(r"^  (\w+)  ", shown.partition("Commands:")[2].partition("Arguments:")[0], flags=re.MULTILINE)
    assert set(commands) - {"help"} <= {"resume", *SUBCOMMANDS_WITHOUT_PICTURE}
