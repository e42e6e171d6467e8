"""The tools as a model sees them: all that it ever learns about this program stands here."""

from __future__ import annotations

from typing import Any

from mcp.types import Tool, ToolAnnotations

from codex_imagegen.codex.run.command import MAX_REFERENCES
from codex_imagegen.mcp_server import parameters
from codex_imagegen.mcp_server.settings import Settings
from codex_imagegen.schemas.kinds import KINDS


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
    prompt, refs, look = parameters.prompt(), parameters.refs(settings), parameters.look(settings)
    return [
        _tool("generate_image", "Generate an image", _GENERATE, prompt | look, ["prompt"]),
        _tool("edit_image", "Edit images", _EDIT, prompt | refs | look, ["prompt", "refs"]),
        _tool("recover_image", "Recover an image", _RECOVER, parameters.found(settings), [], paid=False),
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
    whole = KINDS[kind].schema(kind)
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
