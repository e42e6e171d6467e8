"""What can be refused before the first run: by each backend's own rules, and nothing is spent."""

from __future__ import annotations

import os

from codex_imagegen.batches.job_key import Digests
from codex_imagegen.codex.run import command
from codex_imagegen.errors import UsageError
from codex_imagegen.request import Request


class Checks:
    """Remembers what need not be asked for each job: where Codex is."""

    def __init__(self) -> None:
        self._found: set[str | None] = set()

    def all(self, request: Request, digests: Digests) -> list[bytes]:
        """The references' hashes of a request that its backend would take; raises what it would refuse it with."""
        return self._codex(request, digests) if request.backend == "codex" else _runcomfy(request)

    def _codex(self, request: Request, digests: Digests) -> list[bytes]:
        command.check_prompt(request.prompt)
        if len(request.refs) > command.MAX_REFERENCES:
            raise UsageError(
                f"it has {len(request.refs)} references; the Codex route takes at most {command.MAX_REFERENCES}",
                hint='leave some out, or give it "backend": "runcomfy", which takes 10',
            )
        hashes = [digests.of(path) for path in request.refs]
        if request.codex not in self._found:
            command.find(request.codex, os.environ)
            self._found.add(request.codex)
        return hashes


def _runcomfy(request: Request) -> list[bytes]:
    import hashlib

    from codex_imagegen.runcomfy import inputs, references

    # by the files themselves: another Pillow would make another smaller copy of the same reference
    found = inputs.checked(request).references
    images = (ref if isinstance(ref, str) else references.as_uri(ref) for ref in found)
    return [hashlib.sha256(image.encode()).digest() for image in images]
