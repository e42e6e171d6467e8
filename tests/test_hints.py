"""Every command in a message or a hint stands on a line of its own, so that it can be copied as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_imagegen import render
from codex_imagegen.cli.main import COMMANDS

PACKAGE = Path(__file__).parents[1] / "codex_imagegen"

COMMAND = re.compile(
    rf"codex-imagegen (?:{'|'.join(COMMANDS)}|--?\w|HOLE)|codex (?:login|features list|exec|delete|--version)\b"
    r"|(?:npm|pip|pipx|uv|brew|apt) (?:tool )?install\b|zstd -d|chmod \d|\b[A-Z]+=\S+ codex-imagegen"
)
"""What a person would copy. ``HOLE`` is a value that is filled in."""

NO_HINTS = {
    "cli/help.py", "cli/commands/completion.py", "cli/completion.py", "demo/fake_codex.py", "schemas/schemas.json",
    "gallery/page.py",
}  # fmt: skip
"""Modules with help, scripts or pages, which have their own layout."""

NAMED_ONLY = {
    "codex login status gave no known answer",
    "codex features list gave no answer",
    "codex-imagegen demo",
    "codex exec HOLE makes no picture",
}
"""Texts that name a command without asking anybody to run it."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, with ``HOLE`` for what is filled in; docstrings and the help of commands left out."""
    tree = ast.parse(path.read_text())
    left_out = {id(part) for node in ast.walk(tree) for part in parts(documentation(node))}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in left_out:
            left_out |= {id(part) for part in parts([node])}
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "HOLE" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def parts(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    return (part for node in nodes for part in ast.walk(node))


def documentation(node: ast.AST) -> list[ast.AST]:
    """Docstrings and other bare strings, constants named HELP, BRIEF and so on, and arguments called help."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node.value]
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return [node.value] if any(re.search(r"HELP|BRIEF|READS|EXAMPLE|_TEXT|MARKER", name) for name in names) else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compile":
        return [*node.args]
    if isinstance(node, ast.Call):
        return [word.value for word in node.keywords if word.arg in {"help", "epilog", "short_help", "pattern"}]
    return []


def misplaced(text: str) -> list[str]:
    """The commands in a text that are neither at the beginning of a line nor behind a pipe's sign."""
    if text in NAMED_ONLY:
        return []
    before = {found: text[: found.start()].rpartition("\n") for found in COMMAND.finditer(text)}
    return [
        found[0]
        for found, (_, newline, start) in before.items()
        if not start.endswith(" | ") and (start.replace("HOLE", "") or (start and not newline))
    ]


def test_command_in_the_middle_of_a_line_is_found():
    assert misplaced("log in with: codex login") == ["codex login"]
    assert misplaced("see `codex-imagegen doctor`, or HOLE codex-imagegen HOLE") == [
        "codex-imagegen doctor",
        "codex-imagegen HOLE",
    ]
    assert misplaced("log in with:\ncodex login\nor try:\ncodex-imagegen demo") == []
    assert misplaced("with:\nHOLEcodex-imagegen HOLE") == []
    assert misplaced("with:\ncodex-imagegen recover HOLE | codex-imagegen --ref - HOLE") == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_command_in_the_source_stands_on_a_line_of_its_own(path):
    if str(path.relative_to(PACKAGE)) in NO_HINTS:
        pytest.skip("no hints")
    assert [(line, found) for line, text in texts(path) if (found := misplaced(text))] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_text_before_the_commands_of_a_hint_ends_with_a_colon(path):
    """Else it would be taken for one more command, or run into it on one line."""
    for line, text in texts(path):
        first = COMMAND.search(text)
        if first and first.start() and text[first.start() - 1] == "\n":
            before = [part for is_command, part in render.hint_parts(text) if part and not is_command]
            assert all(part.endswith((":", "HOLE")) for part in before), (line, text)
