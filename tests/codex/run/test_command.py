"""The command line that starts Codex, and arguments that are refused before."""

from __future__ import annotations

import json
import tomllib

import pytest

from codex_imagegen.codex.run import command
from codex_imagegen.errors import CodexMissing, UsageError
from codex_imagegen.request import ImageOptions


def executable(path, mode: int = 0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "prompt",
    ["a", "--help", "-p x", "-", "\"quotes\" 'and' `backticks` $HOME", "two\nlines", "狐 🦊 ثعلب", "x" * 1_048_576],
)
def test_prompt_is_sent_word_for_word(prompt: str):
    command.check_prompt(prompt)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        (" \n\t\u2003", "empty"),
        ("a\0b", "NUL"),
        ("x" * 1_048_577, "1,048,577 characters"),
        ("\udcff", "Unicode"),
    ],
)
def test_prompt_that_codex_would_not_take_is_refused(prompt: str, words: str):
    with pytest.raises(UsageError, match=words):
        command.check_prompt(prompt)


def test_codex_is_found_on_path(tmp_path):
    executable(tmp_path / "not" / "codex", 0o644)
    (tmp_path / "folder" / "codex").mkdir(parents=True)
    first = executable(tmp_path / "first" / "codex")
    executable(tmp_path / "second" / "codex")
    path = ":".join(str(tmp_path / name) for name in ("none", "not", "folder", "first", "second"))
    assert command.find_codex(None, {"PATH": path}) == str(first)
    executable(tmp_path / "second" / "codex-next")
    assert command.find_codex("codex-next", {"PATH": path}).endswith("second/codex-next")


def test_codex_is_found_by_path(tmp_path, monkeypatch):
    codex = executable(tmp_path / "my codex")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (str(codex), "./my codex", "~/my codex"):
        assert command.find_codex(given, {"PATH": ""}) == str(codex)


def test_codex_that_is_missing_raises(tmp_path):
    with pytest.raises(CodexMissing, match="no 'codex' is on PATH") as caught:
        command.find_codex(None, {"PATH": str(tmp_path)})
    assert "npm install -g @openai/codex" in str(caught.value.hint)
    with pytest.raises(CodexMissing, match="there is no Codex CLI at"):
        command.find_codex(str(tmp_path / "none"), {})
    with pytest.raises(CodexMissing, match="there is no Codex CLI at"):
        command.find_codex(str(tmp_path), {})
    executable(tmp_path / "plain", 0o644)
    with pytest.raises(CodexMissing, match="can't be executed"):
        command.find_codex(str(tmp_path / "plain"), {})


def test_environment_leaves_out_keys_that_would_be_billed():
    given = {"PATH": "/bin", "CODEX_HOME": "/h", "ODD": "x"}
    keys = {"CODEX_API_KEY": "x", "OPENAI_API_KEY": "x", "RUNCOMFY_TOKEN": "x", "RUNCOMFY_CONFIG_DIR": "x"}
    assert command.build_environment({**given, **keys}) == given


def settings(line: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word, before in zip(line[1:], line, strict=False) if before == "-c"]
    return {name: value for name, _, value in pairs}


def test_command_line_has_only_options_of_every_build():
    line = command.build_argv("/bin/codex", "/tmp/private")
    assert line[:2] == ["/bin/codex", "exec"]
    assert line[line.index("--sandbox") + 1] == "read-only"
    assert line[line.index("-C") + 1] == "/tmp/private"
    assert line[line.index("--enable") + 1] == "image_generation"
    assert {"--json", "--skip-git-repo-check"} <= set(line)
    assert "-" not in line
    assert "--full-auto" not in line


def test_references_take_one_argument_each():
    line = command.build_argv("codex", "/f", references=["/t/1.png", "/t/2.jpg"])
    assert [word for word in line if "1.png" in word or "2.jpg" in word] == ["--image=/t/1.png", "--image=/t/2.jpg"]
    assert "-i" not in line


def test_model_name_cannot_become_an_option():
    assert "--model=-x" in command.build_argv("codex", "/f", model="-x")
    assert not [word for word in command.build_argv("codex", "/f") if word.startswith("--model")]


def test_arguments_of_the_user_come_last():
    assert command.build_argv("codex", "/f", extra=["-c", "x=1"])[-2:] == ["-c", "x=1"]


def test_instructions_are_a_toml_string():
    image_options = ImageOptions(
        aspect_ratio="16:9", quality="high", transparent=True, size=(1024, 768), resolution="2k"
    )
    setting = settings(command.build_argv("codex", "/f", references=["/a"] * 3, image_options=image_options))[
        "developer_instructions"
    ]
    words = tomllib.loads(f"x = {setting}")["x"]
    assert json.loads(setting) == words
    for part in ("word for word", "all 3", "16:9", "high", "transparent", "1024", "768", "2K"):
        assert part in words


def test_instructions_name_only_options_that_were_given():
    words = command.build_instructions(0, ImageOptions())
    assert "reference" not in words
    assert "The picture should" not in words
    assert "  " not in words
    assert "{" not in words.replace(command.EXEC_TIMEOUT_PRAGMA, "")


def test_relative_codex_home_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.build_environment({"CODEX_HOME": "home"})["CODEX_HOME"] == str(tmp_path / "home")
    assert command.build_environment({"CODEX_HOME": ""})["CODEX_HOME"] == ""
