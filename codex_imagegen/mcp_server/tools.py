"""The tools as a model sees them: all that it ever learns about this program stands here.

The arguments of the tools as JSON Schemas, by the names of the command's options.
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


def _flowing(text: str) -> str:
    """The text with its paragraphs as lines: the breaks inside them are of this file alone."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


INSTRUCTIONS = _flowing("""
Makes pictures with GPT Image 2 through the user's own ChatGPT plan, and saves them as files. generate_image draws from
words, edit_image works from pictures that are there. A picture takes 30 to 90 seconds and uses up the user's quota:
call once, wait for the answer, and never repeat a call to see whether it works. When a call fails or is cut off, call
recover_image before you try again: a picture that was finished meanwhile is fetched for nothing.
""")

_COMMON = """
It takes 30 to 90 seconds and spends the user's quota, so call it once for each picture that is wanted and wait; do not
call it again while it runs. For several variants of one prompt use count. The prompt is sent word for word: write it
as you would brief an artist (subject, style, composition, light, any lettering in quotes), in any language, and leave
size, ratio and transparency to their own parameters.

Answers with the absolute path of the file, a small preview of it, and the details as structured content. On failure
the first word is a code. timeout, network or interrupted: call recover_image before you try again. usage-limit: do not
try again before resets_at, and tell the user. moderation: change the prompt. usage: correct the arguments.
"""

_GENERATE = f"""
Make a new picture from words (photo, illustration, icon, logo, diagram, texture, …) and save it as a file. Use
edit_image instead to change, combine or imitate pictures that exist.
{_COMMON}"""

_EDIT = f"""
Make a picture from 1 to {MAX_REFERENCES} existing ones and words, and save it as a new file: change a picture, combine
several, keep a character or a style. The references are not changed. In the prompt call them image 1, image 2, … in the
order of refs, and say what shall stay as it is: "the cat of image 1 in the style of image 2, same pose".
{_COMMON}"""

_RECOVER = """
Fetch a picture that was made before: after a call that ended in a timeout or another failure, that was cancelled, or
whose file was lost. Costs no quota, makes nothing new, and takes a second. With the thread_id that a failure or a
result names; without it, the one picture that this server was asked for and did not deliver is meant, or else its last
one. Where several may be meant, the error lists their thread_ids. The code no-picture means that none was finished:
then, and only then, call generate_image or edit_image again.
"""

_DOCTOR = """
Look whether pictures can be made on this machine, and why not: the Codex CLI, its login and plan, what is left of the
limits and when they begin anew, folders, space, network. Spends nothing, takes a few seconds. Call it when a picture
failed with codex-missing, codex-too-old, codex-incomplete, not-logged-in, tool-unavailable, network, session-missing or
usage-limit, or when the user asks how much is left; then tell the user what to do.
"""


def tools(settings: Settings) -> list[Tool]:
    """The tools with exact schemas; what the owner has not allowed is not in them."""
    prompt, refs, look = prompt_schema(), refs_schema(settings), look_schemas(settings)
    return [
        _tool("generate_image", "Generate an image", _GENERATE, prompt | look, ["prompt"]),
        _tool("edit_image", "Edit images", _EDIT, prompt | refs | look, ["prompt", "refs"]),
        _tool("recover_image", "Recover an image", _RECOVER, found_schemas(settings), [], paid=False),
        Tool(
            name="doctor",
            title="Check the setup",
            description=_flowing(_DOCTOR),
            input_schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False},
            output_schema=_answered("doctor"),
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
        description=_flowing(description),
        input_schema=schema,
        output_schema=_answered("result"),
        annotations=hints,
    )


def _answered(kind: str) -> dict[str, Any]:
    """The schema of ``--json``, without what clients stumble over that know one dialect, or one schema of an id."""
    whole = load_schemas()[kind]
    return {key: _portable(value) for key, value in whole.items() if key not in {"$schema", "$id"}}


def _portable(schema: Any) -> Any:
    """The same schema with a type a place: not every client knows that there may be several."""
    if isinstance(schema, list):
        return [_portable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    same = {key: _portable(value) for key, value in schema.items()}
    if isinstance(same.get("type"), list):
        same["anyOf"] = [{"type": each} for each in same.pop("type")]
    return same


Schemas = dict[str, dict[str, Any]]
_SIZE = r"^\d{1,5}x\d{1,5}$"


def prompt_schema() -> Schemas:
    """What is to be drawn."""
    return {"prompt": _text("What to draw, sent word for word.", minLength=1, maxLength=MAX_PROMPT_CHARS)}


def refs_schema(settings: Settings) -> Schemas:
    """What it is to be drawn from."""
    most = MAX_RUNCOMFY if "runcomfy" in settings.backends else MAX_REFERENCES
    where = f"inside {_listed(settings.ref_roots)}; relative ones begin in {settings.ref_roots[0]}"
    told = f"Paths of the reference pictures (PNG, JPEG, WebP), at most {MAX_REFERENCES}, {where}."
    if "runcomfy" in settings.backends:
        told += f" With runcomfy at most {most}, and https URLs too."
    return {
        "refs": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most, "description": told}
    }


def found_schemas(settings: Settings) -> Schemas:
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


def look_schemas(settings: Settings) -> Schemas:
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
