"""CONTRIBUTING.md and SECURITY.md: the rooms are those of the import contract, and commands and paths exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import docs

GUIDE = docs.page("CONTRIBUTING.md")
PACKAGE = docs.ROOT / "codex_imagegen"
COMMANDS = [line for block in GUIDE.blocks("sh") for line in block.splitlines() if line]
PATHS = sorted({path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", GUIDE.text) if not path.startswith("~")})
FILES = sorted(set(re.findall(r"`([\w.-]+\.(?:py|md|toml|yml))`", GUIDE.text)))


def layers() -> list[set[str]]:
    """The rooms of the package by layer, the highest first, as the import contract has them."""
    contracts = tomllib.loads((docs.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each.get("containers") == ["codex_imagegen"]]
    return [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]


def shown_rooms() -> list[str]:
    return [line.split()[0] for line in GUIDE.block("rooms").splitlines()]


def test_guide_shows_the_rooms_of_the_import_contract_in_its_order():
    shown, expected = shown_rooms(), layers()
    by_layer = [{room for room in shown if room in layer} for layer in expected]
    assert by_layer == expected, "a room of the contract is not in CONTRIBUTING.md"
    positions = [next((n for n, layer in enumerate(expected) if room in layer), None) for room in shown]
    assert None not in positions, (
        f"not in the contract: {[r for r, n in zip(shown, positions, strict=True) if n is None]}"
    )
    assert positions == sorted(positions), f"CONTRIBUTING.md has another order: {shown}"
    assert len(shown) == len(set(shown))


def test_guide_shows_every_room_of_the_package():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(shown_rooms()) == modules | packages


def test_guide_sets_up_as_the_readme_does():
    assert COMMANDS[0] == docs.page("README.md").block("tests").strip()


@pytest.mark.parametrize("path", PATHS)
def test_path_in_the_guide_exists(path):
    assert (docs.ROOT / path.replace("NAME", "generate")).exists() or (PACKAGE / path).exists()


@pytest.mark.parametrize("name", FILES)
def test_file_named_in_the_guide_exists(name):
    tracked = [found for part in (".", "codex_imagegen", "tests") for found in _files(docs.ROOT / part, name)]
    assert tracked, name


def _files(folder: Path, name: str) -> list[Path]:
    return list(folder.glob(name)) if folder == docs.ROOT else list(folder.rglob(name))


@pytest.mark.parametrize("line", COMMANDS)
def test_command_in_the_guide_can_be_started(line):
    """The program is installed, its module importable, the tests and the options that it names exist."""
    assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0
    for command in line.split("&&"):
        program, *arguments = shlex.split(command)
        if program != "python3":
            assert program.startswith(".venv/bin/"), "commands run in the environment of the set-up"
            assert (Path(sys.executable).parent / Path(program).name).exists()
        if program.endswith("/python"):
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]), arguments[1]
        assert [word for word in arguments if "/" in word and not (docs.ROOT / word).exists()] == []


@pytest.mark.every_build
@pytest.mark.parametrize("line", [line for line in COMMANDS if " -m pytest " in line])
def test_tests_that_the_guide_runs_are_collected(line):
    arguments = shlex.split(line.replace("-n 2", ""))[1:]
    done = subprocess.run(
        [sys.executable, *arguments, "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=docs.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "test" in done.stdout


def test_recorder_knows_the_scenarios_and_the_option_that_the_guide_names():
    (line,) = [line for line in COMMANDS if "recorder" in line]
    arguments = shlex.split(line)[1:]
    done = subprocess.run(
        [sys.executable, *arguments, "--list"], cwd=docs.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


NAMES = {
    "BUILDS": "tests/support/builds.py",
    "NEWEST": "codex_imagegen/codex/install/version.py",
    "MAX_BYTES": "tests/test_tools.py",
    "CONTRACT": "tests/test_errors.py",
    "NO_PICTURE_CODES": "codex_imagegen/generation.py",
    "COMMANDS": "codex_imagegen/cli/main.py",
    "GROUPS": "codex_imagegen/cli/help.py",
    "CHECKS": "codex_imagegen/doctor/runner.py",
    "BACKENDS": "codex_imagegen/backends.py",
    "DEFAULT_JOBS": "codex_imagegen/generation.py",
    "UNTESTED_SINCE": "features.py",
    "NAMES": "tests/doctor",
}


def test_constants_that_the_guide_names_are_in_the_files_that_it_names():
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|[A-Z]{4,})`", GUIDE.text)) - {"NAME", "VERSION"}
    assert named == set(NAMES)
    for name, place in NAMES.items():
        path = docs.ROOT / place
        files = [path] if path.is_file() else list((path if path.is_dir() else PACKAGE).rglob("*.py"))
        files = [file for file in files if path.exists() or file.name == place]
        assert any(re.search(rf"^(?:\w+, )?{name}\b", file.read_text(), re.MULTILINE) for file in files), name


def test_security_page_links_to_parts_of_the_other():
    anchors = re.findall(r"\(docs/security\.md#([\w-]+)\)", docs.page("SECURITY.md").text)
    headings = re.findall(r"^## (.*)$", docs.page("docs/security.md").text, re.MULTILINE)
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(anchors) == slugs
