"""Which failures end several runs at once, and what is told of a run that was not started for it."""

from __future__ import annotations

import copy

from codex_imagegen.errors import CodexUnavailable, ImagegenError, OutUnwritable, RunComfyAuth

CODES = {"usage-limit", "not-logged-in", "tool-unavailable", "runcomfy-auth"}
"""What the next run would meet as well, beside a Codex that can't be used and a full disk."""

SAME_PROMPT = {"moderation", "refused"}
"""What the next run meets as well where it has the same prompt."""


def ends_all(error: ImagegenError, *, same_prompt: bool = False) -> bool:
    """Whether nothing more is started after this failure."""
    return (
        error.code in CODES
        or isinstance(error, CodexUnavailable)
        or error.is_full
        or (same_prompt and error.code in SAME_PROMPT)
    )


def not_started(stopped: ImagegenError, after: ImagegenError | None = None) -> ImagegenError:
    """The failure of a run that was not started since ``stopped`` had ended all: of the same kind, and nothing spent.

    ``after`` is what an earlier try of it ended with, if there was one.
    """
    error = copy.copy(stopped)
    error.message = f"{'not tried again' if after else 'not started'}: {stopped.message}"
    error.args = (error.message,)
    error.spent, error.warnings = (after.spent if after else False), ()
    error.thread_id, error.codex_version, error.request_id = (
        (after.thread_id, after.codex_version, after.request_id) if after else (None, None, None)
    )
    error.hint = way_on(stopped)
    return error


def way_on(stopped: ImagegenError) -> str | None:
    """What to do before the rest is started; the failure's own hint may fetch the one picture that it was about."""
    if isinstance(stopped, OutUnwritable) and stopped.is_full:
        return "make room on the disk"
    if isinstance(stopped, RunComfyAuth) and stopped.request_id:
        from codex_imagegen.runcomfy.token import SIGN_IN

        return SIGN_IN
    return stopped.hint
