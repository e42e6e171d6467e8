"""The pages in docs/ tell the truth: the tour runs, the FAQ has every code, and the options that are named exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen import errors
from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.errors import ImagegenError
from tests.support import builds, checks
from tests.support.checks import Small
from tests.support.lab import COMMAND
from tests.test_docs import help_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def blocks(page: Path) -> list[str]:
    """Its commands, block by block."""
    return re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.real
def test_every_command_of_the_tour_runs(lab):
    world = lab(script=Small())
    path = os.pathsep.join([str(builds.codex(world.version).parent), str(Path(COMMAND).parent), os.environ["PATH"]])
    said = [
        world.run_argv(["bash", "-euo", "pipefail", "-c", block], env={"PATH": path})
        for block in blocks(DOCS / "tour.md")
    ]
    assert [done.code for done in said] == [0] * len(said), said
    files = {str(found.relative_to(world.work)) for found in world.work.rglob("*") if found.is_file()}
    assert files >= {
        "hills.png", "fox.png", "asleep.png", "owl.png", "lighthouse-1.png", "lighthouse-2.png", "harbour.webp",
        "bird.png", "firs/0001.png", "firs/summer.png", "again.png", "SKILL.md",
    }  # fmt: skip
    with Image.open(world.work / "harbour.webp") as harbour:
        assert harbour.size == (800, 450)
    assert json.loads((world.work / "bird.json").read_text())["ok"]
    assert world.model_calls == 9  # the second call of the batch, and all that follows, spent nothing
    assert (world.leftovers, checks.processes(world)) == ([], [])


def test_the_faq_has_an_entry_for_every_code():
    told = re.findall(r"^### `([a-z-]+)` – (\d+)", (DOCS / "faq.md").read_text(), re.MULTILINE)
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImagegenError)]
    leaves = {kind.code: kind.exit_code for kind in classes if "code" in vars(kind) and kind is not ImagegenError}
    assert dict(told) == {code: str(number) for code, number in leaves.items()}
    assert len(told) == len(leaves)


def test_the_options_that_others_become_exist():
    pages = "".join(help_of(*([] if name == "generate" else [name])) for name in COMMANDS)
    here = [
        row.rsplit(" | ", 1)[1]
        for row in (DOCS / "coming-from.md").read_text().splitlines()
        if row.startswith("| ") and not row.startswith("| there")
    ]
    named = {option for cell in here for option in re.findall(r"`[^`]*?(--[a-z][a-z-]+)", cell)}
    assert len(named) > 15
    assert {option for option in named if option not in pages} == set()


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_link_within_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_tour_is_run_where_a_shell_is():
    assert subprocess.run(["bash", "-n", "-c", "\n".join(blocks(DOCS / "tour.md"))], check=False).returncode == 0
