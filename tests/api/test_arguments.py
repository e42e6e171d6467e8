"""Invalid arguments: a UsageError with a hint, before anything is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

import codex_imagegen
from codex_imagegen import UsageError, api, options
from codex_imagegen.cli.commands.generate import OPTIONS


def refused(call, *given, **more):
    with pytest.raises(UsageError) as caught:
        call(*given, **more)
    assert caught.value.spent is False
    assert caught.value.hint
    return f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"out": "-"}, "stdout"),
        ({"out": 3}, "'out' must be a string"),
        ({"out": b"fox.png"}, "'out' must be a string"),
        ({"out": "\ud800.png"}, "'out' must be valid Unicode"),
        ({"refs": [3]}, "'refs' must be a list"),
        ({"size": (1024,)}, "'size' must be a string"),
        ({"size": (0, 5)}, "--size can't be '0x5'"),
        ({"size": (1.5, 5)}, "'size' must be a whole number"),
        ({"count": "3"}, "'count' must be a whole number"),
        ({"count": True}, "'count' must be a whole number"),
        ({"count": 0}, "--count can't be 0"),
        ({"jobs": 0}, "--jobs can't be 0"),
        ({"timeout_sec": "soon"}, "'timeout_sec' must be a number"),
        ({"force": "yes"}, "'force' must be true or false"),
        ({"fit": True}, "--fit needs a size"),
        ({"format": "gif"}, "--format can't be 'gif'"),
        ({"quality": "best"}, "--quality can't be 'best'"),
        ({"backend": "other"}, "no backend 'other'"),
        ({"model": 5}, "'model' must be a string"),
        ({"codex_args": [5]}, "'codex_args' must be a list"),
        ({"codex_home": 5}, "'codex_home' must be a string"),
        ({"codex_home": ""}, "'codex_home' must be the name of a folder"),
        ({"codex_home": "/no/such/folder"}, "the Codex home '/no/such/folder' is not a folder"),
        ({"codex_home": "/dev/null"}, "the Codex home '/dev/null' is not a folder"),
        ({"codex_home": "a\0b"}, "is not a folder"),
    ],
)
def test_wrong_argument_of_generate_is_a_usage_error(more, words):
    assert words in refused(codex_imagegen.generate, "a fox", **more)


@pytest.mark.parametrize("call", [codex_imagegen.generate, codex_imagegen.edit, codex_imagegen.batch])
def test_unknown_keyword_is_a_type_error(call):
    with pytest.raises(TypeError, match="qualty"):
        call("a fox", qualty="high")


@pytest.mark.parametrize("prompt", [None, 3, b"a fox", "\ud800"])
def test_prompt_that_is_no_text_is_a_usage_error(prompt):
    assert "'prompt' must be" in refused(codex_imagegen.generate, prompt)


@pytest.mark.parametrize("refs", [(), [], ""])
def test_edit_without_reference_is_a_usage_error(refs):
    assert "at least one reference" in refused(codex_imagegen.edit, "a fox", refs)


@pytest.mark.parametrize(
    ("jobs", "more", "words"),
    [
        ({"prompt": "a fox"}, {}, "'jobs' must be a file, or a list"),
        (3, {}, "'jobs' must be a file, or a list"),
        ([3], {}, "a job must be a prompt or a mapping"),
        ([{"prompt": "a", "refs": [b"x"]}], {}, "a job must be a prompt or a mapping"),
        ([], {}, "there are no jobs"),
        (["a fox", {"promt": "b"}], {"codex": "/bin/true"}, "line 2: 'promt' is not a key of a job"),
        (["a fox"], {"workers": 0}, "--jobs can't be 0"),
        (["a fox"], {"workers": "2"}, "'workers' must be a whole number"),
        (["a fox"], {"out_dir": 5}, "'out_dir' must be a string"),
        (["a fox"], {"codex_home": "/no/such/folder"}, "line 1: the Codex home '/no/such/folder' is not a folder"),
        ([{"prompt": "a", "count": 5}], {}, "line 1: 'count' can't be set for one job"),
        (["a fox"], {"size": "huge"}, "line 1: --size can't be 'huge'"),
        ("no-such-file", {}, "can't be read"),
        (Path("a\0b"), {}, "can't be read"),
    ],
)
def test_wrong_argument_of_batch_is_a_usage_error(jobs, more, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(codex_imagegen.batch, jobs, **more)
    assert [path.name for path in tmp_path.iterdir()] == ["own-home"]


@pytest.mark.parametrize(
    ("sessions", "more", "words"),
    [
        ((), {}, "say what to recover"),
        (("a",), {"last": True}, "contradict"),
        (("nonsense",), {}, "neither a thread id nor a rollout"),
        ((), {"last": True, "out": "a.png", "out_dir": "b"}, "contradict"),
        ((), {"last": True, "out": "-"}, "stdout"),
        ((), {"last": True, "size": "9x9"}, "already has a size"),
        ((), {"last": True, "fit": True}, "--fit needs a size"),
        ((), {"last": True, "force": "yes"}, "'force' must be true or false"),
        ((3,), {}, "'sessions' must be a list"),
        ((), {"last": True, "codex_home": "/no/such/folder"}, "the Codex home '/no/such/folder' is not a folder"),
    ],
)
def test_wrong_argument_of_recover_is_a_usage_error(sessions, more, words):
    assert words in refused(codex_imagegen.recover, *sessions, **more)


def test_every_option_of_the_command_is_an_argument_where_it_makes_sense():
    """Options of the command alone: sources of prompts, output formats, questions, and requests without a wait."""
    of_the_command = {option.name for option in OPTIONS}
    shown = {"prompt_file", "json_wanted", "events", "quiet", "verbose", "no_wait", "show", "open_wanted"}
    shown |= {"yes", "dry_run"}
    named = api.Options.__annotations__.keys() | {"prompt", "refs"}
    of_python_alone = {"on_event", "interrupt", "codex_home"}
    assert of_the_command - shown == named - of_python_alone
    assert named - {"on_event", "interrupt"} == options.TYPES.keys()
