"""README.md, the first page: it is short, its commands run as printed, and it leads to every other page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from codex_imagegen.cli.main import COMMANDS
from tests.contract import golden
from tests.support import builds, checks, docs
from tests.support.checks import DrawsSmall
from tests.support.docs import help_of

README = docs.page("README.md")
BLOCKS = README.blocks("sh")
SET_UP = [block for block in BLOCKS if not block.startswith(("codex-imagegen ", "printf "))]
"""The blocks that install something: the program, Codex, and the two commands that CI runs."""
FIRST_SCREEN = docs.Page("README.md", README.text.partition("<!-- demo -->")[0])


def test_readme_is_short():
    assert len(README.text.splitlines()) <= 160
    assert len(README.text.split()) <= 1500


def test_first_screen_leads_from_installation_to_the_first_picture():
    assert len(FIRST_SCREEN.text.splitlines()) <= 40
    assert len(re.findall(r"^!\[", FIRST_SCREEN.text, re.MULTILINE)) == 1
    assert [block.split("#")[0].strip() for block in FIRST_SCREEN.blocks("sh")] == [
        "uv tool install .",
        "npm install -g @openai/codex && codex login",
        BLOCKS[2].strip(),
        "codex-imagegen doctor",
    ]
    assert "--ref" not in BLOCKS[2]  # nobody has a reference yet


def test_set_up_blocks_are_those_of_ci_and_of_the_first_screen():
    assert [*BLOCKS[:2], README.block("demo"), README.block("tests")] == SET_UP


@pytest.mark.real
def test_commands_of_the_readme_run_in_their_order(lab):
    world = lab(script=DrawsSmall())
    *drawing, looking = [block for block in BLOCKS if block not in SET_UP and "doctor" not in block]
    outcomes = [docs.run_shell(world, block) for block in drawing]
    before = world.model_calls
    outcomes.append(docs.run_shell(world, looking))
    assert world.model_calls == before  # the list and the gallery spend nothing
    assert [done.code for done in outcomes] == [0] * len(outcomes), outcomes
    assert docs.pictures(world) == {
        "a-red-fox-in-the-snow.png", "asleep.png", "both-foxes-on-one-sofa.png", "lighthouse-1.png",
        "lighthouse-2.png", "lighthouse-3.png", "harbour.webp",
        "firs/0001.png", "firs/0002.png",
    }  # fmt: skip
    assert (world.leftovers, checks.processes(world)) == ([], [])


@pytest.mark.real
def test_doctor_of_the_first_screen_has_no_failure_after_a_login(lab):
    done = docs.run_shell(lab(), "codex-imagegen doctor")
    assert (done.code, b"FAIL" in done.out) == (0, False), done


@pytest.mark.real
def test_python_example_of_the_readme_makes_a_picture(lab):
    world = lab(script=DrawsSmall())
    done = world.run_argv([sys.executable, "-c", README.block("python")], env=docs.environment(world))
    assert (done.code, done.out.startswith(os.fsencode(world.work / "fox.png"))) == (0, True), done
    assert (world.work / "fox.png").read_bytes() == checks.small_png("a red fox in the snow")


@pytest.mark.real
def test_codex_has_the_login_command_of_the_set_up():
    done = subprocess.run([builds.codex(builds.NEWEST), "login", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Usage: codex login" in done.stdout) == (0, True), done


def test_npm_package_of_the_set_up_is_the_one_that_is_tested():
    assert " @openai/codex " in BLOCKS[1]
    assert '"@openai/codex@' in (docs.ROOT / "tests" / "support" / "builds.py").read_text()


@pytest.mark.ci
@pytest.mark.parametrize("tool", ["uv", "pipx", "pip"])
def test_installing_line_puts_the_program_on_path(tool, tmp_path):
    """Run the printed line in a copy of the repository; pip does the same where neither uv nor pipx is installed."""
    clone, target = tmp_path / "clone", tmp_path / "bin"
    shutil.copytree(
        docs.ROOT / "codex_imagegen", clone / "codex_imagegen", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(docs.ROOT / name, clone / name)
    lines = dict(re.findall(r"((uv|pipx)(?: tool)? install \.)", BLOCKS[0]))
    assert sorted(lines.values()) == ["pipx", "uv"]
    by_pip = f"{sys.executable} -m venv ../env && ../env/bin/pip install -q . && ln -s env/bin ../bin"
    line = next((line for line, name in lines.items() if name == tool), by_pip)
    if tool != "pip" and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    folders = {"UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin", "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin"}
    environment = {**os.environ, **{name: str(tmp_path / folder) for name, folder in folders.items()}}
    done = subprocess.run(["bash", "-c", line], cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version = subprocess.run([target / "codex-imagegen", "--version"], capture_output=True, text=True, check=False)
    assert version.stdout.startswith("codex-imagegen "), version


@pytest.mark.parametrize("name", COMMANDS)
def test_readme_names_every_command(name):
    assert f"`{name}`" in README.text
    assert "Usage: codex-imagegen" in help_of(name)


@pytest.mark.parametrize("name", [name for name in docs.PAGES if name != "README.md"])
def test_every_page_is_linked_from_the_readme(name):
    assert name in README.links()


def test_exit_codes_of_the_readme_exist():
    named = {code for row in README.rows() for code in re.findall(r"\d+", row[0])}
    assert len(named) > 5
    assert named <= {line.split()[0] for line in golden.exit_codes()}


def test_readme_has_no_placeholders():
    assert re.findall(r"^[A-Z]{5,}$", README.text, re.MULTILINE) == []
