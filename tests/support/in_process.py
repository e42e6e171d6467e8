"""Runs the program within the test's own process, which saves a start of Python for each call."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

from codex_imagegen.cli import console, main
from tests.support.outcome import Outcome


def call(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Outcome:
    """Run one command line as the installed command would, with streams of its own.

    ``environment`` replaces that of the test unless it is None; ``folder`` is the working folder. Use real processes to
    test streams, signals, start-up or the exit itself.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        stack.enter_context(_streams(stdin, out, err))
        stack.enter_context(mock.patch.multiple(console, _stdout_error=None, _answered=False, _has_written=False))
        stack.enter_context(_surroundings(environment, folder))
        code = main.run(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
        output, errors = (_read_all(stream) for stream in (out, err))
    return Outcome(code, output, errors.decode(), time.monotonic() - began)


def _read_all(stream: io.BufferedIOBase) -> bytes:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _streams(stdin: bytes, out: io.BufferedIOBase, err: io.BufferedIOBase) -> Iterator[None]:
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        texts = [
            io.TextIOWrapper(stream, encoding="utf-8", errors=errors, write_through=True)
            for stream, errors in ((given, "surrogateescape"), (out, "strict"), (err, "backslashreplace"))
        ]
        try:
            with mock.patch.multiple(sys, stdin=texts[0], stdout=texts[1], stderr=texts[2]):
                yield
        finally:
            for text in texts:
                text.detach()


@contextlib.contextmanager
def _surroundings(environment: Mapping[str, str] | None, folder: Path | None) -> Iterator[None]:
    before = os.getcwd()
    changed = os.environ if environment is None else environment
    try:
        with mock.patch.dict(os.environ, dict(changed), clear=True), mock.patch.object(tempfile, "tempdir", None):
            os.chdir(folder or before)
            time.tzset()
            yield
    finally:
        os.chdir(before)
        time.tzset()
