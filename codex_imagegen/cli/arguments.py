"""What was meant by wrong arguments: prompts without quotes, mistyped commands and options, files in a wrong place.

Imported for a prompt without ``--prompt``, and for wrong arguments. Nothing here is guessed and then run: what is not
certain is refused, with the command that was probably meant.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NoReturn

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import (
    ARGUMENT,
    OPTION,
    VALUE,
    long_options,
    options_with_value,
    parameters_below,
    read_words,
)
from codex_imagegen.errors import UsageError
from codex_imagegen.options import find_closest, find_remark
from codex_imagegen.request import STDOUT

PROGRAM = "codex-imagegen"
EXAMPLE = f'{PROGRAM} "a red fox in the snow"'
_CHANGE = "what to change"

_MAX_COMMAND = 400
"""Characters of a command that is offered to be copied; a longer one would hide the sentence before it."""
_MAX_SHOWN = 60
_PICTURES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif",
)  # fmt: skip
_LONG_DASHES = "‐‑‒–—―−"
"""What a word processor makes of ``--``."""
_ONE_PROMPT = ("a run takes one prompt", "run it once for each, or use batch; or, for one picture, did you mean")
_SIGNS = {"--size": "x", "--aspect-ratio": ":"}
_QUOTES = "\"'“”„‟«»‘’"
_EXTRA = re.compile(r"Got unexpected extra argument.*\((.*)\)\Z", re.DOTALL)
_MISSING_COMMAND = re.compile(r"No such command '(.*?)'\.", re.DOTALL)

_ANSWERS = {
    "list ls history sessions log logs past": ("to list past pictures", f"{PROGRAM} recover --list"),
    "last latest resume continue restore undo get fetch download export extract save":
        ("to fetch the picture that was made last", f"{PROGRAM} recover --last"),
    "show view open browse pictures images viewer": ("to look at all pictures", f"{PROGRAM} gallery --open"),
    "status check info health diagnose test whoami account usage quota limits setup init configure verify":
        ("to check the installation, the login and the limits", f"{PROGRAM} doctor"),
    "clean cleanup clear delete remove rm purge gc": ("to remove old sessions", f"{PROGRAM} prune"),
    "bulk many jobs": ("to make many pictures, with a prompt a line", f"{PROGRAM} batch prompts.txt"),
    "try tutorial example examples": ("to try the program without an account", f"{PROGRAM} demo"),
    "serve server": ("to serve agents", f"{PROGRAM} mcp"),
    "install agent agents": ("to install the instructions for agents", f"{PROGRAM} skill install"),
    "completions complete autocomplete": ("to print a shell's completion script", f"{PROGRAM} completion bash"),
    "login signin auth authenticate": ("there is no login but Codex's own", "codex login"),
    "logout signout": ("there is no login but Codex's own", "codex logout"),
    "update upgrade": ("update it with what installed it, such as uv or pipx", f"pipx upgrade {PROGRAM}"),
    "config settings options preferences": ("every setting is an option; to see them all", f"{PROGRAM} --help"),
    "wait cancel submit": ("requests at RunComfy have commands of their own", f"{PROGRAM} runcomfy --help"),
    "edit change modify redraw remix": ("to change a picture", f'{PROGRAM} "{_CHANGE}" --ref picture.png'),
    "draw create new make image img picture paint render imagine gen run": ("to draw", EXAMPLE),
}  # fmt: skip
"""What people type in place of a command: what it does here, and the command to copy."""
_DRAWING = ("edit", "draw")
"""The first words of the answers after which the prompt may follow."""


def replace_word(args: list[str], commands: Mapping[str, object]) -> list[str]:
    """Return the arguments with ``help`` and ``version`` as the options that do it; raises :class:`UsageError`."""
    word, rest = args[0], args[1:]
    if word == "version":
        if rest and any(each[:1] != "-" for each in rest):
            raise UsageError("'version' takes no arguments", hint=_offer("to see the version", [word]))
        return ["--version", *rest]
    if word != "help":
        return args
    if rest and rest[0][:1] != "-" and rest[0] not in commands and rest != [word]:
        close = _closest_command(rest[0], commands)
        offer = _offer("did you mean", [word, close]) if close else _offer("to see the help", ["--help"])
        raise UsageError(f"{_show(rest[0])} is not a command", hint=offer)
    return [*(each for each in rest if each != word), "--help"]


def refuse_command(args: Sequence[str], default: click.Command, commands: Mapping[str, object]) -> None:
    """Refuse a first word that is no command, if it is like one; else it is left to :func:`check_prompt`."""
    words = list(read_words(args, options_with_value(default)))
    others = [word for word, kind in words[1:] if kind == ARGUMENT]
    if not _is_path(args[0]):
        _refuse_alias(args, others, words)
        _refuse_typo(args[0], args[1:], _leading_arguments(words[1:]), commands)


def check_prompt(words: Sequence[str], prompt: str | None, prompt_file: str | None) -> str | None:
    """Return the prompt that is the only argument, ``-`` for stdin; raises :class:`UsageError` for anything else."""
    ctx = click.get_current_context()
    commands = ctx.find_root().command.list_commands(ctx)  # type: ignore[attr-defined]
    typed = list(read_words(ctx.meta["arguments"], options_with_value(ctx.command)))
    if not words and prompt is not None:
        raise UsageError("--prompt and --prompt-file contradict each other", hint="give one of them")
    if not words:
        raise UsageError("there is no prompt", hint=f"say what to draw, or give - to read it from stdin:\n{EXAMPLE}")
    _refuse_late_option(words, ctx.command)
    _refuse_late_command(words, typed, commands)
    _refuse_long_dashes(words, ctx.command)
    _refuse_cut_values(typed)
    if prompt is not None or prompt_file is not None:
        _refuse_second(words, typed)
    if len(words) > 1:
        _refuse_several(words, typed)
    _check_word(words[0], typed, commands)
    return words[0]


def explain(error: click.UsageError, args: Sequence[str]) -> UsageError:
    """Return click's error as one of this program, with a hint at what was meant."""
    ctx = error.ctx
    if ctx is None:
        return UsageError(error.format_message(), hint=f"for help:\n{PROGRAM} --help")
    hint, message = f"for help:\n{ctx.command_path} --help", error.format_message()
    missing, extra = _MISSING_COMMAND.match(message), _EXTRA.match(message)
    if isinstance(error, click.NoSuchOption):
        return _explain_option(error.option_name, ctx, args, hint)
    if missing and isinstance(ctx.command, click.Group):
        close = find_closest(missing[1], ctx.command.commands)
        message = f"{_show(missing[1])} is not a command of {ctx.command_path}"
        hint = f"did you mean:\n{ctx.command_path} {close[0]}" if close else hint
    elif extra and f"--{extra[1]}" in long_options(ctx.command) | {"--help"}:
        hint = f"did you mean --{extra[1]}?"
    elif extra and "--prompt" in long_options(ctx.command):
        hint = "give what to draw with --prompt"
    elif extra and "--out" in long_options(ctx.command):
        hint = f"did you mean --out {extra[1]}?"
    return UsageError(message, hint=hint)


def _explain_option(name: str, ctx: click.Context, args: Sequence[str], see: str) -> UsageError:
    word = _find_option(name, args)
    if any(character.isspace() for character in word.partition("=")[0]):
        return _explain_quoted_option(word, ctx, args)
    root = ctx.find_root()
    commands = root.command.list_commands(root) if isinstance(root.command, click.Group) else ()
    if ctx.command.name == PROGRAM:
        typed = list(read_words(args, options_with_value(ctx.command)))
        _refuse_late_command([each for each, kind in typed if kind == ARGUMENT], typed, commands)
    return UsageError(f"there is no option {_show(word.partition('=')[0])}", hint=_option_hint(word, ctx) or see)


def _option_hint(word: str, ctx: click.Context) -> str | None:
    """Say what an unknown option may mean: here, in another program, in another command, or by its letters."""
    dashed, plain = word.partition("=")[0], word.partition("=")[0].strip("-").lower().replace("-", "_")
    names = {name[2:].replace("-", "_"): name for each in ctx.command.params for name in each.opts if name[:2] == "--"}
    names["help"] = "--help"
    if dashed == "-V" and "version" in names:
        return "did you mean --version?"
    if plain not in names and "prompt" in names and (remark := find_remark(plain)):
        return remark
    close = find_closest(plain, names, similar=False)
    if not close and (found := _other_command(dashed, ctx)):
        return f"it is an option of:\n{found}"
    close = close or find_closest(plain, names)
    return f"did you mean {' or '.join(names[each] for each in close)}?" if close else None


def _other_command(option: str, ctx: click.Context) -> str | None:
    """Return the command that has this option, as it is called there."""
    root = ctx.find_root()
    if not isinstance(root.command, click.Group):
        return None
    own = ctx.command_path.split()[1:2]
    for name in (*own, *root.command.list_commands(root)):
        command = root.command.get_command(root, name)
        for path, parameter in parameters_below(command, name) if command else ():
            if option[:2] == "--" and option in parameter.opts:
                takes_value = isinstance(parameter, click.Option) and not parameter.is_flag
                value = f" {parameter.metavar}" if takes_value and parameter.metavar else ""
                return f"{PROGRAM}{'' if path == 'generate' else ' ' + path} {option}{value}"
    return None


def _explain_quoted_option(word: str, ctx: click.Context, args: Sequence[str]) -> UsageError:
    """Explain an option with a space in it: options in quotes, or a prompt that begins with a dash."""
    first = word.split(maxsplit=1)[0].partition("=")[0]
    if first in long_options(ctx.command) | options_with_value(ctx.command):
        return UsageError(f"{_show(word)} is one argument", hint="leave out the quotes around the option")
    if "--prompt" not in long_options(ctx.command):
        return UsageError(f"there is no option {_show(word)}", hint=f"for help:\n{ctx.command_path} --help")
    rest = list(args[1:] if args[:1] == ["generate"] else args)
    at = rest.index(word)
    offer = _offer("write it behind --prompt", [*rest[:at], "--prompt", *rest[at:]])
    return UsageError(f"{_show(word)} begins with a dash, like an option", hint=offer)


def _find_option(name: str, args: Sequence[str]) -> str:
    """Return the word of the command line in which click did not find the option ``name``."""
    exact = [word for word in args if name in {word, word.partition("=")[0]}]
    bundled = [word for word in args if word[:1] == "-" != word[1:2] and name[1:2] in word[1:]]
    return next(iter(exact or bundled), name)


def _refuse_alias(args: Sequence[str], others: Sequence[str], words: Sequence[tuple[str, str]]) -> None:
    """Refuse what other programs call a command. With more words behind it, it is rather an unquoted prompt."""
    for aliases, (text, command) in _ANSWERS.items():
        if args[0].lower() in aliases.split():
            if others and aliases.startswith(_DRAWING):
                _refuse_several(others, words[1:], "no command is needed to draw")
            if len(others) < 2:
                raise UsageError(f"{_show(args[0])} is not a command", hint=f"{text}:\n{command}")


def _refuse_typo(word: str, rest: Sequence[str], others: Sequence[str], commands: Iterable[str]) -> None:
    """Refuse a mistyped command; with several words behind it, it is rather an unquoted prompt."""
    close = _closest_command(word, commands)
    if close and (len(others) < 2 or all(_is_path(each) or each == STDOUT for each in others)):
        text = "did you mean" if rest else "to draw this word, give it with --prompt; or did you mean"
        raise UsageError(f"{_show(word)} is not a command", hint=_offer(text, [close, *rest], f"did you mean {close}?"))


def _refuse_late_option(words: Sequence[str], command: click.Command) -> None:
    if late := [word for word in words if word.partition("=")[0] in long_options(command)]:
        raise UsageError(f"{late[0]} comes after --, where no option is read", hint="give the options before --")


def _refuse_late_command(words: Sequence[str], typed: Sequence[tuple[str, str]], commands: Iterable[str]) -> None:
    """Refuse a command's name behind options: ``--quiet gallery``."""
    first = words[0] if words else ""
    if first in {*commands, "help", "version"}:
        options = [word for word, kind in typed if kind != ARGUMENT and word != "--"]
        command = [first, *options, *words[1:]]
        raise UsageError(
            f"the command {first} must come first", hint=_offer("did you mean", command, "it must be the first word")
        )


def _refuse_long_dashes(words: Sequence[str], command: click.Command) -> None:
    """Refuse an option whose dashes have become one long dash on their way through a word processor."""
    for word in words:
        name = word.partition("=")[0].lstrip(_LONG_DASHES + "-")
        if word[:1] in set(_LONG_DASHES) and f"--{name}" in long_options(command) | {"--help"}:
            raise UsageError(f"{_show(word)} begins with a long dash", hint=f"did you mean --{name}?")


def _refuse_cut_values(typed: Sequence[tuple[str, str]]) -> None:
    """Refuse words behind an option's value that belong to it: ``--ref a.png b.png``, ``--prompt a red fox``."""
    for at, (word, kind) in enumerate(typed):
        more = _leading_arguments(typed[at + 1 :])
        name, value = (typed[at - 1][0], word) if kind == VALUE else (word.partition("=")[0], word.partition("=")[2])
        if not more or kind == ARGUMENT or not value:
            continue
        before, after = [each for each, _ in typed[: at if kind == OPTION else at - 1]], typed[at + 1 :]
        if (sign := _SIGNS.get(name)) and value.isdigit() and more[0].isdigit():
            raise UsageError(f"{name} takes one value", hint=f"did you mean {name} {value}{sign}{more[0]}?")
        if _is_cut(name, value, more):
            joined = [name, " ".join([value, *more]), *(each for each, _ in after[len(more) :])]
            several = name in {"-p", "--prompt"} and _are_prompts([value, *more])
            message, text = _ONE_PROMPT if several else (f"the value of {name} has spaces in it", "quote it")
            raise UsageError(message, hint=_offer(text, [*before, *joined]))
        files = [*takewhile(_is_picture, more)] if name in {"-r", "--ref"} else []
        if files:
            given = [*before, *_refs([value, *files]), *(each for each, _ in after[len(files) :])]
            raise UsageError("each reference needs its own --ref", hint=_offer("give each its own", given))


def _are_prompts(words: Sequence[str]) -> bool:
    """Return whether each of these words is a prompt that is in quotes already."""
    return len(words) > 1 and all(len(word.split()) > 1 and not _is_path(word) for word in words)


def _is_cut(name: str, value: str, more: Sequence[str]) -> bool:
    """Return whether the words behind an option's value belong to it."""
    if name in {"-p", "--prompt"}:
        return not any(_is_path(each) for each in more)
    if name in {"-r", "--ref", "--prompt-file", "--codex"}:
        return _is_path(" ".join([value, *more]))
    return name in {"-o", "--out"} and not os.path.splitext(value)[1] and _is_picture(more[-1])


def _refuse_second(words: Sequence[str], typed: Sequence[tuple[str, str]]) -> NoReturn:
    """Refuse an argument beside ``--prompt`` or ``--prompt-file``."""
    if all(_is_path(word) and _is_picture(word) for word in words):
        rest = [word for word, kind in typed if kind != ARGUMENT]
        offer = _offer("each reference needs its own --ref", [*rest, *_refs(words)])
        raise UsageError(f"{_show(words[0])} is a file, not a prompt", hint=offer)
    raise UsageError("the prompt is given twice", hint="give one of PROMPT, --prompt and --prompt-file")


def _refuse_several(
    words: Sequence[str], typed: Sequence[tuple[str, str]], message: str = "a prompt of several words needs quotes"
) -> NoReturn:
    """Refuse several arguments, with the command in which they are one prompt, references and the output."""
    files = [word for word in words if _is_path(word) and _is_picture(word)]
    options = [word for word, _ in typed]
    out = [word for word in words[-1:] if word not in files and _is_picture(word)]
    out = [] if {"-o", "--out"}.intersection(options) else out
    prompt = " ".join(word for word in words if word not in (*files, *out)).strip(_QUOTES)
    extra = [*_refs(files), *(part for name in out for part in ("--out", name))]
    if extra and len(words) - len([*files, *out]) < 2:
        message = f"{_show([*files, *out][0])} needs its option"
    message, text = _ONE_PROMPT if _are_prompts(words) else (message, "did you mean")
    raise UsageError(message, hint=_offer(text, _with_prompt(typed, prompt or _CHANGE, extra)))


def _check_word(word: str, typed: Sequence[tuple[str, str]], commands: Iterable[str]) -> None:
    """Refuse the only argument unless it is a prompt."""
    if word == STDOUT:
        if console.is_stdin_terminal():
            hint = f"pipe the prompt in, or quote it:\n{EXAMPLE}"
            raise UsageError("- reads the prompt from stdin, which is a terminal", hint=hint)
        return
    if not word.strip():
        raise UsageError("the prompt is empty", hint=f"say what to draw:\n{EXAMPLE}")
    if _is_path(word):
        _refuse_file(word, typed)
    parts = word.split()
    if len(parts) > 1 or not word.isascii():
        _refuse_quoted_command(word, parts, commands)
        return
    if _is_picture(word):
        offer = _offer("a name for the picture goes behind --out", _with_prompt(typed, "what to draw", ["--out", word]))
        raise UsageError(f"{_show(word)} is not a prompt", hint=offer)
    _refuse_alias([word], [], [])
    _refuse_typo(word, [], [], commands)
    hint = _offer("to draw it", _with_prompt(typed, word), "give it with --prompt")
    raise UsageError(f"{_show(word)} is not a command", hint=hint)


def _refuse_file(word: str, typed: Sequence[tuple[str, str]]) -> NoReturn:
    """Refuse an existing file as the prompt, and say how to use it."""
    suffix, is_folder = os.path.splitext(word)[1].lower(), os.path.isdir(os.path.expanduser(word))
    rest = [each for each, kind in typed if kind != ARGUMENT]
    if is_folder:
        hint = f"say what to draw:\n{EXAMPLE}"
    elif suffix in _PICTURES:
        hint = _offer("to change it", _with_prompt(typed, _CHANGE, ["--ref", word]), "give it with --ref")
    elif suffix == ".jsonl":
        hint = _offer("to make its pictures", ["batch", word], "give it to batch")
    else:
        text = "if it has a prompt a line, use batch; to draw its text"
        hint = _offer(text, ["--prompt-file", word, *rest], "give it with --prompt-file, or to batch")
    raise UsageError(f"{_show(word)} is a {'folder' if is_folder else 'file'}, not a prompt", hint=hint)


def _refuse_quoted_command(word: str, parts: Sequence[str], commands: Iterable[str]) -> None:
    """Refuse ``"doctor --live"`` and ``"batch jobs.txt"``: a command in quotes."""
    is_command = parts[0] in {*commands, "help", "version"}
    if is_command and (any(part[0] == "-" for part in parts[1:]) or (len(parts) == 2 and _is_path(parts[1]))):
        text = "to draw this, give it with --prompt; a command needs no quotes"
        raise UsageError(f"{_show(word)} looks like a command", hint=_offer(text, parts))


def _closest_command(word: str, commands: Iterable[str]) -> str | None:
    """Return the command that a mistyped word may mean."""
    return next(iter(find_closest(word, commands)), None) if len(word) > 2 else None


def _with_prompt(typed: Sequence[tuple[str, str]], prompt: str, extra: Sequence[str] = ()) -> list[str]:
    """Return the command line with this prompt in place of its arguments, and ``extra`` behind its options."""
    is_argument = prompt[:1] != "-" and (len(prompt.split()) > 1 or not prompt.isascii())
    options = [word for word, kind in typed if kind != ARGUMENT and word != "--"]
    return [*([prompt] if is_argument else ["--prompt", prompt]), *options, *extra]


def _leading_arguments(typed: Sequence[tuple[str, str]]) -> list[str]:
    return [word for word, _ in takewhile(lambda each: each[1] == ARGUMENT, typed)]


def _refs(files: Sequence[str]) -> list[str]:
    return [part for file in files for part in ("--ref", file)]


def _is_picture(word: str) -> bool:
    """Return whether a word names a picture, and is no sentence that ends in a file's name."""
    return word.lower().endswith(_PICTURES) and (len(word.split()) == 1 or _is_path(word))


def _is_path(word: str) -> bool:
    """Return whether a word names something that exists: a file, or a folder that is written with a slash."""
    path = os.path.expanduser(word) if word[:2] == "~/" else word
    return os.path.isfile(path) or (os.sep in path and os.path.exists(path))


def _offer(text: str, args: Sequence[str], otherwise: str | None = None) -> str:
    """Return a hint with a command to copy on its last line; ``otherwise`` if that is long."""
    command = render.shell_join([PROGRAM, *args])
    return f"{text}:\n{command}" if len(command) <= _MAX_COMMAND else otherwise or text


def _show(word: str) -> str:
    """Return a word as it is named in a message: quoted, and cut if it is long."""
    return repr(word if len(word) <= _MAX_SHOWN else f"{word[:_MAX_SHOWN]}…")
