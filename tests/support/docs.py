"""Reads the code blocks, tables and links of README.md and docs/, and runs their commands."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import builds
from tests.support.in_process import call
from tests.support.lab import Lab
from tests.support.outcome import Outcome

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Page:
    """One page, or a part of one."""

    name: str
    text: str

    def after(self, words: str) -> Page:
        """The text after the first occurrence of these words, which must exist."""
        assert words in self.text, f"{self.name} has no {words!r}"
        return Page(self.name, self.text.partition(words)[2])

    def before(self, words: str) -> Page:
        """The text before the first occurrence of these words, which must exist."""
        assert words in self.text, f"{self.name} has no {words!r}"
        return Page(self.name, self.text.partition(words)[0])

    def blocks(self, kind: str = r"\w*") -> list[str]:
        """The fenced blocks of a kind, such as ``sh`` or ``python``, or of any; those in lists are dedented."""
        found = re.findall(rf"^( *)```{kind}\n(.*?)^\1```", self.text, re.MULTILINE | re.DOTALL)
        return [textwrap.dedent(block) for _indent, block in found]

    def marked(self, kind: str) -> list[tuple[str, str]]:
        """(name, block) for each block after a marker ``<!-- kind: name -->``."""
        return re.findall(rf"<!-- {kind}: (\w+) -->\n```\w*\n(.*?)```", self.text, re.DOTALL)

    def block(self, marker: str) -> str:
        """The block after the marker ``<!-- marker -->``."""
        found = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)```", self.text, re.DOTALL)
        assert found, f"{self.name} has no block {marker!r}"
        return found[1]

    def rows(self) -> list[list[str]]:
        """The cells of every table row, without the separator lines."""
        lines = [line for line in self.text.splitlines() if line.startswith("| ")]
        return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]

    def links(self) -> list[str]:
        """The files of the project that it links to or shows as pictures."""
        return re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", self.text)

    def json_examples(self) -> list[str]:
        """Every example of ``--json`` and ``--events`` output, each as one line."""
        found = [block for block in self.blocks("json") if block.startswith('{"schema": ')]
        return [block.replace("\n", "") for block in found]


@cache
def page(name: str) -> Page:
    """A page by its path, such as ``README.md`` or ``docs/doctor.md``."""
    return Page(name, (ROOT / name).read_text())


PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)


def run_shell(lab: Lab, block: str) -> Outcome:
    """Run a block in a shell that stops at the first failure."""
    return lab.run_argv(["bash", "-euo", "pipefail", "-c", block], env=environment(lab))


def environment(lab: Lab) -> dict[str, str]:
    """The lab's environment with the installed command and the lab's Codex on PATH, as the pages assume."""
    folders = [builds.codex(lab.version).parent, Path(sys.executable).parent, lab.environment["PATH"]]
    nothing_opens = {"BROWSER": "/bin/true"}
    return {**lab.environment, **nothing_opens, "PATH": os.pathsep.join(map(str, folders))}


def pictures(lab: Lab) -> set[str]:
    """The pictures in the lab's working folder, without the gallery's previews."""
    found = {path for path in lab.work.rglob("*") if path.suffix in {".png", ".jpg", ".webp"}}
    return {str(path.relative_to(lab.work)) for path in found if "codex-gallery-pictures" not in str(path)}


def help_of(*command: str) -> str:
    """The ``--help`` of a command, or without words that of the default command."""
    done = call(*command, "--help", environment={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})
    assert done.code == 0, done
    return done.text
