"""Pictures by GPT Image 2 from the command line, through the Codex CLI that a ChatGPT plan already pays for.

>>> import codex_imagegen
>>> result = codex_imagegen.generate("a red fox", out="fox.png")  # doctest: +SKIP
>>> result.images[0].path  # doctest: +SKIP
'/home/me/fox.png'

Everything public is here; all other modules are private and may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_imagegen._version import __version__

if TYPE_CHECKING:
    from codex_imagegen.api import Job, Look, Options, StrPath, batch, edit, generate, recover
    from codex_imagegen.batches.results import Outcome, Status
    from codex_imagegen.errors import (
        CodexError,
        CodexFailed,
        CodexIncomplete,
        CodexMissing,
        CodexTooOld,
        CodexUnavailable,
        DamagedPicture,
        GenerationFailed,
        ImagegenError,
        InternalError,
        Interrupted,
        Moderation,
        NetworkError,
        NoPicture,
        NoPictureError,
        NotLoggedIn,
        OutExists,
        OutputError,
        OutUnwritable,
        RateLimited,
        ReferenceError_,
        ReferenceMissing,
        ReferenceNotImage,
        Refused,
        RunComfyAuth,
        RunComfyError,
        RunComfyInput,
        RunComfyRetry,
        RunComfyUpstream,
        RunComfyUsage,
        RunTimeout,
        SessionMissing,
        ToolUnavailable,
        UsageError,
        UsageLimit,
    )
    from codex_imagegen.interrupt import Interrupt
    from codex_imagegen.request import Event, Stage
    from codex_imagegen.results import ErrorInfo, Failure, Image, Result, Warning_

__all__ = [
    "CodexError", "CodexFailed", "CodexIncomplete", "CodexMissing", "CodexTooOld", "CodexUnavailable",
    "DamagedPicture", "ErrorInfo", "Event", "Failure", "GenerationFailed", "Image", "ImagegenError",
    "InternalError", "Interrupt", "Interrupted", "Job", "Look", "Moderation", "NetworkError", "NoPicture",
    "NoPictureError", "NotLoggedIn", "Options", "OutExists", "OutUnwritable", "Outcome", "OutputError", "RateLimited",
    "ReferenceError_", "ReferenceMissing", "ReferenceNotImage", "Refused", "Result", "RunComfyAuth", "RunComfyError",
    "RunComfyInput", "RunComfyRetry", "RunComfyUpstream", "RunComfyUsage", "RunTimeout", "SessionMissing", "Stage",
    "Status", "StrPath", "ToolUnavailable", "UsageError", "UsageLimit", "Warning_", "__version__", "batch", "edit",
    "generate", "recover",
]  # fmt: skip

_HOMES = {
    "api": ("Job", "Look", "Options", "StrPath", "batch", "edit", "generate", "recover"),
    "batches.results": ("Outcome", "Status"),
    "interrupt": ("Interrupt",),
    "request": ("Event", "Stage"),
    "results": ("ErrorInfo", "Failure", "Image", "Result", "Warning_"),
}
"""Where a public name lives; the others are errors."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line needs none of them to start."""
    from importlib import import_module

    if name in __all__:
        home = next((module for module, names in _HOMES.items() if name in names), "errors")
        return getattr(import_module(f"codex_imagegen.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
