"""File names made of prompts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import unicodedata

import pytest

from codex_imagegen.images import names
from codex_imagegen.images.names import prompt_stem


@pytest.mark.parametrize(("prompt", "stem"), [
    ("a red fox in the snow", "a-red-fox-in-the-snow"),
    ("  A  Red\tFox,\n(asleep)!  ", "a-red-fox-asleep"),
    ("Ein Füchslein ÄÖÜß", "ein-füchslein-äöüß"),
    ("Лиса 2", "лиса-2"),
    ("一只狐狸,雪地", "一只狐狸-雪地"),
    ("नमस्ते दुनिया", "नमस्ते-दुनिया"),
    ("ثعلب في الثلج", "ثعلب-في-الثلج"),
    ("fu\u0308chse", "füchse"),
    ("İstanbul", "i̇stanbul"),
    ("snake_case and kebab-case", "snake-case-and-kebab-case"),
    ("../../etc/passwd", "etc-passwd"),
    ("-rf ~ $HOME; `rm` \"x\"", "rf-home-rm-x"),
    ("fox.", "fox"),
    ("a\0b\x1b[31mc", "a-b-31mc"),
    ("\u202eabc\u2066 d\u200be\ufeff", "abc-d-e"),
    ("fox 🦊 and 👩‍👧", "fox-and"),
    ("1\ufe0f\u20e3 fox", "1-fox"),
    ("a\udcff b", "a-b"),
    ("console", "console"),
])  # fmt: skip
def test_stem_has_the_letters_and_digits_of_the_prompt(prompt, stem):
    assert prompt_stem(prompt) == unicodedata.normalize("NFC", stem)


@pytest.mark.parametrize(
    "prompt",
    ["", "🦊🦊", "...", "\0", "\u0301\u0301", "\u3164\u3164", "CON", "con.", "Nul", "Aux!", "COM1", "lpt9", "com²"],
)
def test_stem_of_nothing_or_of_a_reserved_name_is_image(prompt):
    assert prompt_stem(prompt) == "image"


@pytest.mark.parametrize(("prompt", "stem"), [
    ("a" * 60, "a" * 60),
    ("a" * 61, "a" * 60),
    ("fox " + "b" * 60, "fox"),
    ("a" * 58 + " b c", "a" * 58 + "-b"),
    ("狐" * 100, "狐" * 40),
    ("狐" * 39 + " 雪 雪", "狐" * 39),
    ("狐" * 38 + " 雪 雪", "狐" * 38 + "-雪"),
    ("a" * 59 + "q\u0323\u0307", "a" * 59),
])  # fmt: skip
def test_stem_is_cut_at_a_word_and_before_a_letter_with_its_marks(prompt, stem):
    found = prompt_stem(prompt)
    assert found == stem
    assert len(found) <= 60
    assert len(found.encode()) <= 120


def test_stem_of_one_letter_with_many_marks_is_short():
    assert 1 < len(prompt_stem("q" + "\u0323" * 200)) <= 60


@pytest.mark.parametrize("filler", ["! ", "\u0301", "a\u0323\u0307", "fox ", "狐"])
def test_stem_of_the_longest_prompt_takes_no_time(filler):
    started = time.process_time()
    assert prompt_stem((filler * 1_048_576)[: 1_048_576 - 4] + " fox")
    assert time.process_time() - started < 1


def test_stem_in_an_ascii_locale_can_be_written():
    """There, no path could hold the letters."""
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code = "from codex_imagegen.images.names import prompt_stem as stem; print(stem('\\u72d0'), stem('a fox'))"
    done = subprocess.run([sys.executable, "-c", code], env=ascii_only, capture_output=True, check=True)
    assert done.stdout == b"image a-fox\n"


def test_free_name_is_the_first_that_nothing_has(tmp_path):
    path = str(tmp_path / "fox.png")
    assert names.free_name(path) == path
    (tmp_path / "fox.png").mkdir()
    (tmp_path / "fox-2.png").symlink_to("nowhere")
    assert names.free_name(path) == str(tmp_path / "fox-3.png")


def test_series_in_a_missing_folder_is_free(tmp_path):
    assert names.free_series(str(tmp_path / "none" / "fox.png")) == str(tmp_path / "none" / "fox.png")
