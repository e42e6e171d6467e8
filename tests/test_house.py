"""The size and the names of the modules: limits on lines, functions, and names that several rooms use."""

from __future__ import annotations

import ast
import graphlib
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

from codex_imagegen.cli.main import COMMANDS

PACKAGE = Path(__file__).parents[1] / "codex_imagegen"

MAX_MODULES = 141
"""Modules of more than two lines: ``__init__.py`` files with a docstring alone are not counted."""
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
SHORT_FUNCTION_LINES = 32
"""Nine functions in ten are shorter than this."""
MAX_SAME_NAME = 2
"""Rooms that may have a module of one name; a command may have the name of its room."""


@cache
def lines_by_module() -> dict[str, int]:
    return {
        str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def lines_by_function() -> dict[str, int]:
    """From ``def`` to the last line, without decorators."""
    return {
        f"{module}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in lines_by_module()
        for node in functions(PACKAGE / module)
    }


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def longer_than(limit: int, lines: dict[str, int]) -> list[str]:
    return [f"{name}: {count} lines" for name, count in lines.items() if count > limit]


def test_package_has_few_modules():
    modules = [name for name, lines in lines_by_module().items() if lines > 2]
    smallest = sorted(modules, key=lines_by_module().__getitem__)[:20]
    assert len(modules) <= MAX_MODULES, f"{len(modules)} modules; the smallest: {', '.join(smallest)}"


def test_modules_are_short():
    assert longer_than(MAX_MODULE_LINES, lines_by_module()) == []


def test_functions_are_short():
    assert longer_than(MAX_FUNCTION_LINES, lines_by_function()) == []


def test_nine_functions_in_ten_are_shorter_still():
    lines = lines_by_function()
    long = longer_than(SHORT_FUNCTION_LINES - 1, lines)
    assert len(long) <= len(lines) / 10, f"{len(long)} of {len(lines)}: {'; '.join(long)}"


def test_module_name_is_used_by_two_rooms_at_most():
    rooms = defaultdict(list)
    for module in lines_by_module():
        path = Path(module)
        if path.stem not in {"__init__", "__main__"} and path.parent != Path("cli/commands"):
            rooms[path.stem].append(str(path.parent))
    crowded = {name: found for name, found in rooms.items() if len(found) > MAX_SAME_NAME}
    assert crowded == {}


def test_command_modules_are_named_after_their_commands():
    assert {path.stem for path in (PACKAGE / "cli" / "commands").glob("[!_]*.py")} == set(COMMANDS)


_REFERENCE = re.compile(r":(?:func|class|data|mod|attr|meth):`~?([\w.]+)`")


@cache
def names_defined() -> frozenset[str]:
    """Every module, class, function, parameter, attribute and assigned name of the package."""
    trees = [ast.parse((PACKAGE / module).read_text()) for module in lines_by_module()]
    names = {Path(module).stem for module in lines_by_module()} | {PACKAGE.name, "ValueError"}
    names |= {str(path.parent.name) for path in PACKAGE.rglob("__init__.py")}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return frozenset(names)


def test_references_in_docstrings_name_what_exists():
    """A renamed function leaves its old name in the docstrings that refer to it."""
    stale = [
        f"{module}: {reference}"
        for module in lines_by_module()
        for reference in _REFERENCE.findall((PACKAGE / module).read_text())
        if not names_defined().issuperset(reference.split("."))
    ]
    assert stale == []


def test_no_module_imports_itself_through_others():
    """Imports inside functions count; those for type checkers alone do not."""
    house = grimp.build_graph("codex_imagegen", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: house.find_modules_directly_imported_by(module) for module in house.modules}
    graphlib.TopologicalSorter(imports).prepare()  # CycleError names the modules of a cycle
    assert len(imports) > 100
