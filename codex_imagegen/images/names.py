"""File names: a stem made of a prompt, and the next name that is free."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterator

MAX_CHARS = 60
MAX_BYTES = 120
"""In UTF-8; with a number and a suffix it still fits where a name has 143 bytes (encrypted folders)."""

DEFAULT = "image"
"""The stem where the prompt has no letter and no digit, or is a name that Windows reserves."""

_RESERVED = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9¹²³]")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing, such as the Hangul fillers and the variation selectors."""
_READ_CHARS = 1000
"""Characters of the prompt from its first letter on; all that a name can show is among them."""


def prompt_stem(prompt: str) -> str:
    """The beginning of the prompt as a file name without a suffix, or :data:`DEFAULT`.

    Letters and digits of any script are kept, in lower case and composed (NFC), each with its marks; everything else
    becomes one ``-``. It has at most 60 characters and 120 bytes, and ends with a word where one fits.
    """
    start = next((index for index, character in enumerate(prompt) if character.isalnum()), len(prompt))
    text = unicodedata.normalize("NFC", prompt[start : start + _READ_CHARS]).lower()
    words = "".join(_filtered(unicodedata.normalize("NFC", text))).split()
    stem = _join(words)
    return DEFAULT if not stem or _RESERVED.fullmatch(stem) or not _is_encodable(stem) else stem


def free_names(path: str, first: int = 2) -> Iterator[str]:
    """The names ``stem-2.png``, ``stem-3.png``, … of ``path``, from the number ``first`` on, that are free."""
    stem, suffix = os.path.splitext(path)
    names = (f"{stem}-{number}{suffix}" for number in itertools.count(first))
    return (name for name in names if not os.path.lexists(name))


def free_name(path: str) -> str:
    """``path``, or where it is taken the first of :func:`free_names`."""
    return next(free_names(path)) if os.path.lexists(path) else path


def free_series(path: str) -> str:
    """The first of ``stem.png``, ``stem-2.png``, … that has no numbered name (``stem-1.png``, …) in its folder."""
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    numbered = re.compile(rf"{re.escape(_fold(stem))}(?:-([0-9]+))?-[0-9]+{re.escape(_fold(suffix))}")
    taken = {int(found[1] or 1) for entry in _list(folder) if (found := numbered.fullmatch(_fold(entry)))}
    number = next(number for number in itertools.count(1) if number not in taken)
    return path if number == 1 else os.path.join(folder, f"{stem}-{number}{suffix}")


def _filtered(text: str) -> Iterator[str]:
    """The characters of the words, and a space for every other one."""
    previous = " "
    for character in text:
        is_mark = previous != " " and unicodedata.category(character) in {"Mn", "Mc"}
        kept = (character.isalnum() or is_mark) and not _INVISIBLE.match(character)
        previous = character if kept else " "
        yield previous


def _join(words: list[str]) -> str:
    """The words that fit, joined; of a first word that is too long, its beginning."""
    stem = ""
    for word in words:
        longer = f"{stem}-{word}" if stem else word
        if len(longer) > MAX_CHARS or len(longer.encode()) > MAX_BYTES:
            return stem or _cut(word)
        stem = longer
    return stem


def _cut(word: str) -> str:
    """The beginning of a word, as long as it may be; a letter keeps its marks or is left out with them."""
    end = min(len(word), MAX_CHARS)
    while len(word[:end].encode()) > MAX_BYTES:
        end -= 1
    whole = end
    while whole < len(word) and whole > 0 and unicodedata.category(word[whole]).startswith("M"):
        whole -= 1
    return word[: whole or end]


def _is_encodable(stem: str) -> bool:
    """Whether a file name can hold it; in the ASCII locale only ASCII can be encoded."""
    try:
        os.fsencode(stem)
    except UnicodeEncodeError:
        return False
    return True


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it does not exist yet, or can't be read: the names are claimed when they are written
        return []


def _fold(name: str) -> str:
    """The name as a file system compares it that ignores case and composition."""
    return unicodedata.normalize("NFC", name).casefold()
