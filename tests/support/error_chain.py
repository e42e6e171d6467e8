"""The chain of causes of an error."""

from __future__ import annotations


def chain(error: BaseException) -> list[BaseException]:
    """The error, its cause, and so on to the first; fails if the chain is circular."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None:
        assert following not in found, f"{following!r} is its own cause"
        found.append(following)
        following = following.__cause__ or following.__context__
    return found
