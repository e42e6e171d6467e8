"""Requests that the SDK can't read, such as one with half a surrogate pair in it: it drops them, and we answer them.

They are refused, never mended: what a prompt would be with another character in it is not what was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp.types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, CallToolResult, JSONRPCRequest
from mcp.types import jsonrpc_message_adapter as adapter

from codex_imagegen.values import as_object, as_text

Refuse = Callable[[str, Mapping[str, Any]], CallToolResult | None]
"""Answers a call of the named tool whose arguments can't be read; None where there is no such tool."""

_TEXT = "the request has text that is not valid Unicode"


def answer(line: str, refuse: Refuse) -> str | None:
    """The answer to a request that the SDK would drop, as a line of ASCII; None for all that it reads, or nobody can.

    An id that is no number and no string is answered as null, as JSON-RPC has it. A notification gets no answer.
    """
    try:
        if isinstance(adapter.validate_json(line, by_name=False), JSONRPCRequest) or '"id"' not in line:
            return None
    except ValueError:
        pass
    try:
        message = json.loads(line)
    except RecursionError:
        return _line(None, error=_error(PARSE_ERROR, "the request is nested too deeply"))
    except ValueError:
        return None
    if not isinstance(message, dict) or "method" not in message or message.get("id") is None:
        return None
    number = message["id"]
    named = number if isinstance(number, (str, int)) and not isinstance(number, bool) else None
    return _line(named, **_refusal(message, refuse))


def _refusal(message: dict[str, Any], refuse: Refuse) -> dict[str, Any]:
    if is_text(message):
        return {"error": _error(INVALID_REQUEST, "the request is not one of JSON-RPC 2.0")}
    params = as_object(message.get("params"))
    name = as_text(params.get("name"))
    if message["method"] == "tools/call" and name is not None:
        refused = refuse(name, as_object(params.get("arguments")))
        if refused is not None:
            return {"result": refused.model_dump(mode="json", by_alias=True, exclude_none=True)}
    return {"error": _error(INVALID_PARAMS, _TEXT)}


def is_text(value: Any) -> bool:
    """Whether all the text in a value of JSON is valid Unicode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _line(number: str | int | None, **outcome: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, **outcome})
