"""``codex-imagegen schema``: what the JSON of this program looks like, for those who build on it."""

from __future__ import annotations

import json

import click

from codex_imagegen.cli import console
from codex_imagegen.cli.options import Argument, Option
from codex_imagegen.errors import UsageError

HELP = """Print the JSON Schema (2020-12) of what --json and --events print; without NAME, say which there are.

\b
  codex-imagegen schema
  codex-imagegen schema result > result.schema.json

Names, types and meanings change only by addition: a reader takes no offence at keys that it does not know. Values that
are listed as examples may become more.
"""


def schema(*, called: str | None, json_wanted: bool) -> int:
    """Print one schema, or what there is; gives back the exit code."""
    from codex_imagegen.schemas.kinds import KINDS

    if called is None and not json_wanted:
        for name, kind in KINDS.items():
            console.out(f"{name:<16} {kind.of}")
        return 0
    if called is None:
        console.out(json.dumps({name: kind.schema(name) for name, kind in KINDS.items()}))
        return 0
    if called not in KINDS:
        raise UsageError(f"there is no schema {called!r}", hint=f"there are {', '.join(KINDS)}")
    console.out(json.dumps(KINDS[called].schema(called), indent=None if json_wanted else 2))
    return 0


command = click.Command(
    "schema",
    params=[
        Argument(["called"], required=False, metavar="[NAME]"),
        Option(["--json", "json_wanted"], is_flag=True, help="On one line; without NAME, all in one object."),
    ],
    callback=schema,
    help=HELP,
)
