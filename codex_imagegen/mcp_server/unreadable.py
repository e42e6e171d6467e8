"""Answer requests that the SDK can't read and drops, such as one with half a surrogate pair.

They are refused, never repaired, since that would change the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp.types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, CallToolResult, JSONRPCRequest
from mcp.types import jsonrpc_message_adapter as adapter

from codex_imagegen.values import as_object, as_text

RefuseCall = Callable[[str, Mapping[str, Any]], CallToolResult | None]
"""Refuses a call of the named tool whose arguments can't be read; returns None if there is no such tool."""

_INVALID_TEXT = "the request has text that is not valid Unicode"


def answer(line: str, refuse: RefuseCall) -> str | None:
    """The answer to a request that the SDK would drop, as a line of ASCII; None for every other line.

    An id that is neither a number nor a string is answered as null, as in JSON-RPC. A notification gets no answer.
    """
    try:
        if isinstance(adapter.validate_json(line, by_name=False), JSONRPCRequest) or '"id"' not in line:
            return None
    except ValueError:
        pass
    try:
        message = json.loads(line)
    except RecursionError:
        return _encode(None, error=_error(PARSE_ERROR, "the request is nested too deeply"))
    except ValueError:
        return None
    if not isinstance(message, dict) or "method" not in message or message.get("id") is None:
        return None
    given = message["id"]
    request_id = given if isinstance(given, (str, int)) and not isinstance(given, bool) else None
    return _encode(request_id, **_reject(message, refuse))


def _reject(message: dict[str, Any], refuse: RefuseCall) -> dict[str, Any]:
    if is_valid_unicode(message):
        return {"error": _error(INVALID_REQUEST, "the request is not valid JSON-RPC 2.0")}
    params = as_object(message.get("params"))
    name = as_text(params.get("name"))
    if message["method"] == "tools/call" and name is not None:
        result = refuse(name, as_object(params.get("arguments")))
        if result is not None:
            return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    return {"error": _error(INVALID_PARAMS, _INVALID_TEXT)}


def is_valid_unicode(value: Any) -> bool:
    """Whether all text in a JSON value is valid Unicode."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _encode(request_id: str | int | None, **answer_fields: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, **answer_fields})
