"""The result of a tool call: a text for the model, previews, and the JSON object of ``--json`` as structured content.

A preview is the picture itself if it is small enough for a message, or else a copy with fewer pixels.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError
from codex_imagegen.images import references
from codex_imagegen.images.decode import open_image
from codex_imagegen.mcp_server.settings import Settings
from codex_imagegen.results import ErrorInfo, Image, Result

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


_RECOVER_COMMAND = re.compile(r"codex-imagegen recover ([0-9a-f-]{36}) --out .+\Z", re.DOTALL)
"""The end of a command-line hint (see ``generation``) after Codex started a session."""
_DOCTOR_COMMAND = re.compile(r"codex-imagegen doctor\Z")
_SURROGATES = re.compile("[\ud800-\udfff]")

MAX_SIDE = 1024
"""Pixels: as large as a conversation shows it, and smaller than the size that models scale pictures down to."""
_MIN_SIDE = 32
_QUALITY = 85
_SCALE = 0.75


def format_error(error: ImagegenError, settings: Settings) -> CallToolResult:
    """Make the answer of a failed call."""
    return format_result(render.failure_result(error), settings)


def format_result(result: Result, settings: Settings) -> CallToolResult:
    """Make the answer of a completed call; it is an error if there is no picture."""
    failures = tuple(replace(failure, error=_rewrite_hint(failure.error)) for failure in result.failures)
    result = replace(result, error=_rewrite_hint(result.error) if result.error else None, failures=failures)
    blocks: list[ContentBlock] = [TextContent(text=_SURROGATES.sub("\ufffd", "\n".join(_text_lines(result))))]
    if settings.preview_kb and result.images:
        limit = settings.preview_kb * 1000 // len(result.images)
        blocks += [block for image in result.images if (block := _preview_block(image, limit, settings))]
    return CallToolResult(
        content=blocks, structured_content=_replace_surrogates(render.envelope(result)), is_error=not result.images
    )


def format_doctor_report(report: dict[str, Any]) -> CallToolResult:
    """Make the answer of the doctor; problems that it finds are not an error of the call."""
    lines = [_format_check(check) for check in report["checks"]]
    lines.insert(0, "Pictures can be made here." if report["ok"] else "No picture can be made here as it is.")
    return CallToolResult(content=[TextContent(text="\n".join(lines))], structured_content=_replace_surrogates(report))


def _replace_surrogates(value: dict[str, Any]) -> dict[str, Any]:
    """Replace unpaired surrogates, which the SDK can't send; a path may contain some."""
    return dict(json.loads(_SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False))))


def _format_check(check: dict[str, Any]) -> str:
    hint = f" ({render.hint_line(check['hint'])})" if check["hint"] else ""
    return render.one_line(f"{check['status']}: {check['name']}: {check['message']}{hint}")


def _rewrite_hint(error: ErrorInfo) -> ErrorInfo:
    """Replace the commands in the error's hint for which there is a tool by a call of it."""
    if error.hint is None:
        return error
    hint = _RECOVER_COMMAND.sub(r'recover_image(thread_id="\1")', error.hint)
    return replace(error, hint=_DOCTOR_COMMAND.sub("doctor()", hint))


def _text_lines(result: Result) -> Iterator[str]:
    yield from (image.path for image in result.images)
    if result.error:
        yield _error_line(result.error)
    for image in result.images:
        yield f"{image.width} x {image.height} {image.format}, {image.bytes:,} bytes"
    if result.thread_id:
        yield f"thread_id {result.thread_id}"
    for warning in result.warnings:
        yield render.one_line(f"warning: {warning.message}")


def _error_line(error: ErrorInfo) -> str:
    spent = {True: "Quota or money was used.", False: "Nothing was spent.", None: "Something may have been spent."}
    hint = f" ({render.hint_line(error.hint)})" if error.hint else ""
    return render.one_line(f"{error.code}: {error.message.rstrip('.')}.{hint} {spent[error.spent]}")


def _preview_block(image: Image, limit: int, settings: Settings) -> ImageContent | None:
    """A preview of the written picture, or None if the file has changed or can't be read."""
    try:
        data = references.load(image.path, settings.roots).data
        content = make_preview(data, limit) if hashlib.sha256(data).hexdigest() == image.sha256 else None
    except (ImagegenError, OSError, ValueError):
        return None
    return None if content is None else ImageContent(data=content[0], mime_type=content[1])


def make_preview(data: bytes, limit: int) -> tuple[str, str] | None:
    """Return (base64 of at most ``limit`` characters, its MIME type), or None if no copy is small enough."""
    with open_image(data) as (image, kind):
        if max(image.size) <= MAX_SIDE and len(text := _base64(data)) <= limit:
            return text, f"image/{kind}"
        side = MAX_SIDE
        while side >= _MIN_SIDE:
            copy, mime_type = _scale_down(image, side)
            if len(text := _base64(copy)) <= limit:
                return text, mime_type
            side = int(side * _SCALE)
    return None


def _scale_down(image: PillowImage, side: int) -> tuple[bytes, str]:
    """Make a copy of at most ``side`` pixels on each side: a JPEG, or a PNG if the picture is transparent."""
    is_transparent = image.has_transparency_data
    copy = image.convert("RGBA" if is_transparent else "RGB")
    copy.thumbnail((side, side))
    target = io.BytesIO()
    if is_transparent:
        copy.save(target, "PNG", optimize=True)
        return target.getvalue(), "image/png"
    copy.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue(), "image/jpeg"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
