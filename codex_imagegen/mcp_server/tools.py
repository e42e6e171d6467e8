"""The tools as a model sees them: their descriptions, and their arguments as JSON Schemas.

A model knows nothing else about this program. The arguments have the names of the command's options.
"""

from __future__ import annotations

from typing import Any

from mcp.types import Tool, ToolAnnotations

from codex_imagegen.codex.run.command import MAX_PROMPT_CHARS, MAX_REFERENCES
from codex_imagegen.mcp_server.settings import MAX_COUNT, Settings
from codex_imagegen.options import QUALITIES, RESOLUTIONS
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC
from codex_imagegen.runcomfy.inputs import MAX_REFERENCES as MAX_RUNCOMFY
from codex_imagegen.schemas import load_schemas


def _join_lines(text: str) -> str:
    """Join the lines of each paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


INSTRUCTIONS = _join_lines("""
Makes pictures with GPT Image 2 through the user's own ChatGPT plan, and saves them as files. generate_image draws from
a text, edit_image works from existing pictures. A picture takes 30 to 90 seconds and uses up the user's quota: call
once, wait for the answer, and never repeat a call to see whether it works. When a call fails or is cut off, call
recover_image before you try again: it fetches a picture that was finished meanwhile, at no cost.
""")

_COMMON = """
It takes 30 to 90 seconds and spends the user's quota, so call it once for each requested picture and wait; do not
call it again while it runs. For several variants of one prompt use count. The prompt is sent word for word: write it
as you would brief an artist (subject, style, composition, light, any lettering in quotes), in any language, and use
the other parameters for size, ratio and transparency.

Answers with the absolute path of the file, a small preview of it, and the details as structured content. On failure
the first word is a code. timeout, network or interrupted: call recover_image before you try again. usage-limit: do not
try again before resets_at, and inform the user. moderation: change the prompt. usage: correct the arguments.
"""

_GENERATE = f"""
Make a new picture from a text (photo, illustration, icon, logo, diagram, texture, …) and save it as a file. Use
edit_image instead to change, combine or imitate existing pictures.
{_COMMON}"""

_EDIT = f"""
Make a picture from 1 to {MAX_REFERENCES} existing ones and a text, and save it as a new file: change a picture, combine
several, keep a character or a style. The references are not changed. In the prompt call them image 1, image 2, … in the
order of refs, and say what must stay the same: "the cat of image 1 in the style of image 2, same pose".
{_COMMON}"""

_RECOVER = """
Fetch a picture that was made before: after a call that timed out, failed otherwise or was cancelled, or whose file was
lost. Costs no quota, makes nothing new, and takes a second. Give the thread_id that a failure or a result named.
Without it, the tool fetches the one picture that this server was asked for and did not deliver, or else its last one;
if several may be meant, the error lists their thread_ids. The code no-picture means that no picture was finished: then,
and only then, call generate_image or edit_image again.
"""

_DOCTOR = """
Check whether this machine can make pictures, and if not, why: the Codex CLI, its login and plan, the remaining quota
and when it resets, folders, disk space, network. Spends nothing, takes a few seconds. Call it when a picture failed
with codex-missing, codex-too-old, codex-incomplete, not-logged-in, tool-unavailable, network, session-missing or
usage-limit, or when the user asks how much quota is left; then tell the user what to do.
"""


def build_tools(settings: Settings) -> list[Tool]:
    """Build the tools with exact schemas, without the arguments that the settings don't allow."""
    prompt, refs, image_options = prompt_schema(), refs_schema(settings), option_schemas(settings)
    return [
        _tool("generate_image", "Generate an image", _GENERATE, prompt | image_options, ["prompt"]),
        _tool("edit_image", "Edit images", _EDIT, prompt | refs | image_options, ["prompt", "refs"]),
        _tool("recover_image", "Recover an image", _RECOVER, recovery_schemas(settings), [], paid=False),
        Tool(
            name="doctor",
            title="Check the setup",
            description=_join_lines(_DOCTOR),
            input_schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            output_schema=_output_schema("doctor"),
            annotations=ToolAnnotations(title="Check the setup", read_only_hint=True, open_world_hint=True),
        ),
    ]


def _tool(
    name: str, title: str, description: str, properties: dict[str, Any], required: list[str], *, paid: bool = True
) -> Tool:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    hints = ToolAnnotations(
        title=title, read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=paid
    )
    return Tool(
        name=name,
        title=title,
        description=_join_lines(description),
        input_schema=schema,
        output_schema=_output_schema("result"),
        annotations=hints,
    )


def _output_schema(kind: str) -> dict[str, Any]:
    """The schema of ``--json``, without ``$schema`` and ``$id``.

    Some clients support only one dialect, or reject a second schema with the same id.
    """
    schema = load_schemas()[kind]
    return {key: _make_portable(value) for key, value in schema.items() if key not in {"$schema", "$id"}}


def _make_portable(schema: Any) -> Any:
    """Replace lists of types by ``anyOf``: not every client supports such lists."""
    if isinstance(schema, list):
        return [_make_portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _make_portable(value) for key, value in schema.items()}
    if isinstance(result.get("type"), list):
        result["anyOf"] = [{"type": name} for name in result.pop("type")]
    return result


Schemas = dict[str, dict[str, Any]]
_SIZE = r"^\d{1,5}x\d{1,5}$"


def prompt_schema() -> Schemas:
    """The prompt."""
    return {"prompt": _text_schema("What to draw, sent word for word.", minLength=1, maxLength=MAX_PROMPT_CHARS)}


def refs_schema(settings: Settings) -> Schemas:
    """The references."""
    most = MAX_RUNCOMFY if "runcomfy" in settings.backends else MAX_REFERENCES
    where = f"inside {_join_folders(settings.ref_roots)}; relative ones start in {settings.ref_roots[0]}"
    description = (
        f"Paths of the reference pictures (PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF), at most {MAX_REFERENCES}, {where}."
    )
    if "runcomfy" in settings.backends:
        description += f" With runcomfy at most {most}, and https URLs too."
    items = {"type": "string"}
    return {"refs": {"type": "array", "items": items, "minItems": 1, "maxItems": most, "description": description}}


def recovery_schemas(settings: Settings) -> Schemas:
    """The picture to recover, and the output."""
    thread = _text_schema(
        "The thread_id of the failure or the result. Default: the picture that this server did not deliver, or its last"
        " one."
    )
    size = _text_schema("Width and height in pixels, such as 1024x1536; needs fit.", pattern=_SIZE)
    return {"thread_id": thread, **_out_schema(settings), **_force_schema(), "size": size, "fit": _fit_schema()}


def _out_schema(settings: Settings) -> Schemas:
    first = settings.roots[0]
    where = f"inside {_join_folders(settings.roots)}; relative ones start in {first}"
    description = (
        f"Where to save it: a file that ends in .png, .jpg or .webp, or a folder, {where}. Missing folders are created."
    )
    return {"out": _text_schema(f"{description} In a folder, and by default in {first}, it gets a new name.")}


def _force_schema() -> Schemas:
    return {"force": _flag_schema("Replace the file at out if there is one; without it an existing file is an error.")}


def _fit_schema() -> dict[str, Any]:
    return _flag_schema("Scale and crop the picture to size exactly, around its centre; needs size.")


def option_schemas(settings: Settings) -> Schemas:
    """The output and the picture's options, without those that the settings don't allow."""
    schemas = {
        **_out_schema(settings),
        **_force_schema(),
        "count": _number_schema(
            "How many pictures of this prompt; more than one are saved as stem-1.png, stem-2.png and so on.",
            type="integer", minimum=1, maximum=MAX_COUNT, default=1,
        ),
        "size": _text_schema(
            "Requested width and height in pixels, such as 1024x1536. The picture may differ, and a warning says so."
            " With fit it is exact.",
            pattern=_SIZE,
        ),
        "aspect_ratio": _text_schema("Requested width to height, such as 16:9.", pattern=r"^\d{1,3}:\d{1,3}$"),
        "fit": _fit_schema(),
        "resolution": _text_schema("Requested resolution.", enum=list(RESOLUTIONS)),
        "quality": _text_schema("Requested quality.", enum=list(QUALITIES)),
        "transparent": _flag_schema("Request a transparent background: for icons, logos, stickers."),
        "format": _text_schema("File format. Default: by the suffix of out, else png.", enum=["png", "jpeg", "webp"]),
        "timeout_sec": _number_schema(
            "Seconds for the whole call; less than 120 often ends before the picture is done.",
            type="number", exclusiveMinimum=0, default=DEFAULT_TIMEOUT_SEC,
        ),
        "model": _text_schema("Which model calls the image tool; leave it out unless the user names one."),
    }  # fmt: skip
    if len(settings.backends) > 1:
        description = "Which service makes it; runcomfy costs the user money: choose it only when asked to."
        schemas["backend"] = _text_schema(description, enum=list(settings.backends), default=settings.backends[0])
    return schemas


def _text_schema(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _flag_schema(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description, "default": False}


def _number_schema(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, **more}


def _join_folders(folders: tuple[str, ...]) -> str:
    return " or ".join(folders)
