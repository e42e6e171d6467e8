"""The generator of ``codex_imagegen/schemas/schemas.json``: the dataclasses of the program as JSON Schemas.

``python -m tests.contract`` writes the file anew; a test compares it byte for byte.
"""

from __future__ import annotations

import json

from codex_imagegen import schemas
from tests.tools.schemas.kinds import KINDS

FILE = schemas.FILE


def generate() -> str:
    """Return the text of the file."""
    return json.dumps({name: kind.schema(name) for name, kind in KINDS.items()}, indent=1) + "\n"
