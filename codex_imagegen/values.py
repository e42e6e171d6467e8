"""Read JSON of unknown shape: values of another type become empty or None, and no function raises."""

from __future__ import annotations

import json
import sys
from typing import Any

_LARGEST = sys.float_info.max


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; None for null and for anything that is not JSON.

    Text that is not UTF-8, nesting beyond Python's recursion limit and integers of more than 4,300 digits count as
    invalid.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """The object of a JSON text; None for any other value and for anything that is not JSON (see :func:`parse`)."""
    value = parse(text)
    return value if isinstance(value, dict) else None


def as_object(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """The value if it is text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def as_number(value: object) -> float | None:
    """The value if it is a finite number that a float can hold, else None; true and false are not numbers."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
    return value if is_number else None  # type: ignore[return-value]
