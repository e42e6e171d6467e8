"""Whole objects as schemas: their keys, and what is true of them beyond their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codex_imagegen import render
from codex_imagegen.batches.results import Status
from codex_imagegen.doctor.findings import Status as Found
from codex_imagegen.prune.policy import Reason
from codex_imagegen.prune.summary import Totals
from codex_imagegen.request import Event
from codex_imagegen.results import SCHEMA, Result, Session
from codex_imagegen.schemas import words
from codex_imagegen.schemas.build import Schema, of, properties, record
from codex_imagegen.skill.install import Done

_VERSION: Schema = {"description": words.RESULT["schema"], "type": "integer", "const": SCHEMA}


def result(more: dict[str, Schema] | None = None, *, always: bool = False) -> Schema:
    """A result, with keys ``more``: in every object, or only in one that is no failure."""
    keys, more = properties(Result, words.RESULT) | {"schema": _VERSION}, more or {}
    keys["backend"]["examples"] = ["codex", "runcomfy"]
    body = record(
        {key: keys[key] for key in (*render.KEYS, *render.RUNCOMFY_KEYS)} | more,
        required=(*render.KEYS, *(more if always else ())),
    )
    good: Schema = {"properties": {"error": {"type": "null"}, "failures": {"maxItems": 0}}}
    bad: Schema = {"properties": {"error": {"$ref": "#/$defs/error"}, "failures": {"minItems": 1}}}
    if more and not always:
        good["required"] = list(more)
    body["allOf"] = [
        {"if": {"properties": {"ok": {"const": True}}}, "then": good, "else": bad},
        {"if": {"properties": {"backend": {"const": "runcomfy"}}}, "then": {"required": list(render.RUNCOMFY_KEYS)}},
    ]
    return body


def event() -> Schema:
    """A line of stderr."""
    keys = properties(Event, {"stage": words.EVENT["event"], **words.EVENT})
    body = record({"schema": _VERSION, "event": keys.pop("stage"), **keys})
    body["allOf"] = [
        _where("event", ["failed", "error"], {"error": {"$ref": "#/$defs/error"}}),
        _where("event", ["warning"], {"warning": {"$ref": "#/$defs/warning"}}),
        _where("event", ["written"], {"path": {"type": "string"}}),
    ]
    return body


def batch() -> Schema:
    """One job of a batch."""
    types: dict[str, Any] = {"job": int, "out": str | None, "status": Status}
    return result({key: _said(of(hint), words.BATCH[key]) for key, hint in types.items()}, always=True)


def sessions() -> Schema:
    """Past sessions."""
    session = properties(Session, words.SESSION)
    session["time"] = _said({"type": ["string", "null"], "format": "date-time"}, words.SESSION["time"])
    return result({"sessions": {"description": "newest first", "type": "array", "items": record(session)}})


def prune() -> Schema:
    """What past runs take on disk, and what of it was removed."""
    some, said = properties(Totals, words.SOME), words.PRUNE
    for key in ("oldest", "newest"):
        some[key]["format"] = "date-time"
    month = _said({"type": ["string", "null"]}, "such as 2026-11; null where nobody knows")
    reason = _said(of(Reason), "why they stay")
    keys: dict[str, Schema] = {
        "dry_run": of(bool),
        "older_than_sec": of(float),
        "keep_pictures": of(bool),
        "total": record(some),
        "months": {"type": "array", "items": record({"month": month, **some})},
        "kept": {"type": "array", "items": record({"reason": reason, **some})},
        "prunable": record(some),
        "removed": record(some),
    }
    return result({key: _said(schema, said[key]) for key, schema in keys.items()})


def skills() -> Schema:
    """What became of installed skills."""
    each = record(properties(Done, words.SKILL))
    return result({"skills": {"description": "one for each place", "type": "array", "items": each}})


def checks() -> Schema:
    """What the doctor found."""
    keys: dict[str, Any] = {"name": str, "status": Found, "message": str, "hint": str | None}
    check = {key: _said(of(hint), words.CHECK[key]) for key, hint in keys.items()}
    check["data"] = _said({"type": "object"}, words.CHECK["data"])
    versions = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
    every = {"description": "in the order of what a run would fail with first", "type": "array", "items": record(check)}
    return result({"checks": every, "versions": _said(versions, words.VERSIONS)})


def plus(**more: tuple[Any, str]) -> Callable[[], Schema]:
    """Makes a result with keys more, each of a type and with what is said of it."""
    return lambda: result({key: _said(of(hint), said) for key, (hint, said) in more.items()})


def _said(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema}


def _where(key: str, values: list[str], then: dict[str, Schema]) -> Schema:
    return {"if": {"properties": {key: {"enum": values}}}, "then": {"properties": then}}
