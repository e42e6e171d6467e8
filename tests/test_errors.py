"""The tree of errors: its drawing, codes and exit codes, and that no other error is raised."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import codex_imagegen
from codex_imagegen import errors
from codex_imagegen.errors import ImagegenError

CONTRACT = {
    2: {"usage"},
    3: {"codex-missing", "codex-too-old", "codex-incomplete"},
    4: {"ref-missing", "ref-not-image"},
    5: {"timeout", "not-logged-in", "network", "codex-failed"},
    6: {"session-missing"},
    7: {
        "usage-limit", "rate-limited", "moderation", "refused", "tool-unavailable", "generation-failed",
        "damaged-picture", "no-picture",
    },
    64: {"runcomfy-usage"},
    65: {"runcomfy-input"},
    69: {"runcomfy-upstream"},
    75: {"runcomfy-retry"},
    77: {"runcomfy-auth"},
    70: {"internal"},
    73: {"out-exists", "out-unwritable"},
    130: {"interrupted"},
}  # fmt: skip
"""The table of exit codes, as promised: it changes only by addition."""

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, ImagegenError)]
LEAVES = [one for one in CLASSES if not any(other.__base__ is one for other in CLASSES)]


def drawn() -> list[tuple[int, str, str | None, str | None]]:
    """(depth, class, exit code, error.code) of each line of the docstring's tree."""
    found = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        match = re.fullmatch(r"\s*([│├└─ ]*?)(\w+)(?:\s+([\d/]+))?(?:\s+([a-z-]+))?", line)
        if match and match[2] in vars(errors):
            found.append((len(match[1]) // 4, match[2], match[3], match[4]))
    return found


def test_docstring_shows_the_tree():
    parents: list[str] = []
    for depth, name, _exit_code, _code in drawn():
        cls = getattr(errors, name)
        del parents[depth:]
        assert cls.__bases__[0].__name__ == (parents[-1] if parents else "Exception"), name
        parents.append(name)
    assert [name for _depth, name, _exit, _code in drawn()] == [cls.__name__ for cls in CLASSES]


def test_docstring_shows_the_codes():
    exits: list[str | None] = []
    for depth, name, exit_code, code in drawn():
        cls = getattr(errors, name)
        del exits[depth:]
        exits.append(exit_code)
        if not cls.__subclasses__():
            said = next(one for one in reversed(exits) if one)
            assert (code, said.split("/")[0]) == (cls.code, str(cls.exit_code)), name


def test_codes_and_exit_codes_are_those_promised():
    here: dict[int, set[str]] = {}
    for cls in LEAVES:
        here.setdefault(cls.exit_code, set()).add(cls.code)
    assert here == CONTRACT


def test_every_code_belongs_to_one_class():
    assert len({cls.code for cls in LEAVES}) == len(LEAVES)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_is_public_and_documented(cls):
    assert (cls.__doc__ or "").strip().endswith(".") or "\n" in (cls.__doc__ or "")
    assert cls.__name__ in codex_imagegen.__all__
    assert getattr(codex_imagegen, cls.__name__) is cls


@pytest.mark.parametrize("cls", LEAVES)
def test_error_carries_its_fields(cls):
    error = cls("what happened", hint="what to do", spent=None)
    assert (str(error), error.message, error.hint, error.spent) == (
        "what happened",
        "what happened",
        "what to do",
        None,
    )
    assert (error.resets_at, error.thread_id, error.codex_version) == (None, None, None)
    assert error.spent is not False
    assert cls("x").spent is False


def test_interrupted_exits_with_the_signal_number():
    assert errors.Interrupted("x").exit_code == 130
    assert errors.Interrupted("x", signum=15).exit_code == 143
    assert errors.Interrupted("x", signum=1).exit_code == 129


def test_every_raised_error_is_of_the_tree():
    """Modules raise errors of the tree only."""
    package = Path(errors.__file__).parent
    for path in package.rglob("*.py"):
        assert not re.search(r"raise (?:Exception|RuntimeError|SystemExit)\b", path.read_text()), path
