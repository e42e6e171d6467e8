"""The schemas by name: which there are, what each is of, and what is true of a whole object beyond its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from codex_imagegen import report
from codex_imagegen.batch.outcome import Status
from codex_imagegen.errors import ImagegenError
from codex_imagegen.model import Event, PictureFormat
from codex_imagegen.outcome import SCHEMA, ErrorInfo, Failure, Image, Result, Session, Warning_
from codex_imagegen.schemas import words
from codex_imagegen.schemas.build import Schema, name, of, properties, record

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VERSION = {"type": "integer", "const": SCHEMA}


@dataclass(frozen=True, slots=True)
class Kind:
    """One schema: of what it is, and how its body is made."""

    of: str
    body: Callable[[], Schema]

    def schema(self, called: str) -> Schema:
        """The whole document, with every definition that it refers to."""
        head = {"$schema": DIALECT, "$id": f"urn:codex-imagegen:schema:{SCHEMA}:{called}", "title": called}
        body = self.body()
        known, needed = _definitions(), _needed(body)
        return {**head, "description": self.of, **body, "$defs": {key: known[key] for key in known if key in needed}}


def _definitions() -> dict[str, Schema]:
    error = properties(ErrorInfo, words.ERROR)
    error["code"]["examples"] = _codes()
    image = properties(Image, words.IMAGE)
    image["format"]["examples"] = list(get_args(PictureFormat))
    kept = {
        ErrorInfo: error,
        Failure: properties(Failure, words.FAILURE),
        Image: image,
        Warning_: properties(Warning_, words.WARNING),
    }
    return {name(cls): record(keys) for cls, keys in kept.items()}


def _needed(schema: Any) -> set[str]:
    """The definitions that a schema refers to, those that they refer to among them."""
    found = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    return found.union(*(_needed(_definitions()[each]) for each in found))


def _codes() -> list[str]:
    """``error.code`` of every error that can be met, in the order of the tree."""

    def leaves(cls: type[ImagegenError]) -> list[type[ImagegenError]]:
        below = [leaf for sub in cls.__subclasses__() if sub.__module__ == cls.__module__ for leaf in leaves(sub)]
        return below or [cls]

    return [leaf.code for leaf in leaves(ImagegenError)]


def _result(more: dict[str, Schema] | None = None, *, always: bool = False) -> Schema:
    """A result, with keys ``more``: in every object, or only in one that is no failure."""
    keys, more = properties(Result, words.RESULT) | {"schema": _described(_VERSION, words.RESULT["schema"])}, more or {}
    keys["backend"]["examples"] = ["codex", "runcomfy"]
    body = record(
        {key: keys[key] for key in (*report.KEYS, *report.RUNCOMFY_KEYS)} | more,
        required=(*report.KEYS, *(more if always else ())),
    )
    good: Schema = {"properties": {"error": {"type": "null"}, "failures": {"maxItems": 0}}}
    bad: Schema = {"properties": {"error": {"$ref": "#/$defs/error"}, "failures": {"minItems": 1}}}
    if more and not always:
        good["required"] = list(more)
    body["allOf"] = [
        {"if": {"properties": {"ok": {"const": True}}}, "then": good, "else": bad},
        {"if": {"properties": {"backend": {"const": "runcomfy"}}}, "then": {"required": list(report.RUNCOMFY_KEYS)}},
    ]
    return body


def _event() -> Schema:
    keys = properties(Event, {"stage": words.EVENT["event"], **words.EVENT})
    body = record({"schema": _described(_VERSION, words.RESULT["schema"]), "event": keys.pop("stage"), **keys})
    has_error: Schema = {"properties": {"error": {"$ref": "#/$defs/error"}}}
    has_warning: Schema = {"properties": {"warning": {"$ref": "#/$defs/warning"}}}
    has_path: Schema = {"properties": {"path": {"type": "string"}}}
    body["allOf"] = [
        {"if": {"properties": {"event": {"enum": ["failed", "error"]}}}, "then": has_error},
        {"if": {"properties": {"event": {"const": "warning"}}}, "then": has_warning},
        {"if": {"properties": {"event": {"const": "written"}}}, "then": has_path},
    ]
    return body


def _batch() -> Schema:
    types: dict[str, Any] = {"job": int, "out": str | None, "status": Status}
    return _result({key: _described(of(hint), words.BATCH[key]) for key, hint in types.items()}, always=True)


def _sessions() -> Schema:
    session = properties(Session, words.SESSION)
    session["time"] = _described({"type": ["string", "null"], "format": "date-time"}, words.SESSION["time"])
    return _result({"sessions": {"description": "newest first", "type": "array", "items": record(session)}})


def _described(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema}


def _plus(**more: tuple[Any, str]) -> Callable[[], Schema]:
    return lambda: _result({key: _described(of(hint), said) for key, (hint, said) in more.items()})


_State = Literal["in_queue", "in_progress", "completed", "cancelled", "failed"]

KINDS = {
    "result": Kind("what --json prints, of a success and of every failure", _result),
    "error": Kind("what failed: error of a result, and of each of its failures", lambda: _definitions()["error"]),
    "batch": Kind("what batch --json prints for each job", _batch),
    "event": Kind("a line of stderr with --events", _event),
    "sessions": Kind("what recover --list --json prints", _sessions),
    "no-wait": Kind(
        "what --no-wait --json prints",
        _plus(request_ids=(tuple[str, ...], "RunComfy's requests, in the order in which they were submitted")),
    ),
    "runcomfy-status": Kind(
        "what runcomfy status --json prints",
        _plus(
            status=(_State, "where the request stands, in RunComfy's word"),
            queue_position=(int | None, "its place in the queue, where that was said"),
        ),
    ),
    "runcomfy-cancel": Kind(
        "what runcomfy cancel --json prints",
        _plus(outcome=(Literal["cancelled", "not_cancellable"], "what became of it, in RunComfy's word")),
    ),
    "runcomfy-login": Kind(
        "what runcomfy login --json and logout --json print",
        _plus(token_file=(str | None, "the file that holds the token, or held it; null where there was none")),
    ),
}
"""Every object that this program prints, by the name that ``codex-imagegen schema`` knows."""
