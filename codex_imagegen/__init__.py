"""Make pictures with GPT Image 2 through the Codex CLI, on the quota of a ChatGPT plan.

>>> import codex_imagegen
>>> result = codex_imagegen.generate("a red fox", out="fox.png")  # doctest: +SKIP
>>> result.images[0].path  # doctest: +SKIP
'/home/me/fox.png'

The names in this module are the public API. All other modules are private and may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_imagegen._version import __version__

if TYPE_CHECKING:
    from codex_imagegen.api import Job, Look, Options, StrPath, batch, edit, generate, recover
    from codex_imagegen.batches.outcomes import Outcome, Status
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
    from codex_imagegen.results import (
        ErrorInfo,
        Failure,
        Image,
        LastPicture,
        PlannedAction,
        PlannedImage,
        PlannedReference,
        Result,
        Warning_,
    )

__all__ = [
    "CodexError", "CodexFailed", "CodexIncomplete", "CodexMissing", "CodexTooOld", "CodexUnavailable",
    "DamagedPicture", "ErrorInfo", "Event", "Failure", "GenerationFailed", "Image", "ImagegenError",
    "InternalError", "Interrupt", "Interrupted", "Job", "LastPicture", "Look", "Moderation", "NetworkError",
    "NoPicture",
    "NoPictureError", "NotLoggedIn", "Options", "OutExists", "OutUnwritable", "Outcome", "OutputError",
    "PlannedAction", "PlannedImage", "PlannedReference", "RateLimited",
    "ReferenceError_", "ReferenceMissing", "ReferenceNotImage", "Refused", "Result", "RunComfyAuth", "RunComfyError",
    "RunComfyInput", "RunComfyRetry", "RunComfyUpstream", "RunComfyUsage", "RunTimeout", "SessionMissing", "Stage",
    "Status", "StrPath", "ToolUnavailable", "UsageError", "UsageLimit", "Warning_", "__version__", "batch", "edit",
    "generate", "recover",
]  # fmt: skip

_MODULES = {
    "api": ("Job", "Look", "Options", "StrPath", "batch", "edit", "generate", "recover"),
    "batches.outcomes": ("Outcome", "Status"),
    "interrupt": ("Interrupt",),
    "request": ("Event", "Stage"),
    "results": (
        "ErrorInfo",
        "Failure",
        "Image",
        "LastPicture",
        "PlannedAction",
        "PlannedImage",
        "PlannedReference",
        "Result",
        "Warning_",
    ),
}
"""The modules of the public names; the other names are in ``errors``."""


def __getattr__(name: str) -> Any:
    """Import a public name on first use: the command line needs none of them to start."""
    from importlib import import_module

    if name in __all__:
        module = next((module for module, names in _MODULES.items() if name in names), "errors")
        return getattr(import_module(f"codex_imagegen.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
