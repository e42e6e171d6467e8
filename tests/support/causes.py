"""The errors that an error came from."""

from __future__ import annotations


def chain(error: BaseException) -> list[BaseException]:
    """The error, what it came from, and so on to the first; fails where that never ends."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None:
        assert following not in found, f"{following!r} comes from itself"
        found.append(following)
        following = following.__cause__ or following.__context__
    return found
