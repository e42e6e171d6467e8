"""The schemas by name: which there are, and what each is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from codex_imagegen.results import SCHEMA
from codex_imagegen.schemas import bodies
from codex_imagegen.schemas.build import Schema
from codex_imagegen.schemas.definitions import definitions, needed

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Kind:
    """One schema: of what it is, and how its body is made."""

    of: str
    body: Callable[[], Schema]

    def schema(self, called: str) -> Schema:
        """The whole document, with every definition that it refers to."""
        head = {"$schema": DIALECT, "$id": f"urn:codex-imagegen:schema:{SCHEMA}:{called}", "title": called}
        body = self.body()
        return {**head, "description": self.of, **body, "$defs": needed(body)}


_State = Literal["in_queue", "in_progress", "completed", "cancelled", "failed"]

KINDS = {
    "result": Kind("what --json prints, of a success and of every failure", bodies.result),
    "error": Kind("what failed: error of a result, and of each of its failures", lambda: definitions()["error"]),
    "batch": Kind("what batch --json prints for each job", bodies.batch),
    "event": Kind("a line of stderr with --events", bodies.event),
    "sessions": Kind("what recover --list --json prints", bodies.sessions),
    "gallery": Kind(
        "what gallery --json prints",
        bodies.plus(
            path=(str, "absolute path of the page"),
            pictures=(int, "how many pictures it shows"),
            broken=(int, "how many of them are damaged"),
            sessions=(int, "how many sessions were looked at"),
            bytes=(int, "what the page and the files beside it take on disk"),
            codex_home=(str, "the Codex home whose pictures they are"),
        ),
    ),
    "doctor": Kind("what doctor --json prints, also of a check that failed", bodies.checks),
    "prune": Kind("what prune --json prints", bodies.prune),
    "no-wait": Kind(
        "what --no-wait --json prints",
        bodies.plus(request_ids=(tuple[str, ...], "RunComfy's requests, in the order in which they were submitted")),
    ),
    "runcomfy-status": Kind(
        "what runcomfy status --json prints",
        bodies.plus(
            status=(_State, "where the request stands, in RunComfy's word"),
            queue_position=(int | None, "its place in the queue, where that was said"),
        ),
    ),
    "runcomfy-cancel": Kind(
        "what runcomfy cancel --json prints",
        bodies.plus(outcome=(Literal["cancelled", "not_cancellable"], "what became of it, in RunComfy's word")),
    ),
    "runcomfy-login": Kind(
        "what runcomfy login --json and logout --json print",
        bodies.plus(token_file=(str | None, "the file that holds the token, or held it; null where there was none")),
    ),
    "skill": Kind("what skill --json prints", bodies.plus(skill=(str, "the skill's whole text"))),
    "skill-install": Kind("what skill install --json and uninstall --json print", bodies.skills),
}
"""Every object that this program prints, by the name that ``codex-imagegen schema`` knows."""
