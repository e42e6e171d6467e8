"""What a job may say: the default command's options by their names, checked by type, as a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_imagegen import generation, options
from codex_imagegen.codex.run import subcommand
from codex_imagegen.errors import UsageError
from codex_imagegen.request import Request

ALIASES = {"ref": "refs", "codex_arg": "codex_args"}
NOT_A_JOBS = {"count", "jobs", "skip_existing", "prompt_file", "json", "quiet", "verbose", "events", "show"}
KEYS = {name: make_sure for name, make_sure in options.TYPES.items() if name not in NOT_A_JOBS}
"""Every key of a job, and what makes sure of its type."""


def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The keys and values of a job, by the names of :data:`KEYS`; null is the same as left out.

    Raises :class:`UsageError` for a key that is unknown or there twice, and for a value of the wrong type.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = _name(key)
        if name in found:
            raise UsageError(f"{key!r} is there twice", hint="leave one out")
        found[name] = None if value is None else options.typed(name, value, hint="see the README on jobs")
    return {name: value for name, value in found.items() if value is not None}


def request(found: Mapping[str, Any], defaults: Mapping[str, Any], out: str) -> Request:
    """The request of a job whose picture goes to ``out``; raises :class:`UsageError` for values that can't be meant."""
    known = {**defaults, **found}
    if "prompt" not in known:
        raise UsageError("there is no prompt", hint='say what to draw: {"prompt": "…"}')
    whole = options.request({**known, "out": out})
    generation.check(whole)
    subcommand.refuse_thread(whole.codex_args, "a batch")
    return whole


def defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of all jobs; raises :class:`UsageError` as :func:`fields` does, and for what no job may have."""
    found = fields(list(given.items()))
    subcommand.refuse_thread(found.get("codex_args", ()), "a batch")
    return found


def _name(key: str) -> str:
    name = key.replace("-", "_")
    name = ALIASES.get(name, name)
    if name in KEYS:
        return name
    if name in NOT_A_JOBS:
        raise UsageError(f"{key!r} can't be set for one job", hint="leave it out")
    raise UsageError(f"{key!r} is no key of a job", hint=options.closest(name, KEYS))
