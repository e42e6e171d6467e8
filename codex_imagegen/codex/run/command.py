"""The command line of a run: the Codex to start, its options, the developer instructions, and its environment.

:func:`resumed_thread` looks in the user's own arguments (``--codex-arg``) for a subcommand of ``codex exec``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from codex_imagegen.errors import CodexMissing, UsageError
from codex_imagegen.request import ImageOptions

MAX_PROMPT_CHARS = 1_048_576
"""Codex's own limit, in characters (measured on 0.111.0 to 0.169.0)."""

MAX_REFERENCES = 5
"""The image tool's own limit: with a sixth it makes no picture (measured on 0.144.0 to 0.169.0)."""

WITHHELD = ("CODEX_API_KEY", "OPENAI_API_KEY")
"""Variables with an API key, which would be billed instead of the plan."""

EXEC_TIMEOUT_PRAGMA = '// @exec: {"yield_time_ms": 600000}'
"""Keeps Codex from handing an unfinished code-mode script back to the model, which costs a model call each time:
after 10 s on 0.144.6, after 30 s from 0.149.1 on, where the tool itself asks the model for 120 s (measured)."""

INSTRUCTIONS = (
    "This is a run of a picture-making command; nobody reads your words. The user's message is a picture's prompt. "
    "Call the image generation tool exactly once, at once, with the user's message as its prompt: word for word, "
    "unchanged, not translated, shortened or embellished. {references}{options}A picture takes a minute or two: where "
    "the tool is called from a script, let the script's first line be "
    + EXEC_TIMEOUT_PRAGMA
    + ", and while it is still "
    "running, wait for it in the same way. Use no other tool, ask nothing, and stop when the picture is made."
)
_REFERENCES = (
    "The attached pictures are references for it: hand all {count} of them to the tool, in their order, as the "
    "pictures to work from. "
)

SUBCOMMANDS_WITHOUT_PICTURE = ("fork", "review")
"""Subcommands that read no prompt from stdin, and so make no picture (``fork``: in 0.169.0, not in 0.138.0)."""

OPTIONS_WITH_VALUE = {
    "-c", "--config", "--enable", "--disable", "-i", "--image", "-m", "--model", "--local-provider", "-p", "--profile",
    "-s", "--sandbox", "-C", "--cd", "--add-dir", "--output-schema", "--color", "-o", "--output-last-message",
    "--thread-source", "--cyber-access-program",
}  # fmt: skip
"""The options of ``codex exec`` whose value is the next argument (0.111.0 to 0.169.0)."""


def check_prompt(prompt: str) -> None:
    """Raise :class:`UsageError` for a prompt that is empty, or that Codex would refuse."""
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="say what to draw with --prompt")
    if "\0" in prompt:
        raise UsageError("the prompt has a NUL character in it", hint="remove it")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise UsageError(
            f"the prompt has {len(prompt):,} characters; Codex takes at most {MAX_PROMPT_CHARS:,}", hint="shorten it"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the prompt is not valid Unicode text", hint="give it as UTF-8") from error


def find_codex(given: str | None, environment: Mapping[str, str]) -> str:
    """The absolute path of the Codex CLI: ``--codex`` (a path, or a name on PATH), or else ``codex`` on PATH.

    Raises :class:`CodexMissing` where there is none.
    """
    name = given or "codex"
    if os.sep in name:
        path = os.path.abspath(os.path.expanduser(name))
        if not os.path.isfile(path):
            raise CodexMissing(f"there is no Codex CLI at {name!r}", hint="check the path given to --codex")
        if not os.access(path, os.X_OK):
            raise CodexMissing(f"{name!r} can't be executed", hint="check the path given to --codex")
        return path
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or os.curdir, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise CodexMissing(
        f"no Codex CLI was found: no {name!r} is on PATH",
        hint="install the Codex CLI, and log in:\nnpm install -g @openai/codex\ncodex login\n"
        "or try the program without it:\ncodex-imagegen demo",
    )


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that Codex gets: the user's, without the API keys that would be billed instead of the plan.

    A relative CODEX_HOME is made absolute, since Codex runs in another folder.
    """
    kept = {
        name: value for name, value in environment.items() if name not in WITHHELD and not name.startswith("RUNCOMFY_")
    }
    if kept.get("CODEX_HOME"):
        kept["CODEX_HOME"] = os.path.abspath(kept["CODEX_HOME"])
    return kept


def build_argv(
    codex: str,
    folder: str,
    *,
    references: Sequence[str] = (),
    image_options: ImageOptions | None = None,
    model: str | None = None,
    settings: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> list[str]:
    """The whole command line. The prompt is not on it: it goes through stdin.

    ``references`` are absolute paths without commas, at which ``-i`` would split; ``settings`` are ``-c`` values (see
    :mod:`codex_imagegen.codex.features`); ``extra`` are the user's own arguments, last, so that they win.
    """
    developer_instructions = build_instructions(len(references), image_options or ImageOptions())
    line = [codex, "exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"]
    line += ["--enable", "image_generation", "-C", folder]
    for setting in (f"developer_instructions={json.dumps(developer_instructions)}", *settings):
        line += ["-c", setting]
    if model:
        line.append(f"--model={model}")
    line += [f"--image={path}" for path in references]
    return [*line, *extra]


def build_instructions(references: int, image_options: ImageOptions) -> str:
    """The developer instructions for the model; the prompt itself is sent unchanged."""
    sentence = _REFERENCES.format(count=references) if references else ""
    return INSTRUCTIONS.replace("{references}", sentence).replace("{options}", describe_options(image_options))


def describe_options(image_options: ImageOptions) -> str:
    """The options as one sentence with a space after it, or an empty text. The tool has no parameters for them."""
    parts = []
    if image_options.size:
        parts.append(f"{image_options.size[0]} pixels wide and {image_options.size[1]} pixels high")
    if image_options.aspect_ratio:
        parts.append(f"of the aspect ratio {image_options.aspect_ratio} (width to height)")
    if image_options.resolution:
        parts.append(f"of about {image_options.resolution.upper()} resolution")
    if image_options.quality:
        parts.append(f"of {image_options.quality} rendering quality")
    if image_options.transparent:
        parts.append("on a fully transparent background (set transparent_background where the tool has it)")
    return f"The picture should be {', '.join(parts)}. " if parts else ""


def resumed_thread(arguments: Sequence[str]) -> str | None:
    """The thread that the arguments resume: ``""`` if they do not name it, and None if they resume none.

    Raises :class:`UsageError` for a subcommand that makes no picture, and for a prompt: Codex would draw that one, even
    if it is stopped before it has read the prompt on stdin.
    """
    subcommand, *words = _positionals(arguments) or [""]
    if subcommand in SUBCOMMANDS_WITHOUT_PICTURE:
        raise UsageError(
            f"codex exec {subcommand} makes no picture",
            hint="to continue a thread, give --codex-arg resume --codex-arg THREAD",
        )
    if subcommand not in {"", "resume"} or len(words) > 1 or (words and "--last" in arguments):
        raise UsageError(
            "--codex-arg can't be a prompt", hint="use --prompt for it; the value of an option comes right after it"
        )
    return "".join(words) if subcommand else None


def refuse_resume(arguments: Sequence[str], where: str) -> None:
    """Raise :class:`UsageError` for arguments that resume a thread; ``where`` is what makes several pictures."""
    if resumed_thread(arguments) is not None:
        raise UsageError(
            f"--codex-arg resume continues one thread, and {where} is for several pictures",
            hint="make the pictures of a thread one at a time, with the default command and without --count",
        )


def _positionals(arguments: Sequence[str]) -> list[str]:
    """The arguments that are neither options nor values of options."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)  # what follows is neither an option nor a subcommand
    no_values = [
        word for previous, word in zip(["", *words], words[:end], strict=False) if previous not in OPTIONS_WITH_VALUE
    ]
    return [word for word in no_values if not word.startswith("-")] + words[end:]
