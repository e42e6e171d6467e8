"""The errors of this program, as a tree.

::

    ImagegenError
    ├── UsageError                2   usage
    ├── CodexUnavailable          3
    │   ├── CodexMissing              codex-missing
    │   ├── CodexTooOld               codex-too-old
    │   └── CodexIncomplete           codex-incomplete
    ├── ReferenceError_           4
    │   ├── ReferenceMissing          ref-missing
    │   └── ReferenceNotImage         ref-not-image
    ├── CodexError                5
    │   ├── RunTimeout                timeout
    │   ├── NotLoggedIn               not-logged-in
    │   ├── NetworkError              network
    │   └── CodexFailed               codex-failed
    ├── SessionMissing            6   session-missing
    ├── NoPictureError            7
    │   ├── UsageLimit                usage-limit
    │   ├── RateLimited               rate-limited
    │   ├── Moderation                moderation
    │   ├── Refused                   refused
    │   ├── ToolUnavailable           tool-unavailable
    │   ├── GenerationFailed          generation-failed
    │   ├── DamagedPicture            damaged-picture
    │   └── NoPicture                 no-picture
    ├── RunComfyError
    │   ├── RunComfyUsage        64   runcomfy-usage
    │   ├── RunComfyInput        65   runcomfy-input
    │   ├── RunComfyUpstream     69   runcomfy-upstream
    │   ├── RunComfyRetry        75   runcomfy-retry
    │   └── RunComfyAuth         77   runcomfy-auth
    ├── InternalError            70   internal
    ├── OutputError              73
    │   ├── OutExists                 out-exists
    │   └── OutUnwritable             out-unwritable
    └── Interrupted         130/143   interrupted

The numbers are exit codes and the names after them are ``error.code`` in the JSON. Both are promised to callers and
change only by addition.
"""

from __future__ import annotations

import errno as _errno
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from codex_imagegen.results import LastPicture

_FULL = (_errno.ENOSPC, _errno.EDQUOT)


class ImagegenError(Exception):
    """An error with a stable code, an exit code, and a hint on what to do next.

    ``spent`` says whether quota or money was used; None where that can't be known. ``is_full``: the disk or the user's
    disk quota is full, and the next picture would not fit either. ``resets_at`` is the Unix time in seconds at which a
    limit ends, where Codex reports it. ``backend``, ``thread_id``, ``codex_version``, RunComfy's ``request_id`` and the
    picture that ``--last`` stood for are set if the run knew them.
    """

    code: ClassVar[str] = "internal"
    exit_code: int = 70

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        spent: bool | None = False,
        resets_at: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.spent = spent
        self.resets_at = resets_at
        self.thread_id: str | None = None
        self.codex_version: str | None = None
        self.request_id: str | None = None
        self.backend: str | None = None
        self.last: LastPicture | None = None
        self.is_full = False
        self.is_dry_run = False
        self.warnings: tuple[tuple[str, str], ...] = ()


class UsageError(ImagegenError):
    """Invalid arguments; nothing was started."""

    code = "usage"
    exit_code = 2


class CodexUnavailable(ImagegenError):
    """No Codex CLI that can make pictures was found."""

    exit_code = 3


class CodexMissing(CodexUnavailable):
    """No Codex CLI was found, or it can't be executed."""

    code = "codex-missing"


class CodexTooOld(CodexUnavailable):
    """The Codex CLI is older than 0.111.0, the first that can make pictures."""

    code = "codex-too-old"


class CodexIncomplete(CodexUnavailable):
    """The Codex CLI was installed without a program that it needs beside it: its code-mode host."""

    code = "codex-incomplete"


class ReferenceError_(ImagegenError):  # noqa: N801 - ReferenceError is a builtin with another meaning
    """A reference can't be used."""

    exit_code = 4


class ReferenceMissing(ReferenceError_):
    """A reference does not exist or can't be read."""

    code = "ref-missing"


class ReferenceNotImage(ReferenceError_):
    """A reference is not a complete picture of a format that is read, or is too large to be decoded safely."""

    code = "ref-not-image"


class CodexError(ImagegenError):
    """Codex failed before or instead of making a picture."""

    exit_code = 5


class RunTimeout(CodexError):
    """The run exceeded its time limit."""

    code = "timeout"


class NotLoggedIn(CodexError):
    """Codex has no login, or one that is no longer accepted."""

    code = "not-logged-in"


class NetworkError(CodexError):
    """Codex could not reach OpenAI."""

    code = "network"


class CodexFailed(CodexError):
    """Codex failed for a reason without a code of its own; its output is in the message."""

    code = "codex-failed"


class SessionMissing(ImagegenError):
    """Codex ran, but no rollout of this run can be found."""

    code = "session-missing"
    exit_code = 6


class NoPictureError(ImagegenError):
    """The run ended normally without a picture."""

    exit_code = 7


class UsageLimit(NoPictureError):
    """The plan's quota is used up."""

    code = "usage-limit"


class RateLimited(NoPictureError):
    """Too many requests in too short a time; the quota is not used up."""

    code = "rate-limited"


class Moderation(NoPictureError):
    """The prompt, a reference or the picture was blocked by a safety system."""

    code = "moderation"


class Refused(NoPictureError):
    """The model answered in words and called no tool."""

    code = "refused"


class ToolUnavailable(NoPictureError):
    """The image tool is not offered to this account."""

    code = "tool-unavailable"


class GenerationFailed(NoPictureError):
    """The image tool failed for a reason without a code of its own."""

    code = "generation-failed"


class DamagedPicture(NoPictureError):
    """The picture can't be decoded completely."""

    code = "damaged-picture"


class NoPicture(NoPictureError):
    """No picture was made, and no reason is known."""

    code = "no-picture"


class RunComfyError(ImagegenError):
    """The RunComfy route failed."""

    exit_code = 69


class RunComfyUsage(RunComfyError):
    """An invalid request id or model id."""

    code = "runcomfy-usage"
    exit_code = 64


class RunComfyInput(RunComfyError):
    """Input outside the model's schema, refused here or by RunComfy."""

    code = "runcomfy-input"
    exit_code = 65


class RunComfyUpstream(RunComfyError):
    """RunComfy answered with an error of its own."""

    code = "runcomfy-upstream"
    exit_code = 69


class RunComfyRetry(RunComfyError):
    """Worth trying again: 408, 429, a timeout, a cut connection or download."""

    code = "runcomfy-retry"
    exit_code = 75


class RunComfyAuth(RunComfyError):
    """Not signed in, or the token is refused."""

    code = "runcomfy-auth"
    exit_code = 77


class InternalError(ImagegenError):
    """A bug in this program."""

    code = "internal"
    exit_code = 70


class OutputError(ImagegenError):
    """The picture could not be written."""

    exit_code = 73


class OutExists(OutputError):
    """The output exists, and ``--force`` was not given."""

    code = "out-exists"


class OutUnwritable(OutputError):
    """The output can't be written. ``errno`` is the system's error number, where there is one."""

    code = "out-unwritable"

    def __init__(
        self, message: str, *, hint: str | None = None, spent: bool | None = False, errno: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, spent=spent)
        self.errno = errno
        self.is_full = errno in _FULL


class Interrupted(ImagegenError):
    """The program was asked to stop; the exit code is 128 + the signal's number."""

    code = "interrupted"
    exit_code = 130

    def __init__(self, message: str, *, signum: int = 2, hint: str | None = None, spent: bool | None = False) -> None:
        super().__init__(message, hint=hint, spent=spent)
        self.exit_code = 128 + signum
