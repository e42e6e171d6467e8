"""The jobs of a batch: each line of the job file as a checked request with a key for the journal.

The job file is read twice, once to check all jobs and once to run them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

from codex_imagegen import generation, options, render
from codex_imagegen.batches.job_file import JobFile, Line
from codex_imagegen.codex.run import command
from codex_imagegen.errors import CodexUnavailable, ImagegenError, UsageError
from codex_imagegen.images import output, references
from codex_imagegen.platform import system
from codex_imagegen.request import FORMATS, SUFFIXES, Request, format_of

ALIASES = {"ref": "refs", "codex_arg": "codex_args"}
NOT_FOR_JOBS = {
    "count",
    "jobs",
    "skip_existing",
    "last",
    "prompt_file",
    "json",
    "quiet",
    "verbose",
    "events",
    "show",
    "open",
    "no_wait",
    "yes",
    "dry_run",
}
KEYS = {name: convert for name, convert in options.TYPES.items() if name not in NOT_FOR_JOBS}
"""The keys of a job, and the functions that convert their values."""
_PATHS = {"refs", "out", "codex"}
"""The keys whose values are paths, in which a leading ``~/`` is the home folder."""

_MAX_MESSAGES = 20
"""How many different messages about wrong lines are reported."""

_FileState = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to make: its line in the job file, counted from 1, its request, and its key in the journal."""

    line: int
    request: Request
    key: bytes

    @property
    def out(self) -> str:
        """The absolute path of the picture."""
        return self.request.out or ""


class Jobs:
    """The jobs of a job file; a context manager that owns the private copy.

    ``defaults`` are options of all jobs by the names of :data:`KEYS`; relative outputs are under ``out_dir``.
    """

    def __init__(self, source: IO[bytes], name: str, *, out_dir: str, defaults: Mapping[str, Any]) -> None:
        self._name, self._out_dir = name, os.path.abspath(out_dir)
        self._defaults = parse_defaults(defaults)
        self._digests = ReferenceDigests()
        self._checks = BackendChecks()
        self._file = JobFile(source, name)

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def check(self, check_interrupt: Callable[[], None]) -> int:
        """Check every job; returns their number. ``check_interrupt`` is called before each job and may raise.

        Raises the error of the wrong line or, of several, the first one with the messages of all.
        """
        count, wrong = 0, WrongLines()
        lines_by_out: dict[bytes, int] = {}
        for line in self:
            check_interrupt()
            count += 1
            try:
                self._check_unique(self.job(line), lines_by_out)
            except CodexUnavailable:  # no line's own mistake, and the same for all
                raise
            except ImagegenError as error:
                wrong.add(line.number, error)
        if (wrong_lines := wrong.error(count)) is not None:
            raise wrong_lines
        if not count:
            raise UsageError(f"there are no jobs in {self._name!r}", hint="give one a line: a prompt, or a JSON object")
        return count

    def __iter__(self) -> Iterator[Line]:
        return iter(self._file)

    def job(self, line: Line) -> Job:
        """The job of a line; raises :class:`UsageError` and the errors of its references."""
        fields = parse_fields(self._file.parse(line))
        out = self._absolute_path(fields.get("out", self._default_name(line, fields)))
        out = output.add_suffix(out, FORMATS.get({**self._defaults, **fields}.get("format", "png").lower()))
        request = build_request(fields, self._defaults, out)
        _check_suffix(request)
        digests = self._checks.check(request, self._digests)
        return Job(line.number, request, job_key(request, self._journal_name(out), digests))

    def _default_name(self, line: Line, fields: Mapping[str, Any]) -> str:
        name = {**self._defaults, **fields}.get("format", "png").lower()
        return f"{line.number:04d}{SUFFIXES[FORMATS.get(name, 'png')]}"

    def _absolute_path(self, out: str) -> str:
        if "\0" in out or not out.strip() or out == "-" or out.endswith(os.sep):
            raise UsageError(f"'out' can't be {out!r}", hint="give a file name that ends in .png, .jpg or .webp")
        return os.path.abspath(os.path.join(self._out_dir, out))

    def _journal_name(self, path: str) -> str:
        """The path in the journal: relative, so that the output folder can be moved together with its journal."""
        inside = os.path.relpath(path, self._out_dir)
        return path if inside.startswith(os.pardir) else inside

    def _check_unique(self, job: Job, lines_by_out: dict[bytes, int]) -> None:
        path = os.path.realpath(job.out)
        if system.ignores_case():
            path = path.casefold()
        first = lines_by_out.setdefault(hashlib.sha256(os.fsencode(path)).digest()[:12], job.line)
        if first != job.line:
            raise UsageError(f"its out {job.out!r} is also that of line {first}", hint="give each job its own out")


def _check_suffix(request: Request) -> None:
    suffix = os.path.splitext(request.out or "")[1]
    promised, requested = format_of(request.out or ""), request.image_options.format
    if promised is None:
        raise UsageError(f"'out' can't be {request.out!r}", hint="end it in .png, .jpg or .webp")
    if requested not in (None, promised):
        raise UsageError(
            f"the format {requested} and a name that ends in {suffix} contradict each other", hint="give one"
        )
    options.check_transparency(request.image_options, promised)


class WrongLines:
    """The errors of the lines of a job file: each message once, with the numbers of its lines."""

    def __init__(self) -> None:
        self._first: ImagegenError | None = None
        self._count = 0
        self._lines: dict[str, list[int]] = {}
        self._omitted = 0

    def add(self, number: int, error: ImagegenError) -> None:
        """Add the error of a line."""
        self._first = self._first or error
        self._count += 1
        if error.message in self._lines or len(self._lines) < _MAX_MESSAGES:
            self._lines.setdefault(error.message, []).append(number)
        else:
            self._omitted += 1

    def error(self, count: int) -> ImagegenError | None:
        """Return the first error, with the messages of all wrong lines of ``count``; None if no line is wrong."""
        if self._first is None:
            return None
        messages = [
            f"{render.number_list('line', lines)}: {message.rstrip('.')}" for message, lines in self._lines.items()
        ]
        if self._count > 1:
            messages.insert(0, f"{self._count:,} of {count:,} lines are wrong")
        if self._omitted:
            messages.append(f"and {render.plural(self._omitted, 'more line')}")
        self._first.message = "; ".join(messages)
        self._first.args = (self._first.message,)
        if len(self._lines) > 1 and self._first.hint:
            self._first.hint = f"{render.number_list('line', next(iter(self._lines.values())))}: {self._first.hint}"
        return self._first


def parse_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The keys and values of a job, by the names of :data:`KEYS`; null means not given.

    Raises :class:`UsageError` for an unknown or duplicate key and for a value of the wrong type.
    """
    fields: dict[str, Any] = {}
    for key, value in pairs:
        name = _option_name(key)
        if name in fields:
            raise UsageError(f"{key!r} appears twice", hint="leave one out")
        fields[name] = None if value is None else _convert(name, value)
    return {name: value for name, value in fields.items() if value is not None}


def _convert(name: str, value: Any) -> Any:
    converted = options.convert_value(name, value, hint="for help:\ncodex-imagegen batch --help")
    if name not in _PATHS:
        return converted
    is_one = isinstance(converted, str)
    return options.expand_home(converted) if is_one else tuple(map(options.expand_home, converted))


def build_request(job_fields: Mapping[str, Any], defaults: Mapping[str, Any], out: str) -> Request:
    """The request of a job whose picture goes to ``out``; raises :class:`UsageError` for invalid values."""
    fields = {**defaults, **job_fields}
    if "prompt" not in fields:
        raise UsageError("there is no prompt", hint='say what to draw: {"prompt": "…"}')
    request = options.build_request({**fields, "out": out})
    generation.check(request)
    command.refuse_resume(request.codex_args, "a batch")
    return request


def parse_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """The default options of all jobs; raises :class:`UsageError` for an option that jobs can't have."""
    defaults = parse_fields(list(given.items()))
    command.refuse_resume(defaults.get("codex_args", ()), "a batch")
    return defaults


def _option_name(key: str) -> str:
    name = key.replace("-", "_")
    name = ALIASES.get(name, name)
    if name in KEYS:
        return name
    if name in NOT_FOR_JOBS:
        raise UsageError(f"{key!r} can't be set for one job", hint="leave it out")
    raise UsageError(f"{key!r} is not a key of a job", hint=options.suggest(name, KEYS))


class ReferenceDigests:
    """The hashes of references. Each file is read and decoded once, and again after a change."""

    def __init__(self) -> None:
        self._cache: dict[str, tuple[_FileState, bytes]] = {}

    def digest(self, path: str) -> bytes:
        """The SHA-256 of a reference file, before any conversion; raises the errors of :func:`references.load`."""
        state = _file_state(path)
        cached = self._cache.get(path)
        if cached is not None and cached[0] == state:
            return cached[1]
        digest = hashlib.sha256(references.load(path).data).digest()
        if state is not None:
            self._cache[path] = state, digest
        return digest


def job_key(request: Request, name: str, digests: Sequence[bytes]) -> bytes:
    """A hash of 16 bytes that identifies a job by its prompt, references, options and output ``name``.

    Options that change no pixel are left out: the time limit, ``force``, and the Codex executable.
    """
    parts = {
        "prompt": request.prompt,
        "refs": [digest.hex() for digest in digests],
        "out": name,
        "backend": request.backend,
        "model": request.model,
        "full_turn": request.full_turn,
        "codex_args": request.codex_args,
        # the keys are part of the hash: with another name here, every job of an older journal would be made again
        "wishes": {name: value for name, value in asdict(request.image_options).items() if value},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()[:16]


def _file_state(path: str) -> _FileState | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class BackendChecks:
    """The backends' own checks before the first run. Each Codex executable is searched once."""

    def __init__(self) -> None:
        self._found: set[str | None] = set()

    def check(self, request: Request, digests: ReferenceDigests) -> list[bytes]:
        """Check a request as its backend would; returns the hashes of its references, raises the backend's errors."""
        return self._codex(request, digests) if request.backend == "codex" else _runcomfy(request)

    def _codex(self, request: Request, digests: ReferenceDigests) -> list[bytes]:
        command.check_prompt(request.prompt)
        if len(request.refs) > command.MAX_REFERENCES:
            raise UsageError(
                f"it has {len(request.refs)} references; the Codex route takes at most {command.MAX_REFERENCES}",
                hint='leave some out, or give it "backend": "runcomfy", which takes 10',
            )
        hashes = [digests.digest(path) for path in request.refs if isinstance(path, str)]  # a job has no other ones
        if request.codex not in self._found:
            command.find_codex(request.codex, os.environ)
            self._found.add(request.codex)
        return hashes


def _runcomfy(request: Request) -> list[bytes]:
    from codex_imagegen.runcomfy import inputs

    # the originals are hashed: another version of Pillow would make another reduced copy
    checked = inputs.check_request(request).references
    images = (ref if isinstance(ref, str) else inputs.to_data_uri(ref) for ref in checked)
    return [hashlib.sha256(image.encode()).digest() for image in images]
