"""Completion in the real shells, installed by the very commands of docs/completion.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codex_imagegen._version import __version__
from codex_imagegen.cli.main import COMMANDS, COMPLETION, PROGRAM
from tests.support import docs
from tests.support.inprocess import call
from tests.support.keyboard import Keyboard

KILL_LINE = "\x15"


@pytest.fixture
def environment(own_home):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(own_home), "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}


@pytest.fixture
def folder(tmp_path):
    """What there is to complete: two pictures, one of them with an awkward name, and a folder."""
    work = tmp_path / "work"
    (work / "drawings").mkdir(parents=True)
    (work / "fox.png").touch()
    (work / "owl at night.png").touch()
    return work


def shell(name):
    """The shell's path; zsh and fish are no part of every machine, also not in CI, and macOS has a bash of 2007."""
    path = shutil.which(name) or pytest.skip(f"{name} is not installed")
    if name == "bash" and subprocess.run([path, "-c", "(( BASH_VERSINFO[0] > 4 ))"], check=False).returncode:
        pytest.skip("this bash is too old for click's script")
    return path


def install(name, environment):
    """Run the page's command for this shell."""
    (command,) = docs.page("docs/completion.md").blocks(name)
    subprocess.run([shell(name), "-c", command], env=environment, check=True, stdin=subprocess.DEVNULL)


def asked(words, environment, shell="bash"):
    """What our program answers a shell; the word that is being typed comes last."""
    told = {**environment, "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    told[COMPLETION] = f"{shell}_complete"
    done = call(environment=told)
    assert (done.code, done.err) == (0, "")
    return done.lines


TYPED = [
    ("--promp", "--prompt"),
    ("rec", "recover "),
    ("recover --las", "--last "),
    ("runcomfy logo", "logout "),
    ("--ref f", "fox.png"),
    ("-o f", "fox.png"),
    ("recover --last --out f", "fox.png"),
    ("batch --out-dir d", "drawings/"),
    ("--backend r", "runcomfy "),
    ("--prompt 'a red fox' --format w", "webp "),
]
SOME_TYPED = TYPED[1:9:2]
"""What the completion answers is the same in every shell; what each makes of it is shown by a few."""


def test_bash_completes_commands_options_and_files(environment, folder):
    install("bash", environment)
    rc = Path(environment["HOME"]) / ".bashrc"
    rc.write_text(f"PS1='ready> '\nbind 'set bell-style none'\n{rc.read_text()}")
    with Keyboard([shell("bash"), "-i"], environment, folder) as keyboard:
        keyboard.until("ready> ")
        for typed, completed in [*TYPED[1:], ("--ref=f", "--ref=fox.png"), ("--ref o", r"owl\ at\ night.png")]:
            keyboard.type(f"{KILL_LINE}{PROGRAM} {typed}\t")
            keyboard.until(completed)
        keyboard.type(f"{KILL_LINE}{PROGRAM} \t\t")
        assert set(COMMANDS) <= set(keyboard.until("runcomfy").split())


def test_zsh_completes_commands_options_and_files(environment, folder):
    zsh = shell("zsh")
    (Path(environment["HOME"]) / ".zshrc").write_text("PS1='ready> '\nunsetopt beep\n")
    install("zsh", environment)
    with Keyboard([zsh, "-i"], environment, folder) as keyboard:
        keyboard.until("ready> ")
        for typed, completed in [*SOME_TYPED, ("--ref o", r"owl\ at\ night.png")]:
            keyboard.type(f"{KILL_LINE}{PROGRAM} {typed}\t")
            keyboard.until(completed)
        keyboard.type(f"{KILL_LINE}{PROGRAM} \t")
        assert "extract pictures from past sessions" in keyboard.until("sign in to RunComfy")


def test_fish_completes_commands_options_and_files(environment, folder):
    fish = shell("fish")
    install("fish", environment)
    for typed, completed in [*SOME_TYPED, ("--ref o", "owl at night.png")]:
        line = f'complete --do-complete "{PROGRAM} {typed}"'
        done = subprocess.run(
            [fish, "-c", line], env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
        offered = [row.split("\t")[0] for row in done.stdout.splitlines()]
        assert any(word.endswith(completed.strip()) for word in offered), (typed, done)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_offered_and_completes_its_options(name, environment):
    assert f"plain,{name}" in asked([PROGRAM, name[:2]], environment)
    assert "plain,--help" in asked([PROGRAM, name, "--hel"], environment)


def test_options_of_the_default_command_are_completed(environment):
    assert "plain,--prompt" in asked([PROGRAM, "--promp"], environment)


def test_commands_are_offered_in_first_place_only(environment):
    assert asked([PROGRAM, "--quiet", "rec"], environment) == []
    assert asked([PROGRAM, "-p", "rec"], environment) == []


def told(environment, instruction, *arguments):
    done = call(*arguments, environment={**environment, COMPLETION: instruction})
    return done.code, done.out, done.err.count("\n")


@pytest.mark.parametrize("instruction", ["tcsh_source", "bash", "bash_sauce", "bash_complete"])
def test_unknown_completion_request_fails_with_one_sentence(instruction, environment):
    assert told(environment, instruction) == (2, b"", 1)


def test_empty_completion_variable_is_ignored(environment):
    assert told(environment, "", "--version") == (0, f"codex-imagegen {__version__}\n".encode(), 0)
