"""The arguments of the tools as JSON Schemas, by the names of the command's options."""

from __future__ import annotations

from typing import Any

from codex_imagegen.codex.run.command import MAX_PROMPT_CHARS, MAX_REFERENCES
from codex_imagegen.mcp_server.settings import MAX_COUNT, Settings
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC
from codex_imagegen.runcomfy.inputs import MAX_REFERENCES as MAX_RUNCOMFY
from codex_imagegen.wishes import QUALITIES, RESOLUTIONS

Schemas = dict[str, dict[str, Any]]
_SIZE = r"^\d{1,5}x\d{1,5}$"


def prompt() -> Schemas:
    """What is to be drawn."""
    return {"prompt": _text("What to draw, sent word for word.", minLength=1, maxLength=MAX_PROMPT_CHARS)}


def refs(settings: Settings) -> Schemas:
    """What it is to be drawn from."""
    most = MAX_RUNCOMFY if "runcomfy" in settings.backends else MAX_REFERENCES
    where = f"inside {_listed(settings.ref_roots)}; relative ones begin in {settings.ref_roots[0]}"
    told = f"Paths of the reference pictures (PNG, JPEG, WebP), at most {MAX_REFERENCES}, {where}."
    if "runcomfy" in settings.backends:
        told += f" With runcomfy at most {most}, and https URLs too."
    return {
        "refs": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most, "description": told}
    }


def found(settings: Settings) -> Schemas:
    """Which picture is to be found again, and where it goes."""
    thread = _text(
        "The thread_id of the failure or the result; left out: the picture that this server still owes, or its last."
    )
    size = _text("Width and height in pixels, such as 1024x1536; needs fit.", pattern=_SIZE)
    return {"thread_id": thread, **_out(settings), **_force(), "size": size, "fit": _fit()}


def _out(settings: Settings) -> Schemas:
    first = settings.roots[0]
    where = f"inside {_listed(settings.roots)}; relative ones begin in {first}"
    told = f"Where to save it: a path that ends in .png, .jpg or .webp, {where}. Missing folders are made."
    return {"out": _text(f"{told} Left out: a new name in {first}.")}


def _force() -> Schemas:
    return {"force": _flag("Replace the file at out if there is one; without it an existing file is an error.")}


def _fit() -> dict[str, Any]:
    return _flag("Scale and crop the picture to size exactly, around its centre; needs size.")


def look(settings: Settings) -> Schemas:
    """How it should look, and where it goes: what the owner has not allowed is not among it."""
    schemas = {
        **_out(settings),
        **_force(),
        "count": _number(
            "How many pictures of this prompt; more than one are saved as stem-1.png, stem-2.png and so on.",
            type="integer", minimum=1, maximum=MAX_COUNT, default=1,
        ),
        "size": _text(
            "Wished width and height in pixels, such as 1024x1536. A wish: what comes may differ, and a warning says"
            " so. With fit it is exact.",
            pattern=_SIZE,
        ),
        "aspect_ratio": _text("Wished width to height, such as 16:9.", pattern=r"^\d{1,3}:\d{1,3}$"),
        "fit": _fit(),
        "resolution": _text("Wished resolution.", enum=list(RESOLUTIONS)),
        "quality": _text("Wished quality.", enum=list(QUALITIES)),
        "transparent": _flag("Wish for a transparent background: for icons, logos, stickers."),
        "format": _text("File format; left out: by the suffix of out, else png.", enum=["png", "jpeg", "webp"]),
        "timeout_sec": _number(
            "Seconds for the whole call; less than 120 is unkind.",
            type="number", exclusiveMinimum=0, default=DEFAULT_TIMEOUT_SEC,
        ),
        "model": _text("Which model calls the image tool; leave it out unless the user names one."),
    }  # fmt: skip
    if len(settings.backends) > 1:
        told = "Who makes it; runcomfy costs the user money: choose it only when asked to."
        schemas["backend"] = _text(told, enum=list(settings.backends), default=settings.backends[0])
    return schemas


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description, "default": False}


def _number(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, **more}


def _listed(folders: tuple[str, ...]) -> str:
    return " or ".join(folders)
