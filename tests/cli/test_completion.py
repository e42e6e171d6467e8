"""Completion in the real shells, installed by the commands of docs/completion.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codex_imagegen._version import __version__
from codex_imagegen.cli.commands import completion
from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.cli.options import COMPLETION, PROGRAM
from tests.support import docs, terminal
from tests.support.in_process import call
from tests.support.keyboard import Keyboard

KILL_LINE = "\x15"


@pytest.fixture
def environment(own_home):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(own_home), "PATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}


@pytest.fixture
def folder(tmp_path):
    """Files to complete: two pictures, one with spaces in its name, and a folder."""
    work = tmp_path / "work"
    (work / "drawings").mkdir(parents=True)
    (work / "fox.png").touch()
    (work / "owl at night.png").touch()
    return work


def shell(name):
    """The shell's path. Not every machine has zsh and fish, CI neither, and macOS has a bash of 2007."""
    path = shutil.which(name) or pytest.skip(f"{name} is not installed")
    if name == "bash" and subprocess.run([path, "-c", "(( BASH_VERSINFO[0] > 4 ))"], check=False).returncode:
        pytest.skip("this bash is too old for click's script")
    return path


def install(name, environment):
    """Run the page's command for this shell."""
    (command,) = docs.page("docs/completion.md").blocks(name)
    subprocess.run([shell(name), "-c", command], env=environment, check=True, stdin=subprocess.DEVNULL)


def candidates(words, environment, shell="bash"):
    """The program's answer to a shell; the last word is being typed."""
    variables = {**environment, "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    variables[COMPLETION] = f"{shell}_complete"
    done = call(environment=variables)
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
"""Every shell gets the same candidates; a few show what each shell does with them."""


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


@pytest.mark.parametrize("name", completion.INSTALL)
def test_page_and_help_have_the_command_that_installs(name):
    (command,) = docs.page("docs/completion.md").blocks(name)
    assert command.strip() == completion.INSTALL[name]
    assert f"  {command.strip()}\n" in completion.HELP


@pytest.mark.parametrize("name", completion.INSTALL)
def test_script_is_that_of_the_environment_variable(name, environment):
    """But for the line of zsh that loads compinit."""
    script = call("completion", name, environment=environment)
    before = call(environment={**environment, COMPLETION: f"{name}_source"})
    assert (script.code, script.err, before.code) == (0, "", 0)
    assert [line for line in script.lines if line and "compinit" not in line] == [line for line in before.lines if line]
    assert script.lines[0] == before.lines[0]


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["BASH"], [""]])
def test_completion_without_a_known_shell_names_the_three(arguments, environment):
    done = call("completion", *arguments, environment=environment)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "bash, zsh or fish" in done.err


def test_completion_on_a_terminal_says_how_to_install_it(environment):
    argv = [sys.executable, "-m", "codex_imagegen", "completion", "fish"]
    session = terminal.run(terminal.APPLE, argv, env=environment)
    lines = session.shown.decode().splitlines()
    assert session.code == 0
    assert lines[-1] == f"  {completion.INSTALL['fish']}"
    assert "complete --no-files --command codex-imagegen" in session.shown.decode()


def test_shells_are_completed(environment):
    assert candidates([PROGRAM, "completion", ""], environment) == ["plain,bash", "plain,zsh", "plain,fish"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_offered_and_completes_its_options(name, environment):
    assert f"plain,{name}" in candidates([PROGRAM, name[:2]], environment)
    assert "plain,--help" in candidates([PROGRAM, name, "--hel"], environment)


def test_options_of_the_default_command_are_completed(environment):
    for words in ([], ["generate"], ["--quiet"]):
        assert candidates([PROGRAM, *words, "--promp"], environment) == ["plain,--prompt", "plain,--prompt-file"]


@pytest.mark.parametrize("words", [["--ref=f"], ["--ref", "=", "f"], ["-r", "f"], ["generate", "--ref=f"]])
def test_value_of_the_first_option_is_completed_as_a_file(words, environment):
    assert candidates([PROGRAM, *words], environment) == ["file,f"]


def test_version_is_not_printed_while_words_are_completed(environment):
    assert candidates([PROGRAM, "--version", "--quie"], environment) == ["plain,--quiet"]


def test_commands_are_offered_in_first_place_only(environment):
    assert candidates([PROGRAM, "--quiet", "rec"], environment) == []
    assert candidates([PROGRAM, "-p", "rec"], environment) == []


def outcome(environment, instruction, *arguments):
    done = call(*arguments, environment={**environment, COMPLETION: instruction})
    return done.code, done.out, done.err.count("\n")


@pytest.mark.parametrize("instruction", ["tcsh_source", "bash", "bash_sauce", "bash_complete"])
def test_unknown_completion_request_fails_with_one_sentence(instruction, environment):
    assert outcome(environment, instruction) == (2, b"", 1)


def test_empty_completion_variable_is_ignored(environment):
    assert outcome(environment, "", "--version") == (0, f"codex-imagegen {__version__}\n".encode(), 0)
