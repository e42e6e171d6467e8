"""The private folders of one run: an empty one to work in, which proves whose rollout it is, and one for references."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.pictures.references import Reference

PREFIX = "codex-imagegen-run-"
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@contextlib.contextmanager
def workspace(references: Sequence[Reference] = ()) -> Iterator[tuple[str, list[str]]]:
    """A context of (empty working folder, private copies of the references); both are gone when it ends.

    The copies have short names without commas, at which Codex would split, and lie beside the working folder, not in
    it. Raises :class:`OutUnwritable` where the temporary folder takes no files.
    """
    made: list[str] = []
    try:
        try:
            folder = _folder(PREFIX, made)
            shelf = _folder("codex-imagegen-ref-", made) if references else ""
            copies = [_copy(shelf, index, reference) for index, reference in enumerate(references, 1)]
        except OSError as error:
            raise OutUnwritable(
                f"the temporary folder {_temporary()!r} takes no files: {error.strerror}",
                hint="make room there, or set TMPDIR to another folder",
            ) from error
        yield folder, copies
    finally:
        for path in made:
            _remove(path)


def _temporary() -> str:
    """The folder for temporary files. ``tempfile`` would look at more places, and costs 6 ms to import."""
    return os.path.realpath(next((d for n in ("TMPDIR", "TEMP", "TMP") if (d := os.environ.get(n))), "/tmp"))  # noqa: S108


def _folder(prefix: str, made: list[str]) -> str:
    path = os.path.join(_temporary(), prefix + os.urandom(8).hex())
    os.mkdir(path, 0o700)
    made.append(path)
    return path


def _copy(shelf: str, index: int, reference: Reference) -> str:
    path = os.path.join(shelf, f"{index}{_SUFFIXES[reference.format]}")
    with open(path, "xb") as file:
        file.write(reference.data)
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return
    import shutil

    shutil.rmtree(path, ignore_errors=True)
