"""The one reader and runner of README.md and docs/: pages, their blocks of code, their tables, and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.lab import Lab, Outcome

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Page:
    """One page as text."""

    name: str
    text: str

    def after(self, marker: str) -> Page:
        """What follows the marker's first place, which must be there."""
        assert marker in self.text, f"{self.name} has no {marker!r}"
        return Page(self.name, self.text.partition(marker)[2])

    def before(self, marker: str) -> Page:
        """What precedes the marker's first place, which must be there."""
        assert marker in self.text, f"{self.name} has no {marker!r}"
        return Page(self.name, self.text.partition(marker)[0])

    def section(self, heading: str) -> Page:
        """A section by its heading, such as ``## Install``, up to the next heading of its level or above."""
        level = len(heading) - len(heading.lstrip("#"))
        found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found, f"{self.name} has no section {heading!r}"
        return Page(self.name, found[1])

    def blocks(self, kind: str = r"\w*") -> list[str]:
        """The fenced blocks of one kind, such as ``sh`` or ``python``, or of any."""
        return re.findall(rf"^ *```{kind}\n(.*?)^ *```", self.text, re.MULTILINE | re.DOTALL)

    def block(self, marker: str, kind: str = r"\w*") -> str:
        """The only block of this kind in which the marker stands."""
        (found,) = [block for block in self.blocks(kind) if marker in block]
        return found

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return re.sub(r"^ *```.*?^ *```", "", self.text, flags=re.MULTILINE | re.DOTALL)

    def rows(self) -> list[list[str]]:
        """The rows of every table, cell by cell, without the lines below their heads."""
        lines = [line for line in self.prose.splitlines() if line.startswith("|") and not set(line) <= set("|-: ")]
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]

    def links(self) -> list[str]:
        """Where the links lead, those of pictures among them."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    def headings(self) -> list[str]:
        """The headings of every level, without their marks."""
        return re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)


@cache
def page(name: str) -> Page:
    """A page by its path in the project, such as ``README.md`` or ``docs/doctor.md``."""
    return Page(name, (ROOT / name).read_text())


def pages() -> list[Page]:
    """README.md and every page of docs/."""
    return [page("README.md"), *(page(f"docs/{path.name}") for path in sorted((ROOT / "docs").glob("*.md")))]


def run_shell(lab: Lab, block: str, **environment: str) -> Outcome:
    """Run a block as a shell would, with the installed command first on PATH."""
    return lab.run_argv(["sh", "-euc", block], env=with_command(lab, **environment))


def run_python(lab: Lab, block: str, **environment: str) -> Outcome:
    """Run a block with the Python of the tests."""
    return lab.run_argv([str(_bin() / "python"), "-c", block], env=with_command(lab, **environment))


def with_command(lab: Lab, **environment: str) -> dict[str, str]:
    """The lab's environment in which the command, and its Codex, are found by their names."""
    from tests.support import builds

    folders = [str(_bin()), str(Path(builds.codex(lab.version)).parent), lab.environment["PATH"]]
    return {"PATH": ":".join(folders), **environment}


def _bin() -> Path:
    from tests.support.lab import COMMAND

    return Path(COMMAND).parent
