"""``codex-imagegen schema``: the JSON Schemas of this program's output."""

from __future__ import annotations

import json

from codex_imagegen.cli import console
from codex_imagegen.cli.options import Argument, Command, Option
from codex_imagegen.errors import UsageError

HELP = """Print the JSON Schema (2020-12) of what --json and --events print; without NAME, list the schemas.

\b
  codex-imagegen schema
  codex-imagegen schema result > result.schema.json

Names, types and meanings change only by addition: readers must ignore unknown keys. More values may be added to those
that are listed as examples.
"""


def schema(*, name: str | None, json_wanted: bool) -> int:
    """Print a schema, or the list of them; returns the exit code."""
    from codex_imagegen import schemas

    known = schemas.load_schemas()
    if name is None and json_wanted:
        console.out(json.dumps(known))
    elif name is None:
        for each, document in known.items():
            console.out(f"{each:<16} {document['description']}")
    elif name in known:
        console.out(json.dumps(known[name], indent=None if json_wanted else 2))
    else:
        from codex_imagegen.options import suggest

        raise UsageError(f"there is no schema {name!r}", hint=suggest(str(name), known))
    return 0


command = Command(
    "schema",
    params=[
        Argument(["name"], required=False, metavar="[NAME]"),
        Option(["--json", "json_wanted"], is_flag=True, help="On one line; without NAME, all in one object."),
    ],
    callback=schema,
    help=HELP,
)
