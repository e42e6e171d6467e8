"""``help()`` and type checkers see only names that can be imported."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import pydoc
from collections.abc import Iterator
from typing import Any

import pytest

import codex_imagegen
from codex_imagegen import Look, Options

PUBLIC = {name: getattr(codex_imagegen, name) for name in codex_imagegen.__all__ if name != "__version__"}
STANDARD = {"Any", "Callable", "ClassVar", "Iterable", "Literal", "Mapping", "Path", "Sequence"}
"""Of the standard library: typing, collections.abc, pathlib."""


def annotations(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The place and the text of each annotation of a public function or class."""
    if inspect.isfunction(value):
        yield from ((f"{name}({at})", _text(text)) for at, text in value.__annotations__.items())
    elif inspect.isclass(value):
        for kind in value.__mro__:
            if kind.__module__.startswith("codex_imagegen"):
                found = vars(kind).get("__annotations__", {})
                yield from ((f"{name}.{at}", _text(text)) for at, text in found.items())
                for at, member in vars(kind).items():
                    function = member.fget if isinstance(member, property) else member
                    if inspect.isfunction(function) and (not at.startswith("_") or at == "__init__"):
                        yield from annotations(f"{name}.{at}", function)


def _text(annotation: Any) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation))


def names(text: str) -> set[str]:
    """The names in an annotation, without the values of literals."""
    tree = ast.parse(text, mode="eval")
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and _is(node.value, "Literal")]
    inside = {id(below) for node in literals for below in ast.walk(node.slice)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in inside}


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


@pytest.mark.parametrize("name", PUBLIC)
def test_annotations_name_only_what_is_public(name: str):
    known = {*vars(builtins), *STANDARD, *codex_imagegen.__all__}
    private = {at: names(text) - known for at, text in annotations(name, PUBLIC[name])}
    assert {at: found for at, found in private.items() if found} == {}


def test_annotations_of_public_names_are_found():
    found = dict(annotations("Event", codex_imagegen.Event)) | dict(annotations("batch", codex_imagegen.batch))
    assert found["Event.stage"] == "Stage"
    assert found["Event.warning"] == "Warning_ | None"
    assert names(found["batch(on_outcome)"]) == {"Callable", "Outcome"}
    assert dict(annotations("Options", Options))["Options.codex_home"] == "StrPath | None"
    assert "Interrupt.set(signum)" in dict(annotations("Interrupt", codex_imagegen.Interrupt))
    assert all(dataclasses.is_dataclass(PUBLIC[name]) for name in ("Event", "Result", "Image", "Outcome", "Warning_"))


@pytest.mark.parametrize("name", ["generate", "edit", "batch", "recover"])
def test_help_shows_every_option_and_its_default(name: str):
    parameters = inspect.signature(PUBLIC[name]).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds
    page = pydoc.plain(pydoc.render_doc(PUBLIC[name]))
    assert all(f"{parameter}" in page for parameter in parameters)


def test_parameters_are_those_of_the_option_types():
    """The exported types fit ``**options``, and no option is missing in one of the three functions."""

    def typed(function: Any) -> dict[str, str]:
        return {
            at: _text(text)
            for at, text in function.__annotations__.items()
            if at not in {"prompt", "refs", "jobs" if function is codex_imagegen.batch else "", "return"}
        }

    options = {at: _text(text) for kind in (Look, Options) for at, text in kind.__annotations__.items()}
    assert typed(codex_imagegen.generate) == typed(codex_imagegen.edit) == options
    of_batch = typed(codex_imagegen.batch)
    assert {at: of_batch[at] for at in Look.__annotations__} == {at: options[at] for at in Look.__annotations__}


def test_defaults_are_those_of_the_command():
    from codex_imagegen.request import Request

    found = inspect.signature(codex_imagegen.generate).parameters
    fields = {field.name: field for field in dataclasses.fields(Request)}
    shared = {name: parameter.default for name, parameter in found.items() if name in fields and name != "prompt"}
    assert len(shared) > 8
    assert shared == {name: fields[name].default for name in shared}
