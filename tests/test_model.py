"""What goes in and what comes out: frozen, and with the defaults that are promised."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from codex_imagegen import model
from codex_imagegen.model import Request, Wishes
from codex_imagegen.outcome import Image, Result

DATA = [value for value in vars(model).values() if inspect.isclass(value) and dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("cls", DATA)
def test_frozen_and_with_a_sentence(cls):
    assert cls.__dataclass_params__.frozen
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")


def test_a_request_needs_a_prompt_alone():
    request = Request("a fox")
    assert (request.timeout_sec, request.count, request.backend) == (300.0, 1, "codex")
    assert (request.refs, request.out, request.force, request.full_turn) == ((), None, False, False)
    assert request.wishes == Wishes()
    assert Wishes() == Wishes(None, None, None, None, False, None)


def test_a_result_has_its_first_path():
    image = Image("/a/fox.png", "png", 1, 1, 1, "0")
    assert Result(True, "codex", (image, dataclasses.replace(image, path="/b"))).path == Path("/a/fox.png")
    assert Result(False, "codex").path is None
