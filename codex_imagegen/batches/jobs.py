"""The list of jobs: read twice, once to check all of it and once to run it, and never held in memory as a whole.

What a job may say: the default command's options by their names, checked by type, as a request.

What makes a job itself: its prompt, the bytes of its references, its options, and where its picture goes.

What can be refused before the first run: by each backend's own rules, and nothing is spent.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from codex_imagegen import generation, options
from codex_imagegen.batches.job_file import JobFile, Line, at
from codex_imagegen.codex.run import command
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.images import references
from codex_imagegen.images.output import SUFFIXES
from codex_imagegen.platform import system
from codex_imagegen.request import Request

_DEFAULT_SUFFIXES = {"jpeg": ".jpg", "jpg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to be made: the line that asks for it, counted from 1, and its key in the journal."""

    line: int
    request: Request
    key: bytes

    @property
    def out(self) -> str:
        """The absolute path of its picture."""
        return self.request.out or ""


class Jobs:
    """A context over a private copy of the list, which may come from a pipe, and may be edited while it runs.

    ``defaults`` are options of all jobs by the names of :data:`keys.KEYS`; relative outputs are under ``out_dir``.
    """

    def __init__(self, source: IO[bytes], name: str, *, out_dir: str, defaults: Mapping[str, Any]) -> None:
        self._name, self._out_dir = name, os.path.abspath(out_dir)
        self._defaults = default_options(defaults)
        self._digests = Digests()
        self._checks = Checks()
        self._listing = JobFile(source, name)

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._listing.close()

    def check(self, go_on: Callable[[], None]) -> int:
        """Check every job, and give back how many there are; ``go_on`` is called before each, and may raise.

        Raises the first error, which names its line and says how many lines are wrong besides.
        """
        count, first, others = 0, None, 0
        takers: dict[bytes, int] = {}
        for line in self:
            go_on()
            count += 1
            try:
                self._unique(self.job(line), takers)
            except ImagegenError as error:
                others += first is not None
                first = first or at(line.number, error)
        if first is not None:
            raise _with_others(first, others)
        if not count:
            raise UsageError(f"there are no jobs in {self._name!r}", hint="give one a line: a prompt, or a JSON object")
        return count

    def __iter__(self) -> Iterator[Line]:
        return iter(self._listing)

    def job(self, line: Line) -> Job:
        """The job that a line asks for; raises :class:`UsageError`, and what its references raise."""
        found = fields(self._listing.pairs(line))
        out = self._path(found.get("out", self._default_name(line, found)))
        request = to_request(found, self._defaults, out)
        _check_suffix(request)
        digests = self._checks.all(request, self._digests)
        return Job(line.number, request, job_key(request, self._shown(out), digests))

    def _default_name(self, line: Line, found: Mapping[str, Any]) -> str:
        wanted = {**self._defaults, **found}.get("format", "png").lower()
        return f"{line.number:04d}{_DEFAULT_SUFFIXES.get(wanted, '.png')}"

    def _path(self, out: str) -> str:
        if "\0" in out or not out.strip() or out == "-" or out.endswith(os.sep):
            raise UsageError(f"'out' can't be {out!r}", hint="give a file name that ends in .png, .jpg or .webp")
        return os.path.abspath(os.path.join(self._out_dir, out))

    def _shown(self, path: str) -> str:
        """The path as the journal sees it: a folder of outputs can be moved together with its journal."""
        inside = os.path.relpath(path, self._out_dir)
        return path if inside.startswith(os.pardir) else inside

    def _unique(self, job: Job, takers: dict[bytes, int]) -> None:
        path = os.path.realpath(job.out)
        if system.ignores_case():
            path = path.casefold()
        first = takers.setdefault(hashlib.sha256(os.fsencode(path)).digest()[:12], job.line)
        if first != job.line:
            raise UsageError(f"its picture would go to {job.out!r}, as that of line {first}", hint="give each its own")


def _check_suffix(request: Request) -> None:
    suffix = os.path.splitext(request.out or "")[1]
    promised, wanted = SUFFIXES.get(suffix.lower()), request.image_options.format
    if promised is None:
        raise UsageError(f"'out' can't be {request.out!r}", hint="end it in .png, .jpg or .webp")
    if wanted not in (None, promised):
        raise UsageError(f"the format {wanted} and a name that ends in {suffix} contradict each other", hint="give one")


def _with_others(error: ImagegenError, others: int) -> ImagegenError:
    if others:
        error.message = f"{error.message.rstrip('.')}; {others} more {'line is' if others == 1 else 'lines are'} wrong"
        error.args = (error.message,)
    return error


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


def to_request(found: Mapping[str, Any], defaults: Mapping[str, Any], out: str) -> Request:
    """The request of a job whose picture goes to ``out``; raises :class:`UsageError` for values that can't be meant."""
    known = {**defaults, **found}
    if "prompt" not in known:
        raise UsageError("there is no prompt", hint='say what to draw: {"prompt": "…"}')
    whole = options.request({**known, "out": out})
    generation.check(whole)
    command.refuse_thread(whole.codex_args, "a batch")
    return whole


def default_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of all jobs; raises :class:`UsageError` as :func:`fields` does, and for what no job may have."""
    found = fields(list(given.items()))
    command.refuse_thread(found.get("codex_args", ()), "a batch")
    return found


def _name(key: str) -> str:
    name = key.replace("-", "_")
    name = ALIASES.get(name, name)
    if name in KEYS:
        return name
    if name in NOT_A_JOBS:
        raise UsageError(f"{key!r} can't be set for one job", hint="leave it out")
    raise UsageError(f"{key!r} is no key of a job", hint=options.closest(name, KEYS))


_Seal = tuple[int, int, int, int]


class Digests:
    """The hash of each reference, read and decoded whole once, and again when the file has changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Seal, bytes]] = {}

    def of(self, path: str) -> bytes:
        """The SHA-256 of a reference file; raises what :func:`references.load` raises."""
        seal = _seal(path)
        known = self._known.get(path)
        if known is not None and known[0] == seal:
            return known[1]
        digest = hashlib.sha256(references.load(path).data).digest()
        if seal is not None:
            self._known[path] = seal, digest
        return digest


def job_key(request: Request, name: str, digests: Sequence[bytes]) -> bytes:
    """16 bytes that are the same for the same job. ``name`` is where the picture goes, as the journal sees it.

    Options that change no pixel are no part of it: how long it may take, whether it may replace a file, and which
    executable Codex is.
    """
    parts = {
        "prompt": request.prompt,
        "refs": [digest.hex() for digest in digests],
        "out": name,
        "backend": request.backend,
        "model": request.model,
        "full_turn": request.full_turn,
        "codex_args": request.codex_args,
        "image_options": {name: value for name, value in asdict(request.image_options).items() if value},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()[:16]


def _seal(path: str) -> _Seal | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


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
            command.find_codex(request.codex, os.environ)
            self._found.add(request.codex)
        return hashes


def _runcomfy(request: Request) -> list[bytes]:
    import hashlib

    from codex_imagegen.runcomfy import inputs
    from codex_imagegen.runcomfy import inputs as references

    # by the files themselves: another Pillow would make another smaller copy of the same reference
    found = inputs.checked(request).references
    images = (ref if isinstance(ref, str) else references.as_uri(ref) for ref in found)
    return [hashlib.sha256(image.encode()).digest() for image in images]
