"""JSON Schemas (2020-12) of everything that ``--json`` and ``--events`` print.

``schemas.json`` is generated from the dataclasses by ``python -m tests.contract``, and a test compares it.
"""

from __future__ import annotations

import json
import os
from typing import Any

FILE = os.path.join(os.path.dirname(__file__), "schemas.json")


def load_schemas() -> dict[str, dict[str, Any]]:
    """Return all schemas by the names that ``codex-imagegen schema`` knows."""
    with open(FILE, encoding="utf-8") as file:
        schemas: dict[str, dict[str, Any]] = json.load(file)
    return schemas
