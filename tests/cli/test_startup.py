"""Which modules each command imports: start-up is part of the program."""

from __future__ import annotations

import json
import sys

import pytest

from tests.support import builds
from tests.support.checks import DrawsSmall, small_png

pytestmark = pytest.mark.usefixtures("unmeasured")

HEAVY = {
    "PIL", "rich", "urllib3", "watchdog", "filetype", "subprocess", "mcp", "tempfile", "importlib.metadata", "ssl",
    "click.shell_completion",
}  # fmt: skip
LOADED = """
import atexit, json, os, sys
from codex_imagegen import __main__
exit_now = os._exit

def save_modules(code):
    with open(sys.argv[0] + ".json", "w") as file:
        json.dump(sorted(sys.modules), file)
    exit_now(code)

os._exit = save_modules
atexit.register(save_modules, 0)
__main__.main()
"""


def loaded(world, *arguments):
    """The modules that a command has imported at its end, and its outcome."""
    script = world.tmp / "loaded.py"
    script.write_text(LOADED)
    done = world.run_argv([sys.executable, str(script), *arguments])
    return set(json.loads((world.tmp / "loaded.py.json").read_text())), done


def commands(modules):
    """The commands that were imported."""
    prefix = "codex_imagegen.cli.commands."
    return {module.removeprefix(prefix) for module in modules if module.startswith(prefix)}


@pytest.mark.parametrize("name", ["runcomfy", "skill", "schema"])
def test_command_is_imported_alone(lab, name):
    modules, done = loaded(lab(offline=True), name, "--help")
    assert done.code == 0
    assert commands(modules) == {name}
    assert modules & HEAVY <= {"tempfile"}


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(lab, argument):
    modules, done = loaded(lab(offline=True), argument)
    assert done.code == 0
    assert "click" in modules
    assert commands(modules) == {"generate"}
    assert modules & HEAVY == set()


def test_wrong_arguments_import_nothing_heavy(lab):
    modules, done = loaded(lab(offline=True), "--json", "--nonsense")
    assert done.code == 2
    assert modules & HEAVY <= {"tempfile", "click.shell_completion"}  # of the commands whose options it may be


def test_package_import_loads_only_its_version(lab):
    world = lab(offline=True)
    code = "import sys, codex_imagegen; print([m for m in sys.modules if m.startswith('codex_imagegen.')])"
    assert world.run_argv([sys.executable, "-c", code]).text == "['codex_imagegen._version']\n"


@pytest.mark.real
def test_run_imports_no_http_no_progress_and_no_show(lab):
    world = lab(script=DrawsSmall())
    codex = str(builds.codex(builds.NEWEST))
    modules, done = loaded(world, "--prompt", "a red fox", "--out", "fox.png", "--codex", codex)
    assert done.code == 0
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    unused = {"urllib3", "rich", "mcp", "ssl", "http.client", "importlib.metadata", "tomllib", "click.shell_completion"}
    assert modules & unused == set()
    assert {"PIL", "subprocess"} <= modules
    assert not {module for module in modules if ".show" in module}
    assert "codex_imagegen.cli.arguments" not in modules


def test_backend_without_references_imports_no_reducer_and_no_hashes(lab):
    modules, done = loaded(lab(offline=True), "--prompt", "a red fox", "--codex", "/nonexistent/codex")
    assert done.code == 3
    assert "codex_imagegen.codex.backend" in modules
    late = {"codex_imagegen.images.reduce", "codex_imagegen.images.convert", "hashlib", "_hashlib"}
    assert modules & late == set()


STARTING = """
import sys

def note(event, arguments):
    if event == "subprocess.Popen":
        print(*sys.modules, file=sys.stderr)

sys.addaudithook(note)
from codex_imagegen.__main__ import main
main()
"""
"""The command, which prints on stderr what it has imported when it starts Codex."""


def test_codex_is_started_before_pictures_and_results_are_imported(lab):
    world = lab(offline=True)
    codex = world.tmp / "codex"
    codex.write_text("#!/bin/sh\n")
    codex.chmod(0o755)
    done = world.run_argv([sys.executable, "-c", STARTING, "--prompt", "a red fox", "--codex", str(codex)])
    names = {name.removeprefix("codex_imagegen.") for name in done.err.split()}
    assert "codex.backend" in names
    assert names & {"results", "images.decode", "images.references", "images.convert", "PIL", "hashlib"} == set()


def test_help_of_gallery_imports_nothing_for_the_browser(lab):
    modules, done = loaded(lab(offline=True), "gallery", "--help")
    assert done.code == 0
    assert modules & {"pathlib", "webbrowser", "urllib.parse"} == set()
