"""The list of jobs: read twice, once to check all of it and once to run it, and never held in memory as a whole."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from codex_imagegen.batches import job_key, job_options
from codex_imagegen.batches.checks import Checks
from codex_imagegen.batches.job_file import Line, Listing, at
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.images.output import SUFFIXES
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
        self._defaults = job_options.defaults(defaults)
        self._digests = job_key.Digests()
        self._checks = Checks()
        self._listing = Listing(source, name)

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
        found = job_options.fields(self._listing.pairs(line))
        out = self._path(found.get("out", self._default_name(line, found)))
        request = job_options.request(found, self._defaults, out)
        _check_suffix(request)
        digests = self._checks.all(request, self._digests)
        return Job(line.number, request, job_key.key(request, self._shown(out), digests))

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
        if sys.platform == "darwin":  # whose file system takes A.png for a.png
            path = path.casefold()
        first = takers.setdefault(hashlib.sha256(os.fsencode(path)).digest()[:12], job.line)
        if first != job.line:
            raise UsageError(f"its picture would go to {job.out!r}, as that of line {first}", hint="give each its own")


def _check_suffix(request: Request) -> None:
    suffix = os.path.splitext(request.out or "")[1]
    promised, wanted = SUFFIXES.get(suffix.lower()), request.wishes.format
    if promised is None:
        raise UsageError(f"'out' can't be {request.out!r}", hint="end it in .png, .jpg or .webp")
    if wanted not in (None, promised):
        raise UsageError(f"the format {wanted} and a name that ends in {suffix} contradict each other", hint="give one")


def _with_others(error: ImagegenError, others: int) -> ImagegenError:
    if others:
        error.message = f"{error.message.rstrip('.')}; {others} more {'line is' if others == 1 else 'lines are'} wrong"
        error.args = (error.message,)
    return error
