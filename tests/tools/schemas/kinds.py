"""The schemas by name: every object that this program prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from codex_imagegen import render
from codex_imagegen.batches.outcomes import Status as JobStatus
from codex_imagegen.doctor.findings import Status as CheckStatus
from codex_imagegen.errors import ImagegenError
from codex_imagegen.prune.policy import Reason
from codex_imagegen.prune.summary import Totals
from codex_imagegen.request import Event, PictureFormat
from codex_imagegen.results import (
    SCHEMA,
    ErrorInfo,
    Failure,
    Image,
    LastPicture,
    PlannedImage,
    PlannedReference,
    Result,
    Session,
    Warning_,
)
from codex_imagegen.skill.install import PlaceResult
from tests.tools.schemas import descriptions
from tests.tools.schemas.build import Schema, definition_name, describe, object_schema, properties, type_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VERSION: Schema = {"description": descriptions.RESULT["schema"], "type": "integer", "const": SCHEMA}


@dataclass(frozen=True, slots=True)
class Kind:
    """A schema: its description, and the function that makes its body."""

    description: str
    body: Callable[[], Schema]

    def schema(self, name: str) -> Schema:
        """Return the whole document, with every definition that it refers to."""
        head = {"$schema": DIALECT, "$id": f"urn:codex-imagegen:schema:{SCHEMA}:{name}", "title": name}
        body = self.body()
        return {**head, "description": self.description, **body, "$defs": _referenced(body)}


def result(extra: dict[str, Schema] | None = None, *, always: bool = False) -> Schema:
    """Return a result with ``extra`` keys: in every object, or only in one that is no failure."""
    keys, extra = properties(Result, descriptions.RESULT) | {"schema": _VERSION}, extra or {}
    keys["backend"]["examples"] = ["codex", "runcomfy"]
    body = object_schema(
        {key: keys[key] for key in (*render.ENVELOPE_KEYS, *render.RUNCOMFY_KEYS)} | extra,
        required=(*render.ENVELOPE_KEYS, *(extra if always else ())),
    )
    success: Schema = {"properties": {"error": {"type": "null"}, "failures": {"maxItems": 0}}}
    failure: Schema = {"properties": {"error": {"$ref": "#/$defs/error"}, "failures": {"minItems": 1}}}
    if extra and not always:
        success["required"] = list(extra)
    body["allOf"] = [
        {"if": {"properties": {"ok": {"const": True}}}, "then": success, "else": failure},
        {"if": {"properties": {"backend": {"const": "runcomfy"}}}, "then": {"required": list(render.RUNCOMFY_KEYS)}},
    ]
    return body


def result_with(**extra: tuple[Any, str]) -> Callable[[], Schema]:
    """Return a function that makes a result with extra keys, each of a type and with a description."""
    return lambda: result({key: describe(type_schema(hint), text) for key, (hint, text) in extra.items()})


def event() -> Schema:
    """Return a line of stderr."""
    keys = properties(Event, {"stage": descriptions.EVENT["event"], **descriptions.EVENT})
    body = object_schema({"schema": _VERSION, "event": keys.pop("stage"), **keys})
    body["allOf"] = [
        _if_event(["failed", "error"], {"error": {"$ref": "#/$defs/error"}}),
        _if_event(["warning"], {"warning": {"$ref": "#/$defs/warning"}}),
        _if_event(["written"], {"path": {"type": "string"}}),
    ]
    return body


def batch() -> Schema:
    """Return a job of a batch."""
    types: dict[str, Any] = {"job": int, "prompt": str | None, "out": str | None, "status": JobStatus}
    keys = {key: describe(type_schema(hint), descriptions.BATCH[key]) for key, hint in types.items()}
    return result(keys, always=True)


def sessions() -> Schema:
    """Return the list of past sessions."""
    session = properties(Session, descriptions.SESSION)
    session["time"] = describe({"type": ["string", "null"], "format": "date-time"}, descriptions.SESSION["time"])
    return result({"sessions": _array("newest first", session)})


def prune() -> Schema:
    """Return what past runs take on disk, and what was removed."""
    totals = properties(Totals, descriptions.TOTALS)
    for key in ("oldest", "newest"):
        totals[key]["format"] = "date-time"
    month = describe({"type": ["string", "null"]}, descriptions.MONTH)
    reason = describe(type_schema(Reason), descriptions.REASON)
    keys: dict[str, Schema] = {
        "dry_run": type_schema(bool),
        "older_than_sec": type_schema(float),
        "keep_pictures": type_schema(bool),
        "total": object_schema(totals),
        "months": {"type": "array", "items": object_schema({"month": month, **totals})},
        "kept": {"type": "array", "items": object_schema({"reason": reason, **totals})},
        "prunable": object_schema(totals),
        "removed": object_schema(totals),
    }
    return result({key: describe(schema, descriptions.PRUNE[key]) for key, schema in keys.items()})


def skills() -> Schema:
    """Return the outcome of installing or removing skills."""
    return result({"skills": _array("one for each place", properties(PlaceResult, descriptions.SKILL))})


def checks() -> Schema:
    """Return the doctor's findings."""
    keys: dict[str, Any] = {"name": str, "status": CheckStatus, "message": str, "hint": str | None}
    check = {key: describe(type_schema(hint), descriptions.CHECK[key]) for key, hint in keys.items()}
    check["data"] = describe({"type": "object"}, descriptions.CHECK["data"])
    versions = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
    found = _array("in the order of what a run would fail with first", check)
    return result({"checks": found, "versions": describe(versions, descriptions.VERSIONS)})


def _array(description: str, keys: dict[str, Schema]) -> Schema:
    return {"description": description, "type": "array", "items": object_schema(keys)}


def _if_event(values: list[str], then: dict[str, Schema]) -> Schema:
    return {"if": {"properties": {"event": {"enum": values}}}, "then": {"properties": then}}


def _definitions() -> dict[str, Schema]:
    """Return the parts that several schemas share, by name."""
    error = properties(ErrorInfo, descriptions.ERROR)
    error["code"]["examples"] = _error_codes(ImagegenError)
    image = properties(Image, descriptions.IMAGE)
    image["format"]["examples"] = list(get_args(PictureFormat))
    planned = properties(PlannedImage, descriptions.PLANNED_IMAGE)
    parts = {
        ErrorInfo: error,
        Failure: properties(Failure, descriptions.FAILURE),
        Image: image,
        LastPicture: properties(LastPicture, descriptions.LAST),
        PlannedImage: planned,
        PlannedReference: properties(PlannedReference, descriptions.PLANNED_REFERENCE),
        Warning_: properties(Warning_, descriptions.WARNING),
    }
    return {definition_name(cls): object_schema(keys) for cls, keys in parts.items()}


def _referenced(schema: Schema) -> dict[str, Schema]:
    """Return the definitions that a schema refers to, also by way of another definition."""
    definitions = _definitions()

    def names(part: Schema) -> set[str]:
        direct = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(part)))
        return direct.union(*(names(definitions[name]) for name in direct))

    used = names(schema)
    return {name: definitions[name] for name in definitions if name in used}


def _error_codes(cls: type[ImagegenError]) -> list[str]:
    """Return the code of every error that can be raised, in the order of the tree."""
    subclasses = [each for each in cls.__subclasses__() if each.__module__ == cls.__module__]
    return [code for each in subclasses for code in _error_codes(each)] or [cls.code]


_RequestStatus = Literal["in_queue", "in_progress", "completed", "cancelled", "failed"]

KINDS = {
    "result": Kind("what --json prints for success and every failure", result),
    "error": Kind("an error, in a result and in each of its failures", lambda: _definitions()["error"]),
    "batch": Kind("what batch --json prints for each job", batch),
    "event": Kind("a line of stderr with --events", event),
    "sessions": Kind("what recover --list --json prints", sessions),
    "gallery": Kind(
        "what gallery --json prints",
        result_with(
            path=(str, "absolute path of the page"),
            pictures=(int, "how many pictures it shows"),
            broken=(int, "how many of them are damaged"),
            sessions=(int, "how many sessions were read"),
            bytes=(int, "what the page and the files beside it take on disk"),
            codex_home=(str, "the Codex home that holds the pictures"),
        ),
    ),
    "doctor": Kind("what doctor --json prints, also if a check failed", checks),
    "prune": Kind("what prune --json prints", prune),
    "no-wait": Kind(
        "what --no-wait --json prints",
        result_with(request_ids=(tuple[str, ...], "RunComfy's requests, in the order of submission")),
    ),
    "runcomfy-status": Kind(
        "what runcomfy status --json prints",
        result_with(
            status=(_RequestStatus, "RunComfy's status of the request"),
            queue_position=(int | None, "its place in the queue, if known"),
        ),
    ),
    "runcomfy-cancel": Kind(
        "what runcomfy cancel --json prints",
        result_with(outcome=(Literal["cancelled", "not_cancellable"], "RunComfy's outcome of the cancellation")),
    ),
    "runcomfy-login": Kind(
        "what runcomfy login --json and logout --json print",
        result_with(token_file=(str | None, "the file that holds the token, or held it; null if there was none")),
    ),
    "skill": Kind("what skill --json prints", result_with(skill=(str, "the skill's text"))),
    "skill-install": Kind("what skill install --json and uninstall --json print", skills),
}
"""Every object that this program prints, by the name that ``codex-imagegen schema`` knows."""
