"""Requests and results are frozen and have the promised defaults."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from codex_imagegen import request as model
from codex_imagegen.request import ImageOptions, Request
from codex_imagegen.results import Image, Result

DATA = [value for value in vars(model).values() if inspect.isclass(value) and dataclasses.is_dataclass(value)]


@pytest.mark.parametrize("cls", DATA)
def test_data_classes_are_frozen_and_documented(cls):
    assert cls.__dataclass_params__.frozen
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")


def test_request_needs_only_a_prompt():
    request = Request("a fox")
    assert (request.timeout_sec, request.count, request.backend) == (300.0, 1, "codex")
    assert (request.refs, request.out, request.force, request.full_turn) == ((), None, False, False)
    assert request.image_options == ImageOptions()
    assert ImageOptions() == ImageOptions(None, None, None, None, False, None)


def test_result_path_is_that_of_the_first_image():
    image = Image("/a/fox.png", "png", 1, 1, 1, "0")
    assert Result(True, "codex", (image, dataclasses.replace(image, path="/b"))).path == Path("/a/fox.png")
    assert Result(False, "codex").path is None
