"""The parts that several schemas share: an error, a failure, an image, a warning."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from codex_imagegen.errors import ImagegenError
from codex_imagegen.request import PictureFormat
from codex_imagegen.results import ErrorInfo, Failure, Image, Warning_
from codex_imagegen.schemas import words
from codex_imagegen.schemas.build import Schema, name, properties, record


def definitions() -> dict[str, Schema]:
    """Each of the parts by its name."""
    error = properties(ErrorInfo, words.ERROR)
    error["code"]["examples"] = _codes()
    image = properties(Image, words.IMAGE)
    image["format"]["examples"] = list(get_args(PictureFormat))
    parts = {
        ErrorInfo: error,
        Failure: properties(Failure, words.FAILURE),
        Image: image,
        Warning_: properties(Warning_, words.WARNING),
    }
    return {name(cls): record(keys) for cls, keys in parts.items()}


def needed(schema: Any) -> dict[str, Schema]:
    """Those that a schema refers to, and those that they refer to."""
    known, names = definitions(), _names(schema)
    return {key: known[key] for key in known if key in names}


def _names(schema: Any) -> set[str]:
    found = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    return found.union(*(_names(definitions()[each]) for each in found))


def _codes() -> list[str]:
    """``error.code`` of every error that can be met, in the order of the tree."""

    def leaves(cls: type[ImagegenError]) -> list[type[ImagegenError]]:
        below = [leaf for sub in cls.__subclasses__() if sub.__module__ == cls.__module__ for leaf in leaves(sub)]
        return below or [cls]

    return [leaf.code for leaf in leaves(ImagegenError)]
